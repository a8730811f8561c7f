//! Makes journal entries through core's decisions, as the running engine does.
#![allow(dead_code)] // Each test file uses its own part.

use std::collections::BTreeMap;

use didfarm_core::account::{Account, AccountCommand, AccountEvent, ApiKey};
use didfarm_core::channel::Channel;
use didfarm_core::conversation::{
    self, Conversation, Pair, ReceiveMessage, Receiving, SendMessage,
};
use didfarm_core::delivery::receipt::Claim;
use didfarm_core::delivery::{Delivery, Input, Outcome};
use didfarm_core::e164::{E164, Validation};
use didfarm_core::event::{Entry, Event, ParkedReceipt};
use didfarm_core::ids::{AccountId, CarrierId, CarrierMessageId, Extent, MessageId, NumberId};
use didfarm_core::money::{Micros, SEGMENT_PRICE_DEFAULT};
use didfarm_core::number::{Number, NumberState};
use didfarm_core::reason::Reason;
use didfarm_core::segments;
use didfarm_core::time::Timestamp;

/// The states that decisions are made on, and the entries that they came to.
#[derive(Default)]
pub struct Farm {
    pub entries: Vec<Entry>,
    accounts: BTreeMap<AccountId, Account>,
    numbers: BTreeMap<NumberId, Number>,
    conversations: BTreeMap<(NumberId, E164), Conversation>,
    deliveries: BTreeMap<MessageId, (AccountId, Micros, Delivery)>,
    extents: u64,
}

pub fn e164(text: &str) -> E164 {
    E164::parse(text, Validation::Syntax).unwrap()
}

pub fn carrier_id(text: &str) -> CarrierMessageId {
    CarrierMessageId(text.into())
}

impl Farm {
    fn now(&self) -> Timestamp {
        Timestamp(1_700_000_000_000_000 + 1_000_000 * self.entries.len() as i64)
    }

    fn decided(&mut self, events: Vec<Event>) {
        let at = self.now();
        self.entries.push(Entry { at, events });
    }

    pub fn account(&mut self, name: &str, balance: i64) -> AccountId {
        let id = AccountId(self.accounts.len() as u32 + 1);
        let created = Account::decide_create(name, None).unwrap();
        self.accounts
            .insert(id, Account::created(id, name, None, self.now()));
        self.decided(vec![Event::Account(id, created)]);
        if balance > 0 {
            self.operate(id, AccountCommand::TopUp(Micros::new(balance)));
        }
        let key = ApiKey {
            id: format!("key{}", id.0).into(),
            hash: [id.0 as u8; 32],
        };
        self.operate(id, AccountCommand::AddKey(key));
        id
    }

    pub fn operate(&mut self, id: AccountId, command: AccountCommand) {
        let account = self.accounts.get_mut(&id).unwrap();
        let event = account.decide(command).unwrap();
        account.evolve(&event);
        self.decided(vec![Event::Account(id, event)]);
    }

    pub fn number(&mut self, account: AccountId, text: &str) -> NumberId {
        let id = NumberId(self.numbers.len() as u32 + 1);
        let state = NumberState::Active;
        let number = Number {
            id,
            account,
            e164: e164(text),
            state,
            sms: true,
            whatsapp: true,
        };
        let added = Number::decide_add(number.clone()).unwrap();
        self.numbers.insert(id, number);
        self.decided(vec![Event::Number(id, added)]);
        id
    }

    pub fn send(
        &mut self,
        number: NumberId,
        peer: &str,
        channel: Channel,
        body: &str,
    ) -> MessageId {
        let segmentation = segments::count(body);
        let charge = SEGMENT_PRICE_DEFAULT
            .checked_mul(u64::from(segmentation.segments))
            .unwrap();
        let peer = e164(peer);
        let number = &self.numbers[&number];
        let account = self.accounts.get_mut(&number.account).unwrap();
        Account::decide_charge(account.balance, charge).unwrap();
        let state = self.conversations.get(&(number.id, peer));
        let command = SendMessage {
            channel,
            body: body.into(),
            segmentation,
            charge,
        };
        let mut extents = self.extents;
        let mut fresh = || {
            extents += 1;
            Extent(extents)
        };
        let now = Timestamp(1_700_000_000_000_000 + 1_000_000 * self.entries.len() as i64);
        let pair = Pair { number, peer };
        let (message, events) =
            conversation::decide_send(state, pair, command, now, &mut fresh).unwrap();
        account.evolve(&AccountEvent::Charged {
            message,
            amount: charge,
        });
        self.deliveries
            .insert(message, (number.account, charge, Delivery::new()));
        let key = (number.id, peer);
        self.extents = extents;
        self.converse(key, &events);
        self.decided(events);
        message
    }

