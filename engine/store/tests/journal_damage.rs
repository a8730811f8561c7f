//! The journal of damaged files: every kind of damage is named, and nothing is read wrongly.

#[path = "journal/kit.rs"]
mod kit;

use std::{fs, ops::Range, sync::Arc};

use didfarm_store::{
    disk::{Disk, real::RealDisk, sim::SimDisk},
    journal::{Journal, JournalOpenError, JournalReadError, JournalReader},
    seq::Seq,
};
use kit::{Fact, assert_facts, commit_each, drain, open, settings, sim};
use raw::Raw;

const LAST: u64 = 100;

/// Is a directory with a journal of `LAST` entries in several segments that was closed cleanly.
struct Closed {
    dir: tempfile::TempDir,
    disk: Arc<dyn Disk>,
}

impl Closed {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::open(dir.path()).unwrap());
        let journal = open(&disk, 0);
        commit_each(&journal, 1..=LAST);
        journal.close().unwrap();
        Self { dir, disk }
    }

    /// Takes the mark of the clean stop away, as if the process had been killed.
    fn killed() -> Self {
        let closed = Self::new();
        fs::remove_file(closed.dir.path().join("CLEAN")).unwrap();
        closed
    }

    fn segments(&self) -> Vec<String> {
        let mut names = self.disk.names().unwrap();
        names.retain(|name| name.ends_with(".journal"));
        names.sort();
        assert!(names.len() >= 3);
        names
    }

    fn edit(&self, name: &str, edit: impl FnOnce(&mut Vec<u8>)) {
        let path = self.dir.path().join(name);
        let mut bytes = fs::read(&path).unwrap();
        edit(&mut bytes);
        fs::write(path, bytes).unwrap();
    }

    /// Opens, which must fail without changing any file.
    fn refusal(&self, checkpoint: u64) -> JournalOpenError {
        let before = self.contents();
        let opened = Journal::<Fact>::open(Arc::clone(&self.disk), settings(), Seq(checkpoint));
        let error = opened.err().expect("the damage is noticed");
        assert_eq!(self.contents(), before, "a refused open changes nothing");
        error
    }

    fn contents(&self) -> Vec<(String, Vec<u8>)> {
        let mut names = self.disk.names().unwrap();
        names.sort();
        let read = |name: &String| fs::read(self.dir.path().join(name)).unwrap();
        names
            .iter()
            .map(|name| (name.clone(), read(name)))
            .collect()
    }
}

/// Returns where the frames of a segment stand, with their padding.
fn frames(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut frames = Vec::new();
    let mut at = 32;
    while at + 24 <= bytes.len() && bytes[at] != 0 {
        let payload = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap());
        let end = (at + 24 + payload as usize).next_multiple_of(8);
        frames.push(at..end);
        at = end;
    }
    frames
}

fn first_of(name: &str) -> u64 {
    name[..20].parse().unwrap()
}

#[test]
fn a_bad_frame_before_sound_ones_is_named() {
    for (segment, frame) in [(0, 0), (0, 3), (1, 2)] {
        let closed = Closed::killed();
        let name = closed.segments()[segment].clone();
        let mut place = 0;
        closed.edit(&name, |bytes| {
            place = frames(bytes)[frame].start;
            bytes[place + 30] ^= 1;
        });
        let error = closed.refusal(0);
        let sentence = error.to_string();
        let JournalOpenError::Read(JournalReadError::BadFrame { file, offset, seq }) = error else {
            panic!("{sentence}");
        };
        assert!(file.ends_with(&name) && file.starts_with(&*closed.dir.path().to_string_lossy()));
        assert_eq!(offset, place as u64);
        assert_eq!(seq, Seq(first_of(&name) + frame as u64));
        assert!(sentence.contains(&name) && sentence.contains(&seq.to_string()));
    }
}

#[test]
fn a_frame_of_zeros_before_sound_ones_is_a_bad_frame() {
    for frame in [0, 2] {
        let closed = Closed::killed();
        closed.edit(&closed.segments()[1], |bytes| {
            let frame = frames(bytes)[frame].clone();
            bytes[frame].fill(0);
        });
        let error = closed.refusal(0);
        assert!(matches!(
            error,
            JournalOpenError::Read(JournalReadError::BadFrame { .. })
        ));
    }
}

