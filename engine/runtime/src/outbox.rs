//! The outbox of one arbiter: effects that wait until their cause is durable.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::{Arc, PoisonError, RwLock};

use actix::{Message, Recipient};
use didfarm_core::event::Entry;
use didfarm_store::journal::Journal;
use didfarm_store::seq::Seq;

/// Tells an arbiter that what its outbox waits for is durable.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Durable;

/// Effects in the order of the entries that cause them.
pub(crate) struct Outbox<E> {
    journal: Arc<Journal<Entry>>,
    bell: Arc<DurableBell>,
    waiting: RefCell<VecDeque<(Seq, E)>>,
}

impl<E> Outbox<E> {
    pub(crate) fn new(journal: Arc<Journal<Entry>>, bell: Arc<DurableBell>) -> Rc<Outbox<E>> {
        Rc::new(Outbox {
            journal,
            bell,
            waiting: RefCell::new(VecDeque::new()),
        })
    }

    /// Hands an entry to the journal; its effects come out once it is durable.
    pub(crate) fn append(&self, entry: Entry, effects: impl IntoIterator<Item = E>) -> Seq {
        let mut waiting = self.waiting.borrow_mut();
        let first = waiting.is_empty();
        let seq = self.journal.append(entry);
        waiting.extend(effects.into_iter().map(|effect| (seq, effect)));
        if first && !waiting.is_empty() {
            self.bell.await_seq(seq, &self.journal);
        }
        seq
    }

    /// Lets effects follow that have no cause of their own: they come out once everything is durable that
    /// was handed to the journal so far.
    pub(crate) fn follow(&self, effects: impl IntoIterator<Item = E>) {
        let mut waiting = self.waiting.borrow_mut();
        let first = waiting.is_empty();
        let seq = self.journal.appended();
        waiting.extend(effects.into_iter().map(|effect| (seq, effect)));
        if first && !waiting.is_empty() {
            self.bell.await_seq(seq, &self.journal);
        }
    }

    /// The next effect whose cause is durable; the bell rings for the one after the last.
    pub(crate) fn next_due(&self) -> Option<E> {
        let mut waiting = self.waiting.borrow_mut();
        let (seq, _) = waiting.front()?;
        if *seq <= self.journal.durable() {
            return waiting.pop_front().map(|(_, effect)| effect);
        }
        self.bell.await_seq(*seq, &self.journal);
        None
    }
}

/// Wakes one arbiter's actor when the entry that it waits for is durable, once.
pub(crate) struct DurableBell {
    /// The first entry that is waited for; [`DurableBell::NOTHING`] when none is, or when it has rung.
    awaited: AtomicU64,
    reader: RwLock<Option<Recipient<Durable>>>,
}

impl DurableBell {
    const NOTHING: u64 = u64::MAX;

    /// A bell that the journal rings.
    pub(crate) fn on(journal: &Journal<Entry>) -> Arc<DurableBell> {
        let bell = Arc::new(DurableBell {
            awaited: AtomicU64::new(Self::NOTHING),
            reader: RwLock::new(None),
        });
        let rung = Arc::clone(&bell);
        journal.subscribe(Box::new(move |durable| rung.ring(durable)));
        bell
    }

    /// Sets who hears it, at start and after a restart, and rings for what it may have missed.
    pub(crate) fn heard_by(&self, reader: Recipient<Durable>) {
        reader.do_send(Durable);
        *self.reader.write().unwrap_or_else(PoisonError::into_inner) = Some(reader);
    }

    /// Rings once this entry is durable, which it may be already.
    fn await_seq(&self, seq: Seq, journal: &Journal<Entry>) {
        self.awaited.store(seq.0, Ordering::SeqCst);
        // Against the writer, who publishes and then looks at `awaited`: one of the two sees the other.
        fence(Ordering::SeqCst);
        self.ring(journal.durable());
    }

    fn ring(&self, durable: Seq) {
        fence(Ordering::SeqCst);
        let awaited = self.awaited.load(Ordering::SeqCst);
        if awaited > durable.0 {
            return;
        }
        let rung = self.awaited.compare_exchange(
            awaited,
            Self::NOTHING,
            Ordering::SeqCst,
            Ordering::SeqCst,
        );
        if rung.is_ok()
            && let Some(reader) = &*self.reader.read().unwrap_or_else(PoisonError::into_inner)
        {
            reader.do_send(Durable);
        }
    }
}
