//! The store: journal, records, checkpoints, recovery, verify and repair.
//!
//! The journal is the source of truth: append-only, checksummed, one `fdatasync` per group before anyone
//! is answered. Records are what it amounts to, packed in sled, written by one thread. Only this crate
//! names sled and rmp.

pub mod disk;
pub mod journal;
pub mod packed;
pub mod records;
pub mod repair;
pub mod seq;
pub mod shelf;
pub mod store;
pub mod verify;
