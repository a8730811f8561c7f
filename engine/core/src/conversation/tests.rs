//! A conversation's rules: ids without a hole, one thread for both channels, the window.

use super::*;
use crate::auto_reply::{AutoReplyDraft, AutoReplyRules, Choice, InboundFacts, SilentCause};
use crate::e164::{E164, Validation};
use crate::ids::Extent;
use crate::number::NumberState;
use crate::segments;

fn e164(text: &str) -> E164 {
    E164::parse(text, Validation::Syntax).unwrap()
}

fn number() -> Number {
    Number {
        id: NumberId(1),
        account: AccountId(1),
        e164: e164("+31201234567"),
        state: NumberState::Active,
        sms: true,
        whatsapp: true,
        forward_to: None,
        auto_reply: None,
        add_on: None,
    }
}

fn send(channel: Channel, body: &str) -> SendMessage {
    let segmentation = segments::count(body);
    SendMessage {
        channel,
        body: body.into(),
        segmentation,
        charge: Micros::new(8_000),
        content: None,
        valid_until: Timestamp(i64::MAX),
        send_at: None,
        auto_reply: None,
        batch: None,
        status_url: None,
        is_urgent: false,
    }
}

fn receive(channel: Channel, id: Option<&str>) -> ReceiveMessage {
    ReceiveMessage {
        channel,
        body: "Hi".into(),
        segmentation: segments::count("Hi"),
        carrier: CarrierId::SIMULATOR,
        carrier_message_id: id.map(|id| CarrierMessageId(id.into())),
        content: None,
        alias: None,
    }
}

struct Bench {
    state: Option<Conversation>,
    next: u64,
}

impl Bench {
    fn new() -> Bench {
        Bench {
            state: None,
            next: 7,
        }
    }

    fn apply(&mut self, events: &[Event], at: Timestamp) {
        for event in events {
            if let Event::ConversationOpened(fact) = event {
                self.state = Some(Conversation::opened(fact, at));
            }
            self.state.as_mut().unwrap().evolve(event, at);
        }
    }

    fn send(&mut self, command: SendMessage, now: Timestamp) -> Result<MessageId, Refusal> {
        let number = number();
        let pair = Pair {
            number: &number,
            peer: &e164("+31612345678").into(),
            own: &e164("+31612345678").into(),
        };
        let mut fresh = || {
            self.next += 1;
            Extent(self.next - 1)
        };
        let (message, events) = decide_send(self.state.as_ref(), pair, command, now, &mut fresh)?;
        self.apply(&events, now);
        Ok(message)
    }

    fn receive(&mut self, command: ReceiveMessage, now: Timestamp) -> Receiving {
        let number = number();
        let pair = Pair {
            number: &number,
            peer: &e164("+31612345678").into(),
            own: &e164("+31612345678").into(),
        };
        let mut fresh = || {
            self.next += 1;
            Extent(self.next - 1)
        };
        let received =
            decide_receive(self.state.as_ref(), pair, command, None, &mut fresh).unwrap();
        if let Receiving::New(_, events) = &received {
            self.apply(events, now);
        }
        received
    }
}

#[test]
fn the_first_message_opens_and_the_next_joins() {
    let mut bench = Bench::new();
    assert_eq!(
        bench.send(send(Channel::Sms, "one"), Timestamp(1)),
        Ok(Extent(7).message(1))
    );
    assert_eq!(
        bench.send(send(Channel::Sms, "two"), Timestamp(2)),
        Ok(Extent(7).message(2))
    );
    let state = bench.state.unwrap();
    assert_eq!(
        (state.id, state.messages, state.last_activity),
        (ConversationId(7), 2, Timestamp(2))
    );
}

#[test]
fn both_channels_share_one_conversation() {
    let mut bench = Bench::new();
    bench.send(send(Channel::Sms, "one"), Timestamp(1)).unwrap();
    bench.receive(receive(Channel::WhatsApp, None), Timestamp(2));
    bench
        .send(send(Channel::WhatsApp, "two"), Timestamp(3))
        .unwrap();
    let state = bench.state.unwrap();
    assert_eq!((state.messages, state.channels, state.unread), (3, 0b11, 1));
}

