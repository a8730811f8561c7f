//! The load test: a customer, and the carriers on the other side.
//!
//! Sees nothing of the engine but what the outside sees: HTTP and SMPP. Of the workspace it uses the domain's values
//! only. The HTTP client is written by hand over one keep-alive connection per request in flight, because it shares its
//! cores with the daemon that it measures.
//!
//! - [`send()`]: a fixed schedule of arrivals (open loop) or as fast as the answers come (closed loop).
//! - [`reconcile()`]: reads accepted messages back and counts what is lost, doubled or misreported.
//! - [`populate()`]: exactly one message to each of many peers.
//! - [`batches()`]: documents and streams of rows.
//! - [`carriers`]: the other side of every protocol.
//! - [`callbacks`]: floods of carriers' callbacks, and the full circle.
//! - [`inbound`]: floods of inbound messages that say when they were due.
//! - [`replay`](mod@replay): captured callbacks sent again.
//! - [`sink`]: a receiver of webhooks.
//! - [`get`]: one plain read, for readiness and metrics.

pub mod batches;
pub mod callbacks;
pub mod capture;
pub mod carriers;
pub mod connection;
pub mod dice;
pub mod form;
pub mod gate;
pub mod inbound;
pub mod ledger;
pub mod outcome;
pub mod peers;
pub mod populate;
pub mod reading;
pub mod reconcile;
pub mod replay;
pub mod report;
pub mod request;
pub mod response;
pub mod send;
pub mod signature;
pub mod sink;
pub mod tally;
pub mod target;
pub mod workers;

pub use batches::{BatchesPlan, BatchesReport, batches};
pub use carriers::{Carriers, CarriersPlan};
pub use connection::{ExchangeError, get};
pub use gate::Pace;
pub use ledger::Accepted;
pub use peers::{Fate, Peers};
pub use populate::{PopulateOutcome, PopulatePlan, PopulateReport, populate};
pub use reconcile::{Expectation, ReconcilePlan, ReconcileReport, reconcile, sample};
pub use report::{LatencyReport, SendReport};
pub use request::{BodyText, Sender};
pub use send::{SendOutcome, SendPlan, send};
pub use signature::Keys;
pub use sink::{Sink, SinkPlan};
pub use target::Target;
