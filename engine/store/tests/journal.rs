//! The journal in a real directory: appending, reading back, rotating, trimming, closing.

#[path = "journal/kit.rs"]
mod kit;

use std::{
    path::Path,
    sync::{Arc, Mutex},
    thread,
};

use didfarm_store::{
    disk::{Disk, real::RealDisk},
    journal::{Journal, JournalReadError, JournalReader, JournalSettings},
    seq::Seq,
};
use kit::{Fact, SEGMENT_BYTES, assert_facts, commit_each, drain, fact, facts, open, settings};

fn real(dir: &Path) -> Arc<dyn Disk> {
    Arc::new(RealDisk::open(dir).unwrap())
}

fn segment_files(disk: &Arc<dyn Disk>) -> Vec<String> {
    let mut names = disk.names().unwrap();
    names.retain(|name| name.ends_with(".journal"));
    names.sort();
    names
}

#[test]
fn appended_entries_survive_closing_and_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let disk = real(dir.path());
    let journal = open(&disk, 0);
    assert_eq!((journal.durable(), journal.appended()), (Seq(0), Seq(0)));
    commit_each(&journal, 1..=3);
    assert_eq!(journal.append_all(&mut facts(4..=6)), Seq(6));
    journal.close().unwrap();

    let journal = open(&disk, 2);
    assert_eq!((journal.durable(), journal.appended()), (Seq(6), Seq(6)));
    commit_each(&journal, 7..=7);
    let all = drain(&mut journal.reader(Seq(1)), Seq::MAX).unwrap();
    assert_facts(&all, 1, 7);
}

#[test]
fn dropping_drains_the_queue_and_leaves_a_mark_that_the_next_open_takes_away() {
    let dir = tempfile::tempdir().unwrap();
    let disk = real(dir.path());
    let journal = open(&disk, 0);
    for id in 1..=50 {
        journal.append(fact(id));
    }
    drop(journal);
    assert!(dir.path().join("CLEAN").exists());
    let journal = open(&disk, 0);
    assert!(!dir.path().join("CLEAN").exists());
    assert_eq!(journal.durable(), Seq(50));
}

#[test]
fn an_empty_journal_closes_and_reopens() {
    let dir = tempfile::tempdir().unwrap();
    let disk = real(dir.path());
    open(&disk, 0).close().unwrap();
    let journal = open(&disk, 0);
    commit_each(&journal, 1..=1);
    assert_eq!(journal.append_all(&mut Vec::new()), Seq(1));
}

#[test]
fn groups_go_on_in_the_next_segment_and_no_spare_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let disk = real(dir.path());
    let journal = open(&disk, 0);
    commit_each(&journal, 1..=200);
    let files = segment_files(&disk);
    assert!(files.len() > 5);
    assert_eq!(journal.stats().segments, files.len() as u64);
    assert_eq!(
        journal.stats().segment_bytes,
        files.len() as u64 * SEGMENT_BYTES
    );
    drop(journal);
    for checkpoint in [0, 1, 100, 199, 200] {
        let journal = open(&disk, checkpoint);
        assert_eq!(journal.durable(), Seq(200));
        for from in [1, 2, 99, 200] {
            let all = drain(&mut journal.reader(Seq(from)), Seq::MAX).unwrap();
            assert_facts(&all, from, 200);
        }
        drop(journal);
        let names = disk.names().unwrap();
        assert_eq!(segment_files(&disk), files);
        assert!(names.iter().filter(|n| n.ends_with(".spare")).count() <= 1);
    }
}

#[test]
fn an_entry_longer_than_a_segment_gets_one_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let disk = real(dir.path());
    let journal = open(&disk, 0);
    // The reader has the empty first segment open, which the long one replaces.
    let mut reader = journal.reader(Seq(1));
    assert_eq!(reader.next_group(Seq::MAX).unwrap(), None);
    let long = Fact {
        id: 0,
        text: "long ".repeat(SEGMENT_BYTES as usize),
    };
    for round in 0..3 {
        let seq = journal.append(long.clone());
        journal.wait_durable(seq).unwrap();
        assert_eq!(drain(&mut reader, Seq::MAX).unwrap(), [(seq, long.clone())]);
        let seq = journal.append(fact(round));
        journal.wait_durable(seq).unwrap();
        assert_eq!(drain(&mut reader, Seq::MAX).unwrap(), [(seq, fact(round))]);
    }
    drop(journal);
    let journal = open(&disk, 0);
    let all = drain(&mut journal.reader(Seq(1)), Seq::MAX).unwrap();
    assert_eq!(all.len(), 6);
    assert_eq!(all[4], (Seq(5), long));
}

#[test]
fn a_group_is_bounded_and_the_rest_waits_for_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let bounded = JournalSettings {
        group_bytes_max: 300,
        segment_bytes: 1 << 16,
        ..settings()
    };
    let journal = Journal::open(real(dir.path()), bounded, Seq(0)).unwrap();
    let last = journal.append_all(&mut facts(1..=100));
    journal.wait_durable(last).unwrap();
    let mut reader = journal.reader(Seq(1));
    let mut all: Vec<(Seq, Fact)> = Vec::new();
    while let Some(group) = reader.next_group(Seq::MAX).unwrap() {
        let bytes: usize = group.iter().map(|(_, fact)| fact.text.len()).sum();
        assert!(bytes <= 300);
        all.extend(group);
    }
    assert_facts(&all, 1, 100);
    let stats = journal.stats();
    assert!(stats.groups > 10);
    assert_eq!((stats.entries, stats.queue_depth), (100, 0));
}

