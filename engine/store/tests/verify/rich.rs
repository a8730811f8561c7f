//! A small store that has everything: channels, phases, refunds, contradictions, receipts and parts
//! that wait, names and their aliases, carriers' ids, endpoints and their events, mails, rules, keys.

use didfarm_core::account::{Account, AccountCommand};
use didfarm_core::batch::{BatchEvent, BatchState};
use didfarm_core::channel::Channel;
use didfarm_core::consent::{ConsentCause, ConsentChange};
use didfarm_core::conversation::{ALIASES_MAX, Conversation, INBOUND_KNOWN_MAX};
use didfarm_core::delivery::receipt::Claim;
use didfarm_core::delivery::{InFlight, Input};
use didfarm_core::idempotency::{Guarded, GuardedAnswer};
use didfarm_core::ids::{
    AccountId, BatchId, ConversationId, EndpointId, EventId, MailId, MessageId, NumberId,
};
use didfarm_core::mail::{AfterTry, MailKind};
use didfarm_core::message::Message;
use didfarm_core::number::Number;
use didfarm_core::reason::Reason;
use didfarm_core::webhook::attempt::{AfterAttempt, BODY_KEPT_BYTES_MAX};
use didfarm_core::webhook::endpoint::DisableCause;
use didfarm_core::webhook::{EventType, Fact};
use didfarm_store::records::Records;
use didfarm_store::records::keys::{self, MAPS, PairKey};
use didfarm_store::records::round::{EndpointRecord, EventRow, LedgerCause, LedgerEntry};

use crate::farm::{Farm, part, peer};
use crate::shelves;

pub const PEER: &str = "+31612345678";
pub const OTHER_PEER: &str = "+4915123456789";
pub const PARKED: &str = "stray-1";
/// It aged out, with two receipts.
pub const AGED: &str = "stray-2";
/// The peer of `named`, also known by `ALIAS`.
pub const NAME: &str = "US.1001";
pub const ALIAS: &str = "+31600000001";
/// The peer of `rivalled`; its alias `TAKEN` has a conversation of its own.
pub const RIVALLED: &str = "US.1002";
pub const TAKEN: &str = "+31600000002";
/// The peer of `forgetful`, which forgot `FORGOTTEN`.
const MANY_NAMES: &str = "US.1003";
pub const FORGOTTEN: &str = "+31600000100";
/// The peer of `busy`.
const BUSY: &str = "+447700900123";
/// Inbound ids of `busy` that only the index knows.
const INDEXED: usize = 2;

/// The store with its cast.
pub struct Rich {
    pub farm: Farm,
    pub records: Records,
    /// It owns both `number` and `second`.
    pub account: AccountId,
    /// It owns `foreign`.
    pub rival: AccountId,
    pub number: NumberId,
    pub foreign: NumberId,
    /// Of `number` and `PEER`: all the outbound SMS.
    pub conversation: ConversationId,
    /// Of `foreign`, both channels and directions.
    pub other: ConversationId,
    pub queued: MessageId,
    pub submitting: MessageId,
    pub submitted: MessageId,
    pub delivered: MessageId,
    pub read: MessageId,
    pub corrected: MessageId,
    pub refused: MessageId,
    /// Three segments, one of them delivered.
    pub long: MessageId,
    pub inbound: MessageId,
    /// Given up, then refused: given back.
    pub given_back: MessageId,
    /// Given up, then taken under an indexed id: open again, with the message.
    pub reopened: MessageId,
    pub given_up: MessageId,
    /// Of `foreign` and `NAME`.
    pub named: ConversationId,
    pub rivalled: ConversationId,
    /// Of `second`; its peer has more names than a conversation keeps.
    pub forgetful: ConversationId,
    /// Of `second`; more inbound ids than a conversation keeps.
    pub busy: ConversationId,
    /// The parts that wait: the first and the last of three.
    pub parts: [[u8; 17]; 2],
    /// Of `account`: `waiting` waits for it, `told` was delivered at the second attempt.
    pub endpoint: EndpointId,
    /// Of `rival`: nothing waits for it, `exhausted` did in vain.
    pub idle: EndpointId,
    pub waiting: EventId,
    /// Its second attempt has a body of three rows.
    pub told: EventId,
    pub exhausted: EventId,
    pub mail: MailId,
    /// Of `account`: the keys of a message, of `endpoint` and of `mail`.
    pub guarded: [Guarded; 3],
    /// Of `account` and `second`: a row that waits, one that was refused by a carrier, one that was refused.
    pub batch: BatchId,
    pub row: MessageId,
}

