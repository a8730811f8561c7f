//! Journal entries of ordinary traffic, through core's decisions: each message is accepted, submitted, taken by the
//! carrier and delivered.
//!
//! Acceptances are an entry each; what the delivery supervisor decides at once is one entry, as in the engine.

use std::collections::HashMap;

use anyhow::{Context, Result, bail};
use didfarm_core::account::{Account, AccountCommand, AccountEvent};
use didfarm_core::channel::Channel;
use didfarm_core::conversation::{self, Conversation, Pair, SendMessage};
use didfarm_core::delivery::receipt::Claim;
use didfarm_core::delivery::{Delivery, Input, Outcome};
use didfarm_core::e164::{E164, Validation};
use didfarm_core::event::{Entry, Event};
use didfarm_core::ids::{AccountId, CarrierId, CarrierMessageId, Extent, MessageId, NumberId};
use didfarm_core::money::SEGMENT_PRICE_DEFAULT;
use didfarm_core::number::{Number, NumberState};
use didfarm_core::peer::Peer;
use didfarm_core::route::{Route, RouteReason};
use didfarm_core::segments;
use didfarm_core::time::Timestamp;
use didfarm_loadtest::BodyText;

/// Accounts, with one number each, that send in turn.
pub(super) const ACCOUNTS: u32 = 20;
/// Between two messages: 200 messages/s.
const STEP_US: i64 = 5_000;
/// When the traffic begins, in microseconds of Unix time.
const BEGIN_US: i64 = 1_790_000_000_000_000;

/// How long a message is valid, in milliseconds.
const VALIDITY_MS: u64 = 172_800_000;
/// Where every message goes.
const ROUTE: Route = Route {
    carrier: CarrierId::SIMULATOR,
    reason: RouteReason::Preferred,
};

/// The traffic, and the states that it is decided on.
pub(super) struct Traffic {
    messages: u64,
    peers: u64,
    body: BodyText,
    sent: u64,
    body_bytes: u64,
    accounts: Vec<Account>,
    numbers: Vec<Number>,
    conversations: HashMap<(NumberId, Peer), Conversation>,
    extents: u64,
}

/// How many pairs of number and peer come up if the traffic is long enough.
pub(super) fn pairs(peers: u64) -> u64 {
    // Accounts and peers go round side by side: a pair comes again after their least common multiple.
    let (mut a, mut b) = (peers, u64::from(ACCOUNTS));
    while b != 0 {
        (a, b) = (b, a % b);
    }
    peers / a * u64::from(ACCOUNTS)
}

impl Traffic {
    pub(super) fn new(messages: u64, peers: u64, body: BodyText) -> Self {
        Self {
            messages,
            peers,
            body,
            sent: 0,
            body_bytes: 0,
            accounts: Vec::new(),
            numbers: Vec::new(),
            conversations: HashMap::new(),
            extents: 0,
        }
    }

    /// The bodies of all messages so far, in UTF-8.
    pub(super) fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// Makes the accounts, fills their wallets and gives each a number.
    pub(super) fn set_up(&mut self) -> Result<Vec<Entry>> {
        let at = self.now();
        let segments = segments::count(&self.body.text(0)).segments;
        let charge = SEGMENT_PRICE_DEFAULT.checked_mul(u64::from(segments));
        let funds = charge.and_then(|charge| charge.checked_mul(self.messages));
        let funds = funds.context("no wallet holds what so many messages cost")?;
        let mut entries = Vec::new();
        for id in 1..=ACCOUNTS {
            let (account, number) = (AccountId(id), NumberId(id));
            let name = format!("Account {id}");
            let created = Account::decide_create(&name, None)?;
            let mut state = Account::created(account, &name, None, at);
            let topped_up = state.decide(AccountCommand::TopUp(funds))?;
            state.evolve(&topped_up);
            self.accounts.push(state);
            let state = Number {
                id: number,
                account,
                e164: e164(31_612_340_000 + u64::from(id))?,
                state: NumberState::Active,
                sms: true,
                whatsapp: false,
                forward_to: None,
                auto_reply: None,
                add_on: None,
            };
            self.numbers.push(state.clone());
            let added = Number::decide_add(state)?;
            for event in [
                Event::Account(account, created),
                Event::Account(account, topped_up),
                Event::Number(number, added),
            ] {
                entries.push(Entry {
                    at,
                    events: vec![event],
                });
            }
        }
        Ok(entries)
    }

