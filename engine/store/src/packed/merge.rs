//! How a sorted set of changes is merged into the leaves of a packed map.
//!
//! Changes are taken in key order, one group of neighbouring leaves at a time: the leaf that the
//! next change falls into, and, as long as what is left of it is too small to stand alone, its
//! right neighbours. Each touched leaf is read once and each resulting leaf is written once.

use super::leaf::Leaf;
use super::run::{PAYLOAD_BYTES_MIN, Run};
use super::{PackedError, PackedMap};
use crate::shelf::{Shelf, ShelfBatch};
use sled::IVec;
use std::collections::btree_map;
use std::iter::Peekable;

/// The changes that are still to be merged, in key order.
type Pending<'a> = Peekable<btree_map::Iter<'a, Vec<u8>, Option<Vec<u8>>>>;

/// One `apply` under way.
pub(super) struct Merge<'a> {
    map: &'a PackedMap,
    shelf: &'a dyn Shelf,
    run: Run,
    staged: ShelfBatch,
    /// Entries put that were not there, less those removed that were.
    grown: i64,
    /// Shelf key and upper bound of the last leaf written.
    last: Option<(IVec, Vec<u8>)>,
}

/// Neighbouring leaves that are merged into one run.
struct Group {
    shelf_key: IVec,
    until: Vec<u8>,
    /// Shelf keys of the leaves to the right that the run took in.
    absorbed: Vec<IVec>,
    stored: bool,
}

impl<'a> Merge<'a> {
    /// Begins with nothing merged.
    pub fn new(map: &'a PackedMap, shelf: &'a dyn Shelf) -> Self {
        Self {
            map,
            shelf,
            run: Run::default(),
            staged: ShelfBatch::default(),
            grown: 0,
            last: None,
        }
    }

    /// Merges all changes and gives the writes that they come to, and by how many entries the map
    /// grows.
    pub fn finish(mut self, mut pending: Pending<'_>) -> Result<(ShelfBatch, i64), PackedError> {
        while let Some((key, _)) = pending.peek() {
            let head = self.map.leaf_for(self.shelf, key)?;
            self.merge_group(head, &mut pending)?;
        }
        Ok((self.staged, self.grown))
    }

    fn merge_group(
        &mut self,
        head: Option<Leaf>,
        pending: &mut Pending<'_>,
    ) -> Result<(), PackedError> {
        self.run.clear();
        let mut changed = self.merge_leaf(head.as_ref(), pending)?;
        let mut group = match &head {
            Some(leaf) => Group::of(leaf),
            None => Group::of_empty_map(self.map),
        };
        while changed && self.run.payload_bytes() < PAYLOAD_BYTES_MIN && !group.until.is_empty() {
            let right = self.map.leaf_at(self.shelf, &group.until)?;
            changed |= self.merge_leaf(Some(&right), pending)?;
            group.absorbed.push(right.shelf_key().clone());
            group.until.clear();
            group.until.extend_from_slice(right.until());
        }
        match changed {
            true => self.write(group),
            false => Ok(()),
        }
    }

    /// Appends the entries of `leaf` to the run with the changes that fall into it, and tells
    /// whether one of them changed anything.
    fn merge_leaf(
        &mut self,
        leaf: Option<&Leaf>,
        pending: &mut Pending<'_>,
    ) -> Result<bool, PackedError> {
        let mut copied = 0;
        let mut changed = false;
        while let Some((key, change)) =
            pending.next_if(|(key, _)| leaf.is_none_or(|leaf| leaf.reaches(key)))
        {
            if let Some(leaf) = leaf {
                let (index, found) = leaf.lower_bound(copied, key)?;
                self.run.push_range(leaf, copied..index)?;
                copied = index;
                let old = match found {
                    true => Some(leaf.entry(index)?.value_of(leaf)),
                    false => None,
                };
                if old == change.as_deref() {
                    continue;
                }
                copied += usize::from(found);
                self.grown -= i64::from(found);
            }
            if let Some(value) = change {
                self.run.push(key, value);
                self.grown += 1;
            }
            changed |= leaf.is_some() || change.is_some();
        }
        if let Some(leaf) = leaf {
            self.run.push_range(leaf, copied..leaf.count())?;
        }
        Ok(changed)
    }

    fn write(&mut self, group: Group) -> Result<(), PackedError> {
        for shelf_key in &group.absorbed {
            self.staged.remove(shelf_key.to_vec());
        }
        if self.run.count() == 0 {
            return self.vanish(group);
        }
        let cuts = self.run.cuts(group.until.is_empty());
        let mut shelf_key = group.shelf_key;
        for (index, cut) in cuts.iter().enumerate() {
            let next_first = match cuts.get(index + 1) {
                Some(next) => self.run.key(next.start),
                None => group.until.as_slice(),
            };
            let leaf = self.run.encode(&shelf_key, next_first, cut.clone());
            self.staged.put(shelf_key.to_vec(), leaf);
            if index + 1 < cuts.len() {
                shelf_key = IVec::from(self.map.shelf_key(next_first));
            }
        }
        self.last = Some((shelf_key, group.until));
        Ok(())
    }

    /// Removes the last leaf of the map, which became empty: its left neighbour becomes the last.
    fn vanish(&mut self, group: Group) -> Result<(), PackedError> {
        if group.stored {
            self.staged.remove(group.shelf_key.to_vec());
        }
        if group.shelf_key.len() > 1 {
            let left = self.left_neighbour(&group.shelf_key)?;
            self.run.push_range(&left, 0..left.count())?;
            let leaf = self.run.encode(left.shelf_key(), &[], 0..left.count());
            self.staged.put(left.shelf_key().to_vec(), leaf);
        }
        Ok(())
    }

    /// The leaf that ends where the one of `shelf_key` begins, as this merge leaves it.
    fn left_neighbour(&self, shelf_key: &IVec) -> Result<Leaf, PackedError> {
        let first = &shelf_key[1..];
        if let Some((left_key, until)) = &self.last
            && until == first
            && let Some(Some(bytes)) = self.staged.get(left_key)
        {
            return Leaf::open(left_key.clone(), bytes.clone());
        }
        let missing = || PackedError::missing_left(self.map.prefix(), first);
        let (left_key, bytes) = self
            .shelf
            .predecessor(&[self.map.prefix()], shelf_key)?
            .ok_or_else(missing)?;
        let left = Leaf::open(left_key, bytes)?;
        match left.until() == first {
            true => Ok(left),
            false => Err(missing()),
        }
    }
}

impl Group {
    fn of(leaf: &Leaf) -> Self {
        Self {
            shelf_key: leaf.shelf_key().clone(),
            until: leaf.until().to_vec(),
            absorbed: Vec::new(),
            stored: true,
        }
    }

    fn of_empty_map(map: &PackedMap) -> Self {
        Self {
            shelf_key: IVec::from(map.shelf_key(&[])),
            until: Vec::new(),
            absorbed: Vec::new(),
            stored: false,
        }
    }
}