#[test]
fn a_full_extent_is_followed_by_a_fresh_one() {
    let mut bench = Bench::new();
    bench.send(send(Channel::Sms, "one"), Timestamp(1)).unwrap();
    bench.state.as_mut().unwrap().ordinal = u16::MAX;
    assert_eq!(
        bench.send(send(Channel::Sms, "two"), Timestamp(2)),
        Ok(Extent(8).message(1))
    );
    assert_eq!(
        bench.send(send(Channel::Sms, "three"), Timestamp(3)),
        Ok(Extent(8).message(2))
    );
    assert_eq!(bench.state.unwrap().id, ConversationId(7));
}

#[test]
fn the_window_opens_with_the_peers_message_and_closes_after_a_day() {
    let mut bench = Bench::new();
    let closed = Err(Refusal::WindowClosed { expired_at: None });
    assert_eq!(
        bench.send(send(Channel::WhatsApp, "hello"), Timestamp(0)),
        closed
    );
    bench.receive(receive(Channel::Sms, None), Timestamp(0));
    assert_eq!(
        bench.send(send(Channel::WhatsApp, "hello"), Timestamp(0)),
        closed
    );

    let opened = Timestamp(1_000_000);
    bench.receive(receive(Channel::WhatsApp, None), opened);
    let end = opened.plus_ms(WINDOW_MS);
    assert!(
        bench
            .send(send(Channel::WhatsApp, "hello"), Timestamp(end.0 - 1))
            .is_ok()
    );
    let closed = Err(Refusal::WindowClosed {
        expired_at: Some(end),
    });
    assert_eq!(bench.send(send(Channel::WhatsApp, "hello"), end), closed);
}

#[test]
fn an_inbound_message_that_comes_again_is_known() {
    let mut bench = Bench::new();
    let Receiving::New(first, _) = bench.receive(receive(Channel::Sms, Some("a")), Timestamp(1))
    else {
        panic!("the first is new");
    };
    assert_eq!(
        bench.receive(receive(Channel::Sms, Some("a")), Timestamp(2)),
        Receiving::Duplicate(first)
    );
    for other in 0..INBOUND_KNOWN_MAX * 2 {
        assert!(matches!(
            bench.receive(
                receive(Channel::Sms, Some(&format!("b{other}"))),
                Timestamp(3)
            ),
            Receiving::New(..)
        ));
    }
    assert_eq!(bench.state.unwrap().inbound_known.len(), INBOUND_KNOWN_MAX);
}

#[test]
fn a_template_needs_no_window_and_media_does() {
    let mut bench = Bench::new();
    let of = |kind| SendMessage {
        content: Some(Box::new(Content::of(kind))),
        ..send(Channel::WhatsApp, "")
    };
    assert_eq!(
        bench.send(of(ContentKind::Image), Timestamp(1)),
        Err(Refusal::WindowClosed { expired_at: None })
    );
    assert!(bench.send(of(ContentKind::Template), Timestamp(1)).is_ok());
}

#[test]
fn a_channel_carries_only_what_it_can() {
    let number = number();
    let decide = |peer: &str, command| {
        let pair = Pair {
            number: &number,
            peer: &Peer::parse(peer).unwrap(),
            own: &Peer::parse(peer).unwrap(),
        };
        decide_send(None, pair, command, Timestamp(1), &mut || Extent(7)).map(|_| ())
    };
    let template = |channel| SendMessage {
        content: Some(Box::new(Content::of(ContentKind::Template))),
        ..send(channel, "")
    };
    let unfit = |outcome: Result<(), Refusal>| matches!(outcome, Err(Refusal::Unfit { .. }));
    assert!(unfit(decide("US.134912", send(Channel::Sms, "hi"))));
    assert!(unfit(decide("MyBank", template(Channel::WhatsApp))));
    assert!(unfit(decide("+31612345678", template(Channel::Sms))));
    assert_eq!(decide("US.134912", template(Channel::WhatsApp)), Ok(()));
}

