//! The kit of the journeys: a real daemon in a process of its own, spoken to over real HTTP.
//!
//! Its functions are for tests: what must hold and does not makes them panic with a sentence, and a
//! daemon that is dropped by a panic shows its stderr. Nothing here waits for a fixed time:
//! [`wait::eventually`] looks at a condition until a bound.

pub mod crash;
pub mod customer;
pub mod daemon;
pub mod faults;
pub mod http;
pub mod lines;
pub mod machine;
pub mod mail;
pub mod operator;
pub mod options;
pub mod peers;
pub mod process;
pub mod program;
pub mod scrape;
pub mod twilio;
pub mod wait;
pub mod webhooks;
pub mod world;
