//! Which mail is tried when: the mails in memory, those under way, and what is only in the records.
//!
//! Memory holds the mails that are due first. What lies at or behind the *horizon* may be in the records
//! alone, and is read in pages once it is next or memory runs low. Without a horizon memory holds
//! everything.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use didfarm_core::ids::MailId;
use didfarm_core::mail::{AfterTry, Mail, MailTry, WaitingMail};
use didfarm_core::time::Timestamp;
use didfarm_mail::retry;
use rustc_hash::FxHashSet;

/// Where a mail stands in line.
type Place = (Timestamp, MailId);

/// Before every mail.
const FIRST: Place = (Timestamp(i64::MIN), MailId(0));
/// Mails whose last move is remembered, so that late news of them is recognised.
const MOVED_MAX: usize = 4_096;

/// A mail that waits.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub(crate) mail: Arc<Mail>,
    pub(crate) queued_at: Timestamp,
    pub(crate) due: Timestamp,
    /// Tries that failed.
    pub(crate) tries: u16,
}

impl Waiting {
    /// One that was queued just now.
    pub(crate) fn fresh(mail: Arc<Mail>, queued_at: Timestamp) -> Waiting {
        Waiting {
            mail,
            queued_at,
            due: queued_at,
            tries: 0,
        }
    }

    /// One as the records have it.
    pub(crate) fn stored(due: Timestamp, row: WaitingMail) -> Waiting {
        Waiting {
            mail: Arc::new(row.mail),
            queued_at: row.queued_at,
            due,
            tries: row.tries,
        }
    }

    fn place(&self) -> Place {
        (self.due, self.mail.id)
    }
}

/// How a try ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// The server, or the maildir, has it.
    Sent,
    /// Not now, and why.
    Later(Box<str>),
    /// Never, and why.
    Never(Box<str>),
}

/// The bounds.
#[derive(Debug, Clone, Copy)]
pub(super) struct DeskLimits {
    /// Mails in memory that are not under way.
    pub(super) queue_max: usize,
    /// Mails under way.
    pub(super) under_way_max: usize,
}

/// The mails.
pub(super) struct Desk {
    limits: DeskLimits,
    queue: BTreeMap<Place, Waiting>,
    queued: FxHashSet<MailId>,
    under_way: FxHashSet<MailId>,
    /// The first place of a mail that may be in the records alone.
    horizon: Option<Place>,
    loading: Option<Loading>,
    /// Mails that ended or got another place, the last of them: news that they were queued is old.
    moved: FxHashSet<MailId>,
    moved_order: VecDeque<MailId>,
    /// How many wait in all, as far as it is known.
    total: u64,
}

/// What happened since a page was asked for.
#[derive(Default)]
struct Loading {
    /// The first place of a mail that was left to the records.
    left_out: Option<Place>,
    /// Mails that have another place than the page may say.
    moved: FxHashSet<MailId>,
}

impl Desk {
    /// A desk that knows nothing but what is under way already.
    pub(super) fn new(limits: DeskLimits, under_way: FxHashSet<MailId>) -> Desk {
        Desk {
            limits,
            queue: BTreeMap::new(),
            queued: FxHashSet::default(),
            under_way,
            horizon: Some(FIRST),
            loading: None,
            moved: FxHashSet::default(),
            moved_order: VecDeque::new(),
            total: 0,
        }
    }

    /// Takes a mail that was queued just now and is durable.
    pub(super) fn take(&mut self, waiting: Waiting) {
        let id = waiting.mail.id;
        if self.holds(id) || self.moved.contains(&id) {
            return;
        }
        self.total += 1;
        self.put(waiting);
    }

    fn holds(&self, id: MailId) -> bool {
        self.queued.contains(&id) || self.under_way.contains(&id)
    }

    /// Keeps a mail in memory; when there are too many, the last is left to the records.
    fn put(&mut self, waiting: Waiting) {
        let place = waiting.place();
        self.queued.insert(place.1);
        self.queue.insert(place, waiting);
        if self.queue.len() <= self.limits.queue_max {
            return;
        }
        let Some((last, _)) = self.queue.pop_last() else {
            return;
        };
        self.queued.remove(&last.1);
        let first = |known: Option<Place>| Some(known.map_or(last, |known| known.min(last)));
        self.horizon = first(self.horizon);
        if let Some(loading) = &mut self.loading {
            loading.left_out = first(loading.left_out);
        }
    }

