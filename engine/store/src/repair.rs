//! Repair: builds the records anew from the journal, where the journal reaches back to its first entry.
//!
//! The old records are moved aside, never deleted. When the rebuilding fails they are put back, so that
//! a repair that does not succeed leaves the data directory as it was.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use didfarm_core::event::Entry;

use crate::disk::lock::{DirLock, LockError};
use crate::disk::real::RealDisk;
use crate::journal::{JournalOpenError, JournalReadError, JournalReader};
use crate::seq::Seq;
use crate::shelf::ShelfError;
use crate::store::{JOURNAL_DIR, RECORDS_DIR, Store, StoreOpenError, StoreSettings};

/// Folders of damaged records that may stand beside the records.
pub const DAMAGED_FOLDERS_MAX: u32 = 100;

/// What a repair did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepairReport {
    /// Where the old records are now, if there were any: free to be deleted once all is well.
    pub moved_to: Option<PathBuf>,
    /// The last entry of the journal, and so of the new records.
    pub seq: Seq,
    /// How long the replay took.
    pub took: Duration,
}

/// Why the records were not repaired; they are as they were, but for [`RepairError::PutBack`].
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// Another process has the data directory.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// There is nothing to rebuild from.
    #[error(
        "there is no journal in {} to rebuild the records from: check the data directory, or restore all of it from a backup",
        dir.display()
    )]
    NoJournal {
        /// The data directory.
        dir: PathBuf,
    },
    /// The journal's beginning is gone: it was let go once the records held it.
    #[error(
        "the journal in {} starts at seq {first}, so the records cannot be rebuilt from it alone: restore the folder `{RECORDS_DIR}` from a backup that reaches seq {} or later; the journal since then is replayed",
        dir.display(), first.previous()
    )]
    JournalStartsLate {
        /// The data directory.
        dir: PathBuf,
        /// The first entry that the journal still has.
        first: Seq,
    },
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalOpenError),
    /// The damaged records cannot be moved aside.
    #[error(
        "the records in {} cannot be moved to a free name `{RECORDS_DIR}.damaged-<n>` (n up to {DAMAGED_FOLDERS_MAX}): check the rights on the data directory, and delete old ones",
        dir.display()
    )]
    Move {
        /// The data directory.
        dir: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The records could not be rebuilt.
    #[error("the records could not be rebuilt: {0}")]
    Rebuild(StoreOpenError),
    /// The rebuilt records could not be made durable.
    #[error(transparent)]
    Sync(#[from] ShelfError),
    /// The records could neither be rebuilt nor put back.
    #[error(
        "the records could not be rebuilt ({failure}), and the old ones could not be put back: move {} back to `{RECORDS_DIR}` by hand",
        moved_to.display()
    )]
    PutBack {
        /// Where the old records are.
        moved_to: PathBuf,
        /// Why the rebuilding failed.
        failure: StoreOpenError,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Rebuilds the records of the stopped store in `dir` from its journal.
///
/// # Errors
/// One sentence that says what is wrong and what to do.
pub fn repair(dir: &Path, settings: &StoreSettings) -> Result<RepairReport, RepairError> {
    let lock = DirLock::acquire(dir)?;
    check_journal(dir)?;
    let moved_to = move_aside(dir).map_err(|source| RepairError::Move {
        dir: dir.into(),
        source,
    })?;
    // Opening takes the lock itself. Whoever gets in between rebuilds the records just as well.
    drop(lock);
    match Store::open(dir, settings) {
        Ok(store) => {
            store.records.shelf().sync()?;
            Ok(RepairReport {
                moved_to,
                seq: store.meta.seq,
                took: store.recovery.took,
            })
        }
        Err(failure @ StoreOpenError::Lock(_)) => Err(RepairError::Rebuild(failure)),
        Err(failure) => Err(put_back(dir, moved_to, failure)),
    }
}

/// Reads the whole journal, before anything is touched.
fn check_journal(dir: &Path) -> Result<(), RepairError> {
    let no_journal = || RepairError::NoJournal { dir: dir.into() };
    let journal = dir.join(JOURNAL_DIR);
    if !journal.is_dir() {
        return Err(no_journal());
    }
    let disk = RealDisk::open(&journal).map_err(|source| RepairError::Move {
        dir: dir.into(),
        source,
    })?;
    let mut reader = JournalReader::<Entry>::open(Arc::new(disk), Seq(1))?;
    match reader.next_group(Seq::MAX) {
        Ok(Some(_)) => {}
        Ok(None) => return Err(no_journal()),
        Err(JournalReadError::MissingSegment {
            wanted: Seq(1),
            found,
            ..
        }) => {
            return Err(RepairError::JournalStartsLate {
                dir: dir.into(),
                first: found,
            });
        }
        Err(error) => return Err(JournalOpenError::from(error).into()),
    }
    while reader
        .next_group(Seq::MAX)
        .map_err(JournalOpenError::from)?
        .is_some()
    {}
    Ok(())
}

/// Renames the folder of the records, if there is one.
fn move_aside(dir: &Path) -> io::Result<Option<PathBuf>> {
    let records = dir.join(RECORDS_DIR);
    if !records.exists() {
        return Ok(None);
    }
    let names = (1..=DAMAGED_FOLDERS_MAX).map(|n| dir.join(format!("{RECORDS_DIR}.damaged-{n}")));
    let free = names.into_iter().find(|name| !name.exists());
    let free = free.ok_or_else(|| io::Error::from(io::ErrorKind::AlreadyExists))?;
    fs::rename(&records, &free)?;
    sync_dir(dir)?;
    Ok(Some(free))
}

fn put_back(dir: &Path, moved_to: Option<PathBuf>, failure: StoreOpenError) -> RepairError {
    let Some(moved_to) = moved_to else {
        return RepairError::Rebuild(failure);
    };
    let records = dir.join(RECORDS_DIR);
    let removed = match fs::remove_dir_all(&records) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    };
    match removed
        .and_then(|()| fs::rename(&moved_to, &records))
        .and_then(|()| sync_dir(dir))
    {
        Ok(()) => RepairError::Rebuild(failure),
        Err(source) => RepairError::PutBack {
            moved_to,
            failure,
            source,
        },
    }
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
