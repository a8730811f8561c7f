//! The capture's files: `callbacks-<UTC time>-<n>.jsonl`, rotated by size, the oldest let go.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const PREFIX: &str = "callbacks-";
const SUFFIX: &str = ".jsonl";
/// Characters of the time in a name, as `20261121T093000`.
const STAMP_CHARS: usize = 15;
/// Callbacks hold people's messages: nobody but the daemon's user reads them.
const FILE_MODE: u32 = 0o600;
const DIR_MODE: u32 = 0o700;
/// Bytes that are put together before they are written.
const BUFFER_BYTES: usize = 64 * 1024;
/// Names that are tried, one after the other, while another file has them.
const NAME_TRIES_MAX: u32 = 1_000;

/// What could not be done, and with which file.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be used", path.display())]
pub(super) struct FileFailed {
    path: PathBuf,
    source: io::Error,
}

/// The files of one capture.
pub(super) struct Files {
    dir: PathBuf,
    file_bytes_max: u64,
    files_max: usize,
    current: Option<Current>,
    /// The `n` of the next name.
    next: u32,
}

struct Current {
    path: PathBuf,
    file: BufWriter<File>,
    bytes: u64,
}

impl Files {
    /// Nothing is touched before the first line.
    pub(super) fn new(dir: PathBuf, file_bytes_max: u64, files_max: usize) -> Files {
        Files {
            dir,
            file_bytes_max,
            files_max,
            current: None,
            next: 1,
        }
    }

    /// Appends a line, to a fresh file if it does not fit into the one that is open. A line that is
    /// larger than a file may be has one for itself.
    pub(super) fn append(&mut self, line: &[u8]) -> Result<(), FileFailed> {
        let bytes = line.len() as u64;
        let fits = |current: &Current| current.bytes + bytes <= self.file_bytes_max;
        if !self.current.as_ref().is_some_and(fits) {
            self.rotate()?;
        }
        let current = self.current.as_mut().expect("a rotation opens a file");
        current.bytes += bytes;
        let written = current.file.write_all(line);
        written.map_err(|source| failed(&current.path, source))
    }

    /// Writes out what is held back.
    pub(super) fn flush(&mut self) -> Result<(), FileFailed> {
        let Some(current) = &mut self.current else {
            return Ok(());
        };
        let flushed = current.file.flush();
        flushed.map_err(|source| failed(&current.path, source))
    }

    fn rotate(&mut self) -> Result<(), FileFailed> {
        self.flush()?;
        let made = DirBuilder::new()
            .recursive(true)
            .mode(DIR_MODE)
            .create(&self.dir);
        made.map_err(|source| failed(&self.dir, source))?;
        self.current = Some(self.open()?);
        self.remove_oldest()
            .map_err(|source| failed(&self.dir, source))
    }

    fn open(&mut self) -> Result<Current, FileFailed> {
        let stamp = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S").to_string();
        for _ in 0..NAME_TRIES_MAX {
            let path = self
                .dir
                .join(format!("{PREFIX}{stamp}-{}{SUFFIX}", self.next));
            self.next = self.next.wrapping_add(1);
            let mut options = OpenOptions::new();
            let opened = options
                .write(true)
                .create_new(true)
                .mode(FILE_MODE)
                .open(&path);
            match opened {
                Ok(file) => {
                    let file = BufWriter::with_capacity(BUFFER_BYTES, file);
                    return Ok(Current {
                        path,
                        file,
                        bytes: 0,
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(failed(&path, source)),
            }
        }
        Err(failed(&self.dir, io::ErrorKind::AlreadyExists.into()))
    }

    /// Removes files of earlier, this process's or others', until there are no more than there may be.
    fn remove_oldest(&self) -> io::Result<()> {
        let current = self.current.as_ref().map(|current| &current.path);
        let mut others = Vec::new();
        for entry in self.dir.read_dir()? {
            let path = entry?.path();
            if let Some(age) = age(&path)
                && Some(&path) != current
            {
                others.push((age, path));
            }
        }
        others.sort_unstable();
        let kept = self.files_max.saturating_sub(1);
        let surplus = others.len().saturating_sub(kept);
        for (_, path) in &others[..surplus] {
            std::fs::remove_file(path)?;
        }
        Ok(())
    }
}

fn failed(path: &Path, source: io::Error) -> FileFailed {
    FileFailed {
        path: path.to_owned(),
        source,
    }
}

/// What sorts a file of the capture among the others, older ones first; `None` for any other file.
fn age(path: &Path) -> Option<(String, u32)> {
    let name = path.file_name()?.to_str()?;
    let (stamp, n) = name
        .strip_prefix(PREFIX)?
        .strip_suffix(SUFFIX)?
        .split_once('-')?;
    (stamp.len() == STAMP_CHARS).then_some(())?;
    Some((stamp.to_owned(), n.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn names(dir: &Path) -> Vec<(String, u32)> {
        let mut ages: Vec<_> = dir
            .read_dir()
            .unwrap()
            .filter_map(|entry| age(&entry.unwrap().path()))
            .collect();
        ages.sort_unstable();
        ages
    }

    fn files(dir: &Path, file_bytes_max: u64, files_max: usize) -> Files {
        Files::new(dir.to_owned(), file_bytes_max, files_max)
    }

    #[test]
    fn a_file_that_is_full_is_followed_by_the_next_and_the_oldest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let mut files = files(dir.path(), 10, 2);
        for line in ["1234\n", "5678\n", "9\n", "0123456789abcdef\n", "x\n"] {
            files.append(line.as_bytes()).unwrap();
        }
        files.flush().unwrap();
        let kept = names(dir.path());
        assert_eq!(kept.iter().map(|(_, n)| *n).collect::<Vec<_>>(), [3, 4]);
        let text = |(stamp, n): &(String, u32)| {
            let name = format!("{PREFIX}{stamp}-{n}{SUFFIX}");
            std::fs::read_to_string(dir.path().join(name)).unwrap()
        };
        assert_eq!(
            kept.iter().map(text).collect::<Vec<_>>(),
            ["0123456789abcdef\n", "x\n"]
        );
    }

    #[test]
    fn files_of_an_earlier_start_count_and_other_files_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let old = [
            "callbacks-20200101T000000-10.jsonl",
            "callbacks-20200101T000000-9.jsonl",
            "callbacks-20200101T000001-1.jsonl",
        ];
        for name in old.into_iter().chain(["callbacks-x.jsonl", "notes.jsonl"]) {
            std::fs::write(dir.path().join(name), "{}\n").unwrap();
        }
        let mut files = files(dir.path(), 10, 3);
        files.append(b"1\n").unwrap();
        let is_there = |name| dir.path().join(name).exists();
        assert!(!is_there(old[1]) && is_there(old[0]) && is_there(old[2]));
        assert!(is_there("callbacks-x.jsonl") && is_there("notes.jsonl"));
        assert_eq!(names(dir.path()).len(), 3);
    }

    #[test]
    fn nobody_else_may_read_what_is_captured() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("a/b");
        let mut files = files(&inner, 10, 1);
        files.append(b"1\n").unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&inner), DIR_MODE);
        let file = inner.read_dir().unwrap().next().unwrap().unwrap();
        assert_eq!(mode(&file.path()), FILE_MODE);
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = files(&file.join("in"), 10, 1).append(b"1\n").unwrap_err();
        assert!(error.to_string().contains("file"), "{error}");
    }
}
