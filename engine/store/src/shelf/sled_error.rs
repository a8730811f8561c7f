//! What sled's errors and panics mean for us.

use super::ShelfError;
use std::io;
use std::path::{Path, PathBuf};

/// Why a shelf on disk could not be opened.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ShelfOpenError {
    /// What is stored cannot be read any more.
    #[error(
        "the records in {} are damaged ({detail}): stop, move that folder away and run \
         `didfarm repair --data-dir <data-dir>`, or restore the folder from a backup; the journal \
         since then is replayed",
        dir.display()
    )]
    Damaged {
        /// The shelf's folder.
        dir: PathBuf,
        /// What was found.
        detail: String,
    },
    /// Another process holds the folder.
    #[error(
        "the records in {} are in use by another process: stop it, or name another data folder",
        dir.display()
    )]
    Busy {
        /// The shelf's folder.
        dir: PathBuf,
    },
    /// The disk or the quota is full.
    #[error(
        "the disk of the records in {} is full ({detail}): free space and start again",
        dir.display()
    )]
    Full {
        /// The shelf's folder.
        dir: PathBuf,
        /// What the system said.
        detail: String,
    },
    /// The disk refused a read or a write.
    #[error(
        "the records in {} cannot be opened ({detail}): check the disk and the rights on that \
         folder, and start again",
        dir.display()
    )]
    Io {
        /// The shelf's folder.
        dir: PathBuf,
        /// What the system said.
        detail: String,
    },
}

/// What went wrong, before it is known in which call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Damaged(String),
    Busy,
    Full(String),
    Io(String),
}

impl Fault {
    /// Sorts the message of a panic.
    pub fn of_panic(message: String) -> Self {
        // sled unwraps some of its I/O results; their text is all that is left of them.
        match message.contains("StorageFull") || message.contains("QuotaExceeded") {
            true => Self::Full(message),
            false => Self::Damaged(message),
        }
    }

    /// Sorts an error of sled's.
    pub fn of_sled(error: &sled::Error) -> Self {
        match error {
            sled::Error::Io(error) => Self::of_io(error),
            sled::Error::CollectionNotFound(_)
            | sled::Error::Unsupported(_)
            | sled::Error::ReportableBug(_)
            | sled::Error::Corruption { .. } => Self::Damaged(error.to_string()),
        }
    }

    /// Sorts an error of the file system's.
    pub fn of_io(error: &io::Error) -> Self {
        let detail = error.to_string();
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full(detail),
            // Nobody but sled writes these files: one that ends early or cannot be parsed is bad.
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => Self::Damaged(detail),
            // sled wraps its lock's WouldBlock into a text.
            io::ErrorKind::Other if detail.contains("could not acquire lock") => Self::Busy,
            // Errors that sled hands on from its own threads keep their kind only in their text.
            _ if detail.contains("StorageFull") => Self::Full(detail),
            _ => Self::Io(detail),
        }
    }

    /// The error of a call on an open shelf.
    pub fn into_shelf_error(self, dir: &Path) -> ShelfError {
        let dir = dir.to_path_buf();
        match self {
            Self::Damaged(detail) => ShelfError::Damaged { dir, detail },
            Self::Full(detail) => ShelfError::Full { dir, detail },
            Self::Io(detail) => ShelfError::Io { dir, detail },
            Self::Busy => ShelfError::Io {
                dir,
                detail: "the folder's lock was lost".to_owned(),
            },
        }
    }

    /// The error of an open.
    pub fn into_open_error(self, dir: &Path) -> ShelfOpenError {
        let dir = dir.to_path_buf();
        match self {
            Self::Damaged(detail) => ShelfOpenError::Damaged { dir, detail },
            Self::Full(detail) => ShelfOpenError::Full { dir, detail },
            Self::Io(detail) => ShelfOpenError::Io { dir, detail },
            Self::Busy => ShelfOpenError::Busy { dir },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_damage() {
        let full = io::Error::from_raw_os_error(28);
        assert!(matches!(Fault::of_io(&full), Fault::Full(_)));
        let text = format!("called `Result::unwrap()` on an `Err` value: {full:?}");
        assert!(matches!(Fault::of_panic(text), Fault::Full(_)));
        let short = io::Error::from(io::ErrorKind::UnexpectedEof);
        assert!(matches!(Fault::of_io(&short), Fault::Damaged(_)));
        assert!(matches!(
            Fault::of_panic("assertion failed".to_owned()),
            Fault::Damaged(_)
        ));
    }

    #[test]
    fn every_sentence_says_what_to_do() {
        let dir = Path::new("/data/records");
        let damaged = Fault::Damaged("x".to_owned()).into_open_error(dir);
        assert_eq!(
            damaged.to_string(),
            "the records in /data/records are damaged (x): stop, move that folder away and run \
             `didfarm repair --data-dir <data-dir>`, or restore the folder from a backup; the \
             journal since then is replayed"
        );
        assert!(
            Fault::Busy
                .into_open_error(dir)
                .to_string()
                .contains("stop it")
        );
        let full = Fault::Full("x".to_owned()).into_shelf_error(dir);
        assert!(full.to_string().contains("free space"));
    }
}
