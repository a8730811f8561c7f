//! What a conversation tells, mails and answers by itself: a whole engine, and what its journal says.

mod farm;
mod renewals;

use std::sync::Arc;

use didfarm_carriers::callback::Inbound;
use didfarm_core::account::RateLimit;
use didfarm_core::auto_reply::{AutoReplyDraft, AutoReplyRules, RuleId};
use didfarm_core::channel::Channel;
use didfarm_core::content::{Content, ContentKind};
use didfarm_core::delivery::status::Status;
use didfarm_core::event::{Entry, Event};
use didfarm_core::ids::CarrierMessageId;
use didfarm_core::mail::MailKind;
use didfarm_core::message::Accepted;
use didfarm_core::money::Micros;
use didfarm_core::number::NumberCommand;
use didfarm_core::peer::Peer;
use didfarm_core::webhook::endpoint::EventFilter;
use didfarm_core::webhook::{ConversationChange, EventType, Fact, WebhookEvent};

use self::farm::{Farm, PEER, PRICE, run};

const ANSWER: &str = "We read you.";

fn rules() -> NumberCommand {
    let draft = AutoReplyDraft {
        immediate: Some(ANSWER.to_owned()),
        ..AutoReplyDraft::default()
    };
    NumberCommand::SetAutoReply(Some(Arc::new(AutoReplyRules::new(draft).unwrap())))
}

fn told(entries: &[Entry]) -> Vec<&WebhookEvent> {
    let events = entries.iter().flat_map(|entry| &entry.events);
    let offered = events.filter_map(|event| match event {
        Event::Offered(offered) => Some(&**offered),
        _ => None,
    });
    offered.collect()
}

fn facts(entries: &[Entry]) -> Vec<&Fact> {
    told(entries).iter().map(|event| &event.fact).collect()
}

fn accepted(entries: &[Entry]) -> Vec<&Accepted> {
    let events = entries.iter().flat_map(|entry| &entry.events);
    let accepted = events.filter_map(|event| match event {
        Event::Accepted(fact) => Some(fact),
        _ => None,
    });
    accepted.collect()
}

/// The only entry with an event like this.
fn entry_with(entries: &[Entry], is_it: impl Fn(&Event) -> bool) -> &Entry {
    let mut found = entries
        .iter()
        .filter(|entry| entry.events.iter().any(&is_it));
    let first = found.next().expect("it happened");
    assert!(found.next().is_none(), "it happened once");
    first
}

#[test]
fn a_first_inbound_message_is_told_mailed_and_answered_in_its_own_entry() {
    run(async {
        let farm = Farm::start(|_| {}).await;
        farm.subscribe(EventFilter::default());
        let address = Some("desk@example.com".into());
        farm.set(NumberCommand::SetForwarding(address)).await;
        farm.set(rules()).await;
        let first = farm.receive(farm.inbound("a", "Hi")).await;
        farm.receive(farm.inbound("a", "Hi")).await;
        let second = farm.receive(farm.inbound("b", "Hello?")).await;

        let entries = farm.entries();
        let entry = entry_with(
            &entries,
            |event| matches!(event, Event::Received(fact) if fact.message == first.id),
        );
        let [
            Event::ConversationOpened(_),
            Event::Received(_),
            Event::Offered(created),
            Event::Offered(received),
            Event::MailQueued(mail),
            Event::Accepted(answer),
        ] = entry.events.as_slice()
        else {
            panic!("{entry:?}");
        };
        let peer = Peer::parse(PEER).unwrap();
        assert_eq!(created.fact, Fact::ConversationCreated { peer });
        assert_eq!(received.fact, Fact::MessageReceived(first.id));
        assert!(created.id < received.id);
        for event in [created, received] {
            assert_eq!(event.conversation, Some(first.conversation));
            assert_eq!(
                (event.number, event.channel),
                (Some(farm.number), Some(Channel::Sms))
            );
        }
        assert_eq!(
            (&*mail.to, &mail.kind),
            ("desk@example.com", &MailKind::Inbound(first.id))
        );
        assert_eq!(
            (&*answer.body, answer.auto_reply),
            (ANSWER, Some(RuleId::Immediate))
        );

        let entry = entry_with(
            &entries,
            |event| matches!(event, Event::Received(fact) if fact.message == second.id),
        );
        assert!(
            matches!(
                entry.events.as_slice(),
                [Event::Received(_), Event::Offered(_), Event::MailQueued(_)]
            ),
            "the peer was answered: {entry:?}"
        );
        assert_eq!(accepted(&entries).len(), 1);
        assert_eq!(
            farm.account.balance(),
            Micros::new(farm.funds.as_micros() - PRICE)
        );
        farm.stop_and_verify();
    });
}

