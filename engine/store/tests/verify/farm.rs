//! Makes journal entries through core's decisions, as the running engine does.
#![allow(dead_code)] // Each test file uses its own part.

use std::collections::BTreeMap;
use std::sync::Arc;

use didfarm_core::abuse::stop::TrafficStop;
use didfarm_core::account::{Account, AccountCommand, AccountEvent, ApiKey};
use didfarm_core::auto_reply::{AutoReplyDraft, AutoReplyRules};
use didfarm_core::batch::{BatchEvent, BatchPlace, RefusedRow, RowPrint, Spread};
use didfarm_core::channel::Channel;
use didfarm_core::consent::{self, ConsentCause, ConsentChange, ConsentEvent};
use didfarm_core::conversation::{
    self, Conversation, Pair, ReceiveMessage, Receiving, SendMessage,
};
use didfarm_core::delivery::receipt::Claim;
use didfarm_core::delivery::{Delivery, Input, Outcome};
use didfarm_core::e164::{E164, Validation};
use didfarm_core::event::{Entry, Event, ParkedReceipt};
use didfarm_core::ids::{
    AccountId, BatchId, CarrierId, CarrierMessageId, ConversationId, Extent, MessageId, NumberId,
};
use didfarm_core::money::{Micros, SEGMENT_PRICE_DEFAULT};
use didfarm_core::number::{Number, NumberCommand, NumberState};
use didfarm_core::parts::{Part, PartsKey};
use didfarm_core::peer::Peer;
use didfarm_core::reason::Reason;
use didfarm_core::route::{Route, RouteReason};
use didfarm_core::segments;
use didfarm_core::time::Timestamp;

use crate::hooks::Hooks;

/// The validity period of every message, in milliseconds.
const VALIDITY_MS: u64 = 3_600_000;

/// The states that decisions are made on, and the entries that they came to.
#[derive(Default)]
pub struct Farm {
    pub entries: Vec<Entry>,
    accounts: BTreeMap<AccountId, Account>,
    numbers: BTreeMap<NumberId, Number>,
    conversations: BTreeMap<ConversationId, Conversation>,
    /// Every name under which a conversation is found.
    pairs: BTreeMap<(NumberId, Peer), ConversationId>,
    deliveries: BTreeMap<MessageId, (AccountId, Micros, Delivery)>,
    extents: u64,
    batches: u64,
    /// Where the next message stands in a batch.
    place: Option<BatchPlace>,
    pub hooks: Hooks,
}

pub fn e164(text: &str) -> E164 {
    E164::parse(text, Validation::Syntax).unwrap()
}

/// A peer by its number with `+`, or by a name.
pub fn peer(text: &str) -> Peer {
    Peer::parse(text).unwrap()
}

/// What is kept of a part of a message in three.
pub fn part(from: &str, to: &str, reference: u16, place: u8) -> Part {
    let key = PartsKey {
        carrier: CarrierId::SIMULATOR,
        from: peer(from),
        to: e164(to),
        reference,
        wide: false,
        total: 3,
    };
    let octets = Box::from(&b"part"[..]);
    let coding = 0;
    Part {
        key,
        place,
        octets,
        coding,
    }
}

pub fn carrier_id(text: &str) -> CarrierMessageId {
    CarrierMessageId(text.into())
}

impl Farm {
    pub fn now(&self) -> Timestamp {
        Timestamp(1_700_000_000_000_000 + 1_000_000 * self.entries.len() as i64)
    }

    pub fn decided(&mut self, events: Vec<Event>) {
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

    /// A range that is stopped, as the entry of the message that used its limit up says.
    pub fn stop(&mut self, id: AccountId, stop: TrafficStop) {
        let event = AccountEvent::TrafficStopped(stop);
        self.accounts.get_mut(&id).unwrap().evolve(&event);
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
            forward_to: None,
            auto_reply: None,
            add_on: None,
        };
        let added = Number::decide_add(number.clone()).unwrap();
        self.numbers.insert(id, number);
        self.decided(vec![Event::Number(id, added)]);
        id
    }

