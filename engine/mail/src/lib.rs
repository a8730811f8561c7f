//! Mail: how messages are written, how they leave, and how replies come in.
//!
//! Nothing here has a queue, an actor or a journal: those are the runtime's. It keeps a mail until
//! [`smtp`] or [`maildir`] has taken it, and asks [`retry`] when to come again. Replies arrive by
//! [`lmtp`] or in a maildir; [`reply`] reads them, and [`token`] says whom they answer.

pub mod address;
pub mod body;
pub mod compose;
pub mod forwarded;
pub mod lmtp;
pub mod maildir;
pub mod notice;
pub mod reply;
pub mod retry;
pub mod smtp;
pub mod text;
pub mod token;