    pub fn receive(
        &mut self,
        number: NumberId,
        peer: &str,
        channel: Channel,
        body: &str,
        id: Option<&str>,
    ) -> MessageId {
        let peer = e164(peer);
        let number = &self.numbers[&number];
        let state = self.conversations.get(&(number.id, peer));
        let command = ReceiveMessage {
            channel,
            body: body.into(),
            segmentation: segments::count(body),
            carrier: CarrierId::SIMULATOR,
            carrier_message_id: id.map(carrier_id),
        };
        let mut extents = self.extents;
        let mut fresh = || {
            extents += 1;
            Extent(extents)
        };
        let received =
            conversation::decide_receive(state, Pair { number, peer }, command, &mut fresh)
                .unwrap();
        let Receiving::New(message, events) = received else {
            panic!("it is new")
        };
        let key = (number.id, peer);
        self.extents = extents;
        self.converse(key, &events);
        self.decided(events);
        message
    }

    fn converse(&mut self, key: (NumberId, E164), events: &[Event]) {
        let at = self.now();
        for event in events {
            if let Event::ConversationOpened(fact) = event {
                self.conversations
                    .insert(key, Conversation::opened(fact, at));
            }
            self.conversations.get_mut(&key).unwrap().evolve(event, at);
        }
    }

    /// Moves a delivery.
    pub fn input(&mut self, message: MessageId, input: Input) {
        let outcome = self.drive(message, input);
        assert!(
            matches!(outcome, Outcome::Moved(_) | Outcome::Contradiction(_)),
            "the input moves the delivery, but it is {outcome:?}"
        );
    }

    /// Moves a delivery if the input does; a refusal gives the charge back in the same entry.
    pub fn drive(&mut self, message: MessageId, input: Input) -> Outcome {
        let (account, charge, delivery) = self.deliveries.get_mut(&message).unwrap();
        let (account, amount) = (*account, *charge);
        let refused = matches!(input, Input::Refused { .. });
        let outcome = delivery.decide(input);
        let (Outcome::Moved(event) | Outcome::Contradiction(event)) = outcome.clone() else {
            return outcome;
        };
        delivery.evolve(&event);
        let mut events = vec![Event::Delivery(message, event)];
        if refused {
            let refunded = AccountEvent::Refunded { message, amount };
            self.accounts.get_mut(&account).unwrap().evolve(&refunded);
            events.push(Event::Account(account, refunded));
        }
        self.decided(events);
        outcome
    }

    /// Makes one entry of the last ones, as the engine does of what it decides at once.
    pub fn join(&mut self, entries: usize) {
        let first = self.entries.len() - entries;
        let joined = self.entries.split_off(first);
        let at = joined[0].at;
        let events = joined.into_iter().flat_map(|entry| entry.events).collect();
        self.entries.push(Entry { at, events });
    }

    pub fn start(&mut self, message: MessageId) {
        self.input(message, Input::Start);
    }

    /// The carrier takes every segment under an id of its own, `<message>-<place>`.
    pub fn submitted(&mut self, message: MessageId, segments: usize) {
        self.start(message);
        let ids = (0..segments)
            .map(|place| carrier_id(&format!("{message}-{place}")))
            .collect();
        self.input(message, Input::Accepted { ids });
    }

    pub fn receipt(&mut self, message: MessageId, place: usize, claim: Claim) {
        let reason = (claim == Claim::Failed).then_some(Reason::Unreachable);
        let id = carrier_id(&format!("{message}-{place}"));
        self.input(message, Input::Receipt { id, claim, reason });
    }

    pub fn park(&mut self, id: &str) {
        let (carrier, id) = (CarrierId::SIMULATOR, carrier_id(id));
        let receipt = ParkedReceipt {
            carrier,
            id,
            claim: Claim::Delivered,
            reason: None,
        };
        self.decided(vec![Event::ReceiptParked(receipt)]);
    }

    pub fn unpark(&mut self, id: &str) {
        self.decided(vec![Event::ReceiptsUnparked(
            CarrierId::SIMULATOR,
            carrier_id(id),
        )]);
    }
}