#[test]
fn damage_before_the_checkpoint_does_not_hinder_an_open_but_verifying_finds_it() {
    let closed = Closed::new();
    let segments = closed.segments();
    closed.edit(&segments[0], |bytes| bytes[40] ^= 1);
    let checkpoint = first_of(&segments[1]);
    let journal = open(&closed.disk, checkpoint);
    assert_eq!(journal.durable(), Seq(LAST));
    journal.close().unwrap();
    let mut reader = JournalReader::<Fact>::open(Arc::clone(&closed.disk), Seq(1)).unwrap();
    let damage = drain(&mut reader, Seq::MAX).unwrap_err();
    assert!(matches!(
        damage,
        JournalReadError::BadFrame { seq: Seq(1), .. }
    ));
}

#[test]
fn a_frame_that_was_taken_out_is_a_gap() {
    let closed = Closed::killed();
    let name = closed.segments()[0].clone();
    closed.edit(&name, |bytes| {
        let gone = frames(bytes)[2].clone();
        bytes.drain(gone.clone());
        bytes.resize(bytes.len() + gone.len(), 0);
    });
    let error = closed.refusal(0);
    assert!(matches!(
        error,
        JournalOpenError::Read(JournalReadError::Gap {
            expected: Seq(3),
            found: Seq(4),
            ..
        })
    ));
}

#[test]
fn a_missing_segment_is_named() {
    let closed = Closed::new();
    let segments = closed.segments();
    fs::remove_file(closed.dir.path().join(&segments[1])).unwrap();
    let (lost, next) = (Seq(first_of(&segments[1])), Seq(first_of(&segments[2])));
    for checkpoint in [0, lost.previous().0, lost.0] {
        let error = closed.refusal(checkpoint);
        assert!(
            matches!(
                error,
                JournalOpenError::Read(JournalReadError::MissingSegment { wanted, found, .. })
                    if wanted == lost && found == next
            ),
            "{error}"
        );
    }
    fs::remove_file(closed.dir.path().join(&segments[0])).unwrap();
    let error = closed.refusal(0);
    assert!(matches!(
        error,
        JournalOpenError::Read(JournalReadError::MissingSegment { wanted: Seq(1), .. })
    ));
    assert!(error.to_string().contains(&segments[2]));
}

#[test]
fn an_unknown_format_version_is_named() {
    let closed = Closed::new();
    closed.edit(&closed.segments()[0], |bytes| bytes[4] = 1);
    let error = closed.refusal(LAST);
    assert!(matches!(
        error,
        JournalOpenError::Read(JournalReadError::UnknownVersion { version: 1, .. })
    ));
}

#[test]
fn a_damaged_header_or_a_renamed_segment_is_named() {
    let closed = Closed::new();
    let segments = closed.segments();
    let sound = fs::read(closed.dir.path().join(&segments[1])).unwrap();
    for damage in [9, 17, 30] {
        closed.edit(&segments[1], |bytes| bytes[damage] ^= 1);
        let error = closed.refusal(0);
        assert!(matches!(
            error,
            JournalOpenError::Read(JournalReadError::BadHeader { .. })
        ));
        fs::write(closed.dir.path().join(&segments[1]), &sound).unwrap();
    }
    closed.edit(&segments[1], |bytes| bytes.truncate(20));
    assert!(matches!(
        closed.refusal(0),
        JournalOpenError::Read(JournalReadError::BadHeader { .. })
    ));
    fs::write(closed.dir.path().join(&segments[0]), &sound).unwrap();
    assert!(matches!(
        closed.refusal(0),
        JournalOpenError::Read(JournalReadError::BadHeader { first: Seq(1), .. })
    ));
}

#[test]
fn a_journal_behind_the_records_is_refused() {
    let closed = Closed::new();
    let error = closed.refusal(LAST + 1);
    assert!(matches!(
        error,
        JournalOpenError::BehindRecords {
            last: Seq(LAST),
            checkpoint: Seq(101),
            ..
        }
    ));
    let empty = sim(&SimDisk::new());
    let error = Journal::<Fact>::open(empty, settings(), Seq(1))
        .err()
        .unwrap();
    assert!(matches!(
        error,
        JournalOpenError::BehindRecords { last: Seq(0), .. }
    ));
}

#[test]
fn a_tail_lost_after_a_clean_stop_is_refused() {
    let closed = Closed::new();
    let segments = closed.segments();
    let last = segments.last().unwrap();
    closed.edit(last, |bytes| {
        let frame = frames(bytes).pop().unwrap();
        bytes[frame].fill(0);
    });
    let error = closed.refusal(0);
    assert!(matches!(
        error,
        JournalOpenError::TailLost {
            last: Seq(99),
            closed: Seq(LAST),
            ..
        }
    ));
    for name in segments {
        fs::remove_file(closed.dir.path().join(name)).unwrap();
    }
    let error = closed.refusal(0);
    assert!(matches!(
        error,
        JournalOpenError::TailLost { last: Seq(0), .. }
    ));
}

