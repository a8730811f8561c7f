//! Admission: permits that bound how much is under way. Past the bound the answer is an early 503.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A bound and what is under way.
pub(crate) struct Admission {
    limit: usize,
    under_way: AtomicUsize,
}

/// One command's place, or as many as it weighs; freed when dropped.
pub(crate) struct Permit {
    admission: Arc<Admission>,
    weight: usize,
}

impl Admission {
    pub(crate) fn new(limit: usize) -> Arc<Admission> {
        Arc::new(Admission {
            limit,
            under_way: AtomicUsize::new(0),
        })
    }

    /// A place, if there is one.
    pub(crate) fn admit(self: &Arc<Self>) -> Option<Permit> {
        self.admit_weight(1)
    }

    /// So many places, if there is one: what is heavier than the bound is let in alone.
    pub(crate) fn admit_weight(self: &Arc<Self>, weight: usize) -> Option<Permit> {
        let permit = Permit {
            admission: Arc::clone(self),
            weight,
        };
        let before = self.under_way.fetch_add(weight, Ordering::AcqRel);
        // Dropping the permit takes the attempt back.
        (before < self.limit).then_some(permit)
    }

    /// Whether there is a place now.
    pub(crate) fn has_room(&self) -> bool {
        self.under_way() < self.limit
    }

    pub(crate) fn under_way(&self) -> usize {
        self.under_way.load(Ordering::Acquire)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.admission
            .under_way
            .fetch_sub(self.weight, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_bound_are_under_way() {
        let admission = Admission::new(2);
        let held = [admission.admit(), admission.admit()];
        assert!(held.iter().all(Option::is_some));
        assert!(admission.admit().is_none());
        assert_eq!(admission.under_way(), 2);
        drop(held);
        assert!(admission.admit().is_some());
    }

    #[test]
    fn what_is_heavy_takes_its_weight_and_may_go_over_the_bound_once() {
        let admission = Admission::new(10);
        let heavy = admission.admit_weight(25).unwrap();
        assert_eq!(admission.under_way(), 25);
        assert!(admission.admit().is_none() && !admission.has_room());
        drop(heavy);
        assert!(admission.has_room());
    }
}
