//! What can go wrong with a packed map.

use crate::shelf::ShelfError;
use std::fmt::Write as _;

/// Why a packed map could not answer or take changes.
///
/// Leaves are named by their first key in hex, which may hold a phone number.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PackedError {
    /// A leaf is there and its bytes are not sound.
    #[error(
        "leaf '{leaf}' of map {map} is damaged ({what}): stop, move the records away and run \
         `didfarm repair`, or restore them from a backup"
    )]
    Damaged {
        /// The map's prefix.
        map: u8,
        /// The leaf's first key, in hex.
        leaf: String,
        /// What was found.
        what: String,
    },
    /// The chain of leaves says that a leaf is there, and the shelf has none.
    #[error(
        "leaf '{leaf}' of map {map} is missing: stop, move the records away and run \
         `didfarm repair`, or restore them from a backup"
    )]
    MissingLeaf {
        /// The map's prefix.
        map: u8,
        /// The missing leaf's first key in hex, or `before` and its right neighbour's.
        leaf: String,
    },
    /// A value is longer than a packed map takes.
    #[error(
        "a value of {bytes} bytes is too large for map {map}: split it so that each has at most \
         {max} bytes",
        max = super::VALUE_BYTES_MAX
    )]
    ValueTooLarge {
        /// The map's prefix.
        map: u8,
        /// The value's length in bytes.
        bytes: usize,
    },
    /// A key is longer than a packed map takes.
    #[error(
        "a key of {bytes} bytes is too long for map {map}: use one of at most {max} bytes",
        max = super::KEY_BYTES_MAX
    )]
    KeyTooLong {
        /// The map's prefix.
        map: u8,
        /// The key's length in bytes.
        bytes: usize,
    },
    /// The batch already holds writes of this map, so the shelf's leaves are out of date.
    #[error(
        "the batch already holds changes of map {map}: gather all changes of a map into one set \
         for each batch"
    )]
    AppliedTwice {
        /// The map's prefix.
        map: u8,
    },
    /// The shelf failed.
    #[error(transparent)]
    Shelf(#[from] ShelfError),
}

impl PackedError {
    /// Names the leaf stored under `shelf_key` (prefix included).
    pub(super) fn damaged(shelf_key: &[u8], what: &str) -> Self {
        Self::Damaged {
            map: shelf_key.first().copied().unwrap_or(0),
            leaf: hex(shelf_key.get(1..).unwrap_or(&[])),
            what: what.to_owned(),
        }
    }

    /// Names the missing leaf by its first key.
    pub(super) fn missing(map: u8, first: &[u8]) -> Self {
        let leaf = hex(first);
        Self::MissingLeaf { map, leaf }
    }

    /// Names the missing leaf by the first key of its right neighbour.
    pub(super) fn missing_left(map: u8, right_first: &[u8]) -> Self {
        let leaf = format!("before {}", hex(right_first));
        Self::MissingLeaf { map, leaf }
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        write!(text, "{byte:02x}").expect("writing to a string does not fail");
    }
    text
}
