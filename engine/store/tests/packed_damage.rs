//! Packed maps over a shelf that changed or lost leaves: always an error, never a panic, and never
//! an answer that leaves something out.

use didfarm_store::packed::{Direction, PackedError, PackedMap};
use didfarm_store::shelf::{IVec, MemoryShelf, Shelf, ShelfBatch};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::ops::Bound;

const MAP: PackedMap = PackedMap::new(b'm');
const ENTRIES: u32 = 600;

type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

fn key(number: u32) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

fn value(number: u32) -> Vec<u8> {
    vec![number as u8; 20 + number as usize % 90]
}

/// A map of about ten leaves.
fn filled() -> MemoryShelf {
    let shelf = MemoryShelf::new();
    let changes: Changes = (0..ENTRIES).map(|n| (key(n), Some(value(n)))).collect();
    let mut batch = ShelfBatch::new();
    MAP.apply(&shelf, &changes, &mut batch).unwrap();
    shelf.apply(batch).unwrap();
    shelf
}

fn leaves(shelf: &dyn Shelf) -> Vec<(IVec, IVec)> {
    let mut leaves = Vec::new();
    let mut last = IVec::default();
    while let Some((key, leaf)) = shelf.successor(&[], &last).unwrap() {
        last = key.clone();
        leaves.push((key, leaf));
    }
    leaves
}

fn set(shelf: &dyn Shelf, key: &[u8], leaf: Option<&[u8]>) {
    let mut batch = ShelfBatch::new();
    match leaf {
        Some(leaf) => batch.put(key, leaf),
        None => batch.remove(key),
    }
    shelf.apply(batch).unwrap();
}

/// Reads in every way and gives the errors; each answer without one must be right and full.
fn errors(shelf: &dyn Shelf) -> Vec<PackedError> {
    let mut errors = Vec::new();
    for number in 0..ENTRIES {
        match MAP.get(shelf, &key(number)) {
            Ok(found) => assert_eq!(found.as_deref(), Some(value(number).as_slice())),
            Err(error) => errors.push(error),
        }
    }
    for way in [Direction::Forward, Direction::Backward] {
        let mut numbers: Box<dyn Iterator<Item = u32>> = match way {
            Direction::Forward => Box::new(0..ENTRIES),
            Direction::Backward => Box::new((0..ENTRIES).rev()),
        };
        for row in MAP.scan(shelf, Bound::Unbounded, way) {
            match row {
                Ok(row) => {
                    let number = numbers.next().unwrap();
                    assert_eq!((&*row.0, &*row.1), (&*key(number), &*value(number)));
                }
                Err(error) => {
                    errors.push(error);
                    numbers = Box::new(std::iter::empty());
                }
            }
        }
        assert_eq!(numbers.next(), None, "a scan ended early without an error");
    }
    errors.extend(MAP.audit(shelf, |_, _| {}).err());
    errors
}

/// Merges changes into every leaf: the touched ones, and through removals their neighbours.
fn apply_error(shelf: &dyn Shelf) -> Option<PackedError> {
    let changes: Changes = (0..ENTRIES)
        .map(|number| (key(number), (number % 50 == 0).then(|| b"new".to_vec())))
        .collect();
    let mut batch = ShelfBatch::new();
    let error = MAP.apply(shelf, &changes, &mut batch).err();
    assert!(error.is_none() || batch.is_empty());
    error
}

fn is_damage(error: &PackedError) -> bool {
    matches!(
        error,
        PackedError::Damaged { map: b'm', .. } | PackedError::MissingLeaf { map: b'm', .. }
    )
}

fn assert_found_everywhere(shelf: &dyn Shelf) {
    let errors = errors(shelf);
    assert!(errors.len() > 3, "{errors:?}");
    assert!(errors.iter().all(is_damage), "{errors:?}");
    assert!(apply_error(shelf).is_some_and(|error| is_damage(&error)));
}

#[test]
fn a_sound_map_has_no_errors() {
    let shelf = filled();
    assert!(errors(&shelf).is_empty());
    assert!(apply_error(&shelf).is_none());
}

#[test]
fn every_single_missing_leaf_is_noticed() {
    let count = leaves(&filled()).len();
    assert!(count > 8);
    for index in 0..count {
        let shelf = filled();
        let (key, _) = leaves(&shelf).swap_remove(index);
        set(&shelf, &key, None);
        assert_found_everywhere(&shelf);
        let audited = MAP.audit(&shelf, |_, _| {});
        assert!(matches!(audited, Err(PackedError::MissingLeaf { .. })));
    }
}

