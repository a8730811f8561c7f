//! Whether the engine takes new work, and why not.

/// What readiness says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// New work is taken.
    Ready,
    /// The daemon is still recovering.
    Starting,
    /// The disk has no room for new work.
    DiskShort,
    /// The daemon is stopping.
    Draining,
    /// The records are too far behind the journal.
    RecordsBehind,
}

impl Readiness {
    /// The word in `/readyz`.
    pub fn as_str(self) -> &'static str {
        match self {
            Readiness::Ready => "ready",
            Readiness::Starting => "starting",
            Readiness::DiskShort => "disk_short",
            Readiness::Draining => "draining",
            Readiness::RecordsBehind => "records_behind",
        }
    }
}
