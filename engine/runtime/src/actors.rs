//! The actors: shells around core's states, one file each.

pub(crate) mod account;
pub(crate) mod conversation;
pub(crate) mod delivery;
pub(crate) mod mails;
pub(crate) mod number;
pub(crate) mod partition;
pub(crate) mod root;
pub(crate) mod webhooks;