    /// The mails to try now; they are under way from here on.
    pub(super) fn start_due(&mut self, now: Timestamp) -> Vec<Waiting> {
        let mut started = Vec::new();
        while self.under_way.len() < self.limits.under_way_max
            && let Some(first) = self.queue.first_entry()
            && first.key().0 <= now
        {
            let waiting = first.remove();
            self.queued.remove(&waiting.mail.id);
            self.under_way.insert(waiting.mail.id);
            started.push(waiting);
        }
        started
    }

    /// Decides what follows a try, and puts the mail in line again where it is tried again.
    ///
    /// Its first try is taken to be when it was queued.
    pub(super) fn ended(&mut self, waiting: Waiting, end: End, now: Timestamp) -> MailTry {
        let (id, due) = (waiting.mail.id, waiting.due);
        let tries = waiting.tries.saturating_add(1);
        let next = match end {
            End::Sent => AfterTry::Sent,
            End::Never(why) => AfterTry::GivenUp { why },
            End::Later(why) => match retry::next(u32::from(tries), waiting.queued_at, now) {
                Some(due) => AfterTry::Later { due, why },
                None => AfterTry::GivenUp { why },
            },
        };
        self.under_way.remove(&id);
        self.note_moved(id);
        match &next {
            AfterTry::Later { due, .. } => self.put(Waiting {
                due: *due,
                tries,
                ..waiting
            }),
            AfterTry::Sent | AfterTry::GivenUp { .. } => self.total = self.total.saturating_sub(1),
        }
        MailTry {
            mail: id,
            due,
            next,
        }
    }

    fn note_moved(&mut self, id: MailId) {
        if let Some(loading) = &mut self.loading {
            loading.moved.insert(id);
        }
        if self.moved.insert(id) {
            self.moved_order.push_back(id);
        }
        if self.moved_order.len() > MOVED_MAX
            && let Some(oldest) = self.moved_order.pop_front()
        {
            self.moved.remove(&oldest);
        }
    }

    /// How many of the first rows of the records are to be read, if any; they are to hold everything
    /// decided before this is asked. [`Desk::load`] or [`Desk::load_failed`] answers.
    pub(super) fn ask_page(&mut self) -> Option<usize> {
        let horizon = self.horizon?;
        let is_next = self.queue.keys().next().is_none_or(|next| *next >= horizon);
        let runs_low = self.queue.len() <= self.limits.queue_max / 4;
        if self.loading.is_some() || !(is_next || runs_low) {
            return None;
        }
        self.loading = Some(Loading::default());
        Some(self.limits.queue_max + self.under_way.len())
    }

    /// Takes the first rows of the records, `limit` of them unless there were fewer, and how many there
    /// are in all.
    pub(super) fn load(&mut self, rows: Vec<Waiting>, limit: usize, total: u64) {
        let loading = self.loading.take().unwrap_or_default();
        let is_whole = rows.len() < limit;
        let behind_page = rows.last().filter(|_| !is_whole).map(Waiting::place);
        self.horizon = None;
        self.total = total;
        for waiting in rows {
            let id = waiting.mail.id;
            if !self.holds(id) && !loading.moved.contains(&id) {
                self.put(waiting);
            }
        }
        // The page's last row is in memory: only what follows it may not be.
        let behind_page = behind_page.map(|(due, id)| (due, MailId(id.0 + 1)));
        self.horizon = [self.horizon, behind_page, loading.left_out]
            .into_iter()
            .flatten()
            .min();
    }

    /// The page could not be read.
    pub(super) fn load_failed(&mut self) {
        self.loading = None;
    }

    /// How many mails wait, those under way included.
    pub(super) fn waiting(&self) -> u64 {
        match self.horizon {
            None => (self.queue.len() + self.under_way.len()) as u64,
            Some(_) => self.total,
        }
    }

    /// When the oldest of those in memory was queued.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.queue.values().map(|waiting| waiting.queued_at).min()
    }
}

#[cfg(test)]
mod tests;
