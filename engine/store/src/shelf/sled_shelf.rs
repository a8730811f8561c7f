//! The shelf on disk: sled 0.34.7 behind a wall that panics do not pass.
//!
//! Owns the one place that opens and calls sled. Only plain reads, `apply_batch` and `flush` are
//! used: `flush_async`, and transactions together with range scans, deadlock in this version.

use super::panic_guard::guarded;
use super::sled_error::Fault;
pub use super::sled_error::ShelfOpenError;
use super::sled_key::{from_sled, into_sled};
use super::{Shelf, ShelfBatch, ShelfEntry, ShelfError};
use sled::IVec;
use std::fs::{self, File};
use std::ops::RangeBounds;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

/// How long opening is tried again while the folder is locked: sled lets go of its lock some time
/// after the last handle is dropped.
const OPEN_BUSY_MS_MAX: u64 = 10_000;
/// The pause between two tries to open.
const OPEN_RETRY_MS: u64 = 20;
/// The least cache that sled is given.
const CACHE_BYTES_MIN: u64 = 1024 * 1024;
/// The size of sled's log segments.
///
/// sled writes a node (up to 16 values, for a moment some more) as one record, and one over a
/// quarter of a segment as a file of its own, which it never syncs and leaves behind when killed.
/// With this size no node of values under 16 KB comes near that.
const SEGMENT_BYTES: usize = 2 * 1024 * 1024;
/// The file, in sled's folder, that holds all the data.
const DATA_FILE: &str = "db";

/// A shelf in a folder on disk, in one sled tree.
#[derive(Debug)]
pub struct SledShelf {
    /// Taken only by `drop`.
    db: Option<sled::Db>,
    /// Our own handle on sled's data file: sled's `flush` hands its pages to the system and does
    /// not wait until the disk has them.
    data_file: File,
    dir: PathBuf,
    /// The first error after which memory and disk may differ; it answers every later call.
    failed: OnceLock<ShelfError>,
}

impl SledShelf {
    /// Opens the shelf in the folder `dir`, which is made if it is not there, with a cache of
    /// about `cache_bytes` (at least 1 MiB).
    ///
    /// Waits up to 10 s for another handle to let go of the folder.
    ///
    /// # Errors
    ///
    /// See [`ShelfOpenError`]. Damage that sled does not notice (keys that are missing) is not
    /// found here: that is what the checksums and chains of what is stored are for.
    pub fn open(dir: &Path, cache_bytes: u64) -> Result<Self, ShelfOpenError> {
        let busy_max = Duration::from_millis(OPEN_BUSY_MS_MAX);
        Self::open_within(dir, cache_bytes, busy_max).map_err(|fault| fault.into_open_error(dir))
    }

    fn open_within(dir: &Path, cache_bytes: u64, busy_max: Duration) -> Result<Self, Fault> {
        fs::create_dir_all(dir).map_err(|error| Fault::of_io(&error))?;
        let give_up = Instant::now() + busy_max;
        let db = loop {
            match open_db(dir, cache_bytes) {
                Err(Fault::Busy) if Instant::now() < give_up => {
                    thread::sleep(Duration::from_millis(OPEN_RETRY_MS));
                }
                result => break result?,
            }
        };
        let data_file = open_synced(dir).map_err(|error| Fault::of_io(&error))?;
        Ok(Self {
            db: Some(db),
            data_file,
            dir: dir.to_path_buf(),
            failed: OnceLock::new(),
        })
    }

    /// The folder that the shelf is in.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn call<T>(&self, work: impl FnOnce(&sled::Db) -> sled::Result<T>) -> Result<T, Fault> {
        let db = self.db.as_ref().expect("only drop takes the database");
        match guarded(|| work(db)) {
            Ok(result) => result.map_err(|error| Fault::of_sled(&error)),
            Err(panic) => Err(Fault::of_panic(panic)),
        }
    }

    /// A call that changes nothing: only damage makes the shelf fail for good.
    fn read<T>(&self, work: impl FnOnce(&sled::Db) -> sled::Result<T>) -> Result<T, ShelfError> {
        self.refuse_failed()?;
        self.call(work).map_err(|fault| match fault {
            Fault::Damaged(_) => self.fail(fault),
            fault => fault.into_shelf_error(&self.dir),
        })
    }

    fn refuse_failed(&self) -> Result<(), ShelfError> {
        self.failed.get().cloned().map_or(Ok(()), Err)
    }

    fn fail(&self, fault: Fault) -> ShelfError {
        let error = fault.into_shelf_error(&self.dir);
        self.failed.get_or_init(|| error).clone()
    }

    fn last_in<'k>(
        &self,
        prefix: &[u8],
        range: impl RangeBounds<&'k [u8]>,
    ) -> Result<Option<ShelfEntry>, ShelfError> {
        let last = self.read(|db| db.range(range).next_back().transpose())?;
        self.entry_in(prefix, last)
    }

    /// Gives what sled found in our terms, if its key begins with `prefix`.
    fn entry_in(
        &self,
        prefix: &[u8],
        found: Option<ShelfEntry>,
    ) -> Result<Option<ShelfEntry>, ShelfError> {
        let Some((stored, value)) = found else {
            return Ok(None);
        };
        match from_sled(stored) {
            Some(key) if key.starts_with(prefix) => Ok(Some((key, value))),
            Some(_) => Ok(None),
            None => Err(self.fail(Fault::Damaged("a key is not one of ours".to_owned()))),
        }
    }
}

