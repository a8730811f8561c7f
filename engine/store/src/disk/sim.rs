//! A [`Disk`] in memory that can crash, lose power, fail a sync and run full on demand.
//!
//! It keeps what the system would show (volatile) apart from what the medium holds (durable).
//! Content moves from the one to the other by `sync_data`, names by `sync_dir`. Every change
//! and every sync counts as one operation, so that a test can stop at each of them in turn.

mod file;
mod survive;

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard},
};

use self::file::{Node, SimFile};
use super::{Access, Disk, DiskFile};

/// Is how many bytes a new disk says are free.
const FREE_BYTES: u64 = 1 << 40;

/// Says what survives of the changes that were never synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerLoss {
    /// None of them.
    Dropped,
    /// All of them.
    Kept,
    /// In each file all of them up to a byte, chosen by the seed, at which the last one is
    /// torn; of the names, all up to one.
    Torn {
        /// Chooses the byte.
        seed: u64,
    },
    /// Any 512-byte sectors of them and any of the names, chosen by the seed.
    Sectors {
        /// Chooses the sectors.
        seed: u64,
    },
}

/// Says on which side of an operation the crash happens; both ways its caller sees an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashSide {
    /// The operation has no effect.
    Before,
    /// The operation has its effect, but its answer is lost.
    After,
}

/// Is what every operation reports after a crash, inside an [`io::Error`].
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the simulated machine has crashed: take the disk through a power loss and reopen it")]
pub struct Crashed;

/// Is a directory in memory; clones are handles to the same one.
#[derive(Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

type Names = BTreeMap<String, Arc<Mutex<Node>>>;

/// Is a change of the directory that is not durable yet.
#[derive(Clone)]
enum NameChange {
    Set(String, Arc<Mutex<Node>>),
    Gone(String),
    Moved(String, String, Arc<Mutex<Node>>),
}

impl NameChange {
    fn apply(&self, names: &mut Names) {
        match self {
            Self::Set(name, node) => {
                names.insert(name.clone(), Arc::clone(node));
            }
            Self::Gone(name) => {
                names.remove(name);
            }
            Self::Moved(from, to, node) => {
                names.remove(from);
                names.insert(to.clone(), Arc::clone(node));
            }
        }
    }
}

struct State {
    names: Names,
    durable_names: Names,
    pending: Vec<NameChange>,
    operations: u64,
    syncs: u64,
    crash: Option<(u64, CrashSide)>,
    crashed: bool,
    fail_sync: Option<u64>,
    free_bytes: u64,
}

impl Default for SimDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl SimDisk {
    /// Creates an empty directory.
    #[must_use]
    pub fn new() -> Self {
        Self::with_names(Names::new())
    }

