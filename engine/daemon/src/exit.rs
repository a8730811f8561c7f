//! Exit codes: each says whose fault it was and what helps.

/// A command was refused, or an audit found a breach.
pub(crate) const REFUSED: u8 = 1;
/// The command line or the settings are wrong.
pub(crate) const USAGE: u8 = 2;
/// The data directory does not open, or is not sound: the message says what to do.
pub(crate) const STORE: u8 = 66;
/// No daemon answers at the operators' listener.
pub(crate) const UNREACHABLE: u8 = 69;
/// Something inside failed; a restart recovers.
pub(crate) const INTERNAL: u8 = 70;
/// An address cannot be listened on.
pub(crate) const LISTEN: u8 = 71;
/// A commit failed: nothing was acknowledged after it, and a restart recovers.
pub(crate) const COMMIT: u8 = 74;
