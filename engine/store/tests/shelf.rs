//! The shelves against a model: order, prefixes, atomic batches, power loss, reopening.

use didfarm_store::shelf::{
    IVec, MemoryShelf, OverlayShelf, Shelf, ShelfBatch, ShelfEntry, ShelfOpenError, SledShelf,
};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

const CACHE_BYTES: u64 = 4 * 1024 * 1024;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;
type Changes = Vec<(Vec<u8>, Option<Vec<u8>>)>;

fn batch(changes: &Changes) -> ShelfBatch {
    let mut batch = ShelfBatch::new();
    for (key, value) in changes {
        match value {
            Some(value) => batch.put(key.as_slice(), value.as_slice()),
            None => batch.remove(key.as_slice()),
        }
    }
    batch
}

fn change_model(model: &mut Model, changes: &Changes) {
    for (key, value) in changes {
        match value {
            Some(value) => model.insert(key.clone(), value.clone()),
            None => model.remove(key),
        };
    }
}

fn put(shelf: &dyn Shelf, key: &[u8], value: &[u8]) {
    shelf
        .apply(batch(&vec![(key.to_vec(), Some(value.to_vec()))]))
        .unwrap();
}

fn plain(found: Option<ShelfEntry>) -> Option<(Vec<u8>, Vec<u8>)> {
    found.map(|(key, value)| (key.to_vec(), value.to_vec()))
}

fn assert_same(shelf: &dyn Shelf, model: &Model, probes: &[Vec<u8>]) {
    for key in probes {
        let got = shelf.get(key).unwrap().map(|value| value.to_vec());
        assert_eq!(got.as_ref(), model.get(key));
        for prefix_bytes in 0..=key.len().min(2) {
            let prefix = &key[..prefix_bytes];
            let of_prefix = model.iter().filter(|(found, _)| found.starts_with(prefix));
            let of_prefix: Vec<_> = of_prefix.map(|(k, v)| (k.clone(), v.clone())).collect();
            let last =
                |keep: &dyn Fn(&Vec<u8>) -> bool| of_prefix.iter().rfind(|(k, _)| keep(k)).cloned();
            assert_eq!(
                plain(shelf.floor(prefix, key).unwrap()),
                last(&|found| found <= key)
            );
            assert_eq!(
                plain(shelf.predecessor(prefix, key).unwrap()),
                last(&|found| found < key)
            );
            let next = of_prefix.iter().find(|(found, _)| found > key).cloned();
            assert_eq!(plain(shelf.successor(prefix, key).unwrap()), next);
        }
    }
}

fn keys() -> impl Strategy<Value = Vec<u8>> {
    vec(
        prop_oneof![Just(0_u8), Just(1), Just(7), Just(254), Just(255)],
        1..6,
    )
}

