//! Packed maps against a model: random batches, look-ups, scans both ways, audits.

use didfarm_store::packed::{
    Direction, KEY_BYTES_MAX, LEAF_BYTES_MAX, LEAF_BYTES_TARGET, PackedCounts, PackedError,
    PackedMap, VALUE_BYTES_MAX,
};
use didfarm_store::shelf::{MemoryShelf, OverlayShelf, Shelf, ShelfBatch, SledShelf};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::ops::Bound;

const MAP: PackedMap = PackedMap::new(b'm');
const CACHE_BYTES: u64 = 4 * 1024 * 1024;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;
type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

fn apply(shelf: &dyn Shelf, map: PackedMap, changes: &Changes) {
    let mut batch = ShelfBatch::new();
    map.apply(shelf, changes, &mut batch).unwrap();
    shelf.apply(batch).unwrap();
}

fn change_model(model: &mut Model, changes: &Changes) {
    for (key, value) in changes {
        match value {
            Some(value) => model.insert(key.clone(), value.clone()),
            None => model.remove(key),
        };
    }
}

fn scanned(shelf: &dyn Shelf, from: Bound<Vec<u8>>, way: Direction) -> Vec<(Vec<u8>, Vec<u8>)> {
    let scan = MAP.scan(shelf, from, way);
    scan.map(|row| row.map(|(key, value)| (key.to_vec(), value.to_vec())))
        .collect::<Result<_, _>>()
        .unwrap()
}

fn audited(shelf: &dyn Shelf) -> (Model, PackedCounts) {
    let mut found = Model::new();
    let counts = MAP.audit(shelf, |key, value| {
        assert!(found.insert(key.to_vec(), value.to_vec()).is_none());
    });
    (found, counts.unwrap())
}

fn assert_same(shelf: &dyn Shelf, model: &Model, probes: &[Vec<u8>]) {
    let (found, counts) = audited(shelf);
    assert_eq!(&found, model);
    assert_eq!(counts.entries, model.len() as u64);
    assert_eq!(counts.leaves == 0, model.is_empty());
    let bounds = probes
        .iter()
        .flat_map(|key| [Bound::Included(key.clone()), Bound::Excluded(key.clone())]);
    for from in bounds.chain([Bound::Unbounded]) {
        let above = model.range((from.clone(), Bound::Unbounded));
        let above: Vec<_> = above.map(|(k, v)| (k.clone(), v.clone())).collect();
        assert_eq!(scanned(shelf, from.clone(), Direction::Forward), above);
        let below = model.range((Bound::Unbounded, from.clone())).rev();
        let below: Vec<_> = below.map(|(k, v)| (k.clone(), v.clone())).collect();
        assert_eq!(scanned(shelf, from, Direction::Backward), below);
    }
    for key in probes.iter().chain(model.keys()) {
        let got = MAP.get(shelf, key).unwrap();
        assert_eq!(got.as_deref(), model.get(key).map(Vec::as_slice));
    }
}

fn keys() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => (0..400_u16).prop_map(|number| number.to_be_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..=KEY_BYTES_MAX),
        1 => vec(prop_oneof![Just(0_u8), Just(255)], 0..5),
    ]
}

fn values() -> impl Strategy<Value = Vec<u8>> {
    let bytes = prop_oneof![
        20 => 0..60_usize,
        6 => 60..1200_usize,
        1 => 1200..=VALUE_BYTES_MAX,
        1 => Just(VALUE_BYTES_MAX),
    ];
    (bytes, any::<u8>()).prop_map(|(bytes, byte)| vec![byte; bytes])
}

