//! The domain of didfarm: values, states, and the pure `decide` and `evolve` of every entity.
//!
//! Nothing in this crate has a clock, randomness, I/O or an actor: the time and fresh ids come in as
//! arguments, so that every rule can be enumerated in a test and replayed from the journal.

pub mod abuse;
pub mod account;
pub mod add_on;
pub mod auto_reply;
pub mod batch;
pub mod channel;
pub mod consent;
pub mod content;
pub mod conversation;
pub mod delivery;
pub mod e164;
pub mod event;
pub mod folded;
pub mod hours;
pub mod idempotency;
pub mod ids;
pub mod mail;
pub mod message;
pub mod money;
pub mod number;
pub mod parts;
pub mod peer;
pub mod pool;
pub mod price;
pub mod quiet;
pub mod reason;
pub mod refusal;
pub mod route;
pub mod schedule;
pub mod segments;
pub mod spending;
pub mod time;
pub mod webhook;
