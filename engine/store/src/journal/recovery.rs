//! Makes the journal of an earlier run ready for writing, or says why it cannot be.

use std::{collections::VecDeque, io, sync::Arc};

use serde::de::DeserializeOwned;

use super::{
    chain::{TornTail, segments},
    clean::{self, CLEAN_FILE},
    error::JournalOpenError,
    format::segment_name,
    kept::KeptSegment,
    reader::JournalReader,
    segment::SegmentReader,
    settings::JournalSettings,
    space::{Segment, first_segment, remove_spares},
};
use crate::{
    disk::{Access, Disk, DiskFile},
    seq::Seq,
};

/// Is how much is written at once where a torn tail is zeroed.
const ZERO_CHUNK_BYTES: usize = 1 << 16;

/// Is a journal that is ready for writing.
pub(super) struct Recovered {
    pub(super) segment: Segment,
    pub(super) kept: VecDeque<KeptSegment>,
    pub(super) last: Seq,
}

/// Checks everything first, and changes the disk only if all of it is right.
pub(super) fn recover<E: DeserializeOwned>(
    disk: &Arc<dyn Disk>,
    settings: &JournalSettings,
    checkpoint: Seq,
) -> Result<Recovered, JournalOpenError> {
    let mut reader = JournalReader::<E>::open(Arc::clone(disk), checkpoint.next())?;
    while reader.next_group(Seq::MAX)?.is_some() {}

    let end = reader.chain().segment();
    let last = end.map_or(Seq::ZERO, |segment| segment.expected.previous());
    let file = disk.label(end.map_or("", |segment| &segment.name));
    if last < checkpoint {
        return Err(JournalOpenError::BehindRecords {
            file,
            last,
            checkpoint,
        });
    }
    let failed = |name: &str, source| JournalOpenError::Io {
        file: disk.label(name),
        seq: last.next(),
        source,
    };
    let closed = clean::read(&**disk).map_err(|source| failed(CLEAN_FILE, source))?;
    if let Some(closed) = closed.filter(|closed| last < *closed) {
        return Err(JournalOpenError::TailLost { file, last, closed });
    }

    remove_spares(&**disk).map_err(|source| failed("", source))?;
    let segment = match end {
        None => first_segment(&**disk, settings.segment_bytes),
        Some(end) => settle(&**disk, end, reader.torn_tail()),
    };
    let segment = segment.map_err(|source| failed(end.map_or("", |end| &end.name), source))?;
    remove_mark(&**disk).map_err(|source| failed(CLEAN_FILE, source))?;
    let kept = list_kept(&**disk).map_err(|source| failed("", source))?;
    Ok(Recovered {
        segment,
        kept,
        last,
    })
}

/// Makes the last segment durable as it was read, without its torn tail.
///
/// The last frame is written once more: an earlier process may have ended between its write and
/// its sync, or after a failed sync, which leaves bytes that reading shows and that no later
/// sync would write.
fn settle(disk: &dyn Disk, end: &SegmentReader, torn: Option<&TornTail>) -> io::Result<Segment> {
    let file = disk.open(&end.name, Access::Write)?;
    if let Some((offset, bytes)) = end.frame {
        let mut frame = vec![0; bytes.min(end.len_bytes - offset) as usize];
        let count = file.read_at(&mut frame, offset)?;
        file.write_at(&frame[..count], offset)?;
    }
    if let Some(torn) = torn {
        zero(&*file, torn.offset, torn.offset + torn.bytes)?;
        tracing::warn!(
            segment = torn.segment,
            offset = torn.offset,
            bytes = torn.bytes,
            "cut a torn tail that was never acknowledged"
        );
    }
    file.sync_data()?;
    Ok(Segment {
        file,
        name: end.name.clone(),
        header: end.header,
        len_bytes: end.len_bytes,
        offset: end.offset,
    })
}

fn zero(file: &dyn DiskFile, mut start: u64, end: u64) -> io::Result<()> {
    let zeros = [0; ZERO_CHUNK_BYTES];
    while start < end {
        let chunk = (end - start).min(ZERO_CHUNK_BYTES as u64);
        file.write_at(&zeros[..chunk as usize], start)?;
        start += chunk;
    }
    Ok(())
}

fn remove_mark(disk: &dyn Disk) -> io::Result<()> {
    match disk.remove(CLEAN_FILE) {
        Ok(()) => disk.sync_dir(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn list_kept(disk: &dyn Disk) -> io::Result<VecDeque<KeptSegment>> {
    let mut kept = VecDeque::new();
    for first in segments(disk)? {
        let len_bytes = disk.open(&segment_name(first), Access::Read)?.len_bytes()?;
        kept.push_back(KeptSegment { first, len_bytes });
    }
    Ok(kept)
}
