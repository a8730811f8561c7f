//! Reads one segment file, frame by frame, in big chunks.

use std::{io, ops::Range, sync::Arc};

use super::format::{
    FRAME_ALIGN_BYTES, FRAME_HEADER_BYTES, FRAME_MAGIC, FrameHead, HeadFound, HeaderFault,
    SEGMENT_HEADER_BYTES, SegmentHeader, aligned,
};
use crate::{
    disk::{Access, Disk, DiskFile},
    seq::Seq,
};

/// Is how much is read at once when many frames are read in a row.
const READ_CHUNK_BYTES: usize = 1 << 20;
/// Is how much is read at first, and again when the writer was caught up with: what is read
/// beyond the last frame has to be read anew.
const READ_CHUNK_BYTES_MIN: usize = 1 << 15;

/// Says why a segment cannot be opened.
pub(crate) enum SegmentFault {
    Header(HeaderFault),
    Io(io::Error),
}

impl From<io::Error> for SegmentFault {
    fn from(source: io::Error) -> Self {
        Self::Io(source)
    }
}

/// Is what stands where the next frame should start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A sound frame; it is the current one now, and the reader stands behind it.
    Frame(FrameHead),
    /// A sound frame of another seq than expected.
    OutOfOrder(Seq),
    /// Zeros, or the end of the file.
    End,
    /// Something else.
    Damaged,
}

/// Is what stands behind the last sound frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Zeros only.
    Zeros,
    /// Rubbish up to this offset, zeros from there on.
    Torn(u64),
    /// A sound frame somewhere: committed data follows.
    Committed,
}

pub(crate) struct SegmentReader {
    file: Arc<dyn DiskFile>,
    pub(crate) name: String,
    pub(crate) header: SegmentHeader,
    pub(crate) len_bytes: u64,
    /// Where the next frame should start.
    pub(crate) offset: u64,
    /// The seq that should start there.
    pub(crate) expected: Seq,
    /// Where the current frame starts and how long it is with its padding.
    pub(crate) frame: Option<(u64, u64)>,
    payload: Range<usize>,
    buffer: Vec<u8>,
    buffered: usize,
    buffer_offset: u64,
    chunk_bytes: usize,
}

impl SegmentReader {
    pub(crate) fn open(disk: &dyn Disk, name: String, first: Seq) -> Result<Self, SegmentFault> {
        let file = disk.open(&name, Access::Read)?;
        let header = read_header(&*file, first)?;
        Ok(Self {
            len_bytes: file.len_bytes()?,
            file,
            name,
            header,
            offset: SEGMENT_HEADER_BYTES,
            expected: first,
            frame: None,
            payload: 0..0,
            buffer: Vec::new(),
            buffered: 0,
            buffer_offset: 0,
            chunk_bytes: READ_CHUNK_BYTES_MIN,
        })
    }

    /// Reads the frame at the current place and steps behind it if it is the expected one.
    pub(crate) fn next(&mut self) -> io::Result<Found> {
        // Bytes buffered earlier may be older than a frame that was written since.
        let cached = self.covers(self.offset, FRAME_HEADER_BYTES as u64);
        let found = self.look()?;
        if !cached || matches!(found, Found::Frame(_)) {
            return Ok(found);
        }
        self.buffered = 0;
        self.chunk_bytes = READ_CHUNK_BYTES_MIN;
        self.look()
    }

    fn look(&mut self) -> io::Result<Found> {
        let start = self.offset;
        if self.len_bytes.saturating_sub(start) < FRAME_HEADER_BYTES as u64 {
            return Ok(Found::End);
        }
        let Some(range) = self.fill(start, FRAME_HEADER_BYTES as u64)? else {
            return Ok(Found::Damaged);
        };
        let head = match FrameHead::parse(&self.buffer[range]) {
            HeadFound::Head(head) => head,
            HeadFound::Zeros => return Ok(Found::End),
            HeadFound::Damaged => return Ok(Found::Damaged),
        };
        let Some(range) = self.sound(start, &head)? else {
            return Ok(Found::Damaged);
        };
        if head.first != self.expected {
            return Ok(Found::OutOfOrder(head.first));
        }
        let bytes = aligned(head.frame_bytes());
        self.frame = Some((start, bytes));
        self.payload = range.start + FRAME_HEADER_BYTES..range.end;
        self.offset = start + bytes;
        self.expected = head.last().next();
        Ok(Found::Frame(head))
    }

