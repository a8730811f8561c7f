//! A maildir: where mail goes when no SMTP server is configured, and where replies may come from.
//!
//! A file is written in `tmp`, synced, renamed into `new`, and the folder is synced: a reader sees whole
//! mails only, and what [`Maildir::deliver`] reported survives a loss of power. All of it blocks, so it
//! belongs on a thread that may wait for a disk.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

use crate::compose::Mail;

/// Longest mail that is read, in bytes: 10 MiB.
pub const MESSAGE_BYTES_MAX: usize = 10 * 1024 * 1024;
/// Most names that one look into `new` takes up.
pub const NAMES_MAX: usize = 10_000;
/// Most names of `cur` that a delivery looks through for a mail that was read already.
pub const READ_NAMES_MAX: usize = 100_000;
/// What the names of our files end with.
const SUFFIX: &str = ".didfarm";
/// Bytes of the digest that a name is made of.
const NAME_BYTES: usize = 16;

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivered {
    /// The mail lies in `new`.
    Stored,
    /// The same mail lay there, or had been read: it is kept, and there is no second one.
    Kept,
}

/// A mail that lies in `new`.
pub struct Waiting {
    /// What [`Maildir::done`] is told.
    pub name: WaitingName,
    /// The mail, or why it cannot be read.
    pub content: Result<Vec<u8>, UnreadableMail>,
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting")
            .field("name", &self.name)
            .field("bytes", &self.content.as_ref().map(Vec::len))
            .finish()
    }
}

/// The name of a file in `new`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WaitingName(PathBuf);

impl fmt::Display for WaitingName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

/// Why a mail in `new` cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableMail {
    /// It never will be: the caller is done with it.
    #[error("the mail has more than {MESSAGE_BYTES_MAX} bytes")]
    TooLarge,
    /// Later it may be; a mail that was taken by somebody else is `NotFound`.
    #[error("the mail cannot be read")]
    Io(#[source] io::Error),
}

/// One maildir, opened.
#[derive(Debug)]
pub struct Maildir {
    path: PathBuf,
    written: AtomicU64,
}

impl Maildir {
    /// Opens a maildir and makes what is missing of `cur`, `new` and `tmp`. What a crash left of our own
    /// writing in `tmp` is removed, so a maildir has one process that delivers as didfarm.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Maildir> {
        let path = path.into();
        for folder in ["tmp", "cur", "new"] {
            fs::create_dir_all(path.join(folder))?;
        }
        sync_folder(&path)?;
        for entry in fs::read_dir(path.join("tmp"))? {
            let entry = entry?;
            if Path::new(&entry.file_name()).extension() == Some(OsStr::new(&SUFFIX[1..])) {
                fs::remove_file(entry.path())?;
            }
        }
        let written = AtomicU64::new(0);
        Ok(Maildir { path, written })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts a mail into `new`, durably, unless it is there or in `cur` already.
    ///
    /// The file's name comes from the mail's id, so a mail that is delivered again after a crash is one
    /// file. In a `cur` of more than [`READ_NAMES_MAX`] files a mail that was read may be missed, and then
    /// lies in `new` once more.
    ///
    /// # Errors
    ///
    /// Those of the file system; the mail is then delivered again, later.
    pub fn deliver(&self, mail: &Mail) -> io::Result<Delivered> {
        let name = file_name(mail);
        let new = self.path.join("new");
        let target = new.join(&name);
        if target.try_exists()? || self.was_read(&name)? {
            // An earlier delivery may have ended between the rename and the sync.
            sync_folder(&new)?;
            return Ok(Delivered::Kept);
        }
        let count = self.written.fetch_add(1, Ordering::Relaxed);
        let written = self.path.join("tmp").join(format!("{count}.{name}"));
        let stored = write_synced(&written, &mail.bytes)
            .and_then(|()| fs::rename(&written, &target))
            .and_then(|()| sync_folder(&new));
        if stored.is_err() {
            // It is gone already where the rename succeeded; elsewhere the next open removes it.
            let _ = fs::remove_file(&written);
        }
        stored.map(|()| Delivered::Stored)
    }

    /// Whether a mail program has moved this file to `cur`, where it bears flags behind a colon.
    fn was_read(&self, name: &str) -> io::Result<bool> {
        for entry in fs::read_dir(self.path.join("cur"))?.take(READ_NAMES_MAX) {
            let known = entry?.file_name();
            let known = known.as_encoded_bytes();
            if known.starts_with(name.as_bytes())
                && matches!(known.get(name.len()), None | Some(b':'))
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The mails that lie in `new`, in the order of their names, which for most writers is that of their
    /// coming. Each is read when the iterator comes to it. Of more than [`NAMES_MAX`] only as many are
    /// taken up.
    ///
    /// A mail stays in `new` until [`Maildir::done`]; what is not done is there again the next time.
    ///
    /// # Errors
    ///
    /// Those of the file system when `new` itself cannot be read.
    pub fn take_new(&self) -> io::Result<impl Iterator<Item = Waiting> + '_> {
        let new = self.path.join("new");
        let mut names = Vec::new();
        for entry in fs::read_dir(&new)?.take(NAMES_MAX) {
            let entry = entry?;
            let name = entry.file_name();
            if entry.file_type()?.is_file() && !name.as_encoded_bytes().starts_with(b".") {
                names.push(WaitingName(name.into()));
            }
        }
        names.sort();
        Ok(names.into_iter().map(move |name| {
            let content = read_bounded(&new.join(&name.0));
            Waiting { name, content }
        }))
    }

    /// Moves a mail that was dealt with from `new` to `cur`, marked as seen, durably. A mail that is not
    /// in `new` any more was moved before.
    ///
    /// # Errors
    ///
    /// Those of the file system; the mail may then come once more.
    pub fn done(&self, name: &WaitingName) -> io::Result<()> {
        let mut seen = name.0.clone().into_os_string();
        if !seen.as_encoded_bytes().contains(&b':') {
            seen.push(":2,S");
        }
        let (new, cur) = (self.path.join("new"), self.path.join("cur"));
        match fs::rename(new.join(&name.0), cur.join(seen)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        }
        // First where it is now: a mail may be seen twice after a loss of power, and never be gone.
        sync_folder(&cur)?;
        sync_folder(&new)
    }
}

/// The name of a mail's file: a digest of its id and its recipient.
fn file_name(mail: &Mail) -> String {
    let mut digest = Sha256::new();
    digest.update(mail.id.as_str());
    digest.update([0]);
    digest.update(mail.envelope.to.as_str());
    let digest = digest.finalize();
    let mut name: String = digest[..NAME_BYTES]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    name.push_str(SUFFIX);
    name
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn read_bounded(path: &Path) -> Result<Vec<u8>, UnreadableMail> {
    let mut content = Vec::new();
    let bound = MESSAGE_BYTES_MAX as u64 + 1;
    File::open(path)
        .and_then(|file| file.take(bound).read_to_end(&mut content))
        .map_err(UnreadableMail::Io)?;
    if content.len() > MESSAGE_BYTES_MAX {
        return Err(UnreadableMail::TooLarge);
    }
    Ok(content)
}
