//! The load test against a stand-in server: what it counts, what it measures and what it finds.

mod command;
mod populate;
mod reconcile;
mod send;
mod stand_in;