    /// Returns the payload of the current frame.
    pub(crate) fn payload(&self) -> &[u8] {
        &self.buffer[self.payload.clone()]
    }

    /// Returns where in the buffer the frame stands, if it is whole and its checksum right.
    fn sound(&mut self, start: u64, head: &FrameHead) -> io::Result<Option<Range<usize>>> {
        let Some(range) = self.fill(start, head.frame_bytes())? else {
            return Ok(None);
        };
        let holds = head.holds(&self.buffer[range.clone()], self.header.salt);
        Ok(holds.then_some(range))
    }

    fn covers(&self, start: u64, bytes: u64) -> bool {
        start >= self.buffer_offset && start + bytes <= self.buffer_offset + self.buffered as u64
    }

    /// Buffers these bytes and more behind them; nothing if the file ends before.
    fn fill(&mut self, start: u64, bytes: u64) -> io::Result<Option<Range<usize>>> {
        if start + bytes > self.len_bytes {
            return Ok(None);
        }
        if !self.covers(start, bytes) {
            let ahead = (self.len_bytes - start).min(self.chunk_bytes as u64);
            self.chunk_bytes = (self.chunk_bytes * 2).min(READ_CHUNK_BYTES);
            let wanted = bytes.max(ahead) as usize;
            if self.buffer.len() < wanted {
                self.buffer.resize(wanted, 0);
            }
            self.buffered = self.file.read_at(&mut self.buffer[..wanted], start)?;
            self.buffer_offset = start;
        }
        let from = (start - self.buffer_offset) as usize;
        let whole = from + bytes as usize <= self.buffered;
        Ok(whole.then_some(from..from + bytes as usize))
    }

    /// Takes the file that has the name now, if it is still there, and keeps the place: an
    /// empty segment may have been replaced by a longer one.
    pub(crate) fn reopen(&mut self, disk: &dyn Disk) -> Result<(), SegmentFault> {
        let fresh = match Self::open(disk, self.name.clone(), self.header.first) {
            Err(SegmentFault::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(());
            }
            fresh => fresh?,
        };
        self.file = fresh.file;
        self.header = fresh.header;
        self.len_bytes = fresh.len_bytes;
        self.buffered = 0;
        Ok(())
    }

    /// Looks through everything from the current place to the end of the file.
    pub(crate) fn survey(&mut self) -> io::Result<Rest> {
        let mut torn = None;
        let mut at = self.offset;
        let mut chunk = vec![0; READ_CHUNK_BYTES];
        while at < self.len_bytes {
            let count = self.file.read_at(&mut chunk, at)?;
            if count == 0 {
                break;
            }
            for (index, word) in chunk[..count]
                .chunks(FRAME_ALIGN_BYTES as usize)
                .enumerate()
            {
                if word.iter().all(|byte| *byte == 0) {
                    continue;
                }
                let start = at + index as u64 * FRAME_ALIGN_BYTES;
                torn = Some(start + word.len() as u64);
                if word.starts_with(&FRAME_MAGIC) && self.committed_at(start)? {
                    return Ok(Rest::Committed);
                }
            }
            at += count as u64;
        }
        Ok(torn.map_or(Rest::Zeros, Rest::Torn))
    }

    /// Returns whether a sound frame with an expected or later seq starts there.
    fn committed_at(&mut self, start: u64) -> io::Result<bool> {
        let Some(range) = self.fill(start, FRAME_HEADER_BYTES as u64)? else {
            return Ok(false);
        };
        let HeadFound::Head(head) = FrameHead::parse(&self.buffer[range]) else {
            return Ok(false);
        };
        // Each entry takes more than one byte: a seq farther away cannot be of this segment.
        let reach = self.expected.0..=self.expected.0.saturating_add(self.len_bytes);
        Ok(reach.contains(&head.first.0) && self.sound(start, &head)?.is_some())
    }
}

/// Reads a segment's header and checks it against the seq in the file's name.
pub(crate) fn read_header(file: &dyn DiskFile, first: Seq) -> Result<SegmentHeader, SegmentFault> {
    let mut bytes = [0; SEGMENT_HEADER_BYTES as usize];
    if file.read_at(&mut bytes, 0)? < bytes.len() {
        return Err(SegmentFault::Header(HeaderFault::Damaged));
    }
    match SegmentHeader::decode(&bytes) {
        Ok(header) if header.first == first => Ok(header),
        Ok(_) => Err(SegmentFault::Header(HeaderFault::Damaged)),
        Err(fault) => Err(SegmentFault::Header(fault)),
    }
}
