//! Verify and repair on a real data directory.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use didfarm_core::ids::MessageId;
use didfarm_store::records::Records;
use didfarm_store::repair::{RepairError, repair};
use didfarm_store::shelf::sled_shelf::SledShelf;
use didfarm_store::shelf::{Shelf, ShelfBatch};
use didfarm_store::store::{Store, StoreOpenError, StoreSettings};
use didfarm_store::verify::{Expected, VerifyError, verify};

use crate::assert_breaches;
use crate::rich::Rich;
use crate::shelves::rows;
use crate::soundness::ALL_MAPS;

const CACHE_BYTES: u64 = 4 << 20;

fn settings() -> StoreSettings {
    StoreSettings {
        segment_bytes: 1 << 14,
        group_bytes_max: 1 << 20,
        keep_bytes: 1 << 30,
        free_bytes_min: 0,
        checkpoint_interval: Duration::from_secs(3600),
        sled_cache_bytes: CACHE_BYTES,
        on_fatal: Arc::new(|fatal| panic!("{fatal}")),
    }
}

/// A stopped store that holds everything.
fn stopped_store(dir: &Path, settings: &StoreSettings) -> Rich {
    let rich = Rich::new();
    let store = Store::open(dir, settings).unwrap();
    for entry in &rich.farm.entries {
        let seq = store.journal.append(entry.clone());
        store.journal.wait_durable(seq).unwrap();
    }
    drop(store);
    rich
}

fn expected(ids: impl IntoIterator<Item = MessageId>) -> Vec<Expected> {
    ids.into_iter()
        .map(|id| Expected { id, body: None })
        .collect()
}

fn all_ids(rich: &Rich) -> Vec<Expected> {
    let ids = crate::shelves::rows(&rich.records, didfarm_store::records::keys::MAPS.messages);
    expected(
        ids.iter()
            .map(|(key, _)| MessageId(didfarm_store::records::keys::id_of(key).unwrap())),
    )
}

/// Every file of the journal with its bytes.
fn journal_files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(dir.join("journal")).unwrap();
    files
        .map(|file| file.unwrap().path())
        .map(|path| {
            (
                path.file_name().unwrap().to_string_lossy().into_owned(),
                fs::read(&path).unwrap(),
            )
        })
        .collect()
}

/// The journal's segments in order.
fn segments(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut paths: Vec<_> = journal_files(dir)
        .into_keys()
        .filter(|name| name.ends_with(".journal"))
        .map(|name| dir.join("journal").join(name))
        .collect();
    paths.sort();
    paths
}

#[test]
fn a_stopped_store_is_clean_and_its_journal_is_left_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let rich = stopped_store(dir.path(), &settings());
    let before = journal_files(dir.path());
    let report = verify(
        dir.path(),
        CACHE_BYTES,
        Some(&mut all_ids(&rich).into_iter()),
    )
    .unwrap();
    assert!(report.is_clean(), "{report}");
    assert_eq!(
        (report.messages, report.expected, report.replayed),
        (69, 69, 0)
    );
    assert_eq!(journal_files(dir.path()), before);
}

#[test]
fn the_tail_that_the_records_do_not_hold_is_replayed_for_the_audit_only() {
    let dir = tempfile::tempdir().unwrap();
    let rich = stopped_store(dir.path(), &settings());
    fs::remove_dir_all(dir.path().join("records")).unwrap();
    let missing = verify(dir.path(), CACHE_BYTES, None);
    assert!(
        matches!(missing, Err(VerifyError::NoRecords { .. })),
        "{missing:?}"
    );
    fs::create_dir(dir.path().join("records")).unwrap();
    for _ in 0..2 {
        let report = verify(
            dir.path(),
            CACHE_BYTES,
            Some(&mut all_ids(&rich).into_iter()),
        )
        .unwrap();
        assert!(report.is_clean(), "{report}");
        assert_eq!(report.replayed, rich.farm.entries.len() as u64);
    }
}

#[test]
fn v1_a_message_that_was_acknowledged_and_is_not_stored_is_named_first() {
    let dir = tempfile::tempdir().unwrap();
    let rich = stopped_store(dir.path(), &settings());
    let lost = MessageId(rich.queued.0 + 300);
    let report = verify(
        dir.path(),
        CACHE_BYTES,
        Some(&mut expected([rich.queued, lost]).into_iter()),
    )
    .unwrap();
    assert_breaches("a lost message", &report, &["V1"], &lost.to_string());
}

