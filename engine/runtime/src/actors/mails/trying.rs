//! Tries that are under way: known to everyone, and none ends without an answer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use didfarm_core::ids::MailId;
use rustc_hash::FxHashSet;

use super::{End, MailInput, Waiting};
use crate::shared::Shared;

/// The mails whose try is under way. It outlives the supervisor, so that a new one does not try them a
/// second time.
#[derive(Default)]
pub(crate) struct Trying {
    mails: Mutex<FxHashSet<MailId>>,
}

impl Trying {
    /// Which they are.
    pub(crate) fn list(&self) -> FxHashSet<MailId> {
        self.lock().clone()
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, FxHashSet<MailId>> {
        self.mails.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The answer that the supervisor awaits. Whoever drops it says "later".
pub(crate) struct Answer {
    engine: Arc<Shared>,
    waiting: Option<Waiting>,
}

impl Answer {
    /// Notes that a try is under way.
    pub(crate) fn awaited(engine: &Arc<Shared>, waiting: Waiting) -> Answer {
        engine.mails_trying.lock().insert(waiting.mail.id);
        Answer {
            engine: Arc::clone(engine),
            waiting: Some(waiting),
        }
    }

    /// What is tried.
    pub(crate) fn waiting(&self) -> &Waiting {
        self.waiting
            .as_ref()
            .expect("it is there until it is given")
    }

    /// Gives the answer.
    pub(crate) fn give(mut self, end: End) {
        self.report(end);
    }

    fn report(&mut self, end: End) {
        let Some(waiting) = self.waiting.take() else {
            return;
        };
        // The answer first: with neither of the two a new supervisor would try the mail again.
        let id = waiting.mail.id;
        self.engine.mails.push(MailInput::Tried(waiting, end));
        self.engine.mails_trying.lock().remove(&id);
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.report(End::Later("the try was cut short".into()));
    }
}