#[test]
fn an_answer_that_may_not_be_sent_leaves_the_message_taken() {
    run(async {
        let farm = Farm::start(|_| {}).await;
        farm.set(rules()).await;
        let limit = RateLimit {
            per_second: 1,
            burst: 1,
        };
        farm.handle
            .set_rate_limit(farm.account.id(), limit)
            .await
            .unwrap();
        farm.account.take().unwrap();
        farm.receive(farm.inbound("a", "over the limit")).await;

        let limit = RateLimit {
            per_second: 1_000,
            burst: 1_000,
        };
        farm.handle
            .set_rate_limit(farm.account.id(), limit)
            .await
            .unwrap();
        let all = farm.account.reserve_add_on(farm.account.balance()).unwrap();
        farm.receive(farm.inbound("b", "no money")).await;
        drop(all);

        farm.handle.shared().quarantine.put(farm.number);
        farm.receive(farm.inbound("c", "in quarantine")).await;
        farm.handle.release_number(farm.number);

        let entries = farm.entries();
        let received = entries.iter().flat_map(|entry| &entry.events);
        let received = received.filter(|event| matches!(event, Event::Received(_)));
        assert_eq!((received.count(), accepted(&entries).len()), (3, 0));
        assert_eq!(farm.account.balance(), farm.funds);

        farm.receive(farm.inbound("d", "at last")).await;
        assert_eq!(accepted(&farm.entries()).len(), 1);
        farm.stop_and_verify();
    });
}

#[test]
fn words_that_the_peer_did_not_write_to_us_are_not_answered() {
    run(async {
        let farm = Farm::start(|_| {}).await;
        farm.set(rules()).await;
        for (id, kind) in [
            ("a", ContentKind::Unsupported),
            ("b", ContentKind::Reaction),
        ] {
            let inbound = Inbound {
                content: Some(Box::new(Content::of(kind))),
                channel: Channel::WhatsApp,
                ..farm.inbound(id, "changed their number")
            };
            farm.receive(inbound).await;
        }
        assert_eq!(accepted(&farm.entries()).len(), 0);
        let image = Inbound {
            content: Some(Box::new(Content::of(ContentKind::Image))),
            channel: Channel::WhatsApp,
            ..farm.inbound("c", "")
        };
        farm.receive(image).await;
        let entries = farm.entries();
        let answers = accepted(&entries);
        // It opened the window itself.
        assert_eq!((answers.len(), answers[0].channel), (1, Channel::WhatsApp));
        farm.stop_and_verify();
    });
}

#[test]
fn every_public_status_but_the_first_is_told_once_and_in_order() {
    run(async {
        let farm = Farm::start(|_| {}).await;
        farm.subscribe(EventFilter {
            types: vec![EventType::MessageStatus],
            ..EventFilter::default()
        });
        // The window opens, and the simulator says of a WhatsApp message that it was read.
        let inbound = Inbound {
            channel: Channel::WhatsApp,
            ..farm.inbound("a", "Hi")
        };
        farm.receive(inbound).await;
        let read = farm.send(Channel::WhatsApp, "on WhatsApp").await.id;
        let delivered = farm.send(Channel::Sms, "by SMS").await.id;
        let entries = farm
            .entries_once(|entries| {
                let facts = facts(entries);
                let last = |wanted, reads| {
                    facts.iter().any(|fact| {
                        matches!(fact, Fact::MessageStatus { message, status: Status::Delivered, is_read, .. }
                            if *message == wanted && *is_read == reads)
                    })
                };
                last(read, true) && last(delivered, false)
            })
            .await;
        for (wanted, reads) in [(read, true), (delivered, false)] {
            let steps: Vec<_> = told(&entries)
                .into_iter()
                .filter_map(|event| match &event.fact {
                    Fact::MessageStatus {
                        message,
                        status,
                        reason,
                        is_read,
                        ..
                    } if *message == wanted => Some((event.id, *status, *reason, *is_read)),
                    _ => None,
                })
                .collect();
            assert!(steps.is_sorted_by(|a, b| a.0 < b.0), "{steps:?}");
            let shown: Vec<_> = steps.iter().map(|step| (step.1, step.3)).collect();
            let mut expected = vec![
                (Status::Sending, false),
                (Status::Sent, false),
                (Status::Delivered, false),
            ];
            expected.extend(reads.then_some((Status::Delivered, true)));
            assert_eq!(shown, expected);
            assert!(steps.iter().all(|step| step.2.is_none()));
        }
        assert!(
            told(&entries)
                .iter()
                .all(|event| event.fact.event_type() == EventType::MessageStatus
                    && event.conversation.is_some()
                    && event.channel.is_some())
        );
        farm.stop_and_verify();
    });
}

