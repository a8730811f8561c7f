//! A point in time on both clocks: facts are dated by the wall, waiting is measured by the other.

use didfarm_core::time::Timestamp;

/// When a turn of the supervisor takes place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    /// The wall clock.
    pub(super) wall: Timestamp,
    /// The monotonic clock, on the same scale.
    pub(super) mono: Timestamp,
}

impl Moment {
    /// When on the monotonic clock a time of the wall's is reached, should the wall not be set meanwhile.
    pub(super) fn reaches(self, wall: Timestamp) -> Timestamp {
        let away_us = wall.0.saturating_sub(self.wall.0).max(0);
        Timestamp(self.mono.0.saturating_add(away_us))
    }
}