#[test]
fn v11_a_gap_in_the_tail_is_named_with_the_journals_own_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let small = StoreSettings {
        segment_bytes: 1 << 11,
        ..settings()
    };
    stopped_store(dir.path(), &small);
    let segments = segments(dir.path());
    assert!(segments.len() > 2, "{segments:?}");
    fs::remove_file(&segments[1]).unwrap();
    fs::remove_dir_all(dir.path().join("records")).unwrap();
    fs::create_dir(dir.path().join("records")).unwrap();
    let report = verify(dir.path(), CACHE_BYTES, None).unwrap();
    assert_eq!(report.breaches[0].invariant, "V11", "{report}");
    assert!(
        report.breaches[0]
            .sentence
            .contains("is in no segment file"),
        "{report}"
    );
}

#[test]
fn v11_records_that_are_ahead_of_the_journal_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let small = StoreSettings {
        segment_bytes: 1 << 11,
        ..settings()
    };
    stopped_store(dir.path(), &small);
    for segment in &segments(dir.path())[2..] {
        fs::remove_file(segment).unwrap();
    }
    let report = verify(dir.path(), CACHE_BYTES, None).unwrap();
    assert_breaches("an old journal", &report, &["V11"], "the journal");
}

#[test]
fn v11_a_tail_that_was_lost_after_a_clean_stop_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let small = StoreSettings {
        segment_bytes: 1 << 11,
        ..settings()
    };
    stopped_store(dir.path(), &small);
    // Without records there is nothing but the mark that tells of the entries which are gone.
    fs::remove_dir_all(dir.path().join("records")).unwrap();
    fs::create_dir(dir.path().join("records")).unwrap();
    fs::remove_file(segments(dir.path()).last().unwrap()).unwrap();
    let report = verify(dir.path(), CACHE_BYTES, None).unwrap();
    assert_breaches("a lost tail", &report, &["V11"], "the journal");
    assert!(
        report.breaches[0].sentence.contains("but was closed at"),
        "{report}"
    );
}

#[test]
fn a_torn_tail_is_a_note_and_no_breach() {
    let dir = tempfile::tempdir().unwrap();
    let rich = stopped_store(dir.path(), &settings());
    let last = segments(dir.path()).pop().unwrap();
    let mut bytes = fs::read(&last).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    // The start of a frame whose rest was never written, where the next one would begin.
    let next = end.next_multiple_of(4096);
    let start = if next < bytes.len() {
        next
    } else {
        end.next_multiple_of(8)
    };
    for byte in &mut bytes[start..start + 24] {
        *byte = 0x5a;
    }
    fs::write(&last, bytes).unwrap();
    let report = verify(
        dir.path(),
        CACHE_BYTES,
        Some(&mut all_ids(&rich).into_iter()),
    )
    .unwrap();
    assert!(report.is_clean(), "{report}");
    assert!(
        report
            .torn_tail
            .as_ref()
            .is_some_and(|note| note.contains("never acknowledged")),
        "{report}"
    );
}

#[test]
fn a_store_that_is_running_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let _running = Store::open(dir.path(), &settings()).unwrap();
    let refused = verify(dir.path(), CACHE_BYTES, None);
    assert!(
        matches!(refused, Err(VerifyError::Open(StoreOpenError::Lock(_)))),
        "{refused:?}"
    );
    assert!(matches!(
        repair(dir.path(), &settings()),
        Err(RepairError::Lock(_))
    ));
}

/// Overwrites sled's data file so that it does not open: what its snapshot speaks of is gone.
fn damage_records(dir: &Path) {
    // sled writes a snapshot when it opens; without one it would take the damage for an empty file.
    drop(Store::open(dir, &settings()).unwrap());
    let db = dir.join("records").join("db");
    let bytes = fs::read(&db).unwrap().len();
    fs::write(&db, vec![0xa5; bytes]).unwrap();
}

#[test]
fn damaged_records_are_refused_repaired_and_clean_again() {
    let dir = tempfile::tempdir().unwrap();
    let rich = stopped_store(dir.path(), &settings());
    damage_records(dir.path());
    let refused = Store::open(dir.path(), &settings())
        .err()
        .expect("damaged records do not open");
    assert!(refused.to_string().contains("didfarm repair"), "{refused}");

    let report = repair(dir.path(), &settings()).unwrap();
    assert_eq!(report.seq.0, rich.farm.entries.len() as u64);
    assert_eq!(report.moved_to, Some(dir.path().join("records.damaged-1")));
    assert!(dir.path().join("records.damaged-1/db").is_file());
    let report = verify(
        dir.path(),
        CACHE_BYTES,
        Some(&mut all_ids(&rich).into_iter()),
    )
    .unwrap();
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.expected, 69);
    assert_same_records(dir.path(), &rich);

    let again = repair(dir.path(), &settings()).unwrap();
    assert_eq!(again.moved_to, Some(dir.path().join("records.damaged-2")));
}

