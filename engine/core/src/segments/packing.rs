//! Counts segments by filling each before the next is opened.

/// The running count of one encoding: a body of at most `ALONE` units is one segment, a longer
/// one is packed into segments of at most `EACH`.
///
/// Both answers are kept while reading, since the body's length is known only at its end.
pub(super) struct Packing<const ALONE: usize, const EACH: usize> {
    units: usize,
    full: usize,
    used: usize,
}

impl<const ALONE: usize, const EACH: usize> Packing<ALONE, EACH> {
    pub(super) const fn new() -> Self {
        Packing {
            units: 0,
            full: 0,
            used: 0,
        }
    }

    /// Adds one character of `units`, which never straddles two segments.
    pub(super) fn add(&mut self, units: usize) {
        self.units += units;
        self.used += units;
        if self.used > EACH {
            self.full += 1;
            self.used = units;
        }
    }

    /// Adds `count` characters of one unit each.
    pub(super) fn add_singles(&mut self, count: usize) {
        self.units += count;
        self.used += count;
        if self.used > EACH {
            // A full segment is closed only when something follows it: `used` stays in 1..=EACH.
            self.full += (self.used - 1) / EACH;
            self.used = (self.used - 1) % EACH + 1;
        }
    }

    pub(super) fn units(&self) -> usize {
        self.units
    }

    /// Returns the segments so far; an empty body is one.
    pub(super) fn segments(&self) -> usize {
        if self.units <= ALONE {
            1
        } else {
            self.full + 1
        }
    }
}
