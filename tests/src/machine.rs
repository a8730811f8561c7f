//! What the tests must know of the machine: free space and mounts.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The free bytes of the file system that holds a path, as an unprivileged process sees them.
///
/// # Errors
/// The path is not there.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let space = rustix::fs::statvfs(path)?;
    Ok(space.f_bavail * space.f_frsize)
}

/// Makes a file that takes so many bytes of its disk, without writing them.
///
/// # Errors
/// There is no room for it.
pub fn take_space(path: &Path, bytes: u64) -> io::Result<()> {
    let file = std::fs::File::create(path)?;
    rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes)?;
    Ok(())
}

/// A small file system in memory, gone when dropped.
#[derive(Debug)]
pub struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    /// Mounts one of so many bytes on an empty folder; `None` where mounting is not allowed.
    pub fn mount(at: &Path, bytes: u64) -> Option<SmallDisk> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"])
            .arg(at)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        mounted
            .is_ok_and(|status| status.success())
            .then(|| SmallDisk { at: at.to_owned() })
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazy: a process that is just being killed may still hold it.
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
    }
}