    /// Sends and delivers the next messages, at most `messages_max`; nothing once all are sent.
    pub(super) fn group(&mut self, messages_max: u64) -> Result<Vec<Entry>> {
        let count = messages_max.min(self.messages - self.sent);
        if count == 0 {
            return Ok(Vec::new());
        }
        let mut entries = Vec::with_capacity(count as usize + 3);
        let mut deliveries = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let (message, entry) = self.send()?;
            entries.push(entry);
            deliveries.push((message, Delivery::new()));
        }
        let id = |message: MessageId| CarrierMessageId(format!("sim-{:x}-1-1", message.0).into());
        let inputs: [&dyn Fn(MessageId) -> Input; 3] = [
            &|_| Input::Start { route: ROUTE },
            &|message| Input::Accepted {
                ids: vec![id(message)],
                indexed: false,
            },
            &|message| Input::Receipt {
                id: id(message),
                claim: Claim::Delivered,
                reason: None,
                named: false,
            },
        ];
        for input in inputs {
            entries.push(self.deliver(&mut deliveries, input)?);
        }
        Ok(entries)
    }

    fn now(&self) -> Timestamp {
        Timestamp(BEGIN_US + STEP_US * self.sent.cast_signed())
    }

    fn send(&mut self) -> Result<(MessageId, Entry)> {
        let at = self.now();
        let place = (self.sent % u64::from(ACCOUNTS)) as usize;
        let peer = peer(491_500_000_000_000 + self.sent % self.peers)?;
        let body = self.body.text(self.sent);
        self.body_bytes += body.len() as u64;
        self.sent += 1;
        let (number, account) = (&self.numbers[place], &mut self.accounts[place]);
        let segmentation = segments::count(&body);
        let charge = SEGMENT_PRICE_DEFAULT
            .checked_mul(u64::from(segmentation.segments))
            .context("no price is so high")?;
        Account::decide_charge(account.balance, charge)?;
        let command = SendMessage {
            channel: Channel::Sms,
            body: body.into(),
            segmentation,
            charge,
            content: None,
            valid_until: at.plus_ms(VALIDITY_MS),
            send_at: None,
            auto_reply: None,
            batch: None,
            status_url: None,
            is_urgent: false,
        };
        let key = (number.id, peer.clone());
        let state = self.conversations.get(&key);
        let mut fresh = || {
            self.extents += 1;
            Extent(self.extents)
        };
        let pair = Pair {
            number,
            peer: &peer,
            own: &peer,
        };
        let (message, events) = conversation::decide_send(state, pair, command, at, &mut fresh)?;
        account.evolve(&AccountEvent::Charged {
            message,
            amount: charge,
        });
        for event in &events {
            if let Event::ConversationOpened(fact) = event {
                self.conversations
                    .insert(key.clone(), Conversation::opened(fact, at));
            }
            if let Some(state) = self.conversations.get_mut(&key) {
                state.evolve(event, at);
            }
        }
        Ok((message, Entry { at, events }))
    }

    fn deliver(
        &self,
        deliveries: &mut [(MessageId, Delivery)],
        input: impl Fn(MessageId) -> Input,
    ) -> Result<Entry> {
        let mut events = Vec::with_capacity(deliveries.len());
        for (message, delivery) in deliveries {
            let event = match delivery.decide(input(*message)) {
                Outcome::Moved(event) => event,
                outcome => bail!("the delivery of {message} does not move: {outcome:?}"),
            };
            delivery.evolve(&event);
            events.push(Event::Delivery(*message, event));
        }
        let at = self.now();
        Ok(Entry { at, events })
    }
}

fn peer(digits: u64) -> Result<Peer> {
    Ok(e164(digits)?.into())
}

fn e164(digits: u64) -> Result<E164> {
    Ok(E164::parse(&format!("+{digits}"), Validation::Syntax)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_is_sent_once_and_ends_delivered() {
        let mut traffic = Traffic::new(25, 10, BodyText::new("no {n}"));
        assert_eq!(traffic.set_up().unwrap().len(), 60);
        let groups = [20, 5, 0].map(|sent| {
            let entries = traffic.group(20).unwrap();
            assert_eq!(entries.len(), if sent == 0 { 0 } else { sent + 3 });
            entries
        });
        assert_eq!(traffic.conversations.len() as u64, pairs(10));
        let times: Vec<_> = groups.iter().flatten().map(|entry| entry.at).collect();
        assert!(times.is_sorted());
        assert_eq!(groups[1][7].events.len(), 5);
    }

    #[test]
    fn pairs_come_again_after_the_least_common_multiple() {
        assert_eq!([pairs(1), pairs(7), pairs(100_000)], [20, 140, 100_000]);
    }
}
