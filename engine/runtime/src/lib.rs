//! The runtime: actors around core's states, their supervisors, and the one door for everyone outside.
//!
//! On a message an actor takes the time, decides, evolves, hands the events to the journal, and performs
//! the effects once the journal says that they are durable. Nothing that the outside can see happens
//! before. Only this crate names actix and governor.

mod abuse;
pub mod account;
mod actors;
mod admission;
mod bars;
pub mod batches;
mod callback;
pub mod carriers;
pub mod clock;
pub mod consent;
mod directory;
pub mod engine;
pub mod fault;
pub mod handle;
pub mod health;
pub mod idempotency;
mod inbox;
mod limiter;
pub mod limits;
pub mod mails;
mod meters;
mod offers;
pub mod operate;
mod outbox;
pub mod pools;
mod quarantine;
pub mod quote;
pub mod read;
mod readers;
pub mod receive;
mod renewals;
mod replies;
mod restarts;
pub mod schedule;
pub mod send;
mod shared;
mod upkeep;
pub mod wallet;
pub mod webhooks;

pub use engine::Engine;
pub use handle::EngineHandle;