impl Rich {
    pub fn new() -> Rich {
        let mut farm = Farm::default();
        let account = farm.account("Acme", 1_000_000);
        let rival = farm.account("Globex", 500_000);
        farm.account("Idle", 0);
        let number = farm.number(account, "+31201234567");
        let second = farm.number(account, "+3197010240001");
        let foreign = farm.number(rival, "+14155550100");
        let mut sms = |body: &str| farm.send(number, PEER, Channel::Sms, body);
        let queued = sms("queued");
        let submitting = sms("submitting");
        let in_doubt = sms("in doubt");
        let throttled = sms("throttled");
        let submitted = sms("submitted");
        let delivered = sms("delivered");
        let read = sms("read");
        let failed = sms("failed");
        let corrected = sms("corrected");
        let refused = sms("refused");
        let unconfirmed = sms("unconfirmed ☎");
        let long = sms(&"long ".repeat(70));
        farm.start(submitting);
        farm.start(in_doubt);
        farm.input(in_doubt, Input::NoAnswer);
        farm.start(throttled);
        let reason = Reason::Throttled;
        farm.input(throttled, Input::NotTaken { reason });
        for message in [read, failed, corrected, unconfirmed] {
            farm.submitted(message, 1);
        }
        for message in [submitted, delivered] {
            farm.submitted_indexed(message, 1);
        }
        farm.submitted(long, 3);
        farm.receipt(long, 1, Claim::Delivered);
        farm.receipt(submitted, 0, Claim::EnRoute);
        farm.receipt(delivered, 0, Claim::Delivered);
        farm.receipt(read, 0, Claim::Read);
        farm.receipt(failed, 0, Claim::Failed);
        farm.receipt(corrected, 0, Claim::Failed);
        farm.receipt(corrected, 0, Claim::Delivered);
        farm.input(unconfirmed, Input::NoReceipt);
        farm.start(refused);
        farm.input(
            refused,
            Input::Refused {
                reason: Reason::Rejected,
            },
        );
        let inbound = farm.receive(
            foreign,
            OTHER_PEER,
            Channel::WhatsApp,
            "hello",
            Some("in-1"),
        );
        let late = farm.send(foreign, OTHER_PEER, Channel::WhatsApp, "good day");
        farm.receive(
            foreign,
            OTHER_PEER,
            Channel::Sms,
            "by SMS too",
            Some("in-2"),
        );
        farm.park(&format!("{late}-0"));
        farm.submitted(late, 1);
        farm.unpark(&format!("{late}-0"));
        farm.receipt(late, 0, Claim::Delivered);
        farm.receive(second, PEER, Channel::Sms, "to the second", None);
        farm.park(PARKED);
        let [given_back, reopened, given_up] = doubts(&mut farm, number);
        let message_key = early_ends(&mut farm, (account, number));
        let [named, rivalled, forgetful, busy] = names(&mut farm, foreign, second);
        let parts = waiting(&mut farm);
        let endpoint = farm.endpoint(account);
        let endpoint_key = farm.guard_endpoint(account, 8, endpoint);
        let idle = farm.endpoint(rival);
        let [waiting, told, exhausted] = told(&mut farm, (account, endpoint), (rival, idle));
        let mail = mails(&mut farm, account, endpoint);
        let mail_key = farm.guard(account, 9, GuardedAnswer::Mail(mail));
        let guarded = [message_key, endpoint_key, mail_key];
        farm.rules(number, &[&*"€".repeat(1_600); 4]);
        farm.rules(foreign, &["we are closed"]);
        consents(&mut farm, rivalled);
        let (batch, row) = batched(&mut farm, (account, second));
        for numbers in [vec![number], vec![second]] {
            let name = "codes".into();
            farm.operate(account, AccountCommand::CreatePool { name, numbers });
        }
        let records = shelves::records_of(&farm.entries);
        let conversation = ConversationId(queued.extent().0);
        let other = ConversationId(inbound.extent().0);
        Rich {
            farm,
            records,
            account,
            rival,
            number,
            foreign,
            conversation,
            other,
            queued,
            submitting,
            submitted,
            delivered,
            read,
            corrected,
            refused,
            long,
            inbound,
            given_back,
            reopened,
            given_up,
            named,
            rivalled,
            forgetful,
            busy,
            parts,
            endpoint,
            idle,
            waiting,
            told,
            exhausted,
            mail,
            guarded,
            batch,
            row,
        }
    }

    pub fn alter_account(&self, id: AccountId, change: impl FnOnce(&mut Account)) {
        shelves::alter(&self.records, MAPS.accounts, &keys::id(id.get()), change);
    }

    pub fn alter_number(&self, id: NumberId, change: impl FnOnce(&mut Number)) {
        shelves::alter(&self.records, MAPS.numbers, &keys::id(id.get()), change);
    }

    pub fn alter_conversation(&self, id: ConversationId, change: impl FnOnce(&mut Conversation)) {
        shelves::alter(
            &self.records,
            MAPS.conversations,
            &keys::id(id.get()),
            change,
        );
    }

