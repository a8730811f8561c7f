//! The shelf: an ordered store of byte keys and values with atomic batches and a durable barrier.
//!
//! Three shelves: [`SledShelf`] on disk, [`MemoryShelf`] for tests and the simulation,
//! [`OverlayShelf`] to read another shelf and keep all writes to itself.

mod batch;
pub mod memory;
pub mod overlay;
mod panic_guard;
mod sled_error;
mod sled_key;
pub mod sled_shelf;

pub use batch::ShelfBatch;
pub use memory::MemoryShelf;
pub use overlay::OverlayShelf;
pub use sled::IVec;
pub use sled_error::ShelfOpenError;
pub use sled_shelf::SledShelf;

use std::path::PathBuf;
use std::sync::Arc;

/// A stored key with its value.
pub type ShelfEntry = (IVec, IVec);

/// An ordered store of byte keys and values.
///
/// In every method that takes a `prefix`, `key` begins with it; otherwise nothing is found.
pub trait Shelf: Send + Sync {
    /// Gives the value of `key`.
    fn get(&self, key: &[u8]) -> Result<Option<IVec>, ShelfError>;

    /// Gives the greatest stored key that begins with `prefix` and is at most `key`.
    fn floor(&self, prefix: &[u8], key: &[u8]) -> Result<Option<ShelfEntry>, ShelfError>;

    /// Gives the greatest stored key that begins with `prefix` and is below `key`.
    fn predecessor(&self, prefix: &[u8], key: &[u8]) -> Result<Option<ShelfEntry>, ShelfError>;

    /// Gives the smallest stored key that begins with `prefix` and is above `key`.
    fn successor(&self, prefix: &[u8], key: &[u8]) -> Result<Option<ShelfEntry>, ShelfError>;

    /// Applies all of `batch` or nothing; a reader sees all of it or nothing.
    ///
    /// It is durable only after the next [`Shelf::sync`]; batches become durable in their order.
    fn apply(&self, batch: ShelfBatch) -> Result<(), ShelfError>;

    /// Returns when every batch applied so far is durable.
    fn sync(&self) -> Result<(), ShelfError>;

    /// The bytes that the shelf takes on disk, or in memory if it has no disk.
    fn size_on_disk(&self) -> Result<u64, ShelfError>;
}

/// Why a shelf could not answer or take a batch.
///
/// After a failed `apply` or `sync`, or once damage shows, a shelf gives this error to every call:
/// what is in memory may no longer be what is on disk.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ShelfError {
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
        "the records in {} cannot be read or written ({detail}): check the disk and the rights on \
         that folder, and start again",
        dir.display()
    )]
    Io {
        /// The shelf's folder.
        dir: PathBuf,
        /// What the system said.
        detail: String,
    },
}

macro_rules! shelf_through_pointer {
    ($($pointer:ty),*) => {$(
        impl<S: Shelf + ?Sized> Shelf for $pointer {
            fn get(&self, key: &[u8]) -> Result<Option<IVec>, ShelfError> {
                (**self).get(key)
            }
            fn floor(&self, prefix: &[u8], key: &[u8]) -> Result<Option<ShelfEntry>, ShelfError> {
                (**self).floor(prefix, key)
            }
            fn predecessor(
                &self,
                prefix: &[u8],
                key: &[u8],
            ) -> Result<Option<ShelfEntry>, ShelfError> {
                (**self).predecessor(prefix, key)
            }
            fn successor(
                &self,
                prefix: &[u8],
                key: &[u8],
            ) -> Result<Option<ShelfEntry>, ShelfError> {
                (**self).successor(prefix, key)
            }
            fn apply(&self, batch: ShelfBatch) -> Result<(), ShelfError> {
                (**self).apply(batch)
            }
            fn sync(&self) -> Result<(), ShelfError> {
                (**self).sync()
            }
            fn size_on_disk(&self) -> Result<u64, ShelfError> {
                (**self).size_on_disk()
            }
        }
    )*};
}

shelf_through_pointer!(&S, Arc<S>, Box<S>);
