//! The list of the segments that are kept, and the removal of those that may go.

use std::{collections::VecDeque, sync::Mutex};

use super::{error::JournalTrimError, format::segment_name, progress::lock};
use crate::{disk::Disk, seq::Seq};

/// Is one segment file on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeptSegment {
    pub(super) first: Seq,
    pub(super) len_bytes: u64,
}

/// Lists the segments from the oldest to the one that is written.
pub(super) struct Kept {
    segments: Mutex<VecDeque<KeptSegment>>,
    /// Lets one trim run at a time without holding up the writer.
    trimming: Mutex<()>,
}

impl Kept {
    pub(super) fn new(segments: VecDeque<KeptSegment>) -> Self {
        Self {
            segments: Mutex::new(segments),
            trimming: Mutex::new(()),
        }
    }

    /// Notes the segment that is written from now on; an empty one of the same seq is replaced.
    pub(super) fn push(&self, segment: KeptSegment) {
        let mut segments = lock(&self.segments);
        if segments.back().is_some_and(|s| s.first == segment.first) {
            segments.pop_back();
        }
        segments.push_back(segment);
    }

    pub(super) fn first(&self) -> Seq {
        lock(&self.segments).front().map_or(Seq(1), |s| s.first)
    }

    /// Returns how many segments there are and how long they are together.
    pub(super) fn totals(&self) -> (u64, u64) {
        let segments = lock(&self.segments);
        let bytes = segments.iter().map(|s| s.len_bytes).sum();
        (segments.len() as u64, bytes)
    }

    /// Removes the segments whose entries are all `<= upto`, oldest first, but for the newest
    /// of them while they are no longer than `keep_bytes` together; returns how many.
    pub(super) fn trim(
        &self,
        disk: &dyn Disk,
        upto: Seq,
        keep_bytes: u64,
    ) -> Result<usize, JournalTrimError> {
        let _trimming = lock(&self.trimming);
        let gone = self.take_free(upto, keep_bytes);
        for (index, segment) in gone.iter().enumerate() {
            let name = segment_name(segment.first);
            // The directory is synced after each, so that no crash leaves a hole between two.
            if let Err(source) = disk.remove(&name).and_then(|()| disk.sync_dir()) {
                self.put_back(disk, &gone[index..]);
                return Err(JournalTrimError {
                    file: disk.label(&name),
                    source,
                });
            }
        }
        Ok(gone.len())
    }

    fn take_free(&self, upto: Seq, keep_bytes: u64) -> Vec<KeptSegment> {
        let mut segments = lock(&self.segments);
        // A segment ends where the next one starts; the last one is never free to go.
        let free = (1..segments.len())
            .take_while(|next| segments[*next].first.previous() <= upto)
            .count();
        let mut kept_bytes = 0_u64;
        let kept = (0..free)
            .rev()
            .take_while(|index| {
                kept_bytes = kept_bytes.saturating_add(segments[*index].len_bytes);
                kept_bytes <= keep_bytes
            })
            .count();
        segments.drain(..free - kept).collect()
    }

    fn put_back(&self, disk: &dyn Disk, left: &[KeptSegment]) {
        let names = disk.names().unwrap_or_default();
        let mut segments = lock(&self.segments);
        for segment in left.iter().rev() {
            if names.contains(&segment_name(segment.first)) {
                segments.push_front(*segment);
            }
        }
    }
}
