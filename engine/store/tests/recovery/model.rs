//! What the records must be after every prefix of the script: the money and the messages counted straight
//! from the entries, and every row as one undisturbed replay writes it.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use didfarm_core::account::AccountEvent;
use didfarm_core::event::{Entry, Event};
use didfarm_core::ids::{AccountId, MessageId};
use didfarm_store::packed::{Direction, PackedMap};
use didfarm_store::records::keys::MAPS;
use didfarm_store::records::round::{LedgerCause, Round};
use didfarm_store::records::{Meta, Records};
use didfarm_store::seq::Seq;
use didfarm_store::shelf::MemoryShelf;
use didfarm_store::verify::{Expected, audit};

use crate::told::{Keys, Webhooks};

type Rows = Vec<Vec<(Vec<u8>, Vec<u8>)>>;

/// What the customers were told, counted from the entries alone.
#[derive(Clone, Default)]
struct Told {
    /// Bodies, and charges of outbound messages, in millionths.
    messages: BTreeMap<MessageId, (Arc<str>, Option<i64>)>,
    refunds: BTreeMap<MessageId, i64>,
    balances: BTreeMap<AccountId, i64>,
    webhooks: Webhooks,
    keys: Keys,
}

/// One prefix of the script.
struct Prefix {
    told: Told,
    meta: Meta,
    rows: Rows,
}

/// Every prefix of the script, by the seq of its last entry.
pub struct Model {
    pub entries: Vec<Entry>,
    prefixes: Vec<Prefix>,
}

impl Model {
    pub fn of(entries: Vec<Entry>) -> Model {
        let records = Records::new(Arc::new(MemoryShelf::new()));
        let mut told = Told::default();
        let mut prefixes = vec![Prefix::of(&records, &told)];
        for (seq, entry) in (1..).map(Seq).zip(&entries) {
            let mut round = Round::begin(records.shelf(), records.meta().unwrap());
            round.apply(seq, entry).unwrap();
            round.commit().unwrap();
            for event in &entry.events {
                told.add(event);
            }
            prefixes.push(Prefix::of(&records, &told));
        }
        Model { entries, prefixes }
    }

    /// The last entry of the script.
    pub fn last(&self) -> Seq {
        Seq(self.entries.len() as u64)
    }

    /// Asserts that the records hold exactly the entries up to `last`, and that all that was
    /// acknowledged up to `acknowledged` is among it.
    pub fn assert_at(&self, records: &Records, last: Seq, acknowledged: Seq, what: &str) {
        let told = &self.prefixes[acknowledged.0 as usize].told;
        let mut expected = told.messages.iter().map(|(id, (body, _))| Expected {
            id: *id,
            body: Some(body.to_string()),
        });
        let report = audit(records, Some(&mut expected)).unwrap();
        assert!(report.is_clean(), "{what}: {report}");
        let prefix = &self.prefixes[last.0 as usize];
        prefix.told.assert_in(records, what);
        assert_eq!(records.meta().unwrap(), prefix.meta, "{what}");
        assert!(
            rows(records) == prefix.rows,
            "{what}: the records are not those of the first {last} entries"
        );
    }
}

impl Prefix {
    fn of(records: &Records, told: &Told) -> Prefix {
        Prefix {
            told: told.clone(),
            meta: records.meta().unwrap(),
            rows: rows(records),
        }
    }
}

fn rows(records: &Records) -> Rows {
    let all = |map: PackedMap| {
        let scan = map.scan(records.shelf(), Bound::Unbounded, Direction::Forward);
        scan.map(|row| row.map(|(key, value)| (key.to_vec(), value.to_vec())))
            .collect::<Result<_, _>>()
            .unwrap()
    };
    [
        MAPS.accounts,
        MAPS.numbers,
        MAPS.conversations,
        MAPS.pairs,
        MAPS.extents,
        MAPS.messages,
        MAPS.in_flight,
        MAPS.parked,
        MAPS.aged,
        MAPS.owners,
        MAPS.inbound,
        MAPS.parts,
        MAPS.timeline,
        MAPS.inbox,
        MAPS.ledger,
        MAPS.auto_replies,
        MAPS.endpoints,
        MAPS.events,
        MAPS.pending,
        MAPS.attempts,
        MAPS.mails,
        MAPS.mails_given_up,
        MAPS.guarded,
        MAPS.opt_outs,
        MAPS.batches,
        MAPS.batch_rows,
    ]
    .map(all)
    .into()
}

