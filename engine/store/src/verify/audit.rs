//! The audit in progress: what is read, what was found, which maps could not be read whole.

use std::collections::{BTreeMap, BTreeSet};

use didfarm_core::ids::{ConversationId, MessageId, NumberId};
use rustc_hash::FxHashMap;
use serde::de::DeserializeOwned;

use super::fact::Index;
use super::maps::Map;
use super::report::Report;
use super::tally::Tally;
use super::{VerifyError, maps};
use crate::packed::{PackedError, PackedMap};
use crate::records::codec;
use crate::records::{Meta, Records, RecordsError};
use crate::shelf::{Shelf, ShelfError};

/// The state of one audit.
pub(super) struct Audit<'a> {
    pub records: &'a Records,
    pub report: Report,
    /// For each index, what it should hold against what it holds.
    pub tallies: [Tally; Index::ALL.len()],
    pub highest: Highest,
    /// Conversations that may have forgotten an alias of their peer, with their numbers.
    pub forgetful: FxHashMap<ConversationId, NumberId>,
    /// Messages that came in a batch.
    pub batched: u64,
    /// How many entries each map has, by its prefix.
    pub rows: BTreeMap<u8, u64>,
    /// Prefixes of maps that could not be read whole.
    damaged: BTreeSet<u8>,
    /// The disk refused a read: nothing can be said any more.
    failed: Option<VerifyError>,
    /// The shelf answers every call with the damage that was named already.
    shelf_damaged: bool,
}

/// The highest ids in use.
#[derive(Debug, Default)]
pub(super) struct Highest {
    pub account: u64,
    pub number: u64,
    pub extent: u64,
    pub endpoint: u64,
    pub event: u64,
    pub mail: u64,
    pub batch: u64,
}

/// What a look-up gave.
pub(super) enum Found<T> {
    Record(T),
    Missing,
    /// It cannot be said; why is among the breaches.
    Unreadable,
}

impl<'a> Audit<'a> {
    pub fn new(records: &'a Records) -> Audit<'a> {
        Audit {
            records,
            report: Report::default(),
            tallies: Index::ALL.map(|_| Tally::new()),
            highest: Highest::default(),
            forgetful: FxHashMap::default(),
            batched: 0,
            rows: BTreeMap::new(),
            damaged: BTreeSet::new(),
            failed: None,
            shelf_damaged: false,
        }
    }

    pub fn shelf(&self) -> &'a dyn Shelf {
        self.records.shelf()
    }

    pub fn breach(
        &mut self,
        invariant: &'static str,
        subject: impl ToString,
        sentence: impl Into<String>,
    ) {
        self.report
            .breach(invariant, subject.to_string(), sentence.into());
    }

    /// Whether the map was read whole so far.
    pub fn is_whole(&self, map: PackedMap) -> bool {
        !self.damaged.contains(&map.prefix())
    }

    /// Walks a map, checks its leaves, and hands over its records with their keys.
    pub fn walk<T: DeserializeOwned>(
        &mut self,
        map: &Map<T>,
        mut see: impl FnMut(&mut Self, &[u8], T),
    ) {
        self.walk_bytes(map.map, |audit, key, value| {
            if let Some(record) = audit.decode(map, key, value) {
                see(audit, key, record);
            }
        });
    }

    /// Decodes a record of a walk; one that does not decode is a breach.
    pub fn decode<T: DeserializeOwned>(
        &mut self,
        map: &Map<T>,
        key: &[u8],
        value: &[u8],
    ) -> Option<T> {
        match codec::decode(value) {
            Ok(record) => Some(record),
            Err(source) => {
                self.damaged.insert(map.map.prefix());
                let subject = format!("{} {}", map.kind, maps::hex(key));
                self.breach(
                    "V10",
                    subject,
                    format!("the record is unreadable: {source}"),
                );
                None
            }
        }
    }

    /// As [`Audit::walk`], for maps whose values are no records.
    pub fn walk_bytes(&mut self, map: PackedMap, mut see: impl FnMut(&mut Self, &[u8], &[u8])) {
        let mut entries = 0;
        let shelf = self.shelf();
        let walked = map.audit(shelf, |key, value| {
            entries += 1;
            see(self, key, value);
        });
        self.rows.insert(map.prefix(), entries);
        if let Err(error) = walked {
            self.damage(map, error);
        }
    }

    /// Looks one record up.
    pub fn get<T: DeserializeOwned>(&mut self, map: &Map<T>, key: &[u8]) -> Found<T> {
        match map.map.get(self.shelf(), key) {
            Ok(None) => Found::Missing,
            Ok(Some(value)) => match codec::decode(&value) {
                Ok(record) => Found::Record(record),
                // The walk over the map names it.
                Err(_) => Found::Unreadable,
            },
            Err(error) => {
                self.damage(map.map, error);
                Found::Unreadable
            }
        }
    }

    /// Reads the row of counts and next ids; `None` when it cannot be read.
    pub fn meta(&mut self) -> Option<Meta> {
        match self.records.meta() {
            Ok(meta) => Some(meta),
            Err(RecordsError::Shelf(error)) => {
                self.shelf_error(error);
                None
            }
            Err(error) => {
                self.breach("V10", "the meta row", error.to_string());
                None
            }
        }
    }

    /// Notes that a map cannot be read whole, once.
    pub fn damage(&mut self, map: PackedMap, error: PackedError) {
        let first = self.damaged.insert(map.prefix());
        match error {
            PackedError::Shelf(error) => self.shelf_error(error),
            error if first => self.breach("V10", maps::name(map), error.to_string()),
            _ => {}
        }
    }

    fn shelf_error(&mut self, error: ShelfError) {
        match error {
            ShelfError::Damaged { .. } if self.shelf_damaged => {}
            ShelfError::Damaged { .. } => {
                self.shelf_damaged = true;
                self.breach("V10", "the records", error.to_string());
            }
            ShelfError::Full { .. } | ShelfError::Io { .. } => {
                self.failed.get_or_insert(VerifyError::Shelf(error));
            }
        }
    }

    /// Says that a record lies under a key that is not its own.
    pub fn misplaced(&mut self, kind: &'static str, key: &[u8], own: impl ToString) {
        self.breach(
            "V10",
            own,
            format!(
                "the {kind} lies under the key {}, which is not its own",
                maps::hex(key)
            ),
        );
    }

    /// Says that a message breaks an invariant.
    pub fn message(&mut self, invariant: &'static str, id: MessageId, sentence: impl Into<String>) {
        self.breach(invariant, id, sentence);
    }

    pub fn finish(self) -> Result<Report, VerifyError> {
        self.failed.map_or(Ok(self.report), Err)
    }
}
