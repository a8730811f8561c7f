//! A slab: values at places that stay theirs. It grows by blocks, so that nothing is ever copied: with
//! millions in one vector, the one push that makes it twice as large would hold everything up.

use std::ops::{Index, IndexMut, Range};

/// Places of one block.
const BLOCK: usize = 4_096;

/// A place in a slab.
pub(super) type Slot = u32;

/// The slab.
pub(super) struct Slab<T> {
    blocks: Vec<Vec<Option<T>>>,
    free: Vec<Slot>,
}

impl<T> Slab<T> {
    /// Nothing is in it.
    pub(super) fn new() -> Slab<T> {
        Slab {
            blocks: Vec::new(),
            free: Vec::new(),
        }
    }

    /// How many places there are, used or free.
    pub(super) fn len(&self) -> usize {
        let full = self.blocks.len().saturating_sub(1) * BLOCK;
        full + self.blocks.last().map_or(0, Vec::len)
    }

    /// Puts a value at a place that is free.
    ///
    /// # Panics
    /// With 2^32 values in it, which no memory holds.
    pub(super) fn add(&mut self, value: T) -> Slot {
        if let Some(slot) = self.free.pop() {
            self[slot] = Some(value);
            return slot;
        }
        let slot = Slot::try_from(self.len()).expect("memory ends before 2^32 values");
        match self.blocks.last_mut() {
            Some(block) if block.len() < BLOCK => block.push(Some(value)),
            Some(_) | None => {
                let mut block = Vec::with_capacity(BLOCK);
                block.push(Some(value));
                self.blocks.push(block);
            }
        }
        slot
    }

    /// Takes the value out of a place, which is free then.
    pub(super) fn take(&mut self, slot: Slot) -> Option<T> {
        let taken = self[slot].take();
        if taken.is_some() {
            self.free.push(slot);
        }
        taken
    }

    /// Every value, in the order of their places.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.blocks.iter().flatten().flatten()
    }

    /// The values at these places.
    pub(super) fn range(&self, places: Range<usize>) -> impl Iterator<Item = &T> {
        let Range { start, end } = places.start..places.end.min(self.len());
        let blocks = self.blocks.get(start / BLOCK..end.div_ceil(BLOCK));
        let first = start / BLOCK * BLOCK;
        let (skipped, taken) = (start - first, end.saturating_sub(start));
        let values = blocks.unwrap_or_default().iter().flatten();
        values.skip(skipped).take(taken).flatten()
    }
}

impl<T> Index<Slot> for Slab<T> {
    type Output = Option<T>;

    fn index(&self, slot: Slot) -> &Option<T> {
        let slot = slot as usize;
        &self.blocks[slot / BLOCK][slot % BLOCK]
    }
}

impl<T> IndexMut<Slot> for Slab<T> {
    fn index_mut(&mut self, slot: Slot) -> &mut Option<T> {
        let slot = slot as usize;
        &mut self.blocks[slot / BLOCK][slot % BLOCK]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_places_and_free_ones_are_used_again() {
        let mut slab = Slab::new();
        let count = 2 * BLOCK + 10;
        for value in 0..count {
            assert_eq!(slab.add(value) as usize, value);
        }
        assert_eq!(slab.len(), count);
        assert!(slab.iter().copied().eq(0..count));
        assert_eq!(slab.take(5_000), Some(5_000));
        assert_eq!(slab.take(5_000), None);
        assert_eq!((slab[5_000], slab[4_999]), (None, Some(4_999)));
        assert_eq!(slab.iter().count(), count - 1);
        assert_eq!(slab.add(7), 5_000);
        assert_eq!((slab.add(8) as usize, slab.len()), (count, count + 1));
    }

    #[test]
    fn a_range_is_of_places_and_ends_with_the_slab() {
        let mut slab = Slab::new();
        for value in 0..2 * BLOCK + 10 {
            slab.add(value);
        }
        slab.take(4_098);
        let range = |places: Range<usize>| slab.range(places).copied().collect::<Vec<_>>();
        assert_eq!(range(4_094..4_100), [4_094, 4_095, 4_096, 4_097, 4_099]);
        assert_eq!(range(2 * BLOCK + 8..1_000_000), [8_200, 8_201]);
        assert!(range(0..0).is_empty());
        assert!(range(1_000_000..1_000_001).is_empty());
        assert_eq!(Slab::<u8>::new().range(0..10).count(), 0);
    }
}