impl Told {
    fn add(&mut self, event: &Event) {
        match event {
            Event::Account(account, happened) => {
                let balance = self.balances.entry(*account).or_default();
                match happened {
                    AccountEvent::ToppedUp(amount) => *balance += amount.as_micros(),
                    AccountEvent::Refunded { message, amount } => {
                        *balance += amount.as_micros();
                        let before = self.refunds.insert(*message, amount.as_micros());
                        assert_eq!(before, None, "the script refunds {message} once");
                    }
                    AccountEvent::Created { .. }
                    | AccountEvent::KeyAdded(_)
                    | AccountEvent::RateLimitSet(_)
                    | AccountEvent::EmailSet(_)
                    | AccountEvent::LowBalanceSet(_)
                    | AccountEvent::QuietHoursSet(_)
                    | AccountEvent::SpendCapSet(_)
                    | AccountEvent::DestinationsSet(..)
                    | AccountEvent::RangesOpenSet(_)
                    | AccountEvent::TrafficStopped(_)
                    | AccountEvent::TrafficReleased { .. }
                    | AccountEvent::PoolSet(_)
                    | AccountEvent::PoolRemoved(_) => {}
                    AccountEvent::Charged { .. } => panic!("an acceptance is its own charge"),
                }
            }
            Event::Accepted(fact) => {
                let charge = fact.charge.as_micros();
                *self.balances.entry(fact.account).or_default() -= charge;
                let message = (Arc::clone(&fact.body), Some(charge));
                self.messages.insert(fact.message, message);
            }
            Event::Received(fact) => {
                let message = (Arc::clone(&fact.body), None);
                self.messages.insert(fact.message, message);
            }
            Event::Number(..)
            | Event::ConversationOpened(_)
            | Event::ExtentAdded(..)
            | Event::Consent(..)
            | Event::Delivery(..)
            | Event::ReceiptParked(_)
            | Event::ReceiptsUnparked(..)
            | Event::ReceiptsAgedOut(..)
            | Event::PartHeld(_)
            | Event::PartsJoined(_)
            | Event::Batch(..) => {}
            Event::Offered(_)
            | Event::Endpoint(..)
            | Event::Attempted(_)
            | Event::Redelivered(_)
            | Event::PendingDropped(..)
            | Event::EventsForgotten(..)
            | Event::MailQueued(_)
            | Event::MailTried(_) => self.webhooks.add(event),
            Event::Guarded(_) | Event::KeysForgotten(_) => self.keys.add(event),
        }
    }

    /// Every message once, every charge and refund once, every wallet to the millionth.
    fn assert_in(&self, records: &Records, what: &str) {
        self.webhooks.assert_in(records, what);
        self.keys.assert_in(records, what);
        let count = records.meta().unwrap().counts.messages;
        assert_eq!(count, self.messages.len() as u64, "{what}");
        for (id, (body, charge)) in &self.messages {
            let message = records.message(*id).unwrap();
            let message = message.unwrap_or_else(|| panic!("{what}: {id} is lost"));
            assert_eq!(message.body, *body, "{what}");
            assert_eq!(
                message.charge.as_micros(),
                charge.unwrap_or_default(),
                "{what}"
            );
        }
        let (mut charges, mut refunds) = (Vec::new(), Vec::new());
        for (account, balance) in &self.balances {
            let wallet = records.account(*account).unwrap().unwrap().balance;
            assert_eq!(wallet.as_micros(), *balance, "{what}: {account}");
            let entries = records.each_ledger_entry(*account, |entry| match entry.cause {
                LedgerCause::TopUp | LedgerCause::SmsMonthly(..) => {}
                LedgerCause::Charge(message) | LedgerCause::AutoReply(message) => {
                    charges.push((message, -entry.amount.as_micros()))
                }
                LedgerCause::Refund(message) => refunds.push((message, entry.amount.as_micros())),
            });
            entries.unwrap();
        }
        charges.sort_unstable();
        refunds.sort_unstable();
        let told = self.messages.iter();
        let told = told.filter_map(|(id, (_, charge))| charge.map(|charge| (*id, charge)));
        assert_eq!(charges, told.collect::<Vec<_>>(), "{what}");
        assert_eq!(
            refunds,
            self.refunds.clone().into_iter().collect::<Vec<_>>(),
            "{what}"
        );
    }
}
