//! What the journal's tests share: a small entry, small segments, reading everything back.
#![allow(dead_code)] // Each test file uses its own part.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use didfarm_store::{
    disk::{Disk, sim::SimDisk},
    journal::{FatalJournal, Journal, JournalReadError, JournalReader, JournalSettings},
    seq::Seq,
};
use serde::{Deserialize, Serialize};

pub const SEGMENT_BYTES: u64 = 2048;
/// Bounds every wait for a condition.
const WAIT: Duration = Duration::from_secs(20);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    pub id: u64,
    pub text: String,
}

/// Returns the fact for that seq: its text's length differs from its neighbours'.
pub fn fact(id: u64) -> Fact {
    let text = format!("{id}-").repeat((id * 7 % 23) as usize);
    Fact { id, text }
}

pub fn facts(ids: impl IntoIterator<Item = u64>) -> Vec<Fact> {
    ids.into_iter().map(fact).collect()
}

pub fn settings() -> JournalSettings {
    JournalSettings {
        segment_bytes: SEGMENT_BYTES,
        keep_bytes: 0,
        free_bytes_min: 0,
        ..JournalSettings::default()
    }
}

/// Returns settings that note what was fatal, and the notes.
pub fn noting_settings() -> (JournalSettings, Arc<Mutex<Vec<FatalJournal>>>) {
    let notes = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&notes);
    let settings = JournalSettings {
        on_fatal: Arc::new(move |fatal| noted.lock().unwrap().push(fatal)),
        ..settings()
    };
    (settings, notes)
}

pub fn open(disk: &Arc<dyn Disk>, checkpoint: u64) -> Journal<Fact> {
    Journal::open(Arc::clone(disk), settings(), Seq(checkpoint)).unwrap()
}

pub fn sim(disk: &SimDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

/// Appends the facts of these ids one group after the other.
pub fn commit_each(journal: &Journal<Fact>, ids: impl IntoIterator<Item = u64>) {
    for id in ids {
        assert_eq!(journal.append(fact(id)), Seq(id));
        journal.wait_durable(Seq(id)).unwrap();
    }
}

/// Reads everything up to a seq that a reader gives, and checks that seqs follow each other.
pub fn drain(
    reader: &mut JournalReader<Fact>,
    upto: Seq,
) -> Result<Vec<(Seq, Fact)>, JournalReadError> {
    let mut all: Vec<(Seq, Fact)> = Vec::new();
    while let Some(group) = reader.next_group(upto)? {
        assert!(!group.is_empty());
        all.extend(group);
    }
    assert!(all.windows(2).all(|pair| pair[0].0.next() == pair[1].0));
    Ok(all)
}

/// Asserts that these are the facts with seqs `from..=upto`.
pub fn assert_facts(all: &[(Seq, Fact)], from: u64, upto: u64) {
    let expected: Vec<_> = (from..=upto).map(|id| (Seq(id), fact(id))).collect();
    assert_eq!(all, expected);
}

pub fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < WAIT, "waited too long until {what}");
        std::thread::yield_now();
    }
}
