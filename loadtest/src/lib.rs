//! The load test: sends messages over HTTP the way a customer does, and asks back for every one that was accepted.
//!
//! Sees nothing of the engine but its public API: no engine crate is imported here. The client is written by hand
//! over one keep-alive connection per request in flight, because it shares its cores with the daemon that it measures.
//!
//! - [`send()`]: a fixed schedule of arrivals (open loop) or as fast as the answers come (closed loop).
//! - [`reconcile()`]: reads accepted messages back and counts what is lost, doubled or misreported.
//! - [`populate()`]: exactly one message to each of many peers.
//! - [`get`]: one plain read, for readiness and metrics.

pub mod connection;
pub mod gate;
pub mod ledger;
pub mod peers;
pub mod populate;
pub mod reconcile;
pub mod report;
pub mod request;
pub mod response;
pub mod send;
pub mod tally;
pub mod target;
pub mod workers;

pub use connection::{ExchangeError, get};
pub use gate::Pace;
pub use ledger::Accepted;
pub use peers::{Fate, Peers};
pub use populate::{PopulateOutcome, PopulatePlan, PopulateReport, populate};
pub use reconcile::{Expectation, ReconcilePlan, ReconcileReport, reconcile, sample};
pub use report::{LatencyReport, SendReport};
pub use request::{BodyText, Sender};
pub use send::{SendOutcome, SendPlan, send};
pub use target::Target;
