//! The benches: each holds the real daemon, or a part of its path, against a floor measured in the same run.
//!
//! One module is one bench; [`child`], [`daemon`], [`echo`], [`load`] and [`machine`] are what they share. A bench
//! asserts inside itself that what it measured has really happened, and prints a Markdown block for `RESULTS.md`.

pub mod callbacks;
pub mod child;
pub mod conversations;
pub mod daemon;
pub mod echo;
pub mod floor_echo;
pub mod journal_floor;
pub mod load;
pub mod machine;
pub mod recovery;
pub mod sends;
pub mod simulator;
pub mod space;
pub mod webhooks;
