//! The HTTP face of didfarm: customers' API, carriers' callbacks, operators' endpoints.
//!
//! The engine is reached only through `didfarm_runtime::EngineHandle`. The JSON that the outside sees is
//! made of types of this crate alone (`present`), and one file turns errors into HTTP (`problem`).
//! Handlers hold no state: what they share is one [`Rc`](std::rc::Rc) per worker.

mod api;
mod auth;
mod body;
mod callbacks;
mod capture;
mod carriers;
mod cursor;
mod exchange;
mod fields;
mod front;
mod idempotency;
mod json;
#[cfg(test)]
mod kit;
mod limit;
mod metrics;
mod ops;
mod present;
pub mod problem;
mod query;
mod request_id;
mod server;
mod twilio;

pub use callbacks::meters::{CALLBACK_ELEMENTS_TOTAL, CALLBACKS_TOTAL};
pub use capture::meters::{
    CAPTURE_DROPPED_TOTAL, CAPTURE_QUEUE_BYTES, CAPTURE_QUEUE_OLDEST_SECONDS, CAPTURE_RUNNING,
};
pub use metrics::{REQUEST_SECONDS, REQUESTS_TOTAL};
pub use server::{api_server, ops_server};

#[cfg(test)]
mod tests;