fn batches(count: usize) -> impl Strategy<Value = Vec<Changes>> {
    let change = (keys(), proptest::option::of(vec(any::<u8>(), 0..40)));
    vec(vec(change, 0..40), 1..count)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn shelves_in_memory_answer_as_a_sorted_map(
        below in batches(4),
        above in batches(4),
        probes in vec(keys(), 40),
    ) {
        let base = MemoryShelf::new();
        let mut model = Model::new();
        for changes in &below {
            base.apply(batch(changes)).unwrap();
            change_model(&mut model, changes);
        }
        assert_same(&base, &model, &probes);
        let base_model = model.clone();
        let overlay = OverlayShelf::new(&base);
        for changes in &above {
            overlay.apply(batch(changes)).unwrap();
            change_model(&mut model, changes);
        }
        overlay.sync().unwrap();
        assert_same(&overlay, &model, &probes);
        assert_same(&base, &base_model, &probes);
    }

    #[test]
    fn power_loss_keeps_what_was_synced_and_a_row_of_whole_batches(
        synced in batches(4),
        since in batches(6),
        seed in any::<u64>(),
        probes in vec(keys(), 20),
    ) {
        let shelf = MemoryShelf::new();
        let mut model = Model::new();
        for changes in &synced {
            shelf.apply(batch(changes)).unwrap();
            change_model(&mut model, changes);
        }
        shelf.sync().unwrap();
        let mut states = vec![model.clone()];
        for changes in &since {
            shelf.apply(batch(changes)).unwrap();
            change_model(&mut model, changes);
            states.push(model.clone());
        }
        let found = shelf.power_loss(seed);
        let contents = content(&found);
        prop_assert!(states.contains(&contents));
        prop_assert_eq!(content(&shelf.power_loss(seed)), contents.clone());
        assert_same(&shelf, &model, &probes);
        assert_same(&found, &contents, &probes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn the_shelf_on_disk_answers_as_a_sorted_map_and_after_reopening(
        all in batches(6),
        probes in vec(keys(), 60),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut model = Model::new();
        let shelf = SledShelf::open(dir.path(), CACHE_BYTES).unwrap();
        for changes in &all {
            shelf.apply(batch(changes)).unwrap();
            change_model(&mut model, changes);
        }
        shelf.sync().unwrap();
        assert_same(&shelf, &model, &probes);
        prop_assert!(shelf.size_on_disk().unwrap() > 0);
        drop(shelf);
        let shelf = SledShelf::open(dir.path(), CACHE_BYTES).unwrap();
        assert_same(&shelf, &model, &probes);
        prop_assert_eq!(content(&shelf), model);
    }
}

/// Everything on a shelf but the empty key, forward.
fn content(shelf: &dyn Shelf) -> Model {
    let mut all = Model::new();
    let mut last = IVec::default();
    while let Some((key, value)) = shelf.successor(&[], &last).unwrap() {
        all.insert(key.to_vec(), value.to_vec());
        last = key;
    }
    all
}

#[test]
fn every_number_of_batches_can_survive_a_power_loss() {
    let shelf = MemoryShelf::new();
    for byte in 0..4_u8 {
        put(&shelf, &[byte], b"x");
    }
    let survived: std::collections::BTreeSet<usize> =
        (0..200).map(|seed| shelf.power_loss(seed).len()).collect();
    assert_eq!(survived.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
}

/// sled seeks a node's left neighbour by its low key with the last byte lowered and four 0xff
/// bytes after it, and does not find its way where more than a node of keys lies above that.
#[test]
fn neighbours_are_found_among_keys_full_of_ff_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = SledShelf::open(dir.path(), CACHE_BYTES).unwrap();
    // How many keys lie before decides where sled splits its nodes.
    for below in 20..150_u8 {
        let mut batch = ShelfBatch::new();
        for last in 0..below {
            batch.put([below, 0, 255, 255, 255, 255, 255, 255, last], &[last]);
        }
        batch.put([below, 1], &[255]);
        for last in 0..100 {
            batch.put([below, 1, last], &[last]);
        }
        shelf.apply(batch).unwrap();
        let left = shelf.predecessor(&[below], &[below, 1]).unwrap();
        let expected = vec![below, 0, 255, 255, 255, 255, 255, 255, below - 1];
        assert_eq!(plain(left), Some((expected, vec![below - 1])));
    }
}

#[test]
fn a_key_outside_the_prefix_finds_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let sled = SledShelf::open(dir.path(), CACHE_BYTES).unwrap();
    let memory = MemoryShelf::new();
    let overlay = OverlayShelf::new(MemoryShelf::new());
    let shelves: [Arc<dyn Shelf>; 3] = [Arc::new(sled), Arc::new(memory), Arc::new(overlay)];
    for shelf in shelves {
        for key in [[1, 1], [2, 1], [3, 1]] {
            put(&shelf, &key, b"x");
        }
        for key in [[1, 5], [3, 0]] {
            assert_eq!(shelf.floor(&[2], &key).unwrap(), None);
            assert_eq!(shelf.predecessor(&[2], &key).unwrap(), None);
            assert_eq!(shelf.successor(&[2], &key).unwrap(), None);
        }
        assert_eq!(shelf.predecessor(&[2], &[2]).unwrap(), None);
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_an_io_error() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, b"").unwrap();
    let opened = SledShelf::open(&file.join("records"), CACHE_BYTES);
    assert!(matches!(opened, Err(ShelfOpenError::Io { .. })));
}

#[test]
fn large_values_make_no_files_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = SledShelf::open(dir.path(), CACHE_BYTES).unwrap();
    for round in 0..8_u8 {
        let mut batch = ShelfBatch::new();
        for key in 0..400_u32 {
            // Removing most and putting them back makes sled merge and split its nodes.
            match round % 2 == 1 && key % 7 != 0 {
                true => batch.remove(key.to_be_bytes()),
                false => batch.put(key.to_be_bytes(), vec![round; 15 * 1024]),
            }
        }
        shelf.apply(batch).unwrap();
        shelf.sync().unwrap();
        assert_eq!(files_in(&dir.path().join("blobs")), 0);
    }
}

fn files_in(dir: &Path) -> usize {
    fs::read_dir(dir).unwrap().count()
}