    pub fn alter_message(&self, id: MessageId, change: impl FnOnce(&mut Message)) {
        shelves::alter(&self.records, MAPS.messages, &keys::id(id.get()), change);
    }

    pub fn alter_in_flight(&self, id: MessageId, change: impl FnOnce(&mut InFlight)) {
        shelves::alter(&self.records, MAPS.in_flight, &keys::id(id.get()), change);
    }

    pub fn alter_endpoint(&self, id: EndpointId, change: impl FnOnce(&mut EndpointRecord)) {
        shelves::alter(&self.records, MAPS.endpoints, &keys::id(id.get()), change);
    }

    pub fn alter_event(&self, id: EventId, change: impl FnOnce(&mut EventRow)) {
        let key = self.event_key(id);
        shelves::alter(&self.records, MAPS.events, &key, change);
    }

    /// The key of an event.
    pub fn event_key(&self, id: EventId) -> [u8; 12] {
        let owner = if id == self.exhausted {
            self.rival
        } else {
            self.account
        };
        keys::event(owner, id)
    }

    /// The key of the row by which `waiting` waits.
    pub fn pending_key(&self) -> [u8; 20] {
        keys::pending(
            self.endpoint,
            self.farm.due(self.endpoint, self.waiting),
            self.waiting,
        )
    }

    /// The key of a row of the second attempt of `told`.
    pub fn attempt_key(&self, part: u8) -> [u8; 23] {
        let row = self
            .records
            .event(self.account, self.told)
            .unwrap()
            .unwrap();
        let mark = row.results[0].attempts[1];
        keys::attempt(self.endpoint, mark.place(self.told), part)
    }

    /// The key of the mail that waits.
    pub fn mail_key(&self) -> [u8; 16] {
        keys::mail(self.farm.mail_due(self.mail), self.mail)
    }

    /// The key of what is kept of an idempotency key.
    pub fn guarded_key(&self, place: usize) -> [u8; 20] {
        let guarded = &self.guarded[place];
        keys::guarded(guarded.slot, guarded.key)
    }

    /// The key of the ledger entry with this cause, of `account`'s when it is a top-up.
    pub fn ledger_key(&self, cause: LedgerCause) -> Vec<u8> {
        let rows = shelves::rows(&self.records, MAPS.ledger);
        let mut rows = rows.into_iter().map(|(key, value)| {
            let entry: LedgerEntry = didfarm_store::records::codec::decode(&value).unwrap();
            (key, entry)
        });
        rows.find(|(_, entry)| entry.cause == cause)
            .expect("the entry is there")
            .0
    }

    pub fn alter_ledger(&self, cause: LedgerCause, change: impl FnOnce(&mut LedgerEntry)) {
        shelves::alter(&self.records, MAPS.ledger, &self.ledger_key(cause), change);
    }

    /// The key of a message's timeline row.
    pub fn timeline_key(&self, id: MessageId) -> [u8; 20] {
        let message = self.records.message(id).unwrap().unwrap();
        keys::newest_first(message.account, message.created_at, id.0)
    }

    /// The key of a conversation's inbox row.
    pub fn inbox_key(&self, id: ConversationId) -> [u8; 20] {
        let conversation = self.records.conversation(id).unwrap().unwrap();
        keys::newest_first(conversation.account, conversation.last_activity, id.0)
    }

    /// The key of a conversation's pair row.
    pub fn pair_key(&self, id: ConversationId) -> PairKey {
        let conversation = self.records.conversation(id).unwrap().unwrap();
        keys::pair(conversation.number, &conversation.peer)
    }

    /// The key of the row of one of a conversation's names.
    pub fn name_key(&self, id: ConversationId, name: &str) -> PairKey {
        let conversation = self.records.conversation(id).unwrap().unwrap();
        keys::pair(conversation.number, &peer(name))
    }
}

/// Three messages that stayed in doubt too long, and what came of them after that.
fn doubts(farm: &mut Farm, number: NumberId) -> [MessageId; 3] {
    let messages = ["given back", "reopened", "given up"]
        .map(|body| farm.send(number, PEER, Channel::Sms, body));
    for message in messages {
        farm.start(message);
        farm.input(message, Input::NoAnswer);
        farm.input(message, Input::GiveUp);
    }
    let reason = Reason::Rejected;
    farm.input(messages[0], Input::Refused { reason });
    farm.accepted(messages[1], 1, true);
    messages
}