#[test]
fn a_further_channel_and_another_name_of_the_peer_are_told() {
    run(async {
        let farm = Farm::start(|_| {}).await;
        farm.subscribe(EventFilter {
            types: vec![
                EventType::ConversationCreated,
                EventType::ConversationUpdated,
            ],
            ..EventFilter::default()
        });
        farm.send(Channel::Sms, "first").await;
        let alias = Peer::parse("US.134912").unwrap();
        for id in ["a", "b"] {
            let inbound = Inbound {
                channel: Channel::WhatsApp,
                alias: Some(alias.clone()),
                ..farm.inbound(id, "Hi")
            };
            farm.receive(inbound).await;
        }
        let entries = farm.entries();
        let peer = Peer::parse(PEER).unwrap();
        let created = Fact::ConversationCreated { peer: peer.clone() };
        let updated = |change| Fact::ConversationUpdated {
            peer: peer.clone(),
            change,
        };
        let added = updated(ConversationChange::ChannelAdded(Channel::WhatsApp));
        let learned = updated(ConversationChange::AliasLearned(alias));
        assert_eq!(facts(&entries), [&created, &added, &learned]);
        farm.stop_and_verify();
    });
}

#[test]
fn the_charge_that_makes_the_wallet_low_tells_endpoints_and_the_account() {
    run(async {
        let farm = Farm::start(|settings| settings.price.low_balance_micros = 0).await;
        farm.subscribe(EventFilter {
            types: vec![EventType::WalletLow],
            ..EventFilter::default()
        });
        let id = farm.account.id();
        farm.handle
            .set_email(id, Some("owner@example.com"))
            .await
            .unwrap();
        let threshold = Micros::new(farm.funds.as_micros() - PRICE);
        let view = farm.handle.set_low_balance(id, Some(threshold)).await;
        let view = view.unwrap();
        assert_eq!(
            (view.email.as_deref(), view.low_balance),
            (Some("owner@example.com"), threshold)
        );
        for body in ["above", "below", "still below"] {
            farm.send(Channel::Sms, body).await;
        }
        let balance = Micros::new(threshold.as_micros() - PRICE);
        let entries = farm.entries();
        let entry = entry_with(
            &entries,
            |event| matches!(event, Event::Accepted(fact) if &*fact.body == "below"),
        );
        let [
            Event::Accepted(_),
            Event::Offered(low),
            Event::MailQueued(mail),
        ] = entry.events.as_slice()
        else {
            panic!("{entry:?}");
        };
        assert_eq!(low.fact, Fact::WalletLow { balance, threshold });
        assert_eq!(
            (&*mail.to, &mail.kind),
            (
                "owner@example.com",
                &MailKind::WalletLow { balance, threshold }
            )
        );
        assert_eq!(facts(&entries).len(), 1);
        farm.stop_and_verify();
    });
}

#[test]
fn a_setting_that_changes_the_number_is_told_and_one_that_does_not_is_not() {
    run(async {
        let farm = Farm::start(|_| {}).await;
        farm.subscribe(EventFilter::default());
        let off = NumberCommand::SetChannels {
            sms: false,
            whatsapp: true,
        };
        farm.set(off.clone()).await;
        farm.set(off).await;
        let entries = farm.entries();
        let [Fact::NumberUpdated(snapshot)] = facts(&entries)[..] else {
            panic!("{:?}", facts(&entries));
        };
        assert_eq!((snapshot.sms, snapshot.whatsapp), (false, true));
        let listed = farm.handle.number(farm.account.id(), farm.number).unwrap();
        assert!(!listed.sms);
        farm.stop_and_verify();
    });
}

#[test]
fn what_numbers_and_accounts_were_set_to_is_there_after_a_restart() {
    run(async {
        let farm = Farm::start(|_| {}).await;
        farm.set(rules()).await;
        let id = farm.account.id();
        farm.handle
            .set_email(id, Some("o@example.com"))
            .await
            .unwrap();
        farm.handle
            .set_low_balance(id, Some(Micros::new(7)))
            .await
            .unwrap();
        farm.receive(farm.inbound("a", "Hi")).await;
        let last_id = told(&farm.entries()).last().map(|event| event.id);
        assert_eq!(last_id, None, "nobody listens");

        let farm = farm.restart().await;
        assert_eq!(farm.account.email().as_deref(), Some("o@example.com"));
        assert_eq!(farm.account.low_balance(), Micros::new(7));
        // The answer before the restart counts.
        farm.receive(farm.inbound("b", "Hi again")).await;
        let other = Inbound {
            from: Peer::parse("+31687654321").unwrap(),
            id: Some(CarrierMessageId("c".into())),
            ..farm.inbound("c", "Hi")
        };
        farm.receive(other).await;
        let entries = farm.entries();
        let answered: Vec<_> = accepted(&entries).iter().map(|fact| &fact.to).collect();
        assert_eq!(
            answered,
            [
                &Peer::parse(PEER).unwrap(),
                &Peer::parse("+31687654321").unwrap()
            ]
        );
        farm.stop_and_verify();
    });
}