fn changes() -> impl Strategy<Value = Changes> {
    let put = (keys(), values().prop_map(Some));
    let mixed = (keys(), proptest::option::weighted(0.3, values()));
    let remove_row = (0..400_u16, 1..300_u16).prop_map(|(from, count)| {
        let row = from..from.saturating_add(count);
        row.map(|number| (number.to_be_bytes().to_vec(), None))
            .collect()
    });
    prop_oneof![
        vec(put, 0..150).prop_map(|all| all.into_iter().collect()),
        vec(mixed, 0..60).prop_map(|all| all.into_iter().collect()),
        remove_row,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_packed_map_answers_as_a_sorted_map(
        batches in vec(changes(), 1..10),
        probes in vec(keys(), 12),
    ) {
        let shelf = MemoryShelf::new();
        let mut model = Model::new();
        // Neighbours on the shelf that must neither be seen nor touched.
        for prefix in [b'l', b'n'] {
            apply(&shelf, PackedMap::new(prefix), &Changes::from([(vec![], Some(vec![prefix]))]));
        }
        for batch in &batches {
            apply(&shelf, MAP, batch);
            change_model(&mut model, batch);
            assert_same(&shelf, &model, &probes);
        }
        for prefix in [b'l', b'n'] {
            let kept = PackedMap::new(prefix).get(&shelf, &[]).unwrap();
            prop_assert_eq!(kept.as_deref(), Some(&[prefix][..]));
        }
        let all = model.keys().map(|key| (key.clone(), None)).collect();
        apply(&shelf, MAP, &all);
        assert_same(&shelf, &Model::new(), &probes);
    }

    #[test]
    fn an_overlay_leaves_the_map_below_as_it_was(below in changes(), above in changes()) {
        let base = MemoryShelf::new();
        let mut model = Model::new();
        apply(&base, MAP, &below);
        change_model(&mut model, &below);
        let base_model = model.clone();
        let overlay = OverlayShelf::new(&base);
        apply(&overlay, MAP, &above);
        change_model(&mut model, &above);
        assert_same(&overlay, &model, &[]);
        assert_same(&base, &base_model, &[]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5))]

    #[test]
    fn a_packed_map_on_disk_answers_as_a_sorted_map_and_after_reopening(
        batches in vec(changes(), 1..6),
        probes in vec(keys(), 6),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut model = Model::new();
        for batch in &batches {
            let shelf = SledShelf::open(dir.path(), CACHE_BYTES).unwrap();
            assert_same(&shelf, &model, &probes);
            apply(&shelf, MAP, batch);
            change_model(&mut model, batch);
            assert_same(&shelf, &model, &probes);
            shelf.sync().unwrap();
        }
        let shelf = SledShelf::open(dir.path(), CACHE_BYTES).unwrap();
        assert_same(&shelf, &model, &probes);
    }
}

fn numbered(numbers: impl IntoIterator<Item = u32>, value_bytes: usize) -> Changes {
    let entry = |number: u32| (number.to_be_bytes().to_vec(), Some(vec![7; value_bytes]));
    numbers.into_iter().map(entry).collect()
}

#[test]
fn appending_in_order_fills_the_leaves() {
    let shelf = MemoryShelf::new();
    for batch in 0..200 {
        apply(&shelf, MAP, &numbered(batch * 50..(batch + 1) * 50, 100));
    }
    let counts = audited(&shelf).1;
    let filled = counts.leaf_bytes as f64 / (counts.leaves as f64 * LEAF_BYTES_TARGET as f64);
    assert!(filled > 0.93, "leaves are filled to {filled}");
}

#[test]
fn changes_all_over_leave_leaves_at_least_half_full() {
    let shelf = MemoryShelf::new();
    let spread = |number: u32| number.wrapping_mul(2_654_435_761);
    for batch in 0..100 {
        let numbers = (batch * 200..(batch + 1) * 200).map(spread);
        apply(&shelf, MAP, &numbered(numbers, 40));
    }
    let counts = audited(&shelf).1;
    assert_eq!(counts.entries, 20_000);
    let filled = counts.leaf_bytes as f64 / (counts.leaves as f64 * LEAF_BYTES_TARGET as f64);
    assert!(filled > 0.5, "leaves are filled to {filled}");
}

#[test]
fn a_map_that_shrinks_gives_its_leaves_back() {
    let shelf = MemoryShelf::new();
    apply(&shelf, MAP, &numbered(0..20_000, 40));
    let before = audited(&shelf).1.leaves;
    for batch in 0..200 {
        let numbers = (batch * 100..(batch + 1_u32) * 100).filter(|number| number % 20 != 0);
        let removed = numbers.map(|number| (number.to_be_bytes().to_vec(), None));
        apply(&shelf, MAP, &removed.collect());
    }
    let counts = audited(&shelf).1;
    assert_eq!(counts.entries, 1000);
    assert!(
        counts.leaves * 4 < before,
        "{} of {before} leaves",
        counts.leaves
    );
}

#[test]
fn a_queue_eaten_from_the_left_keeps_no_empty_leaves() {
    let shelf = MemoryShelf::new();
    for step in 0..300_u32 {
        let mut changes = numbered(step * 20..(step + 1) * 20, 50);
        let eaten = step.saturating_sub(10) * 20..step.saturating_sub(9) * 20;
        changes.extend(eaten.map(|number| (number.to_be_bytes().to_vec(), None)));
        apply(&shelf, MAP, &changes);
    }
    let counts = audited(&shelf).1;
    assert!(counts.leaves < 10, "{counts:?}");
}

