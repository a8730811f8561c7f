//! The segment that is written, the next one that stands ready, and the room for both.

use std::{
    hash::{BuildHasher, RandomState},
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    error::FatalJournal,
    format::{SEGMENT_HEADER_BYTES, SegmentHeader, segment_name},
    kept::{Kept, KeptSegment},
    progress::{Progress, Room},
    settings::JournalSettings,
};
use crate::{
    disk::{Disk, DiskFile},
    seq::Seq,
};

/// Is the name of the segment that stands ready, until its first seq is known.
const SPARE_FILE: &str = "next.spare";
/// Is the name of a segment made for one group longer than a segment.
const LARGE_FILE: &str = "large.spare";

/// Is the longest time between two looks at the room.
const ROOM_CHECK_MS: u64 = 500;
pub(super) const ROOM_CHECK: Duration = Duration::from_millis(ROOM_CHECK_MS);

/// Is the segment that is written.
pub(super) struct Segment {
    pub(super) file: Arc<dyn DiskFile>,
    pub(super) name: String,
    pub(super) header: SegmentHeader,
    pub(super) len_bytes: u64,
    /// Where the next frame starts.
    pub(super) offset: u64,
}

/// Owns the files that the writer writes.
pub(super) struct Space {
    disk: Arc<dyn Disk>,
    settings: JournalSettings,
    progress: Arc<Progress>,
    kept: Arc<Kept>,
    current: Segment,
    spare: Option<Arc<dyn DiskFile>>,
    spare_refused: bool,
    checked: Option<Instant>,
}

/// Removes segments that were made ready and never used, and makes the directory durable: an
/// earlier process may have ended before it synced a segment's name.
pub(super) fn remove_spares(disk: &dyn Disk) -> io::Result<()> {
    for name in disk.names()? {
        if name == SPARE_FILE || name == LARGE_FILE {
            disk.remove(&name)?;
        }
    }
    disk.sync_dir()
}

/// Makes the first segment of an empty journal.
pub(super) fn first_segment(disk: &dyn Disk, len_bytes: u64) -> io::Result<Segment> {
    let file = allocate(disk, SPARE_FILE, len_bytes)?;
    install(disk, SPARE_FILE, file, len_bytes, Seq(1))
}

/// Allocates a file and makes its length durable, so that only data is left to be synced later.
fn allocate(disk: &dyn Disk, name: &str, len_bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
    let file = disk.create(name, len_bytes)?;
    file.sync_data()?;
    Ok(file)
}

/// Turns an allocated file into a segment. Its header is durable before its name is, and its
/// name before any frame is written: a crash leaves a whole segment or none.
fn install(
    disk: &dyn Disk,
    spare: &str,
    file: Arc<dyn DiskFile>,
    len_bytes: u64,
    first: Seq,
) -> io::Result<Segment> {
    let salt = RandomState::new().hash_one(first);
    let header = SegmentHeader { first, salt };
    file.write_at(&header.encode(), 0)?;
    file.sync_data()?;
    let name = segment_name(first);
    disk.rename(spare, &name)?;
    disk.sync_dir()?;
    Ok(Segment {
        file,
        name,
        header,
        len_bytes,
        offset: SEGMENT_HEADER_BYTES,
    })
}

impl Space {
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        settings: JournalSettings,
        progress: Arc<Progress>,
        kept: Arc<Kept>,
        current: Segment,
    ) -> Self {
        Self {
            disk,
            settings,
            progress,
            kept,
            current,
            spare: None,
            spare_refused: false,
            checked: None,
        }
    }

    /// Makes sure that the current segment has room for a frame of that length.
    pub(super) fn fit(&mut self, frame_bytes: u64, first: Seq) -> Result<(), FatalJournal> {
        if self.current.offset + frame_bytes <= self.current.len_bytes {
            return Ok(());
        }
        let segment =
            self.next_segment(frame_bytes, first)
                .map_err(|source| FatalJournal::Segment {
                    file: self.disk.label(&segment_name(first)),
                    seq: first,
                    source,
                })?;
        self.kept.push(KeptSegment {
            first,
            len_bytes: segment.len_bytes,
        });
        self.current = segment;
        Ok(())
    }

    fn next_segment(&mut self, frame_bytes: u64, first: Seq) -> io::Result<Segment> {
        let disk = &*self.disk;
        let needed = SEGMENT_HEADER_BYTES + frame_bytes;
        if needed > self.settings.segment_bytes {
            let file = allocate(disk, LARGE_FILE, needed)?;
            return install(disk, LARGE_FILE, file, needed, first);
        }
        let len_bytes = self.settings.segment_bytes;
        let file = match self.spare.take() {
            Some(file) => file,
            None => allocate(disk, SPARE_FILE, len_bytes)?,
        };
        install(disk, SPARE_FILE, file, len_bytes, first)
    }

    pub(super) fn salt(&self) -> u64 {
        self.current.header.salt
    }

    /// Writes a frame that fits and makes it durable.
    pub(super) fn write(&mut self, frame: &[u8], first: Seq) -> Result<(), FatalJournal> {
        let segment = &mut self.current;
        if let Err(source) = segment.file.write_at(frame, segment.offset) {
            return Err(FatalJournal::Write {
                file: self.disk.label(&segment.name),
                seq: first,
                source,
            });
        }
        if let Err(source) = segment.file.sync_data() {
            return Err(FatalJournal::Sync {
                file: self.disk.label(&segment.name),
                seq: first,
                source,
            });
        }
        segment.offset += frame.len() as u64;
        Ok(())
    }

    /// Makes the next segment ready once the current one is half full, and looks from time to
    /// time whether there is room for new work.
    pub(super) fn maintain(&mut self) {
        let due = self
            .checked
            .is_none_or(|checked| checked.elapsed() >= ROOM_CHECK);
        let wanted = self.spare.is_none() && self.current.offset >= self.current.len_bytes / 2;
        if wanted && (due || !self.spare_refused) {
            self.make_spare();
        } else if !wanted {
            self.spare_refused = false;
        }
        if due || self.spare_refused {
            self.judge_room(due);
        }
    }

    fn make_spare(&mut self) {
        match allocate(&*self.disk, SPARE_FILE, self.settings.segment_bytes) {
            Ok(file) => {
                self.spare = Some(file);
                self.spare_refused = false;
            }
            Err(error) => {
                if !self.spare_refused {
                    tracing::warn!(%error, "the next journal segment cannot be allocated");
                }
                self.spare_refused = true;
                // Half made, it would be in the way of the next attempt.
                drop(self.disk.remove(SPARE_FILE));
            }
        }
    }

    fn judge_room(&mut self, due: bool) {
        let mut room = Room::Enough;
        if due {
            self.checked = Some(Instant::now());
            let free_bytes = self.disk.free_bytes().unwrap_or_else(|error| {
                tracing::warn!(%error, "the free space of the journal's disk is not known");
                0
            });
            if free_bytes < self.settings.free_bytes_min {
                room = Room::Short;
            }
        }
        if self.spare_refused {
            room = Room::Short;
        }
        if room == self.progress.room() {
            return;
        }
        match room {
            Room::Short => tracing::warn!("the journal's disk is short of room, refusing new work"),
            Room::Enough => tracing::info!("the journal's disk has room again"),
        }
        self.progress.set_room(room);
    }
}
