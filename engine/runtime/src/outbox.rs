//! The outbox of one arbiter: effects that wait until their cause is durable.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix::{Message, Recipient};
use didfarm_core::event::Entry;
use didfarm_store::journal::Journal;
use didfarm_store::seq::Seq;

/// Tells an arbiter that more of the journal is durable.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Durable;

/// Effects in the order of the entries that cause them.
pub(crate) struct Outbox<E> {
    journal: Arc<Journal<Entry>>,
    waiting: RefCell<VecDeque<(Seq, E)>>,
}

impl<E> Outbox<E> {
    pub(crate) fn new(journal: Arc<Journal<Entry>>) -> Rc<Outbox<E>> {
        Rc::new(Outbox {
            journal,
            waiting: RefCell::new(VecDeque::new()),
        })
    }

    /// Hands an entry to the journal; its effects come out once it is durable.
    pub(crate) fn append(&self, entry: Entry, effects: impl IntoIterator<Item = E>) -> Seq {
        let mut waiting = self.waiting.borrow_mut();
        let seq = self.journal.append(entry);
        waiting.extend(effects.into_iter().map(|effect| (seq, effect)));
        seq
    }

    /// The effects whose causes are durable, in order.
    pub(crate) fn due(&self) -> VecDeque<(Seq, E)> {
        let durable = self.journal.durable();
        let mut waiting = self.waiting.borrow_mut();
        let due = waiting.partition_point(|(seq, _)| *seq <= durable);
        let rest = waiting.split_off(due);
        std::mem::replace(&mut *waiting, rest)
    }
}

/// Wakes one arbiter's actor after each commit, one message at a time.
pub(crate) struct DurableBell {
    rung: AtomicBool,
    reader: std::sync::RwLock<Option<Recipient<Durable>>>,
}

impl DurableBell {
    /// A bell that the journal rings.
    pub(crate) fn on(journal: &Journal<Entry>) -> Arc<DurableBell> {
        let bell = Arc::new(DurableBell {
            rung: AtomicBool::new(false),
            reader: std::sync::RwLock::new(None),
        });
        let rung = Arc::clone(&bell);
        journal.subscribe(Box::new(move |_| rung.ring()));
        bell
    }

    /// Sets who hears it, at start and after a restart.
    pub(crate) fn heard_by(&self, reader: Recipient<Durable>) {
        *self
            .reader
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = Some(reader);
        self.rung.store(false, Ordering::Release);
        self.ring();
    }

    fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel)
            && let Some(reader) = &*self
                .reader
                .read()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
        {
            reader.do_send(Durable);
        }
    }

    /// The reader is about to look: what becomes durable from now on rings again.
    pub(crate) fn hush(&self) {
        self.rung.store(false, Ordering::Release);
    }
}
