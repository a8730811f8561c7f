//! The form that keys have inside sled: no two 0xff bytes follow each other.
//!
//! To step left over a node's edge, sled 0.34.7 seeks the edge's key with its last byte lowered
//! and four 0xff bytes after it. Where more than one node's worth of keys lies above that, it
//! walks in a circle and panics on a sound store. So every 0xff is followed by a 0x00 inside sled,
//! and no key lies above what it seeks. The order of keys and "begins with" stay as they are.

use sled::IVec;
use std::borrow::Cow;

/// The form of `key` inside sled.
pub(super) fn into_sled(key: &[u8]) -> Cow<'_, [u8]> {
    if !key.contains(&u8::MAX) {
        return Cow::Borrowed(key);
    }
    let mut stored = Vec::with_capacity(2 * key.len());
    for &byte in key {
        stored.push(byte);
        if byte == u8::MAX {
            stored.push(0);
        }
    }
    Cow::Owned(stored)
}

/// The key whose form inside sled is `stored`; `None` when no key has that form.
pub(super) fn from_sled(stored: IVec) -> Option<IVec> {
    if !stored.contains(&u8::MAX) {
        return Some(stored);
    }
    let mut key = Vec::with_capacity(stored.len());
    let mut bytes = stored.iter();
    while let Some(&byte) = bytes.next() {
        key.push(byte);
        if byte == u8::MAX && bytes.next() != Some(&0) {
            return None;
        }
    }
    Some(IVec::from(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn keys() -> impl Strategy<Value = Vec<u8>> {
        vec(prop_oneof![Just(0_u8), Just(1), Just(254), Just(255)], 0..8)
    }

    proptest! {
        #[test]
        fn the_form_inside_sled_keeps_keys_their_order_and_their_prefixes(
            left in keys(),
            right in keys(),
        ) {
            let (left_stored, right_stored) = (into_sled(&left), into_sled(&right));
            prop_assert_eq!(left.cmp(&right), left_stored.cmp(&right_stored));
            prop_assert_eq!(
                left.starts_with(&right),
                left_stored.starts_with(&right_stored)
            );
            let back = from_sled(IVec::from(left_stored.as_ref()));
            prop_assert_eq!(back.as_deref(), Some(left.as_slice()));
        }
    }

    #[test]
    fn bytes_that_no_key_has_are_refused() {
        assert_eq!(from_sled(IVec::from(&[1, 255])), None);
        assert_eq!(from_sled(IVec::from(&[255, 1])), None);
    }
}