#[test]
fn a_peer_with_two_names_stays_one_conversation() {
    let mut bench = Bench::new();
    let alias = Peer::parse("US.134912").unwrap();
    let command = ReceiveMessage {
        alias: Some(alias.clone()),
        ..receive(Channel::WhatsApp, Some("a"))
    };
    for id in ["a", "b"] {
        let command = ReceiveMessage {
            carrier_message_id: Some(CarrierMessageId(id.into())),
            ..command.clone()
        };
        bench.receive(command, Timestamp(1));
    }
    assert_eq!(bench.state.unwrap().aliases, [alias]);
}

#[test]
fn a_repeat_beyond_the_known_ones_is_left_to_the_index() {
    let mut bench = Bench::new();
    let id = |n: usize| CarrierMessageId(n.to_string().into());
    let mut left = Vec::new();
    for n in 0..=INBOUND_KNOWN_MAX {
        let command = ReceiveMessage {
            carrier_message_id: Some(id(n)),
            ..receive(Channel::Sms, None)
        };
        let before = bench.state.clone();
        let Receiving::New(_, events) = bench.receive(command, Timestamp(1)) else {
            panic!("it is new");
        };
        let gone = before.as_ref().and_then(|state| {
            events
                .iter()
                .find_map(|event| state.leaves_for_index(event))
        });
        left.extend(gone.cloned().map(|(_, id, _)| id));
    }
    assert_eq!(left, [id(0)]);
    let state = bench.state.as_ref().unwrap();
    assert!(state.wants_index(CarrierId::SIMULATOR, &id(0)));
    assert!(!state.wants_index(CarrierId::SIMULATOR, &id(1)));
}

#[test]
fn a_further_channel_and_another_name_are_changes_and_the_first_are_none() {
    let mut bench = Bench::new();
    let mut changes = |command: ReceiveMessage| {
        let before = bench.state.clone();
        let Receiving::New(_, events) = bench.receive(command, Timestamp(1)) else {
            panic!("it is new");
        };
        let told = before.map(|state| state.changes(events.last().unwrap()).collect::<Vec<_>>());
        told.unwrap_or_default()
    };
    let alias = Peer::parse("US.134912").unwrap();
    let named = ReceiveMessage {
        alias: Some(alias.clone()),
        ..receive(Channel::WhatsApp, None)
    };
    assert_eq!(changes(receive(Channel::Sms, None)), []);
    assert_eq!(changes(receive(Channel::Sms, None)), []);
    let both = [
        ConversationChange::ChannelAdded(Channel::WhatsApp),
        ConversationChange::AliasLearned(alias),
    ];
    assert_eq!(changes(named.clone()), both);
    assert_eq!(changes(named), []);
}

#[test]
fn an_answer_by_itself_silences_its_rule_and_a_customers_message_does_not() {
    let draft = AutoReplyDraft {
        immediate: Some("We read you.".to_owned()),
        ..AutoReplyDraft::default()
    };
    let rules = AutoReplyRules::new(draft).unwrap();
    let peer = e164("+31612345678").into();
    let choice = |state: &Option<Conversation>, now| {
        let inbound = InboundFacts {
            text: "Hi",
            peer: &peer,
            channel: Channel::Sms,
            automatic: false,
        };
        let replied = state
            .as_ref()
            .and_then(|state| state.auto_replied.as_deref());
        rules.choose(&inbound, replied.unwrap_or(&AutoReplied::default()), now)
    };
    let mut bench = Bench::new();
    bench.receive(receive(Channel::Sms, None), Timestamp(1));
    bench.send(send(Channel::Sms, "one"), Timestamp(2)).unwrap();
    let Choice::Reply { text, rule } = choice(&bench.state, Timestamp(3)) else {
        panic!("nobody was answered yet");
    };
    let command = SendMessage {
        auto_reply: Some(rule),
        batch: None,
        status_url: None,
        is_urgent: false,
        ..send(Channel::Sms, &text)
    };
    bench.send(command, Timestamp(3)).unwrap();
    let silent = Choice::Silent(SilentCause::Answered);
    assert_eq!(choice(&bench.state, Timestamp(4)), silent);
}
