//! A store: one data directory with its lock, its journal and its records.
//!
//! ```text
//! DATA_DIR/LOCK      held while a didfarm has the directory
//! DATA_DIR/journal/  what happened, the source of truth
//! DATA_DIR/records/  what it amounts to, in sled; rebuilt from the journal where that reaches back
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use didfarm_core::event::Entry;

use crate::disk::lock::{DirLock, LockError};
use crate::disk::real::RealDisk;
use crate::journal::{FatalJournal, Journal, JournalOpenError, JournalReader, JournalSettings};
use crate::records::codec::CodecError;
use crate::records::keeper::{Keeper, KeeperSettings};
use crate::records::{LARGE_ROUND_EVENTS_MAX, Meta, Records, RecordsError};
use crate::seq::Seq;
use crate::shelf::Shelf;
use crate::shelf::sled_shelf::{ShelfOpenError, SledShelf};

/// The folder of the journal inside a data directory.
pub const JOURNAL_DIR: &str = "journal";
/// The folder of the records inside a data directory.
pub const RECORDS_DIR: &str = "records";

/// How a store is kept.
#[derive(Clone)]
pub struct StoreSettings {
    /// The journal's own settings, without its `on_fatal`.
    pub segment_bytes: u64,
    /// The largest group, in bytes.
    pub group_bytes_max: u64,
    /// Journal that is kept although the records hold it, in bytes.
    pub keep_bytes: u64,
    /// Free space below which new work is refused, in bytes.
    pub free_bytes_min: u64,
    /// The time between two durable checkpoints.
    pub checkpoint_interval: Duration,
    /// sled's cache, in bytes.
    pub sled_cache_bytes: u64,
    /// Told once when the store cannot go on; the process is to end.
    pub on_fatal: Arc<dyn Fn(FatalStore) + Send + Sync>,
}

/// Why a store cannot go on. Nothing is acknowledged after it.
#[derive(Debug, thiserror::Error)]
pub enum FatalStore {
    /// The journal could not be made durable.
    #[error(
        "the journal could not be written: {0}; nothing more is acknowledged, restart to recover"
    )]
    Journal(FatalJournal),
    /// The records could not be written.
    #[error("the records could not be written: {0}; restart to recover")]
    Records(RecordsError),
}

/// Why a store does not open.
#[derive(Debug, thiserror::Error)]
pub enum StoreOpenError {
    /// Another process has it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The directory cannot be made or reached.
    #[error("the data directory {dir} cannot be used: {source}")]
    Dir {
        /// The directory.
        dir: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// sled does not open.
    #[error(transparent)]
    Shelf(#[from] ShelfOpenError),
    /// The records are unreadable.
    #[error("{0}{advice}", advice = records_advice(.0))]
    Records(RecordsError),
    /// The journal is damaged or does not fit the records.
    #[error(transparent)]
    Journal(#[from] JournalOpenError),
}

/// What opening found and did.
#[derive(Debug, Clone, Copy)]
pub struct Recovery {
    /// Where the records stood.
    pub from: Seq,
    /// Where the journal ends, and the records now.
    pub to: Seq,
    /// How long the replay took.
    pub took: Duration,
}

/// An open store.
pub struct Store {
    /// What happened.
    pub journal: Arc<Journal<Entry>>,
    /// What it amounts to.
    pub records: Records,
    /// The thread that follows the journal.
    pub keeper: Keeper,
    /// How far the records and their ids were at open, after recovery.
    pub meta: Meta,
    /// What recovery did.
    pub recovery: Recovery,
    /// Held until everything above is closed.
    pub lock: DirLock,
}

impl Store {
    /// Opens a data directory, making it if need be, and replays the journal's tail.
    ///
    /// # Errors
    /// One sentence that says what is wrong and what to do.
    pub fn open(dir: &Path, settings: &StoreSettings) -> Result<Store, StoreOpenError> {
        make_private(dir)?;
        let lock = DirLock::acquire(dir)?;
        let shelf: Arc<dyn Shelf> = Arc::new(SledShelf::open(
            &dir.join(RECORDS_DIR),
            settings.sled_cache_bytes,
        )?);
        let records = Records::new(shelf);
        let from = records.meta().map_err(StoreOpenError::Records)?.seq;
        let journal = Arc::new(Journal::open(
            journal_disk(dir)?,
            journal_settings(settings),
            from,
        )?);
        let recovery = recover(&records, &journal, from)?;
        let meta = records.meta().map_err(StoreOpenError::Records)?;
        let on_fatal = Arc::clone(&settings.on_fatal);
        let keeper_settings = KeeperSettings {
            checkpoint_interval: settings.checkpoint_interval,
            on_fatal: Arc::new(move |error| on_fatal(FatalStore::Records(error))),
        };
        let keeper = Keeper::start(
            records.clone(),
            Arc::clone(&journal),
            meta.seq,
            keeper_settings,
        )
        .map_err(|source| StoreOpenError::Dir {
            dir: dir.into(),
            source,
        })?;
        Ok(Store {
            journal,
            records,
            keeper,
            meta,
            recovery,
            lock,
        })
    }
}

/// A store that is only looked at: nothing in it changes.
pub struct ClosedStore {
    /// The records on disk.
    pub records: Arc<dyn Shelf>,
    /// The journal, from what the records do not hold.
    pub tail: JournalReader<Entry>,
    _lock: DirLock,
}

impl ClosedStore {
    /// Opens a stopped store to look at it.
    ///
    /// # Errors
    /// One sentence that says what is wrong and what to do.
    pub fn open(dir: &Path, sled_cache_bytes: u64) -> Result<ClosedStore, StoreOpenError> {
        if !dir.join(JOURNAL_DIR).is_dir() {
            let source =
                std::io::Error::new(std::io::ErrorKind::NotFound, "there is no journal in it");
            return Err(StoreOpenError::Dir {
                dir: dir.into(),
                source,
            });
        }
        let lock = DirLock::acquire(dir)?;
        let records: Arc<dyn Shelf> =
            Arc::new(SledShelf::open(&dir.join(RECORDS_DIR), sled_cache_bytes)?);
        let from = Records::new(Arc::clone(&records))
            .meta()
            .map_err(StoreOpenError::Records)?
            .seq;
        let tail = JournalReader::open(journal_disk(dir)?, from.next())?;
        Ok(ClosedStore {
            records,
            tail,
            _lock: lock,
        })
    }
}

fn make_private(dir: &Path) -> Result<(), StoreOpenError> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir);
    made.map_err(|source| StoreOpenError::Dir {
        dir: dir.into(),
        source,
    })
}

fn journal_disk(dir: &Path) -> Result<Arc<RealDisk>, StoreOpenError> {
    let dir = dir.join(JOURNAL_DIR);
    RealDisk::open(&dir)
        .map(Arc::new)
        .map_err(|source| StoreOpenError::Dir { dir, source })
}

fn journal_settings(settings: &StoreSettings) -> JournalSettings {
    let on_fatal = Arc::clone(&settings.on_fatal);
    JournalSettings {
        segment_bytes: settings.segment_bytes,
        group_bytes_max: settings.group_bytes_max,
        keep_bytes: settings.keep_bytes,
        free_bytes_min: settings.free_bytes_min,
        on_fatal: Arc::new(move |fatal| on_fatal(FatalStore::Journal(fatal))),
    }
}

/// What to do about records that stop the opening, where their own sentence does not say it.
fn records_advice(error: &RecordsError) -> &'static str {
    match error {
        RecordsError::Record {
            source: CodecError::Malformed { .. },
            ..
        } => {
            "; stop here, move the folder `records` away and run `didfarm repair`, or restore it from a backup: the journal since then is replayed"
        }
        RecordsError::Record {
            source: CodecError::Version { .. },
            ..
        }
        | RecordsError::Packed(_)
        | RecordsError::Shelf(_)
        | RecordsError::Inconsistent { .. }
        | RecordsError::Journal(_) => "",
    }
}

