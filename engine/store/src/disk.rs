//! The few file operations that the journal needs, on one flat directory.
//!
//! The journal never names the operating system: it is given a [`Disk`]. [`real::RealDisk`] is
//! a directory, [`sim::SimDisk`] is memory that can crash, lose power and run full on demand.

pub mod lock;
pub mod real;
pub mod sim;

use std::{io, sync::Arc};

/// Says what a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading only; works on a read-only file system too.
    Read,
    /// Reading and writing.
    Write,
}

/// Is one flat directory of files.
pub trait Disk: Send + Sync + 'static {
    /// Creates a file of `len_bytes` zeros whose space is allocated: no later write inside that
    /// length can fail for lack of space. Neither name nor length is durable yet.
    ///
    /// # Errors
    /// `AlreadyExists` if the name is taken; `StorageFull` if the space cannot be allocated, in
    /// which case no file is left behind; whatever the system reports otherwise.
    fn create(&self, name: &str, len_bytes: u64) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens an existing file.
    ///
    /// # Errors
    /// `NotFound` if there is none; whatever the system reports otherwise.
    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>>;

    /// Lists the names of all files, in no particular order.
    ///
    /// # Errors
    /// Whatever the system reports.
    fn names(&self) -> io::Result<Vec<String>>;

    /// Gives a file another name, atomically replacing a file that has it.
    ///
    /// # Errors
    /// Whatever the system reports.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file; open handles stay readable.
    ///
    /// # Errors
    /// Whatever the system reports.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes every creation, renaming and removal so far durable.
    ///
    /// # Errors
    /// Whatever the system reports.
    fn sync_dir(&self) -> io::Result<()>;

    /// Returns how many bytes of the file system an unprivileged process can still take.
    ///
    /// # Errors
    /// Whatever the system reports.
    fn free_bytes(&self) -> io::Result<u64>;

    /// Returns how an operator finds the file, for sentences and logs.
    fn label(&self, name: &str) -> String;
}

/// Is an open file of a [`Disk`].
pub trait DiskFile: Send + Sync {
    /// Writes all bytes at `offset`.
    ///
    /// # Errors
    /// Whatever the system reports; part of the bytes may be written then.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Fills `buffer` from `offset` on and returns how many bytes there were before the end.
    ///
    /// # Errors
    /// Whatever the system reports.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Makes content and length durable (`fdatasync`).
    ///
    /// # Errors
    /// Whatever the system reports; what was written since the last success may be lost then,
    /// although reading still shows it.
    fn sync_data(&self) -> io::Result<()>;

    /// Cuts the file, or extends it with zeros.
    ///
    /// # Errors
    /// Whatever the system reports.
    fn set_len(&self, len_bytes: u64) -> io::Result<()>;

    /// Returns the length in bytes.
    ///
    /// # Errors
    /// Whatever the system reports.
    fn len_bytes(&self) -> io::Result<u64>;
}