    /// Sets what a number answers by itself: to anything the first text, to a word each other one;
    /// without a text nothing.
    pub fn rules(&mut self, id: NumberId, texts: &[&str]) {
        let rules = texts.split_first().map(|(first, others)| {
            let others = others.iter().enumerate();
            let draft = AutoReplyDraft {
                immediate: Some(first.to_string()),
                after_hours: None,
                keywords: others
                    .map(|(place, text)| (vec![format!("word{place}")], text.to_string()))
                    .collect(),
                once_per_s: None,
            };
            Arc::new(AutoReplyRules::new(draft).unwrap())
        });
        let number = self.numbers.get_mut(&id).unwrap();
        let event = number.decide(NumberCommand::SetAutoReply(rules)).unwrap();
        number.evolve(&event);
        self.decided(vec![Event::Number(id, event)]);
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
        let peer = self::peer(peer);
        let number = self.numbers[&number].clone();
        let account = self.accounts.get_mut(&number.account).unwrap();
        Account::decide_charge(account.balance, charge).unwrap();
        let now = self.now();
        let command = SendMessage {
            channel,
            body: body.into(),
            segmentation,
            charge,
            content: None,
            valid_until: now.plus_ms(VALIDITY_MS),
            send_at: None,
            auto_reply: None,
            batch: self.place.take(),
            status_url: None,
            is_urgent: false,
        };
        let mut extents = self.extents;
        let mut fresh = || {
            extents += 1;
            Extent(extents)
        };
        let pair = Pair {
            number: &number,
            peer: &peer,
            own: &peer,
        };
        let state = self.conversation_of(number.id, &peer, None);
        let (message, events) =
            conversation::decide_send(state, pair, command, now, &mut fresh).unwrap();
        self.accounts
            .get_mut(&number.account)
            .unwrap()
            .evolve(&AccountEvent::Charged {
                message,
                amount: charge,
            });
        self.deliveries
            .insert(message, (number.account, charge, Delivery::new()));
        self.extents = extents;
        self.converse(&events);
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
        self.receive_as(number, (peer, None), channel, body, id)
    }

    /// As [`Farm::receive`], from a peer that may be known by another name too.
    pub fn receive_as(
        &mut self,
        number: NumberId,
        (peer, alias): (&str, Option<&str>),
        channel: Channel,
        body: &str,
        id: Option<&str>,
    ) -> MessageId {
        let (peer, alias) = (self::peer(peer), alias.map(self::peer));
        let number = self.numbers[&number].clone();
        let state = self.conversation_of(number.id, &peer, alias.as_ref());
        let command = ReceiveMessage {
            channel,
            body: body.into(),
            segmentation: segments::count(body),
            carrier: CarrierId::SIMULATOR,
            carrier_message_id: id.map(carrier_id),
            content: None,
            alias,
        };
        let mut extents = self.extents;
        let mut fresh = || {
            extents += 1;
            Extent(extents)
        };
        let pair = Pair {
            number: &number,
            peer: &peer,
            own: &peer,
        };
        let received =
            conversation::decide_receive(state, pair, command, None, &mut fresh).unwrap();
        let Receiving::New(message, events) = received else {
            panic!("it is new")
        };
        self.extents = extents;
        self.converse(&events);
        self.decided(events);
        message
    }

    /// Begins a batch.
    pub fn batch(&mut self, account: AccountId) -> BatchId {
        self.batches += 1;
        let id = BatchId(self.batches);
        self.note(account, id, BatchEvent::Opened(Some(Spread::new(3, 60))));
        id
    }

    /// Says what happened to a batch.
    pub fn note(&mut self, account: AccountId, id: BatchId, event: BatchEvent) {
        self.decided(vec![Event::Batch(account, id, event)]);
    }

    /// Sends a row of a batch.
    pub fn row(&mut self, batch: BatchId, index: u64, number: NumberId, peer: &str) -> MessageId {
        let print = RowPrint(index);
        self.place = Some(BatchPlace {
            batch,
            index,
            print,
        });
        self.send(number, peer, Channel::Sms, "a row")
    }

    /// Refuses a row of a batch.
    pub fn refuse_row(&mut self, account: AccountId, batch: BatchId, index: u64) {
        let refused = RefusedRow {
            index,
            print: RowPrint(index),
            problem: "{}".into(),
        };
        self.note(account, batch, BatchEvent::Refused(vec![refused]));
    }

    /// Says that the peer of a conversation opted out, or in again.
    pub fn consent(&mut self, id: ConversationId, change: ConsentChange, cause: ConsentCause) {
        let state = &self.conversations[&id];
        let said = ConsentEvent {
            change,
            cause,
            evidence: Some(state.last_message()),
            word: (cause == ConsentCause::Keyword).then(|| "stop".into()),
            note: None,
            stated_at: None,
        };
        let said = consent::decide(Some(state), said).expect("it says something new");
        let events = vec![Event::Consent(id, said)];
        self.converse(&events);
        self.decided(events);
    }

