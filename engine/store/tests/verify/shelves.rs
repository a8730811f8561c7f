//! Records in memory, and the ways to break them that keep every leaf sound.

use std::collections::BTreeMap;
use std::sync::Arc;

use didfarm_core::event::Entry;
use didfarm_store::packed::{Direction, PackedMap};
use didfarm_store::records::codec;
use didfarm_store::records::round::Round;
use didfarm_store::records::{Meta, Records};
use didfarm_store::shelf::{MemoryShelf, Shelf, ShelfBatch};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Applies entries as one round on an empty shelf.
pub fn records_of(entries: &[Entry]) -> Records {
    let shelf: Arc<dyn Shelf> = Arc::new(MemoryShelf::new());
    let records = Records::new(shelf);
    let mut round = Round::begin(records.shelf(), records.meta().unwrap());
    let mut seq = records.meta().unwrap().seq;
    for entry in entries {
        seq = seq.next();
        round.apply(seq, entry).unwrap();
    }
    round.commit().unwrap();
    records
}

/// Puts or removes the bytes of one entry.
pub fn put(records: &Records, map: PackedMap, key: &[u8], value: Option<Vec<u8>>) {
    let mut batch = ShelfBatch::new();
    map.apply(
        records.shelf(),
        &BTreeMap::from([(key.to_vec(), value)]),
        &mut batch,
    )
    .unwrap();
    records.shelf().apply(batch).unwrap();
}

pub fn remove(records: &Records, map: PackedMap, key: &[u8]) {
    put(records, map, key, None);
}

pub fn put_record<T: Serialize>(records: &Records, map: PackedMap, key: &[u8], record: &T) {
    put(records, map, key, Some(codec::encode(record)));
}

/// Decodes a record, changes it and puts it back.
pub fn alter<T: Serialize + DeserializeOwned>(
    records: &Records,
    map: PackedMap,
    key: &[u8],
    change: impl FnOnce(&mut T),
) {
    let bytes = map
        .get(records.shelf(), key)
        .unwrap()
        .expect("the record is there");
    let mut record = codec::decode(&bytes).unwrap();
    change(&mut record);
    put_record(records, map, key, &record);
}

/// Moves an entry to another key.
pub fn rename(records: &Records, map: PackedMap, from: &[u8], to: &[u8]) {
    let value = map
        .get(records.shelf(), from)
        .unwrap()
        .expect("the entry is there")
        .to_vec();
    remove(records, map, from);
    put(records, map, to, Some(value));
}

/// Every entry of a map.
pub fn rows(records: &Records, map: PackedMap) -> Vec<(Vec<u8>, Vec<u8>)> {
    let scan = map.scan(
        records.shelf(),
        std::ops::Bound::Unbounded,
        Direction::Forward,
    );
    scan.map(|row| {
        row.map(|(key, value)| (key.to_vec(), value.to_vec()))
            .unwrap()
    })
    .collect()
}

pub fn alter_meta(records: &Records, change: impl FnOnce(&mut Meta)) {
    let mut meta = records.meta().unwrap();
    change(&mut meta);
    let mut batch = ShelfBatch::new();
    batch.put(b"M".to_vec(), codec::encode(&meta));
    records.shelf().apply(batch).unwrap();
}
