//! The wallet's ledger, read: one entry for every movement of money, with the balance after it.

use didfarm_core::ids::AccountId;
use didfarm_core::time::Timestamp;
use didfarm_store::records::read::Take;
use didfarm_store::records::{Records, RecordsError};
use didfarm_store::seq::Seq;

pub use didfarm_store::records::read::LedgerPlace;
pub use didfarm_store::records::round::{LedgerCause, LedgerEntry};

use crate::handle::EngineHandle;
use crate::read::{PAGE_ROWS_MAX, Page, ReadError, SCAN_ROWS_MAX};

/// The most entries that an export takes from the records at once.
pub const EXPORT_ROWS_MAX: usize = 1_000;

/// What a movement of money was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MovementKind {
    /// Money came in.
    TopUp,
    /// A message was accepted.
    Message,
    /// A message was accepted by which a number answered by itself.
    AutoReply,
    /// A message that no carrier took was given back.
    Refund,
    /// A month of SMS on a number was paid.
    SmsMonthly,
}

impl MovementKind {
    /// Every kind.
    pub const ALL: [MovementKind; 5] = [
        MovementKind::TopUp,
        MovementKind::Message,
        MovementKind::AutoReply,
        MovementKind::Refund,
        MovementKind::SmsMonthly,
    ];

    /// What a cause is.
    pub fn of(cause: &LedgerCause) -> MovementKind {
        match cause {
            LedgerCause::TopUp => MovementKind::TopUp,
            LedgerCause::Charge(_) => MovementKind::Message,
            LedgerCause::AutoReply(_) => MovementKind::AutoReply,
            LedgerCause::Refund(_) => MovementKind::Refund,
            LedgerCause::SmsMonthly(..) => MovementKind::SmsMonthly,
        }
    }

    /// The word in public JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            MovementKind::TopUp => "top_up",
            MovementKind::Message => "message",
            MovementKind::AutoReply => "auto_reply",
            MovementKind::Refund => "refund",
            MovementKind::SmsMonthly => "sms_monthly",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<MovementKind> {
        MovementKind::ALL
            .into_iter()
            .find(|kind| kind.as_str() == word)
    }
}

/// Which movements a list shows. Empty fields show all.
#[derive(Debug, Clone, Copy, Default)]
pub struct LedgerFilter {
    /// Only of one kind.
    pub kind: Option<MovementKind>,
    /// Only at this time or later.
    pub since: Option<Timestamp>,
    /// Only before this time.
    pub until: Option<Timestamp>,
}

impl LedgerFilter {
    fn admits(&self, entry: &LedgerEntry) -> bool {
        self.kind
            .is_none_or(|kind| kind == MovementKind::of(&entry.cause))
            && self.since.is_none_or(|since| entry.at >= since)
            && self.until.is_none_or(|until| entry.at < until)
    }
}

/// A movement of money and where it stands in its account's ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Movement {
    /// Its place, which is its name.
    pub place: LedgerPlace,
    /// What it is.
    pub entry: LedgerEntry,
}

/// How far an export goes: what was durable when it began.
#[derive(Debug, Clone, Copy)]
pub struct LedgerEnd(Seq);

impl EngineHandle {
    /// An account's movements of money, newest first, behind `after`.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn ledger(
        &self,
        account: AccountId,
        filter: LedgerFilter,
        after: Option<LedgerPlace>,
        limit: usize,
    ) -> Result<Page<Movement, LedgerPlace>, ReadError> {
        let mut builder = Builder::new(filter, limit.clamp(1, PAGE_ROWS_MAX));
        let read = move |records: &Records| {
            let visit = |place, entry| Ok(builder.look_at(Movement { place, entry }));
            records.each_newest_movement(account, after, visit)?;
            Ok(builder.page)
        };
        self.shared()
            .read(move |records| read(records).map_err(damaged))
            .await
    }

    /// Where an export that begins now ends.
    pub fn ledger_end(&self) -> LedgerEnd {
        LedgerEnd(self.shared().journal.durable())
    }

    /// The next movements of an export, oldest first, behind `after`.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn ledger_export(
        &self,
        account: AccountId,
        filter: LedgerFilter,
        after: Option<LedgerPlace>,
        end: LedgerEnd,
    ) -> Result<Page<Movement, LedgerPlace>, ReadError> {
        let mut builder = Builder::new(filter, EXPORT_ROWS_MAX);
        let read = move |records: &Records| -> Result<_, RecordsError> {
            records.each_movement(account, after, |place, entry| {
                if place.seq > end.0 {
                    return Ok(Take::Stop);
                }
                Ok(builder.look_at(Movement { place, entry }))
            })?;
            Ok(builder.page)
        };
        self.shared()
            .read(move |records| read(records).map_err(damaged))
            .await
    }
}

fn damaged(error: RecordsError) -> ReadError {
    ReadError::Damaged {
        sentence: error.to_string(),
    }
}

/// Takes in what a page shows, and knows when it is full.
struct Builder {
    filter: LedgerFilter,
    limit: usize,
    looked_at: usize,
    last: Option<LedgerPlace>,
    page: Page<Movement, LedgerPlace>,
}

impl Builder {
    fn new(filter: LedgerFilter, limit: usize) -> Builder {
        Builder {
            filter,
            limit,
            looked_at: 0,
            last: None,
            page: Page {
                rows: Vec::new(),
                next: None,
            },
        }
    }

    fn look_at(&mut self, movement: Movement) -> Take {
        if self.page.rows.len() == self.limit || self.looked_at == SCAN_ROWS_MAX {
            self.page.next = self.last;
            return Take::Stop;
        }
        self.looked_at += 1;
        self.last = Some(movement.place);
        if self.filter.admits(&movement.entry) {
            self.page.rows.push(movement);
        }
        Take::Next
    }
}
