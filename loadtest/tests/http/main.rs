//! The load test against stand-in servers: what it sends, what it counts, what it measures and what it finds.

mod carriers;
mod circle;
mod client;
mod command;
mod faults;
mod flood;
mod inbound;
mod populate;
mod reconcile;
mod replay;
mod send;
mod sink;
mod smpp;
mod stand_in;
mod webhook;