#[test]
fn the_largest_values_fit_beside_small_ones() {
    let shelf = MemoryShelf::new();
    let mut changes = Changes::new();
    for number in 0..200_u8 {
        let value_bytes = match number % 3 {
            0 => VALUE_BYTES_MAX,
            _ => usize::from(number) * 5,
        };
        let key = [&[number][..], &[0; KEY_BYTES_MAX - 1]].concat();
        changes.insert(key, Some(vec![number; value_bytes]));
    }
    apply(&shelf, MAP, &changes);
    let mut model = Model::new();
    change_model(&mut model, &changes);
    assert_same(&shelf, &model, &[]);
    let mut last = didfarm_store::shelf::IVec::default();
    while let Some((key, leaf)) = shelf.successor(&[], &last).unwrap() {
        assert!(leaf.len() <= LEAF_BYTES_MAX);
        last = key;
    }
}

#[test]
fn changes_that_change_nothing_write_nothing() {
    let shelf = MemoryShelf::new();
    let absent = Changes::from([(b"absent".to_vec(), None)]);
    let mut batch = ShelfBatch::new();
    MAP.apply(&shelf, &absent, &mut batch).unwrap();
    assert!(batch.is_empty());
    let changes = numbered(0..1000, 40);
    apply(&shelf, MAP, &changes);
    MAP.apply(&shelf, &changes, &mut batch).unwrap();
    MAP.apply(&shelf, &absent, &mut batch).unwrap();
    assert!(batch.is_empty());
}

#[test]
fn the_growth_of_a_map_is_told() {
    let shelf = MemoryShelf::new();
    let grown = |changes: &Changes| {
        let mut batch = ShelfBatch::new();
        let grown = MAP.apply(&shelf, changes, &mut batch).unwrap();
        shelf.apply(batch).unwrap();
        grown
    };
    let removed = |range: std::ops::Range<u32>| {
        numbered(range, 1)
            .into_keys()
            .map(|key| (key, None))
            .collect::<Changes>()
    };
    assert_eq!(grown(&removed(0..10)), 0);
    assert_eq!(grown(&numbered(0..1000, 40)), 1000);
    assert_eq!(grown(&numbered(500..1500, 40)), 500, "half of them again");
    assert_eq!(grown(&numbered(0..1500, 30)), 0, "other values");
    let mut mixed = removed(1400..1700);
    mixed.extend(numbered(2000..2010, 40));
    assert_eq!(grown(&mixed), 10 - 100);
    assert_eq!(grown(&removed(0..3000)), -1410);
    assert_eq!(audited(&shelf).1.entries, 0);
}

#[test]
fn what_does_not_fit_is_refused_whole() {
    let shelf = MemoryShelf::new();
    let mut batch = ShelfBatch::new();
    let fits = (b"a".to_vec(), Some(vec![0; VALUE_BYTES_MAX]));
    let large = (b"b".to_vec(), Some(vec![0; VALUE_BYTES_MAX + 1]));
    let refused = MAP.apply(&shelf, &Changes::from([fits.clone(), large]), &mut batch);
    assert!(matches!(refused, Err(PackedError::ValueTooLarge { bytes, .. }) if bytes == 12_289));
    let long = (vec![1; KEY_BYTES_MAX + 1], None);
    let refused = MAP.apply(&shelf, &Changes::from([fits.clone(), long]), &mut batch);
    assert!(matches!(
        refused,
        Err(PackedError::KeyTooLong { bytes: 65, .. })
    ));
    assert!(batch.is_empty());
    MAP.apply(&shelf, &Changes::from([fits.clone()]), &mut batch)
        .unwrap();
    let again = MAP.apply(&shelf, &Changes::from([fits]), &mut batch);
    assert!(matches!(
        again,
        Err(PackedError::AppliedTwice { map: b'm' })
    ));
}

#[test]
fn a_scan_goes_on_through_batches_applied_meanwhile() {
    let shelf = MemoryShelf::new();
    apply(
        &shelf,
        MAP,
        &numbered((0..20_000).map(|number| number * 2), 40),
    );
    for way in [Direction::Forward, Direction::Backward] {
        let mut kept = 0;
        let mut last = None;
        for (step, row) in MAP.scan(&shelf, Bound::Unbounded, way).enumerate() {
            let key = row.unwrap().0.to_vec();
            if let Some(last) = last.replace(key.clone()) {
                assert_eq!(key > last, way == Direction::Forward);
            }
            let number = u32::from_be_bytes(key.try_into().unwrap());
            kept += usize::from(number % 2 == 0);
            if step % 500 == 0 {
                let spot = (step as u32 * 7919) % 39_000;
                let odd = (spot..spot + 900).filter(|number| number % 2 == 1);
                match (step / 500) % 2 {
                    0 => apply(&shelf, MAP, &numbered(odd, 60)),
                    _ => apply(
                        &shelf,
                        MAP,
                        &odd.map(|number| (number.to_be_bytes().to_vec(), None))
                            .collect(),
                    ),
                }
            }
        }
        assert_eq!(kept, 20_000);
    }
}
