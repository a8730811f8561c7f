//! A [`Disk`] that is a directory of the operating system.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::{
    fs::{FallocateFlags, fallocate, statvfs},
    io::Errno,
};

use super::{Access, Disk, DiskFile};

/// Is how much is written at once where zeros stand in for `fallocate`.
const ZERO_CHUNK_BYTES: usize = 1 << 20;

/// Is one directory of the operating system.
#[derive(Debug)]
pub struct RealDisk {
    dir: PathBuf,
    /// Held open so that syncing the directory needs no path look-up.
    handle: File,
}

impl RealDisk {
    /// Opens `dir`, creating it (and making it durable in its parent) if it is not there.
    ///
    /// # Errors
    /// Whatever the system reports.
    pub fn open(dir: &Path) -> io::Result<Self> {
        if !dir.exists() {
            fs::create_dir_all(dir)?;
            if let Some(parent) = dir.parent().filter(|parent| parent.is_dir()) {
                File::open(parent)?.sync_all()?;
            }
        }
        Ok(Self {
            dir: dir.to_owned(),
            handle: File::open(dir)?,
        })
    }
}

impl Disk for RealDisk {
    fn create(&self, name: &str, len_bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        let path = self.dir.join(name);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)?;
        if let Err(error) = allocate(&file, len_bytes) {
            fs::remove_file(&path)?;
            return Err(error);
        }
        Ok(Arc::new(RealFile(file)))
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new()
            .read(true)
            .write(access == Access::Write)
            .open(self.dir.join(name))?;
        Ok(Arc::new(RealFile(file)))
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            // A name that is no text is none of ours.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.dir.join(from), self.dir.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.dir.join(name))
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.handle.sync_all()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let stat = statvfs(&self.dir)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn label(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }
}

/// Takes the space of the whole length now, so that a write inside it cannot run out of space.
fn allocate(file: &File, len_bytes: u64) -> io::Result<()> {
    if len_bytes == 0 {
        return Ok(());
    }
    loop {
        match fallocate(file, FallocateFlags::empty(), 0, len_bytes) {
            Ok(()) => return Ok(()),
            Err(Errno::INTR) => {}
            // `ENOSYS` is what sandboxes and old kernels answer.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => return write_zeros(file, len_bytes),
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn write_zeros(file: &File, len_bytes: u64) -> io::Result<()> {
    let zeros = vec![0; ZERO_CHUNK_BYTES];
    let mut offset = 0;
    while offset < len_bytes {
        let chunk = (len_bytes - offset).min(ZERO_CHUNK_BYTES as u64);
        file.write_all_at(&zeros[..chunk as usize], offset)?;
        offset += chunk;
    }
    Ok(())
}

struct RealFile(File);

impl DiskFile for RealFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match FileExt::read_at(&self.0, &mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn set_len(&self, len_bytes: u64) -> io::Result<()> {
        self.0.set_len(len_bytes)
    }

    fn len_bytes(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_created_file_is_all_zeros_and_keeps_what_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let disk = RealDisk::open(&dir.path().join("new")).unwrap();
        let file = disk.create("a", 5000).unwrap();
        assert_eq!(file.len_bytes().unwrap(), 5000);
        file.write_at(b"text", 4090).unwrap();
        file.sync_data().unwrap();
        disk.rename("a", "b").unwrap();
        disk.sync_dir().unwrap();
        assert_eq!(disk.names().unwrap(), ["b"]);
        let mut bytes = vec![1; 6000];
        let count = disk
            .open("b", Access::Read)
            .unwrap()
            .read_at(&mut bytes, 0)
            .unwrap();
        assert_eq!(count, 5000);
        assert_eq!(&bytes[4090..4094], b"text");
        assert!(bytes[..4090].iter().all(|byte| *byte == 0));
        assert!(disk.free_bytes().unwrap() > 0);
    }

    #[test]
    fn zeros_stand_in_where_space_cannot_be_allocated_ahead() {
        let file = tempfile::tempfile().unwrap();
        write_zeros(&file, ZERO_CHUNK_BYTES as u64 + 3).unwrap();
        assert_eq!(file.metadata().unwrap().len(), ZERO_CHUNK_BYTES as u64 + 3);
    }

    #[test]
    fn a_taken_name_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let disk = RealDisk::open(dir.path()).unwrap();
        disk.create("a", 0).unwrap();
        let refused = disk.create("a", 0).err().unwrap();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
    }
}
