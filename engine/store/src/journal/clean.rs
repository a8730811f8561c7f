//! The mark of a clean stop: a small file that says at which seq the journal was closed.
//!
//! Magic (8 bytes), seq (8), CRC-32C of both (4). A damaged mark is the trace of a crash while
//! closing and says nothing.

use std::io;

use crate::{
    disk::{Access, Disk},
    seq::Seq,
};

/// Is the mark's file name.
pub(super) const CLEAN_FILE: &str = "CLEAN";

const MAGIC: [u8; 8] = *b"DFCLEAN\x01";
const MARK_BYTES: usize = 20;

/// Writes the mark and makes it durable.
pub(super) fn write(disk: &dyn Disk, last: Seq) -> io::Result<()> {
    let mut mark = [0; MARK_BYTES];
    mark[..8].copy_from_slice(&MAGIC);
    mark[8..16].copy_from_slice(&last.0.to_le_bytes());
    let crc = crc32c::crc32c(&mark[..16]);
    mark[16..].copy_from_slice(&crc.to_le_bytes());
    let file = disk.create(CLEAN_FILE, MARK_BYTES as u64)?;
    file.write_at(&mark, 0)?;
    file.sync_data()?;
    disk.sync_dir()
}

/// Returns the seq of the mark, or nothing if there is none that says anything.
pub(super) fn read(disk: &dyn Disk) -> io::Result<Option<Seq>> {
    let file = match disk.open(CLEAN_FILE, Access::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut mark = [0; MARK_BYTES];
    let count = file.read_at(&mut mark, 0)?;
    let crc = crc32c::crc32c(&mark[..16]).to_le_bytes();
    if count < MARK_BYTES || mark[..8] != MAGIC || mark[16..] != crc {
        tracing::warn!(
            file = CLEAN_FILE,
            "the mark of the clean stop is damaged, ignoring it"
        );
        return Ok(None);
    }
    let mut seq = [0; 8];
    seq.copy_from_slice(&mark[8..16]);
    Ok(Some(Seq(u64::from_le_bytes(seq))))
}