#[test]
fn trimming_removes_what_the_records_hold_but_keeps_the_newest_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let disk = real(dir.path());
    let keeping = JournalSettings {
        keep_bytes: 2 * SEGMENT_BYTES,
        ..settings()
    };
    let journal = Journal::open(Arc::clone(&disk), keeping, Seq(0)).unwrap();
    commit_each(&journal, 1..=200);
    let files = segment_files(&disk);
    let first_of = |name: &String| name[..20].parse::<u64>().unwrap();
    // The sixth segment is just not free.
    let upto = first_of(&files[6]) - 2;
    assert_eq!(journal.trim(Seq(upto)).unwrap(), 3);
    assert_eq!(segment_files(&disk), files[3..]);
    assert_eq!(journal.first_seq_kept(), Seq(first_of(&files[3])));
    assert_eq!(journal.trim(Seq(upto)).unwrap(), 0);
    journal.trim(Seq::MAX).unwrap();
    assert_eq!(segment_files(&disk), files[files.len() - 3..]);

    let kept = journal.first_seq_kept();
    assert_facts(
        &drain(&mut journal.reader(kept), Seq::MAX).unwrap(),
        kept.0,
        200,
    );
    let behind = journal.reader(kept.previous()).next_group(Seq::MAX);
    assert!(matches!(
        behind.unwrap_err(),
        JournalReadError::MissingSegment { wanted, found, .. }
            if wanted == kept.previous() && found == kept
    ));
    drop(journal);
    assert_eq!(open(&disk, 150.max(kept.0)).durable(), Seq(200));
}

#[test]
fn a_reader_stops_at_its_bound_inside_a_group_and_goes_on_there() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&real(dir.path()), 0);
    let last = journal.append_all(&mut facts(1..=10));
    journal.wait_durable(last).unwrap();
    let mut reader = journal.reader(Seq(3));
    for (upto, from) in [(3, 3), (7, 4), (10, 8)] {
        assert_facts(&drain(&mut reader, Seq(upto)).unwrap(), from, upto);
        assert_eq!(reader.next_group(Seq(upto)).unwrap(), None);
    }
}

#[test]
fn a_reader_follows_the_writer_across_segments() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Arc::new(open(&real(dir.path()), 0));
    const LAST: u64 = 3000;
    let appending = Arc::clone(&journal);
    let appender = thread::spawn(move || {
        for id in 1..=LAST {
            let seq = appending.append(fact(id));
            if id % 9 == 0 {
                appending.wait_durable(seq).unwrap();
            }
        }
    });
    let mut reader = journal.reader(Seq(1));
    let mut all = Vec::new();
    while all.len() < LAST as usize {
        journal.wait_durable(Seq(all.len() as u64 + 1)).unwrap();
        all.extend(drain(&mut reader, Seq::MAX).unwrap());
        assert!(all.len() as u64 <= journal.durable().0);
    }
    appender.join().unwrap();
    assert_facts(&all, 1, LAST);
}

#[test]
fn appenders_on_many_threads_get_every_seq_once_and_their_order_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let disk = real(dir.path());
    let journal = open(&disk, 0);
    thread::scope(|scope| {
        for lane in 0..4 {
            let journal = &journal;
            scope.spawn(move || {
                for count in 0..500 {
                    let text = count.to_string();
                    journal.append(Fact { id: lane, text });
                }
            });
        }
    });
    journal.close().unwrap();
    let mut reader = JournalReader::<Fact>::open(disk, Seq(1)).unwrap();
    let all = drain(&mut reader, Seq::MAX).unwrap();
    assert_eq!(all.len(), 2000);
    for lane in 0..4 {
        let of_lane = all.iter().filter(|(_, fact)| fact.id == lane);
        let texts: Vec<u64> = of_lane
            .map(|(_, fact)| fact.text.parse().unwrap())
            .collect();
        assert!(texts.into_iter().eq(0..500));
    }
}

#[test]
fn subscribers_are_told_every_durable_seq_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&real(dir.path()), 0);
    let told = Arc::new(Mutex::new(Vec::new()));
    let telling = Arc::clone(&told);
    journal.subscribe(Box::new(move |seq| telling.lock().unwrap().push(seq)));
    commit_each(&journal, 1..=20);
    journal.close().unwrap();
    let told = told.lock().unwrap();
    assert!(told.is_sorted_by(|one, other| one < other));
    assert_eq!(told.last(), Some(&Seq(20)));
}

#[test]
fn nothing_waits_once_everything_is_durable() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&real(dir.path()), 0);
    commit_each(&journal, 1..=1);
    kit::wait_until("the writer rests", || journal.stats().oldest_wait.is_zero());
    assert_eq!(journal.stats().queue_depth, 0);
}
