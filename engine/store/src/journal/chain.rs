//! Reads frames across segments and judges what stands where a frame should be.

use std::{io, sync::Arc};

use super::{
    error::JournalReadError,
    format::{FrameHead, HeaderFault, parse_segment_name, segment_name},
    segment::{Found, Rest, SegmentFault, SegmentReader, read_header},
};
use crate::{
    disk::{Access, Disk},
    seq::Seq,
};

/// Says where a tail stands that was never acknowledged: an incomplete frame, nothing behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// The segment's file.
    pub segment: String,
    /// Where the tail starts.
    pub offset: u64,
    /// How many bytes it has.
    pub bytes: u64,
}

/// Says what the end of the last segment means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Horizon {
    /// The journal is at rest: it ends there, perhaps with a torn tail.
    AtRest,
    /// The caller only asks for durable entries: an end before them is damage.
    Live,
}

/// Lists the segments of a directory in order, without opening them.
pub(crate) fn segments(disk: &dyn Disk) -> io::Result<Vec<Seq>> {
    let names = disk.names()?;
    let mut firsts: Vec<_> = names.iter().filter_map(|n| parse_segment_name(n)).collect();
    firsts.sort_unstable();
    Ok(firsts)
}

/// Is a place in the journal, and the way from there to its end.
pub(crate) struct Chain {
    disk: Arc<dyn Disk>,
    horizon: Horizon,
    from: Seq,
    segment: Option<SegmentReader>,
    reopened: bool,
    torn: Option<TornTail>,
}

impl Chain {
    pub(crate) fn new(disk: Arc<dyn Disk>, from: Seq, horizon: Horizon) -> Self {
        Self {
            disk,
            horizon,
            from,
            segment: None,
            reopened: false,
            torn: None,
        }
    }

    /// Checks the headers of all segments.
    pub(crate) fn check_headers(&self) -> Result<(), JournalReadError> {
        for first in self.segments(Seq::ZERO)? {
            let name = segment_name(first);
            self.disk
                .open(&name, Access::Read)
                .map_err(SegmentFault::Io)
                .and_then(|file| read_header(&*file, first))
                .map_err(|fault| self.fault(&name, first, fault))?;
        }
        Ok(())
    }