/// Expired, taken by what a receipt says, taken without an id, delayed; the last was sent with a key.
fn early_ends(farm: &mut Farm, (account, number): (AccountId, NumberId)) -> Guarded {
    let [expired, by_receipt, without_id, delayed] = ["expired", "by receipt", "no id", "delayed"]
        .map(|body| farm.send(number, PEER, Channel::Sms, body));
    let guarded = farm.guard(account, 7, GuardedAnswer::Message(delayed, None));
    farm.input(expired, Input::Expired);
    farm.start(by_receipt);
    farm.named_receipt(by_receipt, Claim::Delivered);
    farm.start(without_id);
    farm.accepted(without_id, 0, true);
    farm.named_receipt(without_id, Claim::EnRoute);
    farm.input(delayed, Input::Delayed);
    guarded
}

/// Conversations whose peers have names, and one with more ids than it keeps.
fn names(farm: &mut Farm, foreign: NumberId, second: NumberId) -> [ConversationId; 4] {
    let whatsapp = Channel::WhatsApp;
    let mut hear = |number, names: (&str, Option<&str>), id: Option<&str>| {
        let message = farm.receive_as(number, names, whatsapp, "hello", id);
        ConversationId(message.extent().0)
    };
    let named = hear(foreign, (NAME, Some(ALIAS)), None);
    assert_eq!(hear(foreign, (ALIAS, None), None), named);
    let rivalled = hear(foreign, (RIVALLED, None), None);
    assert_ne!(hear(foreign, (TAKEN, None), None), rivalled);
    assert_eq!(hear(foreign, (RIVALLED, Some(TAKEN)), None), rivalled);
    let forgetful = hear(second, (MANY_NAMES, Some(FORGOTTEN)), None);
    for alias in 0..ALIASES_MAX {
        let alias = format!("+3160000020{alias}");
        hear(second, (MANY_NAMES, Some(&alias)), None);
    }
    let busy = hear(second, (BUSY, None), Some("busy-0"));
    for place in 1..INBOUND_KNOWN_MAX + INDEXED {
        hear(second, (BUSY, None), Some(&format!("busy-{place}")));
    }
    [named, rivalled, forgetful, busy]
}

/// An event that waits, one that was delivered at the second attempt, one that was not.
fn told(
    farm: &mut Farm,
    (account, endpoint): (AccountId, EndpointId),
    (rival, idle): (AccountId, EndpointId),
) -> [EventId; 3] {
    let example = || Fact::Example(EventType::MessageReceived);
    let waiting = farm.offer(account, example(), &[endpoint]);
    let told = farm.offer(account, example(), &[endpoint]);
    let exhausted = farm.offer(rival, example(), &[idle]);
    farm.failed(endpoint, waiting);
    farm.failed(endpoint, told);
    let body = "x".repeat(BODY_KEPT_BYTES_MAX);
    farm.attempted(endpoint, told, AfterAttempt::Delivered, &body);
    farm.attempted(idle, exhausted, AfterAttempt::Exhausted, "");
    [waiting, told, exhausted]
}

/// A mail that waits, and one that was given up.
fn mails(farm: &mut Farm, account: AccountId, endpoint: EndpointId) -> MailId {
    let cause = DisableCause::Customer;
    let [waiting, given_up] =
        [0; 2].map(|_| farm.mail(account, MailKind::EndpointDisabled { endpoint, cause }));
    let why = "no such user".into();
    farm.tried(given_up, AfterTry::GivenUp { why });
    waiting
}

/// A batch with a row that waits, one that its carrier refused, and one that was refused; and an empty one.
fn batched(farm: &mut Farm, (account, second): (AccountId, NumberId)) -> (BatchId, MessageId) {
    let batch = farm.batch(account);
    let waits = farm.row(batch, 0, second, "+31600000301");
    let refused = farm.row(batch, 1, second, "+31600000302");
    farm.start(refused);
    let reason = Reason::Rejected;
    farm.input(refused, Input::Refused { reason });
    farm.refuse_row(account, batch, 2);
    farm.note(account, batch, BatchEvent::Completed);
    let paused = BatchEvent::StateSet(BatchState::Paused);
    farm.note(account, batch, paused);
    farm.batch(account);
    (batch, waits)
}

/// An opt-out that ended, and one that holds.
fn consents(farm: &mut Farm, id: ConversationId) {
    farm.consent(id, ConsentChange::OptedOut, ConsentCause::Agent);
    farm.consent(id, ConsentChange::OptedIn, ConsentCause::Agent);
    farm.consent(id, ConsentChange::OptedOut, ConsentCause::Keyword);
}

/// Receipts that aged out, parts that wait and parts that were joined.
fn waiting(farm: &mut Farm) -> [[u8; 17]; 2] {
    farm.park(AGED);
    farm.park(AGED);
    farm.age_out(AGED);
    let [first, last, other] = [(1, 1), (1, 3), (2, 2)]
        .map(|(reference, place)| part(PEER, "+31201234567", reference, place));
    for part in [&first, &other, &last, &first] {
        farm.hold(part.clone());
    }
    farm.join_parts(other.key);
    [&first, &last].map(|part| keys::part(&part.key, part.place))
}