impl Shelf for SledShelf {
    fn get(&self, key: &[u8]) -> Result<Option<IVec>, ShelfError> {
        self.read(|db| db.get(into_sled(key)))
    }

    fn floor(&self, prefix: &[u8], key: &[u8]) -> Result<Option<ShelfEntry>, ShelfError> {
        match key.starts_with(prefix) {
            true => self.last_in(prefix, &*into_sled(prefix)..=&*into_sled(key)),
            false => Ok(None),
        }
    }

    fn predecessor(&self, prefix: &[u8], key: &[u8]) -> Result<Option<ShelfEntry>, ShelfError> {
        match key.starts_with(prefix) && key != prefix {
            true => self.last_in(prefix, &*into_sled(prefix)..&*into_sled(key)),
            false => Ok(None),
        }
    }

    fn successor(&self, prefix: &[u8], key: &[u8]) -> Result<Option<ShelfEntry>, ShelfError> {
        if !key.starts_with(prefix) {
            return Ok(None);
        }
        let next = self.read(|db| db.get_gt(into_sled(key)))?;
        self.entry_in(prefix, next)
    }

    fn apply(&self, batch: ShelfBatch) -> Result<(), ShelfError> {
        self.refuse_failed()?;
        let mut changes = sled::Batch::default();
        for (key, value) in batch {
            match value {
                Some(value) => changes.insert(&*into_sled(&key), value),
                None => changes.remove(&*into_sled(&key)),
            }
        }
        self.call(|db| db.apply_batch(changes))
            .map_err(|fault| self.fail(fault))
    }

    fn sync(&self) -> Result<(), ShelfError> {
        self.refuse_failed()?;
        self.call(|db| db.flush())
            .and_then(|_| {
                let synced = self.data_file.sync_all();
                synced.map_err(|error| Fault::of_io(&error))
            })
            .map_err(|fault| self.fail(fault))
    }

    fn size_on_disk(&self) -> Result<u64, ShelfError> {
        self.read(|db| db.size_on_disk())
    }
}

impl Drop for SledShelf {
    fn drop(&mut self) {
        let db = self.db.take();
        if let Err(detail) = guarded(|| drop(db)) {
            tracing::warn!(detail, "closing the records failed");
        }
    }
}

fn open_db(dir: &Path, cache_bytes: u64) -> Result<sled::Db, Fault> {
    let config = sled::Config::new()
        .path(dir)
        .cache_capacity(cache_bytes.max(CACHE_BYTES_MIN))
        .segment_size(SEGMENT_BYTES)
        .use_compression(false)
        .flush_every_ms(None);
    match guarded(|| config.open()) {
        Ok(result) => result.map_err(|error| Fault::of_sled(&error)),
        Err(panic) => Err(Fault::of_panic(panic)),
    }
}

/// Opens sled's data file and makes its name durable: the file and the folders that lead to it.
fn open_synced(dir: &Path) -> std::io::Result<File> {
    let data_file = File::options()
        .read(true)
        .write(true)
        .open(dir.join(DATA_FILE))?;
    data_file.sync_all()?;
    File::open(dir)?.sync_all()?;
    if let Some(parent) = dir.canonicalize()?.parent() {
        File::open(parent)?.sync_all()?;
    }
    Ok(data_file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locked_folder_is_busy_and_opens_once_it_is_let_go() {
        let dir = tempfile::tempdir().unwrap();
        let holder = SledShelf::open(dir.path(), CACHE_BYTES_MIN).unwrap();
        let second = SledShelf::open_within(dir.path(), CACHE_BYTES_MIN, Duration::ZERO);
        assert!(matches!(second, Err(Fault::Busy)));
        drop(holder);
        SledShelf::open(dir.path(), CACHE_BYTES_MIN).unwrap();
    }

    #[test]
    fn after_a_failed_write_every_call_gives_that_error() {
        let dir = tempfile::tempdir().unwrap();
        let shelf = SledShelf::open(dir.path(), CACHE_BYTES_MIN).unwrap();
        let full = shelf.fail(Fault::Full("no space".to_owned()));
        assert!(matches!(full, ShelfError::Full { .. }));
        let later = shelf.fail(Fault::Io("something else".to_owned()));
        assert!(matches!(later, ShelfError::Full { .. }));
        assert!(matches!(shelf.get(b"key"), Err(ShelfError::Full { .. })));
        assert!(matches!(shelf.sync(), Err(ShelfError::Full { .. })));
        let applied = shelf.apply(ShelfBatch::new());
        assert!(matches!(applied, Err(ShelfError::Full { .. })));
    }
}
