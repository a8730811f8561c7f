//! What the journal can be told.

use std::{fmt, sync::Arc};

use super::{
    error::FatalJournal,
    format::{FRAME_ALIGN_BYTES, aligned},
};

/// Bounds a segment from below: its header and a few small frames must fit.
pub const SEGMENT_BYTES_MIN: u64 = 1 << 10;
/// Bounds a group from above, so that a frame's length fits its four bytes.
pub const GROUP_BYTES_LIMIT: u64 = 1 << 30;

/// Is called once, by the writer's thread, when nothing can become durable any more.
pub type OnFatal = Arc<dyn Fn(FatalJournal) + Send + Sync>;

/// Is what the journal can be told.
#[derive(Clone)]
pub struct JournalSettings {
    /// Length of a segment file; at least [`SEGMENT_BYTES_MIN`].
    pub segment_bytes: u64,
    /// Bound of one group; the entries beyond it wait for the next. At most
    /// [`GROUP_BYTES_LIMIT`]; a single longer entry is a group of its own.
    pub group_bytes_max: u64,
    /// Bound of the segments kept although the records no longer need them.
    pub keep_bytes: u64,
    /// Bound of the file system's free bytes below which room is short.
    pub free_bytes_min: u64,
    /// Is told why the writer has stopped. The process should end there: its states are ahead
    /// of the disk.
    pub on_fatal: OnFatal,
}

impl Default for JournalSettings {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            group_bytes_max: 8 << 20,
            keep_bytes: 1 << 30,
            free_bytes_min: 512 << 20,
            on_fatal: Arc::new(|_| {}),
        }
    }
}

impl JournalSettings {
    /// Returns the settings with every number inside its bounds.
    pub(crate) fn bounded(mut self) -> Self {
        let longest = u64::MAX - FRAME_ALIGN_BYTES;
        self.segment_bytes = aligned(self.segment_bytes.clamp(SEGMENT_BYTES_MIN, longest));
        self.group_bytes_max = self.group_bytes_max.min(GROUP_BYTES_LIMIT);
        self
    }
}

impl fmt::Debug for JournalSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JournalSettings")
            .field("segment_bytes", &self.segment_bytes)
            .field("group_bytes_max", &self.group_bytes_max)
            .field("keep_bytes", &self.keep_bytes)
            .field("free_bytes_min", &self.free_bytes_min)
            .finish_non_exhaustive()
    }
}