#[test]
fn a_leaf_under_another_leafs_key_is_noticed() {
    let shelf = filled();
    let leaves = leaves(&shelf);
    set(&shelf, &leaves[3].0, Some(&leaves[5].1));
    assert_found_everywhere(&shelf);
}

#[test]
fn a_leaf_too_many_is_noticed_by_the_audit() {
    let shelf = filled();
    let leaf = leaves(&shelf).swap_remove(4);
    let between = [&leaf.0[..], &[0]].concat();
    set(&shelf, &between, Some(&leaf.1));
    let audited = MAP.audit(&shelf, |_, _| {});
    assert!(audited.is_err_and(|error| is_damage(&error)));
}

#[test]
fn an_old_leaf_whose_bounds_no_longer_fit_is_noticed() {
    let shelf = filled();
    let old = leaves(&shelf).swap_remove(4);
    // The leaf is split, and then its left part comes back as it was.
    let from = u32::from_be_bytes(old.0[1..].try_into().unwrap());
    let changes: Changes = (from..from + 10)
        .map(|number| (key(number), Some(vec![1; 800])))
        .collect();
    let mut batch = ShelfBatch::new();
    MAP.apply(&shelf, &changes, &mut batch).unwrap();
    shelf.apply(batch).unwrap();
    set(&shelf, &old.0, Some(&old.1));
    let audited = MAP.audit(&shelf, |_, _| {});
    assert!(audited.is_err_and(|error| is_damage(&error)));
}

/// Gives `leaf` the checksum that it would have if it were meant.
fn with_checksum(shelf_key: &[u8], mut leaf: Vec<u8>) -> Vec<u8> {
    if leaf.len() >= 5 {
        let crc = crc32c::crc32c(shelf_key);
        let crc = crc32c::crc32c_append(crc, &leaf[..1]);
        let crc = crc32c::crc32c_append(crc, &leaf[5..]);
        leaf[1..5].copy_from_slice(&crc.to_le_bytes());
    }
    leaf
}

/// Reads and merges in every way, for its panics only.
fn use_in_every_way(shelf: &dyn Shelf) {
    for number in (0..ENTRIES).step_by(7) {
        let _ = MAP.get(shelf, &key(number));
    }
    for way in [Direction::Forward, Direction::Backward] {
        let _ = MAP.scan(shelf, Bound::Unbounded, way).take(20_000).count();
        let _ = MAP
            .scan(shelf, Bound::Included(key(300)), way)
            .take(20_000)
            .count();
    }
    let _ = MAP.audit(shelf, |_, _| {});
    let _ = apply_error(shelf);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn changed_bytes_in_a_leaf_are_noticed(
        pick in any::<prop::sample::Index>(),
        flips in vec((any::<prop::sample::Index>(), 1..=255_u8), 1..4),
    ) {
        let shelf = filled();
        let all = leaves(&shelf);
        let (key, leaf) = pick.get(&all);
        let mut bytes = leaf.to_vec();
        for (place, flip) in &flips {
            let place = place.index(bytes.len());
            bytes[place] ^= flip;
        }
        prop_assume!(bytes != leaf.to_vec());
        set(&shelf, key, Some(&bytes));
        assert_found_everywhere(&shelf);
    }

    #[test]
    fn a_cut_or_lengthened_leaf_is_noticed(
        pick in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        more in vec(any::<u8>(), 1..20),
    ) {
        let shelf = filled();
        let all = leaves(&shelf);
        let (key, leaf) = pick.get(&all);
        set(&shelf, key, Some(&leaf[..place.index(leaf.len())]));
        assert_found_everywhere(&shelf);
        set(&shelf, key, Some(&[&leaf[..], &more].concat()));
        assert_found_everywhere(&shelf);
    }

    #[test]
    fn no_bytes_cause_a_panic_even_under_a_right_checksum(
        pick in any::<prop::sample::Index>(),
        random in vec(any::<u8>(), 0..300),
        flips in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        near_header in any::<bool>(),
    ) {
        let shelf = filled();
        let all = leaves(&shelf);
        let (key, leaf) = pick.get(&all);
        let mut bytes = leaf.to_vec();
        for (place, byte) in &flips {
            let place = place.index(if near_header { 60 } else { bytes.len() });
            bytes[place] = *byte;
        }
        bytes[0] = leaf[0];
        set(&shelf, key, Some(&with_checksum(key, bytes)));
        use_in_every_way(&shelf);
        let random = [&leaf[..1], &random].concat();
        set(&shelf, key, Some(&with_checksum(key, random)));
        use_in_every_way(&shelf);
    }
}
