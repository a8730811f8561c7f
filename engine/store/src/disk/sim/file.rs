//! One file of a simulated disk: what reading shows, what the medium holds, what lies between.

use std::{
    io,
    sync::{Arc, Mutex},
};

use super::{Access, DiskFile, SimDisk, lock_node};

/// Is a change of content or length that is not durable yet.
pub(super) enum Change {
    /// These bytes at this offset.
    Write(u64, Vec<u8>),
    /// This length in bytes.
    Len(u64),
}

impl Change {
    /// Applies the change; bytes beyond the length are lost, as they are on a real medium whose
    /// longer length was never synced.
    pub(super) fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write(offset, bytes) => {
                let start = (*offset as usize).min(content.len());
                let end = (*offset as usize + bytes.len()).min(content.len());
                content[start..end].copy_from_slice(&bytes[..end - start]);
            }
            Self::Len(len_bytes) => content.resize(*len_bytes as usize, 0),
        }
    }
}

/// Is a file apart from its name.
pub(super) struct Node {
    volatile: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

impl Node {
    pub(super) fn durable(content: Vec<u8>) -> Self {
        Self {
            volatile: content.clone(),
            durable: content,
            pending: Vec::new(),
        }
    }

    pub(super) fn allocated(len_bytes: u64) -> Self {
        let mut node = Self::durable(Vec::new());
        node.change(Change::Len(len_bytes));
        node
    }

    pub(super) fn volatile(&self) -> &[u8] {
        &self.volatile
    }

    pub(super) fn held(&self) -> &[u8] {
        &self.durable
    }

    pub(super) fn pending(&self) -> &[Change] {
        &self.pending
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.volatile);
        self.pending.push(change);
    }

    fn sync(&mut self) {
        for change in self.pending.drain(..) {
            change.apply(&mut self.durable);
        }
    }

    /// Forgets the written bytes, as a page cache does that marks its pages clean after a
    /// failed write-back.
    fn fail_sync(&mut self) {
        self.pending
            .retain(|change| matches!(change, Change::Len(_)));
    }
}

pub(super) struct SimFile {
    pub(super) disk: SimDisk,
    pub(super) node: Arc<Mutex<Node>>,
    pub(super) access: Access,
}

impl SimFile {
    fn writable(&self) -> io::Result<()> {
        match self.access {
            Access::Write => Ok(()),
            Access::Read => Err(io::ErrorKind::PermissionDenied.into()),
        }
    }
}

impl DiskFile for SimFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.writable()?;
        self.disk.change(|_| {
            let mut node = lock_node(&self.node);
            let end = offset + bytes.len() as u64;
            if end > node.volatile.len() as u64 {
                node.change(Change::Len(end));
            }
            node.change(Change::Write(offset, bytes.to_vec()));
            Ok(())
        })
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.disk.look(|_| {
            let node = lock_node(&self.node);
            let start = (offset as usize).min(node.volatile.len());
            let count = buffer.len().min(node.volatile.len() - start);
            buffer[..count].copy_from_slice(&node.volatile[start..start + count]);
            Ok(count)
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.change(|state| {
            state.syncs += 1;
            let mut node = lock_node(&self.node);
            if state.fail_sync == Some(state.syncs) {
                node.fail_sync();
                return Err(rustix::io::Errno::IO.into());
            }
            node.sync();
            Ok(())
        })
    }

    fn set_len(&self, len_bytes: u64) -> io::Result<()> {
        self.writable()?;
        self.disk.change(|_| {
            lock_node(&self.node).change(Change::Len(len_bytes));
            Ok(())
        })
    }

    fn len_bytes(&self) -> io::Result<u64> {
        self.disk
            .look(|_| Ok(lock_node(&self.node).volatile.len() as u64))
    }
}
