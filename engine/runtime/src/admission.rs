//! Admission: permits that bound how much is under way. Past the bound the answer is an early 503.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A bound and what is under way.
pub(crate) struct Admission {
    limit: usize,
    under_way: AtomicUsize,
}

/// One command's place; freed when dropped.
pub(crate) struct Permit(Arc<Admission>);

impl Admission {
    pub(crate) fn new(limit: usize) -> Arc<Admission> {
        Arc::new(Admission {
            limit,
            under_way: AtomicUsize::new(0),
        })
    }

    /// A place, if there is one.
    pub(crate) fn admit(self: &Arc<Self>) -> Option<Permit> {
        let permit = Permit(Arc::clone(self));
        let before = self.under_way.fetch_add(1, Ordering::AcqRel);
        // Dropping the permit takes the attempt back.
        (before < self.limit).then_some(permit)
    }

    pub(crate) fn under_way(&self) -> usize {
        self.under_way.load(Ordering::Acquire)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::AcqRel);
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
}
