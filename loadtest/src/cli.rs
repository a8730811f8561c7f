//! The command line: one file per command, options and what they set in motion.

pub mod batches;
pub mod callbacks;
pub mod carriers;
pub mod inbound;
pub mod populate;
pub mod replay;
pub mod send;
pub mod sink;

/// What a command ends with when it cannot do its work.
pub type AnyError = Box<dyn std::error::Error>;
