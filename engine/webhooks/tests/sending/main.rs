//! Attempts against real servers on loopback.

mod answers;
mod connections;
mod fetching;
mod guarding;
mod secure;
mod server;
mod signatures;
mod sink;
