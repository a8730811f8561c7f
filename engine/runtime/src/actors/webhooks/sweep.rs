//! How an endpoint reads what waits for it from the records when memory does not hold all of it.
//!
//! A sweep goes through the rows in due order, a page at a time, and takes what is due until memory is
//! full. What stays behind is noted by the time at which it is wanted. An endpoint whose sweep came to the
//! end and left nothing behind has everything in memory again.

use didfarm_core::ids::EventId;
use didfarm_core::time::Timestamp;
use rustc_hash::FxHashSet;

/// Rows of one page.
pub(super) const PAGE_ROWS: usize = 1_024;
/// Least time between the starts of two sweeps, in milliseconds.
const SPACING_MS: u64 = 20;

/// A page to read: the rows behind this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PageAsked {
    pub(super) after: Option<(Timestamp, EventId)>,
    /// A page that was asked for before memory was reset is no page for it now.
    pub(super) generation: u32,
}

/// How far the reading is.
#[derive(Debug)]
pub(super) struct Sweep {
    is_behind: bool,
    /// Whether the first sweep only learns which conversations have an event under way.
    is_survey: bool,
    after: Option<(Timestamp, EventId)>,
    is_reading: bool,
    generation: u32,
    /// Events whose attempts ended while a page is read: what it says of them is out of date.
    ended: FxHashSet<EventId>,
    /// Whether something was left in the records since the sweep began.
    has_left: bool,
    /// When a new sweep is wanted for what was left.
    wanted_at: Option<Timestamp>,
    /// Not before this time.
    rests_until: Timestamp,
}

impl Sweep {
    /// Nothing is in the records that is not in memory.
    pub(super) fn complete() -> Sweep {
        Sweep {
            is_behind: false,
            is_survey: false,
            after: None,
            is_reading: false,
            generation: 0,
            ended: FxHashSet::default(),
            has_left: false,
            wanted_at: None,
            rests_until: Timestamp::ZERO,
        }
    }

    /// Begins anew: what waits is in the records, and read from this time on.
    pub(super) fn restart(&mut self, at: Timestamp, is_ordered: bool) {
        *self = Sweep {
            is_behind: true,
            is_survey: is_ordered,
            generation: self.generation.wrapping_add(1),
            wanted_at: Some(at),
            rests_until: at,
            ..Sweep::complete()
        };
    }

    pub(super) fn is_behind(&self) -> bool {
        self.is_behind
    }

    pub(super) fn is_survey(&self) -> bool {
        self.is_survey
    }

    pub(super) fn is_reading(&self) -> bool {
        self.is_reading
    }

    /// Something is left in the records that is wanted at this time, or once its line has run out.
    pub(super) fn left(&mut self, wanted_at: Option<Timestamp>) {
        self.is_behind = true;
        self.has_left = true;
        if let Some(at) = wanted_at {
            self.wanted_at = Some(self.wanted_at.map_or(at, |wanted| wanted.min(at)));
        }
    }

    /// An attempt ended.
    pub(super) fn ended(&mut self, event: EventId) {
        if self.is_reading {
            self.ended.insert(event);
        }
    }

    /// Whether what a page says of an event is out of date.
    pub(super) fn is_outdated(&self, event: EventId) -> bool {
        self.ended.contains(&event)
    }

    /// When the next page is wanted, if one is; `None` while one is read.
    pub(super) fn next_at(&self) -> Option<Timestamp> {
        if self.is_reading || !self.is_behind {
            return None;
        }
        match self.after {
            Some(_) => Some(Timestamp::ZERO),
            None => self.wanted_at.map(|at| at.max(self.rests_until)),
        }
    }

    /// Asks for the next page. Returns whether a new sweep begins with it.
    pub(super) fn ask(&mut self, now: Timestamp) -> (PageAsked, bool) {
        let begins = self.after.is_none();
        if begins {
            self.has_left = false;
            self.wanted_at = None;
            self.rests_until = now.plus_ms(SPACING_MS);
        }
        self.is_reading = true;
        let asked = PageAsked {
            after: self.after,
            generation: self.generation,
        };
        (asked, begins)
    }

    /// Whether a page that has come is the one that is waited for.
    pub(super) fn awaits(&self, generation: u32) -> bool {
        self.is_reading && self.generation == generation
    }

    /// The page could not be read: it is asked for again later.
    pub(super) fn failed(&mut self, again_at: Timestamp) {
        self.is_reading = false;
        self.ended.clear();
        self.after = None;
        self.rests_until = again_at;
        self.left(Some(again_at));
    }

    /// The page was taken up to this row, and the records have more.
    pub(super) fn goes_on(&mut self, after: Option<(Timestamp, EventId)>) {
        self.page_done();
        self.after = after.or(self.after);
        if self.after.is_none() {
            self.left(Some(Timestamp::ZERO));
        }
    }

    /// The sweep ends here: what is next in the records is wanted at this time.
    pub(super) fn rests(&mut self, wanted_at: Timestamp) {
        self.page_done();
        self.after = None;
        self.left(Some(wanted_at));
    }

    /// The sweep came to the end. Returns whether memory holds everything now.
    pub(super) fn came_to_end(&mut self) -> bool {
        self.page_done();
        self.after = None;
        if self.is_survey {
            self.is_survey = false;
            self.left(Some(Timestamp::ZERO));
            return false;
        }
        self.is_behind = self.has_left;
        if !self.is_behind {
            self.wanted_at = None;
        }
        !self.is_behind
    }

    fn page_done(&mut self) {
        self.is_reading = false;
        self.ended.clear();
    }
}
