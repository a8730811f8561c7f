//! A shelf on disk whose files were damaged while it was closed: opening and reading end in a
//! typed error or in the full content; no panic gets out, and an audit against known counts
//! finds what is gone.

use didfarm_store::packed::{Direction, PackedError, PackedMap};
use didfarm_store::shelf::{Shelf, ShelfBatch, ShelfError, ShelfOpenError, SledShelf};
use std::collections::BTreeMap;
use std::fs;
use std::ops::Bound;
use std::path::{Path, PathBuf};

const CACHE_BYTES: u64 = 4 * 1024 * 1024;
const MAPS: [PackedMap; 3] = [PackedMap::new(1), PackedMap::new(2), PackedMap::new(3)];
const ENTRIES: u32 = 3000;
const SEEDS: u64 = 40;
const PAGE_BYTES: usize = 4096;

fn key(number: u32) -> Vec<u8> {
    number.wrapping_mul(2_654_435_761).to_be_bytes().to_vec()
}

fn value(number: u32, map: PackedMap) -> Vec<u8> {
    vec![number as u8 ^ map.prefix(); 60]
}

fn fill(dir: &Path) {
    let shelf = SledShelf::open(dir, CACHE_BYTES).unwrap();
    for from in (0..ENTRIES).step_by(500) {
        let mut batch = ShelfBatch::new();
        for map in MAPS {
            let entry = |number| (key(number), Some(value(number, map)));
            let changes: BTreeMap<_, _> = (from..from + 500).map(entry).collect();
            map.apply(&shelf, &changes, &mut batch).unwrap();
        }
        shelf.apply(batch).unwrap();
        shelf.sync().unwrap();
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    files
}

/// A small generator (xorshift64*), so that a seed alone names a case.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }
}

fn damage(dir: &Path, seed: u64) -> String {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    // Most of the faults go to the data file, which is nearly all of the bytes.
    let all = files(dir);
    let path = match random.below(5) {
        0 => all[random.below(all.len())].clone(),
        _ => dir.join("db"),
    };
    let mut bytes = fs::read(&path).unwrap();
    let used = bytes
        .iter()
        .rposition(|&byte| byte != 0)
        .map_or(1, |last| last + 1);
    let place = random.below(used);
    let what = match random.below(4) {
        0 => {
            bytes.truncate(place);
            "cut"
        }
        1 => {
            let end = (place + PAGE_BYTES).min(bytes.len());
            bytes[place..end].fill(0);
            "zeroed"
        }
        2 => {
            bytes[place] ^= 1 << random.below(8);
            "flipped"
        }
        _ => {
            for byte in &mut bytes[place..(place + 64).min(used)] {
                *byte = random.below(256) as u8;
            }
            "overwritten"
        }
    };
    fs::write(&path, bytes).unwrap();
    format!("seed {seed}: {} {what} at {place}", path.display())
}

/// Reads one map in full and in every way; whatever is answered must be right.
fn read_map(shelf: &dyn Shelf, map: PackedMap) -> Result<u64, PackedError> {
    let counts = map.audit(shelf, |_, _| {})?;
    for number in 0..ENTRIES {
        if let Some(found) = map.get(shelf, &key(number))? {
            assert_eq!(&*found, value(number, map));
        }
    }
    for way in [Direction::Forward, Direction::Backward] {
        let mut rows = 0;
        for row in map.scan(shelf, Bound::Unbounded, way) {
            row?;
            rows += 1;
        }
        assert_eq!(rows, counts.entries);
    }
    Ok(counts.entries)
}

/// What became of a damaged folder.
#[derive(Debug, PartialEq)]
enum Outcome {
    RefusedAtOpen,
    FoundByReading,
    /// The chains are sound, as of an older state or of nothing at all: only the counts tell.
    FoundByCounts,
    Untouched,
}

fn outcome(dir: &Path) -> Outcome {
    let shelf = match SledShelf::open(dir, CACHE_BYTES) {
        Ok(shelf) => shelf,
        Err(ShelfOpenError::Damaged { dir: named, .. }) => {
            assert_eq!(named, dir);
            return Outcome::RefusedAtOpen;
        }
        Err(other) => panic!("damage was taken for something else: {other}"),
    };
    let mut outcome = Outcome::Untouched;
    for map in MAPS {
        match read_map(&shelf, map) {
            Ok(count) if count == u64::from(ENTRIES) => {}
            Ok(_) if outcome == Outcome::Untouched => outcome = Outcome::FoundByCounts,
            Ok(_) => {}
            Err(
                PackedError::Damaged { .. }
                | PackedError::MissingLeaf { .. }
                | PackedError::Shelf(ShelfError::Damaged { .. } | ShelfError::Io { .. }),
            ) => outcome = Outcome::FoundByReading,
            Err(other) => panic!("damage was taken for something else: {other}"),
        }
    }
    outcome
}

#[test]
fn damage_on_disk_is_refused_or_found_and_never_silent() {
    let whole = tempfile::tempdir().unwrap();
    fill(whole.path());
    // Opening once more lets go of the lock and leaves the files at rest.
    drop(SledShelf::open(whole.path(), CACHE_BYTES).unwrap());
    let mut noticed = 0;
    for seed in 0..SEEDS {
        let copy = tempfile::tempdir().unwrap();
        for path in files(whole.path()) {
            fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
        }
        let case = damage(copy.path(), seed);
        let outcome = outcome(copy.path());
        println!("{case}: {outcome:?}");
        noticed += u64::from(outcome != Outcome::Untouched);
    }
    assert!(
        noticed > SEEDS / 4,
        "{noticed} of {SEEDS} faults hit anything"
    );
}