    /// Steps to the next frame that holds the wanted seq or a later one; nothing at the end.
    pub(crate) fn next(&mut self) -> Result<Option<FrameHead>, JournalReadError> {
        loop {
            if self.segment.is_none() && !self.enter()? {
                return Ok(None);
            }
            let segment = self.segment.as_mut().expect("a segment was entered above");
            let found = match segment.next() {
                Ok(found) => found,
                Err(source) => return Err(self.io(source)),
            };
            match found {
                Found::Frame(head) => {
                    self.reopened = false;
                    if head.last() >= self.from {
                        return Ok(Some(head));
                    }
                }
                Found::OutOfOrder(seq) => return Err(self.gap(seq)),
                Found::End | Found::Damaged => {
                    if !self.cross(found)? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Returns the payload of the current frame.
    pub(crate) fn payload(&self) -> &[u8] {
        self.segment.as_ref().map_or(&[], SegmentReader::payload)
    }

    /// Returns the segment that was reached, as far as it was read.
    pub(crate) fn segment(&self) -> Option<&SegmentReader> {
        self.segment.as_ref()
    }

    pub(crate) fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    pub(crate) fn torn(&self) -> Option<&TornTail> {
        self.torn.as_ref()
    }

    /// Says that an entry of the current frame does not decode.
    pub(crate) fn undecodable(&self, seq: Seq, reason: String) -> JournalReadError {
        let segment = self.segment.as_ref();
        JournalReadError::Undecodable {
            file: self.label(segment.map_or("", |segment| &segment.name)),
            offset: segment
                .and_then(|s| s.frame)
                .map_or(0, |(offset, _)| offset),
            seq,
            reason,
        }
    }

    /// Opens the segment that holds the wanted seq; returns whether there is any segment.
    fn enter(&mut self) -> Result<bool, JournalReadError> {
        let firsts = self.segments(self.from)?;
        let Some(lowest) = firsts.first() else {
            return Ok(false);
        };
        match firsts.iter().rfind(|first| **first <= self.from) {
            Some(first) => self.open(*first),
            None => Err(self.missing(self.from, *lowest)),
        }
    }

    fn open(&mut self, first: Seq) -> Result<bool, JournalReadError> {
        let name = segment_name(first);
        let segment = SegmentReader::open(&*self.disk, name.clone(), first)
            .map_err(|fault| self.fault(&name, first, fault))?;
        self.segment = Some(segment);
        Ok(true)
    }

    /// Goes from the end of one segment's data to the next segment; returns whether there is
    /// one, or else judges the tail.
    fn cross(&mut self, found: Found) -> Result<bool, JournalReadError> {
        let Some(segment) = self.segment.as_mut() else {
            return Ok(false);
        };
        let (first, expected) = (segment.header.first, segment.expected);
        if self.horizon == Horizon::Live && !self.reopened {
            self.reopened = true;
            let name = segment.name.clone();
            segment
                .reopen(&*self.disk)
                .map_err(|fault| self.fault(&name, first, fault))?;
            return Ok(true);
        }
        let following = self.segments(expected)?;
        let following = following.into_iter().find(|other| *other > first);
        match following {
            Some(next) if found == Found::End && next == expected => {
                self.reopened = false;
                self.open(next)
            }
            Some(next) => {
                if found == Found::Damaged || self.survey()? != Rest::Zeros {
                    Err(self.bad_frame())
                } else if next < expected {
                    Err(self.gap_at(next, expected))
                } else {
                    Err(self.missing(expected, next))
                }
            }
            None if self.horizon == Horizon::Live => Err(self.bad_frame()),
            None => self.judge_tail().map(|()| false),
        }
    }

    fn judge_tail(&mut self) -> Result<(), JournalReadError> {
        match self.survey()? {
            Rest::Zeros => self.torn = None,
            Rest::Committed => return Err(self.bad_frame()),
            Rest::Torn(end) => {
                self.torn = self.segment.as_ref().map(|segment| TornTail {
                    segment: segment.name.clone(),
                    offset: segment.offset,
                    bytes: end - segment.offset,
                });
            }
        }
        Ok(())
    }

    fn survey(&mut self) -> Result<Rest, JournalReadError> {
        let surveyed = match self.segment.as_mut() {
            Some(segment) => segment.survey(),
            None => Ok(Rest::Zeros),
        };
        surveyed.map_err(|source| self.io(source))
    }

    fn segments(&self, seq: Seq) -> Result<Vec<Seq>, JournalReadError> {
        segments(&*self.disk).map_err(|source| JournalReadError::Io {
            file: self.label(""),
            seq,
            source,
        })
    }

    fn label(&self, name: &str) -> String {
        self.disk.label(name)
    }

    fn place(&self) -> (String, u64, Seq) {
        match &self.segment {
            Some(segment) => (self.label(&segment.name), segment.offset, segment.expected),
            None => (self.label(""), 0, self.from),
        }
    }

    fn bad_frame(&self) -> JournalReadError {
        let (file, offset, seq) = self.place();
        JournalReadError::BadFrame { file, offset, seq }
    }

    fn gap(&self, found: Seq) -> JournalReadError {
        let (file, offset, expected) = self.place();
        JournalReadError::Gap {
            file,
            offset,
            expected,
            found,
        }
    }

    fn gap_at(&self, found: Seq, expected: Seq) -> JournalReadError {
        JournalReadError::Gap {
            file: self.label(&segment_name(found)),
            offset: 0,
            expected,
            found,
        }
    }

    fn missing(&self, wanted: Seq, found: Seq) -> JournalReadError {
        JournalReadError::MissingSegment {
            wanted,
            file: self.label(&segment_name(found)),
            found,
        }
    }

    fn io(&self, source: io::Error) -> JournalReadError {
        let (file, _, seq) = self.place();
        JournalReadError::Io { file, seq, source }
    }

    fn fault(&self, name: &str, first: Seq, fault: SegmentFault) -> JournalReadError {
        let file = self.label(name);
        match fault {
            SegmentFault::Header(HeaderFault::Damaged) => {
                JournalReadError::BadHeader { file, first }
            }
            SegmentFault::Header(HeaderFault::Version(version)) => {
                JournalReadError::UnknownVersion {
                    file,
                    first,
                    version,
                }
            }
            SegmentFault::Io(source) => JournalReadError::Io {
                file,
                seq: first,
                source,
            },
        }
    }
}
