//! The lock that lets one didfarm at a time run on a data directory.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};

/// Is the name of the lock file inside the data directory.
pub const LOCK_FILE: &str = "LOCK";

/// Bounds what is read of a lock file: a process id is far shorter.
const PID_BYTES_MAX: u64 = 20;

/// Holds a data directory for this process until it is dropped or the process ends.
///
/// The file stays behind on purpose: removing it would let two processes hold two files of one
/// name.
#[derive(Debug)]
pub struct DirLock {
    _file: File,
}

/// Says why a data directory could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds it.
    #[error(
        "another didfarm is running on the data directory {} (process {}): stop it first, or give this one a data directory of its own",
        dir.display(), holder(*pid)
    )]
    Held {
        /// The data directory.
        dir: PathBuf,
        /// The holder's process id, if its lock file tells.
        pid: Option<u32>,
    },
    /// The lock file cannot be used.
    #[error(
        "the lock file of the data directory {} cannot be used: check that the directory exists and belongs to this user",
        dir.display()
    )]
    Io {
        /// The data directory.
        dir: PathBuf,
        /// What the system reported.
        #[source]
        source: io::Error,
    },
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "unknown".to_owned(), |pid| pid.to_string())
}

impl DirLock {
    /// Takes the lock of `dir` without waiting and notes this process in it.
    ///
    /// # Errors
    /// [`LockError::Held`] if another process (or another lock of this one) holds it,
    /// [`LockError::Io`] if the file cannot be opened, locked or written.
    pub fn acquire(dir: &Path) -> Result<Self, LockError> {
        let failed = |source: io::Error| LockError::Io {
            dir: dir.to_owned(),
            source,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(dir.join(LOCK_FILE))
            .map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(LockError::Held {
                    dir: dir.to_owned(),
                    pid: read_pid(&mut file),
                });
            }
            Err(errno) => return Err(failed(errno.into())),
        }
        note_pid(&mut file).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(PID_BYTES_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn note_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_is_refused_and_names_directory_and_process() {
        let dir = tempfile::tempdir().unwrap();
        let held = DirLock::acquire(dir.path()).unwrap();
        let refused = DirLock::acquire(dir.path()).unwrap_err();
        let sentence = refused.to_string();
        assert!(sentence.contains("another didfarm is running"));
        assert!(sentence.contains(&dir.path().display().to_string()));
        assert!(sentence.contains(&std::process::id().to_string()));
        drop(held);
        DirLock::acquire(dir.path()).unwrap();
    }

    #[test]
    fn a_left_behind_lock_file_does_not_hold_the_directory() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(LOCK_FILE), "4000000000 and more text").unwrap();
        let _held = DirLock::acquire(dir.path()).unwrap();
        let text = std::fs::read_to_string(dir.path().join(LOCK_FILE)).unwrap();
        assert_eq!(text.trim(), std::process::id().to_string());
    }

    #[test]
    fn a_missing_directory_is_an_io_error() {
        let dir = tempfile::tempdir().unwrap();
        let refused = DirLock::acquire(&dir.path().join("absent")).unwrap_err();
        assert!(matches!(refused, LockError::Io { .. }));
    }
}