/// Asserts that a stopped store's records are those that one replay writes.
fn assert_same_records(dir: &Path, rich: &Rich) {
    let sled = SledShelf::open(&dir.join("records"), CACHE_BYTES).unwrap();
    let records = Records::new(Arc::new(sled));
    assert_eq!(records.meta().unwrap(), rich.records.meta().unwrap());
    for (name, map) in ALL_MAPS {
        assert!(rows(&records, map) == rows(&rich.records, map), "{name}");
    }
}

#[test]
fn a_journal_that_does_not_reach_back_leaves_the_records_where_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let small = StoreSettings {
        segment_bytes: 1 << 11,
        ..settings()
    };
    stopped_store(dir.path(), &small);
    fs::remove_file(&segments(dir.path())[0]).unwrap();
    let refused = repair(dir.path(), &small).unwrap_err();
    let RepairError::JournalStartsLate { first, .. } = &refused else {
        panic!("{refused}")
    };
    assert!(first.0 > 1);
    assert!(refused.to_string().contains("from a backup"), "{refused}");
    assert!(!dir.path().join("records.damaged-1").exists());
    assert!(verify(dir.path(), CACHE_BYTES, None).unwrap().is_clean());
}

#[test]
fn a_journal_with_a_gap_leaves_the_records_where_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let small = StoreSettings {
        segment_bytes: 1 << 11,
        ..settings()
    };
    stopped_store(dir.path(), &small);
    fs::remove_file(&segments(dir.path())[1]).unwrap();
    let refused = repair(dir.path(), &small).unwrap_err();
    assert!(matches!(refused, RepairError::Journal(_)), "{refused}");
    assert!(!dir.path().join("records.damaged-1").exists());
}

#[test]
fn a_repair_that_fails_puts_the_records_back() {
    let dir = tempfile::tempdir().unwrap();
    let small = StoreSettings {
        segment_bytes: 1 << 11,
        ..settings()
    };
    stopped_store(dir.path(), &small);
    let before = fs::read(dir.path().join("records/db")).unwrap();
    // The rest is sound, but the mark of the clean stop tells that the tail is lost.
    fs::remove_file(segments(dir.path()).last().unwrap()).unwrap();
    let refused = repair(dir.path(), &small).unwrap_err();
    assert!(
        matches!(refused, RepairError::Rebuild(StoreOpenError::Journal(_))),
        "{refused}"
    );
    assert!(!dir.path().join("records.damaged-1").exists());
    assert_eq!(fs::read(dir.path().join("records/db")).unwrap(), before);
}

#[test]
fn a_store_of_another_version_is_refused_and_left_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    stopped_store(dir.path(), &settings());
    let first = &segments(dir.path())[0];
    let mut bytes = fs::read(first).unwrap();
    bytes[4] = 2;
    fs::write(first, &bytes).unwrap();
    let older_journal = repair(dir.path(), &settings()).unwrap_err().to_string();
    assert!(
        older_journal.contains("journal format 2, which this didfarm does not know"),
        "{older_journal}"
    );
    assert!(!dir.path().join("records.damaged-1").exists());

    let sled = SledShelf::open(&dir.path().join("records"), CACHE_BYTES).unwrap();
    let mut meta = sled.get(b"M").unwrap().unwrap().to_vec();
    meta[0] = 2;
    let mut batch = ShelfBatch::new();
    batch.put(b"M".to_vec(), meta);
    sled.apply(batch).unwrap();
    drop(sled);
    let older_records = Store::open(dir.path(), &settings()).err();
    let sentence = older_records
        .expect("older records do not open")
        .to_string();
    assert!(
        sentence.contains("it has version 2, this didfarm reads version 3 only"),
        "{sentence}"
    );
    assert_eq!(fs::read(first).unwrap(), bytes);
}

#[test]
fn a_directory_without_a_journal_is_not_repaired() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(
        repair(dir.path(), &settings()),
        Err(RepairError::NoJournal { .. })
    ));
    assert!(matches!(
        verify(dir.path(), CACHE_BYTES, None),
        Err(VerifyError::Open(_))
    ));
}