/// Replays the journal behind `from`, which is where the records stand, as opening a store does.
///
/// # Errors
/// [`StoreOpenError::Records`].
pub fn recover(
    records: &Records,
    journal: &Journal<Entry>,
    from: Seq,
) -> Result<Recovery, StoreOpenError> {
    let began = Instant::now();
    let to = journal.durable();
    let mut reader = journal.reader(from.next());
    while records
        .apply_round_of(&mut reader, to, LARGE_ROUND_EVENTS_MAX)
        .map_err(StoreOpenError::Records)?
        .is_some()
    {}
    let took = began.elapsed();
    tracing::info!(
        from = from.0,
        to = to.0,
        took_ms = took.as_millis() as u64,
        "the journal's tail is replayed"
    );
    Ok(Recovery { from, to, took })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::JournalReadError;
    use crate::packed::PackedError;
    use crate::shelf::ShelfError;

    fn record(source: CodecError) -> RecordsError {
        let (kind, key) = ("message", "00".into());
        RecordsError::Record { kind, key, source }
    }

    #[test]
    fn what_to_do_about_unreadable_records_is_said_once() {
        let detail = || "wrong".to_owned();
        let (dir, file) = (PathBuf::from("/records"), "journal".to_owned());
        let cases = [
            (
                record(CodecError::Malformed { detail: detail() }),
                "didfarm repair",
            ),
            (
                record(CodecError::Version { found: 9 }),
                "use the didfarm that wrote it",
            ),
            (
                RecordsError::Packed(PackedError::Damaged {
                    map: b'm',
                    leaf: "00".into(),
                    what: detail(),
                }),
                "didfarm repair",
            ),
            (
                RecordsError::Packed(PackedError::MissingLeaf {
                    map: b'm',
                    leaf: "00".into(),
                }),
                "didfarm repair",
            ),
            (
                RecordsError::Shelf(ShelfError::Damaged {
                    dir: dir.clone(),
                    detail: detail(),
                }),
                "didfarm repair",
            ),
            (
                RecordsError::Shelf(ShelfError::Full {
                    dir,
                    detail: detail(),
                }),
                "free space",
            ),
            (
                RecordsError::Inconsistent {
                    seq: Seq(7),
                    what: detail(),
                },
                "didfarm verify",
            ),
            (
                RecordsError::Journal(JournalReadError::BadFrame {
                    file,
                    offset: 0,
                    seq: Seq(7),
                }),
                "restore this file",
            ),
        ];
        for (error, advice) in cases {
            let sentence = StoreOpenError::Records(error).to_string();
            assert_eq!(sentence.matches(advice).count(), 1, "{sentence}");
            for other in ["didfarm repair", "didfarm verify", "restore"] {
                assert!(sentence.matches(other).count() <= 1, "{sentence}");
            }
            let repairs = sentence.contains("didfarm repair");
            assert_eq!(repairs, advice == "didfarm repair", "{sentence}");
        }
    }
}
