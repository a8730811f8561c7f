//! Reads the journal's entries in order, at rest or while the writer goes on.

use std::{collections::VecDeque, marker::PhantomData, sync::Arc};

use serde::de::DeserializeOwned;

use super::{
    chain::{Chain, Horizon, TornTail},
    clean::{self, CLEAN_FILE},
    error::{JournalOpenError, JournalReadError},
    format::{ENTRY_VERSION, FrameHead, split_entries},
    progress::Progress,
};
use crate::{disk::Disk, seq::Seq};

/// Reads entries from a seq on, in order, frame by frame; it never writes.
///
/// One that comes from [`Journal::reader`](super::Journal::reader) stops at the durable end and
/// goes on from there when it is asked again.
pub struct JournalReader<E> {
    chain: Chain,
    progress: Option<Arc<Progress>>,
    /// The next entry to be read from the file.
    next: Seq,
    /// Entries of the current frame beyond what was asked for.
    ahead: VecDeque<(Seq, E)>,
    entry: PhantomData<fn() -> E>,
}

impl<E: DeserializeOwned> JournalReader<E> {
    /// Opens a journal at rest (nobody writes it) from an entry on.
    ///
    /// # Errors
    /// If a segment's header cannot be used. Damaged frames are reported when they are reached.
    pub fn open(disk: Arc<dyn Disk>, from: Seq) -> Result<Self, JournalOpenError> {
        let reader = Self::new(disk, from, None);
        reader.chain.check_headers()?;
        Ok(reader)
    }

    pub(crate) fn live(disk: Arc<dyn Disk>, from: Seq, progress: Arc<Progress>) -> Self {
        Self::new(disk, from, Some(progress))
    }

    fn new(disk: Arc<dyn Disk>, from: Seq, progress: Option<Arc<Progress>>) -> Self {
        let from = from.max(Seq(1));
        let horizon = match progress {
            Some(_) => Horizon::Live,
            None => Horizon::AtRest,
        };
        Self {
            chain: Chain::new(disk, from, horizon),
            progress,
            next: from,
            ahead: VecDeque::new(),
            entry: PhantomData,
        }
    }

    /// Returns the next entries up to `upto`, at most those of one group, or nothing if none
    /// is there (yet).
    ///
    /// # Errors
    /// See [`JournalReadError`]; asking again gives the same.
    pub fn next_group(&mut self, upto: Seq) -> Result<Option<Vec<(Seq, E)>>, JournalReadError> {
        if self.ahead.is_empty() {
            let durable = self.progress.as_ref().map_or(Seq::MAX, |p| p.durable());
            if self.next > upto.min(durable) {
                return Ok(None);
            }
            let Some(head) = self.chain.next()? else {
                return Ok(None);
            };
            let group = self.decode(&head)?;
            self.next = head.last().next();
            if head.last() <= upto {
                return Ok(Some(group));
            }
            self.ahead = group.into();
        }
        let count = self.ahead.partition_point(|(seq, _)| *seq <= upto);
        let group: Vec<_> = self.ahead.drain(..count).collect();
        Ok((!group.is_empty()).then_some(group))
    }

    /// Returns the tail that was found behind the last sound frame, once a journal at rest was
    /// read to its end. It was never acknowledged; opening the journal cuts it.
    #[must_use]
    pub fn torn_tail(&self) -> Option<&TornTail> {
        self.chain.torn()
    }

    /// Returns the last entry at the clean stop whose mark stands there, if one does: a journal at
    /// rest that ends before it lost its tail.
    ///
    /// # Errors
    /// [`JournalReadError::Io`].
    pub fn clean_stop(&self) -> Result<Option<Seq>, JournalReadError> {
        let disk = self.chain.disk();
        clean::read(disk).map_err(|source| JournalReadError::Io {
            file: disk.label(CLEAN_FILE),
            seq: self.next,
            source,
        })
    }

    pub(crate) fn chain(&self) -> &Chain {
        &self.chain
    }

    fn decode(&self, head: &FrameHead) -> Result<Vec<(Seq, E)>, JournalReadError> {
        let skipped = self.next.0.saturating_sub(head.first.0);
        let wanted = u64::from(head.count).saturating_sub(skipped);
        let mut group = Vec::with_capacity(wanted as usize);
        let mut seq = head.first;
        for bytes in split_entries(self.chain.payload()) {
            if seq >= self.next {
                let entry = decode_entry(bytes).map_err(|r| self.chain.undecodable(seq, r))?;
                group.push((seq, entry));
            }
            seq = seq.next();
        }
        if seq != head.last().next() {
            let reason = format!("its frame says it has {} entries", head.count);
            return Err(self.chain.undecodable(seq, reason));
        }
        Ok(group)
    }
}

fn decode_entry<E: DeserializeOwned>(bytes: Option<&[u8]>) -> Result<E, String> {
    match bytes.and_then(<[u8]>::split_first) {
        Some((&ENTRY_VERSION, rmp)) => rmp_serde::from_slice(rmp).map_err(|e| e.to_string()),
        Some((version, _)) => Err(format!("its version is {version}")),
        None => Err("its length is wrong".to_owned()),
    }
}