    fn with_names(names: Names) -> Self {
        let state = State {
            durable_names: names.clone(),
            names,
            pending: Vec::new(),
            operations: 0,
            syncs: 0,
            crash: None,
            crashed: false,
            fail_sync: None,
            free_bytes: FREE_BYTES,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Returns how many changes and syncs there have been, counting those that failed.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Returns how many `sync_data` there have been, counting those that failed.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.state().syncs
    }

    /// Crashes at the given operation, counted from 1 since the disk was made.
    pub fn crash_at(&self, operation: u64, side: CrashSide) {
        self.state().crash = Some((operation, side));
    }

    /// Returns whether the crash has happened.
    #[must_use]
    pub fn crashed(&self) -> bool {
        self.state().crashed
    }

    /// Ends the crash as if only the process had been killed: what was never synced is still
    /// there, and still not durable.
    pub fn restart(&self) {
        let mut state = self.state();
        state.crash = None;
        state.crashed = false;
    }

    /// Fails the given `sync_data`, counted from 1 since the disk was made, with `EIO`. As on
    /// Linux, what it should have synced stays readable and is never written by a later sync.
    pub fn fail_sync_at(&self, sync: u64) {
        self.state().fail_sync = Some(sync);
    }

    /// Sets how many bytes are free; allocating more than that fails with `ENOSPC`.
    pub fn set_free_bytes(&self, free_bytes: u64) {
        self.state().free_bytes = free_bytes;
    }

    /// Returns a new disk that holds what survives if the power is lost now. This disk is left
    /// as it is, so that one crash can be looked at under every kind of loss.
    #[must_use]
    pub fn power_loss(&self, loss: PowerLoss) -> Self {
        let state = self.state();
        let names = survive::names(&state.durable_names, &state.pending, loss);
        let survivors = names
            .into_iter()
            .map(|(name, node)| {
                let content = survive::content(&name, &lock_node(&node), loss);
                (name, Arc::new(Mutex::new(Node::durable(content))))
            })
            .collect();
        Self::with_names(survivors)
    }

    /// Returns the content of a file as reading shows it, or nothing if it is not there.
    #[must_use]
    pub fn content(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.state();
        let node = state.names.get(name)?;
        Some(lock_node(node).volatile().to_vec())
    }

    /// Puts a file there with durable content, replacing one of that name. Not an operation.
    pub fn put(&self, name: &str, content: Vec<u8>) {
        let mut state = self.state();
        let node = Arc::new(Mutex::new(Node::durable(content)));
        state.names.insert(name.to_owned(), Arc::clone(&node));
        state.durable_names.insert(name.to_owned(), node);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("no operation of a simulated disk panics")
    }

    fn look<R>(&self, look: impl FnOnce(&State) -> io::Result<R>) -> io::Result<R> {
        let state = self.state();
        if state.crashed {
            return Err(io::Error::other(Crashed));
        }
        look(&state)
    }

    fn change<R>(&self, change: impl FnOnce(&mut State) -> io::Result<R>) -> io::Result<R> {
        let mut state = self.state();
        if state.crashed {
            return Err(io::Error::other(Crashed));
        }
        state.operations += 1;
        let side = match state.crash {
            Some((operation, side)) if operation == state.operations => Some(side),
            _ => None,
        };
        state.crashed = side.is_some();
        match side {
            Some(CrashSide::Before) => Err(io::Error::other(Crashed)),
            Some(CrashSide::After) => {
                // What it reports no longer reaches anyone.
                drop(change(&mut state));
                Err(io::Error::other(Crashed))
            }
            None => change(&mut state),
        }
    }
}

fn lock_node(node: &Mutex<Node>) -> MutexGuard<'_, Node> {
    node.lock()
        .expect("no operation of a simulated file panics")
}

impl State {
    fn rename(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.pending.push(change);
    }

    fn node(&self, name: &str) -> io::Result<Arc<Mutex<Node>>> {
        let node = self.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::clone(node))
    }
}

impl Disk for SimDisk {
    fn create(&self, name: &str, len_bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        self.change(|state| {
            if state.names.contains_key(name) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            if len_bytes > state.free_bytes {
                return Err(io::ErrorKind::StorageFull.into());
            }
            state.free_bytes -= len_bytes;
            let node = Arc::new(Mutex::new(Node::allocated(len_bytes)));
            state.rename(NameChange::Set(name.to_owned(), Arc::clone(&node)));
            Ok(self.file(node, Access::Write))
        })
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        self.look(|state| Ok(self.file(state.node(name)?, access)))
    }

    fn names(&self) -> io::Result<Vec<String>> {
        self.look(|state| Ok(state.names.keys().cloned().collect()))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.change(|state| {
            let node = state.node(from)?;
            if let Some(replaced) = state.names.get(to) {
                let len_bytes = lock_node(replaced).volatile().len() as u64;
                state.free_bytes = state.free_bytes.saturating_add(len_bytes);
            }
            state.rename(NameChange::Moved(from.to_owned(), to.to_owned(), node));
            Ok(())
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.change(|state| {
            let len_bytes = lock_node(&*state.node(name)?).volatile().len() as u64;
            state.free_bytes = state.free_bytes.saturating_add(len_bytes);
            state.rename(NameChange::Gone(name.to_owned()));
            Ok(())
        })
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.change(|state| {
            state.durable_names = state.names.clone();
            state.pending.clear();
            Ok(())
        })
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.look(|state| Ok(state.free_bytes))
    }

    fn label(&self, name: &str) -> String {
        format!("sim:/{name}")
    }
}

impl SimDisk {
    fn file(&self, node: Arc<Mutex<Node>>, access: Access) -> Arc<dyn DiskFile> {
        Arc::new(SimFile {
            disk: self.clone(),
            node,
            access,
        })
    }
}
