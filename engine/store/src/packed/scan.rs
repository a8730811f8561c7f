//! Walking a packed map in key order, either way, one leaf at a time.

use super::leaf::Leaf;
use super::{KEY_BYTES_MAX, PackedError, PackedMap, Value};
use crate::shelf::Shelf;
use std::ops::Bound;

/// Which way a scan goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the start bound up to the greatest key.
    Forward,
    /// From the start bound down to the smallest key.
    Backward,
}

/// The entries of a packed map from a bound on, in one direction; see [`PackedMap::scan`].
///
/// A scan reads one leaf at a time. Batches applied meanwhile are seen from the next leaf on; no
/// entry that stays in the map is left out or given twice. After an error it ends.
pub struct Scan<'a> {
    map: PackedMap,
    shelf: &'a dyn Shelf,
    direction: Direction,
    place: Place,
}

/// Where a scan stands.
enum Place {
    /// Nothing read yet.
    Start(Bound<Vec<u8>>),
    /// In a leaf: entries `from..to` are still to come.
    In { leaf: Leaf, from: usize, to: usize },
    /// Nothing more to come.
    End,
}

impl<'a> Scan<'a> {
    pub(super) fn new(
        map: PackedMap,
        shelf: &'a dyn Shelf,
        from: Bound<Vec<u8>>,
        direction: Direction,
    ) -> Self {
        Self {
            map,
            shelf,
            direction,
            place: Place::Start(from),
        }
    }

    fn step(&mut self) -> Result<Option<(Value, Value)>, PackedError> {
        loop {
            let next_place = match &mut self.place {
                Place::End => return Ok(None),
                Place::Start(from) => {
                    let from = std::mem::replace(from, Bound::Unbounded);
                    self.start(from)?
                }
                Place::In { leaf, from, to } if *from < *to => {
                    let index = match self.direction {
                        Direction::Forward => *from,
                        Direction::Backward => *to - 1,
                    };
                    match self.direction {
                        Direction::Forward => *from += 1,
                        Direction::Backward => *to -= 1,
                    }
                    return Value::entry(leaf, index).map(Some);
                }
                Place::In { leaf, .. } => match self.direction {
                    Direction::Forward => self.map.place_right_of(self.shelf, leaf)?,
                    Direction::Backward => self.map.place_left_of(self.shelf, leaf)?,
                },
            };
            self.place = next_place;
        }
    }

    fn start(&self, from: Bound<Vec<u8>>) -> Result<Place, PackedError> {
        let key = match (&from, self.direction) {
            (Bound::Included(key) | Bound::Excluded(key), _) => key.as_slice(),
            (Bound::Unbounded, Direction::Forward) => &[],
            (Bound::Unbounded, Direction::Backward) => &[u8::MAX; KEY_BYTES_MAX + 1],
        };
        let Some(leaf) = self.map.leaf_for(self.shelf, key)? else {
            return Ok(Place::End);
        };
        let (index, found) = leaf.lower_bound(0, key)?;
        let included = matches!(from, Bound::Included(_));
        Ok(match self.direction {
            Direction::Forward => Place::In {
                from: index + usize::from(found && matches!(from, Bound::Excluded(_))),
                to: leaf.count(),
                leaf,
            },
            Direction::Backward => Place::In {
                from: 0,
                to: index + usize::from(found && included),
                leaf,
            },
        })
    }
}

impl PackedMap {
    fn place_right_of(&self, shelf: &dyn Shelf, leaf: &Leaf) -> Result<Place, PackedError> {
        let until = leaf.until();
        if until.is_empty() {
            return Ok(Place::End);
        }
        let Some(right) = self.leaf_for(shelf, until)? else {
            return Ok(Place::End);
        };
        Ok(Place::In {
            from: right.lower_bound(0, until)?.0,
            to: right.count(),
            leaf: right,
        })
    }

    fn place_left_of(&self, shelf: &dyn Shelf, leaf: &Leaf) -> Result<Place, PackedError> {
        let first = leaf.first();
        if first.is_empty() {
            return Ok(Place::End);
        }
        let missing = || PackedError::missing_left(self.prefix(), first);
        let (shelf_key, bytes) = shelf
            .predecessor(&[self.prefix()], leaf.shelf_key())?
            .ok_or_else(missing)?;
        let left = Leaf::open(shelf_key, bytes)?;
        if !left.until().is_empty() && left.until() < first {
            return Err(missing());
        }
        Ok(Place::In {
            from: 0,
            to: left.lower_bound(0, first)?.0,
            leaf: left,
        })
    }
}

impl Iterator for Scan<'_> {
    type Item = Result<(Value, Value), PackedError>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.step();
        if item.is_err() {
            self.place = Place::End;
        }
        item.transpose()
    }
}

impl std::iter::FusedIterator for Scan<'_> {}
