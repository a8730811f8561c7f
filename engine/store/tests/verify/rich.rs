//! A small store that has everything: channels, phases, refunds, contradictions, parked receipts.

use didfarm_core::account::Account;
use didfarm_core::channel::Channel;
use didfarm_core::conversation::Conversation;
use didfarm_core::delivery::receipt::Claim;
use didfarm_core::delivery::{InFlight, Input};
use didfarm_core::ids::{AccountId, ConversationId, MessageId, NumberId};
use didfarm_core::message::Message;
use didfarm_core::number::Number;
use didfarm_core::reason::Reason;
use didfarm_store::records::Records;
use didfarm_store::records::keys::{self, MAPS};
use didfarm_store::records::round::{LedgerCause, LedgerEntry};

use crate::farm::Farm;
use crate::shelves;

pub const PEER: &str = "+31612345678";
pub const OTHER_PEER: &str = "+4915123456789";
pub const PARKED: &str = "stray-1";

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
        farm.input(throttled, Input::Throttled);
        for message in [submitted, delivered, read, failed, corrected, unconfirmed] {
            farm.submitted(message, 1);
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
    pub fn pair_key(&self, id: ConversationId) -> [u8; 12] {
        let conversation = self.records.conversation(id).unwrap().unwrap();
        keys::pair(conversation.number, conversation.peer)
    }
}
