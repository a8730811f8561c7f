//! The working set of one round: each touched record is read once, evolved in memory, written once.

use std::collections::BTreeMap;
use std::hash::Hash;

use rustc_hash::FxHashMap;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::RecordsError;
use super::codec;
use crate::packed::PackedMap;
use crate::shelf::{Shelf, ShelfBatch};

/// The touched records of one map.
pub(super) struct Working<K, T> {
    map: PackedMap,
    kind: &'static str,
    touched: FxHashMap<K, Option<T>>,
}

impl<K, T> Working<K, T>
where
    K: Copy + Ord + Hash + AsRef<[u8]>,
    T: Serialize + DeserializeOwned,
{
    pub(super) fn new(map: PackedMap, kind: &'static str) -> Self {
        Working {
            map,
            kind,
            touched: FxHashMap::default(),
        }
    }

    /// The record to evolve in place, `None` when there is none.
    pub(super) fn get(
        &mut self,
        shelf: &dyn Shelf,
        key: K,
    ) -> Result<&mut Option<T>, RecordsError> {
        use std::collections::hash_map::Entry;
        match self.touched.entry(key) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => {
                let stored = self.map.get(shelf, key.as_ref())?;
                let record = stored
                    .map(|bytes| read(self.kind, key.as_ref(), &bytes))
                    .transpose()?;
                Ok(entry.insert(record))
            }
        }
    }

    /// Sets a record without reading what was there.
    pub(super) fn put(&mut self, key: K, record: T) {
        self.touched.insert(key, Some(record));
    }

    /// Removes a record without reading what was there.
    pub(super) fn remove(&mut self, key: K) {
        self.touched.insert(key, None);
    }

    /// Writes what was touched; returns how many records more there are then.
    pub(super) fn commit(
        self,
        shelf: &dyn Shelf,
        out: &mut ShelfBatch,
    ) -> Result<i64, RecordsError> {
        // Sorted as arrays first: the tree then takes them in order, without comparing slices.
        let mut touched: Vec<(K, Option<T>)> = self.touched.into_iter().collect();
        touched.sort_unstable_by_key(|(key, _)| *key);
        let changes: BTreeMap<Vec<u8>, Option<Vec<u8>>> = touched
            .into_iter()
            .map(|(key, record)| (key.as_ref().to_vec(), record.as_ref().map(codec::encode)))
            .collect();
        Ok(self.map.apply(shelf, &changes, out)?)
    }
}

/// Decodes one stored record.
pub(super) fn read<T: DeserializeOwned>(
    kind: &'static str,
    key: &[u8],
    bytes: &[u8],
) -> Result<T, RecordsError> {
    codec::decode(bytes).map_err(|source| {
        let key = key.iter().map(|byte| format!("{byte:02x}")).collect();
        RecordsError::Record { kind, key, source }
    })
}
