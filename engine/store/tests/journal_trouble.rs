//! The journal on a disk that fails or runs full.

#[path = "journal/kit.rs"]
mod kit;

use std::sync::Arc;

use didfarm_store::{
    disk::sim::{PowerLoss, SimDisk},
    journal::{FatalJournal, Journal, JournalSettings, JournalStopped, Room},
    seq::Seq,
};
use kit::{
    SEGMENT_BYTES, assert_facts, commit_each, drain, fact, noting_settings, open, settings, sim,
    wait_until,
};
use serde::{Deserialize, Serialize};

#[test]
fn a_failed_sync_ends_all_acknowledging() {
    let disk = SimDisk::new();
    let (settings, fatal) = noting_settings();
    let journal = Journal::open(sim(&disk), settings, Seq(0)).unwrap();
    commit_each(&journal, 1..=5);
    disk.fail_sync_at(disk.syncs() + 1);
    let seq = journal.append(fact(6));
    let stopped = JournalStopped { durable: Seq(5) };
    assert_eq!(journal.wait_durable(seq), Err(stopped));
    assert_eq!(journal.append(fact(7)), Seq(7), "appending still answers");
    assert_eq!(journal.wait_durable(Seq(7)), Err(stopped));
    assert_eq!(journal.durable(), Seq(5));
    let all = drain(&mut journal.reader(Seq(1)), Seq::MAX).unwrap();
    assert_facts(&all, 1, 5);
    journal.close().unwrap_err();
    assert_eq!(disk.content("CLEAN"), None);
    let fatal = fatal.lock().unwrap();
    assert!(matches!(
        fatal[..],
        [FatalJournal::Sync { seq: Seq(6), .. }]
    ));
}

#[test]
fn what_a_failed_sync_left_readable_is_written_again_at_the_next_open() {
    let disk = SimDisk::new();
    let journal = open(&sim(&disk), 0);
    commit_each(&journal, 1..=5);
    disk.fail_sync_at(disk.syncs() + 1);
    let seq = journal.append(fact(6));
    journal.wait_durable(seq).unwrap_err();
    drop(journal);

    // The process starts again on the same system: the page cache shows the sixth entry.
    let journal = open(&sim(&disk), 0);
    assert_eq!(journal.durable(), Seq(6));
    commit_each(&journal, 7..=7);
    let after = sim(&disk.power_loss(PowerLoss::Dropped));
    let journal = open(&after, 0);
    let all = drain(&mut journal.reader(Seq(1)), Seq::MAX).unwrap();
    assert_facts(&all, 1, 7);
}

#[test]
fn a_panicking_subscriber_is_fatal_and_nobody_waits_for_ever() {
    let disk = SimDisk::new();
    let (settings, fatal) = noting_settings();
    let journal = Journal::open(sim(&disk), settings, Seq(0)).unwrap();
    journal.subscribe(Box::new(|_| panic!("on purpose")));
    journal.append(fact(1));
    journal.wait_durable(Seq(2)).unwrap_err();
    let fatal = fatal.lock().unwrap();
    assert!(matches!(
        fatal[..],
        [FatalJournal::Panicked { seq: Seq(1) }]
    ));
}

#[derive(Deserialize)]
struct Stubborn(u64);

impl Serialize for Stubborn {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            13 => Err(serde::ser::Error::custom("on purpose")),
            other => serializer.serialize_u64(other),
        }
    }
}

#[test]
fn an_entry_that_cannot_be_encoded_is_fatal_and_named() {
    let (settings, fatal) = noting_settings();
    let journal = Journal::open(sim(&SimDisk::new()), settings, Seq(0)).unwrap();
    let last = journal.append_all(&mut vec![Stubborn(1), Stubborn(13), Stubborn(2)]);
    journal.wait_durable(last).unwrap_err();
    assert_eq!(journal.durable(), Seq(0));
    let fatal = fatal.lock().unwrap();
    assert!(matches!(
        fatal[..],
        [FatalJournal::Encode { seq: Seq(2), .. }]
    ));
}

#[test]
fn room_is_short_below_the_free_bytes_and_enough_again_by_itself() {
    let disk = SimDisk::new();
    let wary = JournalSettings {
        free_bytes_min: 1 << 20,
        ..settings()
    };
    disk.set_free_bytes(2 << 20);
    let journal: Journal<kit::Fact> = Journal::open(sim(&disk), wary, Seq(0)).unwrap();
    assert_eq!(journal.room(), Room::Enough);
    disk.set_free_bytes(1 << 19);
    wait_until("room is short", || journal.room() == Room::Short);
    commit_each(&journal, 1..=3);
    disk.set_free_bytes(2 << 20);
    wait_until("room is enough", || journal.room() == Room::Enough);
}

#[test]
fn room_is_known_when_the_journal_opens() {
    let disk = SimDisk::new();
    let wary = JournalSettings {
        free_bytes_min: 1 << 20,
        ..settings()
    };
    disk.set_free_bytes(1 << 19);
    let journal: Journal<kit::Fact> = Journal::open(sim(&disk), wary, Seq(0)).unwrap();
    assert_eq!(journal.room(), Room::Short);
}

#[test]
fn room_is_short_when_the_next_segment_cannot_be_allocated_and_taken_work_still_fits() {
    let disk = SimDisk::new();
    // Two segments fit, a third does not.
    disk.set_free_bytes(2 * SEGMENT_BYTES + SEGMENT_BYTES / 2);
    let (settings, fatal) = noting_settings();
    let journal = Journal::open(sim(&disk), settings, Seq(0)).unwrap();
    let mut id = 0;
    while journal.room() == Room::Enough {
        id += 1;
        commit_each(&journal, id..=id);
        // The writer looks at the room behind each group: with the next one it has looked.
        assert!(id < 1000, "room never got short");
    }
    assert_eq!(
        journal.stats().segments,
        2,
        "the first half of the second is full"
    );
    assert!(journal.stats().bytes < 2 * SEGMENT_BYTES);
    commit_each(&journal, id + 1..=id + 2);
    // A trim gives the first segment's space back.
    assert_eq!(journal.trim(Seq(id)).unwrap(), 1);
    wait_until("room is enough", || journal.room() == Room::Enough);
    commit_each(&journal, id + 3..=id + 5);
    assert!(fatal.lock().unwrap().is_empty());
}

#[test]
fn a_disk_without_any_room_left_is_fatal_and_loses_nothing_durable() {
    let disk = SimDisk::new();
    disk.set_free_bytes(SEGMENT_BYTES);
    let (settings, fatal) = noting_settings();
    let journal = Journal::open(sim(&disk), settings, Seq(0)).unwrap();
    let mut seq = Seq(0);
    loop {
        seq = journal.append(fact(seq.next().0));
        if journal.wait_durable(seq).is_err() {
            break;
        }
    }
    assert_eq!(journal.room(), Room::Short);
    assert!(matches!(
        fatal.lock().unwrap()[..],
        [FatalJournal::Segment { .. }]
    ));
    let durable = journal.durable();
    assert_eq!(durable, seq.previous());
    drop(journal);
    disk.set_free_bytes(1 << 20);
    let journal = open(&sim(&disk), 0);
    let all = drain(&mut journal.reader(Seq(1)), Seq::MAX).unwrap();
    assert_facts(&all, 1, durable.0);
    commit_each(&journal, durable.0 + 1..=durable.0 + 40);
}

#[test]
fn the_journal_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    let journal = Arc::new(open(&sim(&SimDisk::new()), 0));
    shared(&journal);
}