#[test]
fn an_entry_that_does_not_decode_is_named() {
    let closed = Closed::new();
    let opened = Journal::<Vec<bool>>::open(Arc::clone(&closed.disk), settings(), Seq(42));
    let error = opened.err().unwrap();
    assert!(
        matches!(
            error,
            JournalOpenError::Read(JournalReadError::Undecodable { seq: Seq(43), .. })
        ),
        "{error}"
    );
}

#[test]
fn a_torn_tail_is_reported_by_a_reader_and_cut_by_an_open() {
    let closed = Closed::killed();
    let segments = closed.segments();
    let last = segments.last().unwrap();
    let mut torn = 0..0;
    closed.edit(last, |bytes| {
        torn = frames(bytes).pop().unwrap();
        bytes[torn.start + 25] ^= 1;
    });
    let before = closed.contents();
    let mut reader = JournalReader::<Fact>::open(Arc::clone(&closed.disk), Seq(1)).unwrap();
    assert_facts(&drain(&mut reader, Seq::MAX).unwrap(), 1, LAST - 1);
    let tail = reader.torn_tail().unwrap();
    assert_eq!((&tail.segment, tail.offset), (last, torn.start as u64));
    assert!(tail.bytes > 8 && tail.bytes <= torn.len() as u64);
    assert_eq!(closed.contents(), before, "a reader changes nothing");

    let error = closed.refusal(LAST);
    assert!(matches!(error, JournalOpenError::BehindRecords { .. }));
    let journal = open(&closed.disk, LAST - 1);
    assert_eq!(journal.durable(), Seq(LAST - 1));
    let left = fs::read(closed.dir.path().join(last)).unwrap();
    assert!(left[torn.start..].iter().all(|byte| *byte == 0));
    commit_each(&journal, LAST..=LAST + 3);
    let all = drain(&mut journal.reader(Seq(1)), Seq::MAX).unwrap();
    assert_facts(&all, 1, LAST + 3);
}

#[test]
fn a_body_that_holds_a_whole_frame_does_not_pass_for_one_in_a_torn_tail() {
    // The forged frame, of another journal, would follow the torn one.
    let other = SimDisk::new();
    let journal: Journal<Vec<u8>> = Journal::open(sim(&other), settings(), Seq(0)).unwrap();
    let last = journal.append_all(&mut vec![vec![1_u8; 9]; 3]);
    journal.wait_durable(last).unwrap();
    let seq = journal.append(vec![2; 9]);
    journal.wait_durable(seq).unwrap();
    let content = other.content("00000000000000000001.journal").unwrap();
    let forged = &content[frames(&content)[1].clone()];

    for shift in 0..8 {
        let disk = SimDisk::new();
        let journal = Journal::<Raw>::open(sim(&disk), settings(), Seq(0));
        let journal = journal.unwrap();
        let mut body = vec![b'-'; shift];
        body.extend_from_slice(forged);
        let seq = journal.append(Raw(body));
        journal.wait_durable(seq).unwrap();
        let name = "00000000000000000001.journal";
        let mut content = disk.content(name).unwrap();
        content[33] ^= 1;
        drop(journal);
        let torn = SimDisk::new();
        torn.put(name, content);
        let reopened = Journal::<Raw>::open(sim(&torn), settings(), Seq(0));
        assert_eq!(reopened.unwrap().durable(), Seq(0));
    }
}

/// Bytes that are stored as they are, not as an array of numbers.
mod raw {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub struct Raw(pub Vec<u8>);

    impl Serialize for Raw {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_bytes(&self.0)
        }
    }

    impl<'de> Deserialize<'de> for Raw {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            bytes::Bytes::deserialize(deserializer).map(|bytes| Self(bytes.to_vec()))
        }
    }
}

#[test]
fn a_damaged_mark_of_a_clean_stop_is_ignored() {
    let closed = Closed::new();
    closed.edit("CLEAN", |bytes| bytes.truncate(10));
    assert_eq!(open(&closed.disk, 0).durable(), Seq(LAST));
}

#[test]
fn foreign_files_are_left_alone() {
    let closed = Closed::new();
    fs::write(closed.dir.path().join("notes.txt"), "mine").unwrap();
    fs::write(closed.dir.path().join("7.journal"), "mine").unwrap();
    open(&closed.disk, 0).close().unwrap();
    for name in ["notes.txt", "7.journal"] {
        assert_eq!(fs::read(closed.dir.path().join(name)).unwrap(), b"mine");
    }
}