    fn conversation_of(
        &self,
        number: NumberId,
        peer: &Peer,
        alias: Option<&Peer>,
    ) -> Option<&Conversation> {
        let find = |name: &Peer| self.pairs.get(&(number, name.clone()));
        let id = find(peer).or_else(|| alias.and_then(find))?;
        Some(&self.conversations[id])
    }

    fn converse(&mut self, events: &[Event]) {
        let at = self.now();
        for event in events {
            let id = match event {
                Event::ConversationOpened(fact) => {
                    let state = Conversation::opened(fact, at);
                    self.conversations.insert(fact.conversation, state);
                    let pair = (fact.number, fact.peer.clone());
                    self.pairs.insert(pair, fact.conversation);
                    continue;
                }
                Event::ExtentAdded(id, _) => *id,
                Event::Consent(id, _) => *id,
                Event::Accepted(fact) => fact.conversation,
                Event::Received(fact) => fact.conversation,
                other => panic!("no conversation decides {other:?}"),
            };
            let state = self.conversations.get_mut(&id).unwrap();
            if let Some(alias) = state.learns_alias(event) {
                let pair = (state.number, alias.clone());
                self.pairs.entry(pair).or_insert(id);
            }
            state.evolve(event, at);
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

    /// Moves a delivery if the input does; what no carrier took is given back in the same entry.
    pub fn drive(&mut self, message: MessageId, input: Input) -> Outcome {
        let (account, charge, delivery) = self.deliveries.get_mut(&message).unwrap();
        let (account, amount) = (*account, *charge);
        let outcome = delivery.decide(input);
        let (Outcome::Moved(event) | Outcome::Contradiction(event)) = outcome.clone() else {
            return outcome;
        };
        delivery.evolve(&event);
        let gives_back = event.gives_back();
        let mut events = vec![Event::Delivery(message, event)];
        if gives_back {
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
        self.start_on(message, CarrierId::SIMULATOR);
    }

    pub fn start_on(&mut self, message: MessageId, carrier: CarrierId) {
        let route = Route {
            carrier,
            reason: RouteReason::Preferred,
        };
        self.input(message, Input::Start { route });
    }

    /// The carrier takes every segment under an id of its own, `<message>-<place>`.
    pub fn submitted(&mut self, message: MessageId, segments: usize) {
        self.start(message);
        self.accepted(message, segments, false);
    }

    /// As [`Farm::submitted`], by a carrier whose receipts come with these ids only.
    pub fn submitted_indexed(&mut self, message: MessageId, segments: usize) {
        self.start(message);
        self.accepted(message, segments, true);
    }

    pub fn accepted(&mut self, message: MessageId, segments: usize, indexed: bool) {
        let ids = (0..segments)
            .map(|place| carrier_id(&format!("{message}-{place}")))
            .collect();
        self.input(message, Input::Accepted { ids, indexed });
    }

    /// The carrier takes it under one id that its receipts will come with.
    pub fn accepted_as(&mut self, message: MessageId, id: &str) {
        let (ids, indexed) = (vec![carrier_id(id)], true);
        self.input(message, Input::Accepted { ids, indexed });
    }

    pub fn receipt(&mut self, message: MessageId, place: usize, claim: Claim) {
        let input = receipt_input(message, place, claim, false);
        self.input(message, input);
    }

    /// A receipt that names the message by our own id.
    pub fn named_receipt(&mut self, message: MessageId, claim: Claim) {
        let input = receipt_input(message, 0, claim, true);
        self.input(message, input);
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

    pub fn age_out(&mut self, id: &str) {
        self.decided(vec![Event::ReceiptsAgedOut(
            CarrierId::SIMULATOR,
            carrier_id(id),
        )]);
    }

    pub fn hold(&mut self, part: Part) {
        self.decided(vec![Event::PartHeld(part)]);
    }

    pub fn join_parts(&mut self, key: PartsKey) {
        self.decided(vec![Event::PartsJoined(key)]);
    }
}

pub fn receipt_input(message: MessageId, place: usize, claim: Claim, named: bool) -> Input {
    Input::Receipt {
        id: carrier_id(&format!("{message}-{place}")),
        claim,
        reason: (claim == Claim::Failed).then_some(Reason::Unreachable),
        named,
    }
}
