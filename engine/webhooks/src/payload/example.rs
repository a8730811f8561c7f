//! Examples of every type of event, for a customer who tries an endpoint.

use bytes::Bytes;
use didfarm_core::abuse::stop::{StopCause, TrafficRange, TrafficStop};
use didfarm_core::channel::Channel;
use didfarm_core::consent::{ConsentCause, ConsentChange, ConsentEvent};
use didfarm_core::delivery::status::Status;
use didfarm_core::e164::E164;
use didfarm_core::ids::{CarrierId, ConversationId, EndpointId, Extent, MessageId, NumberId};
use didfarm_core::message::{Message, Received};
use didfarm_core::money::Micros;
use didfarm_core::number::NumberState;
use didfarm_core::peer::Peer;
use didfarm_core::segments;
use didfarm_core::time::Timestamp;
use didfarm_core::webhook::endpoint::{DisableCause, PayloadForm};
use didfarm_core::webhook::{ConversationChange, EventType, Fact, NumberSnapshot, WebhookEvent};

use super::{Facts, render as render_facts};

/// What the example message says: that of the product's own sample.
const BODY: &str = "Hi, I ordered a product last week and haven't received it yet. Order #4521.";
/// The example's number and peer: ranges that are set aside for such use.
const NUMBER: u64 = 31_201_234_567;
const PEER: u64 = 31_612_345_678;

/// The conversation that examples tell of: no conversation ever has the largest id.
const CONVERSATION: ConversationId = ConversationId(Extent::MAX);

/// Writes the payload of an example: it tells of things that there are not, under its own event id.
pub(super) fn render(form: PayloadForm, kind: EventType, facts: &Facts<'_>) -> Bytes {
    let number = E164::from_digits(NUMBER).expect("a number of eleven digits");
    let peer: Peer = E164::from_digits(PEER)
        .expect("a number of eleven digits")
        .into();
    let event = WebhookEvent {
        id: facts.event.id,
        account: facts.event.account,
        number: Some(NumberId(u32::MAX)),
        channel: Some(Channel::Sms),
        conversation: tells_of_conversation(kind).then_some(CONVERSATION),
        fact: fact(kind, &peer, facts.at),
        to: facts.event.to.clone(),
    };
    let message = message(&event, &peer, number, facts);
    render_facts(
        form,
        &Facts {
            event: &event,
            at: facts.at,
            message: Some(&message),
            number: Some(number),
            endpoint_url: facts.endpoint_url,
        },
    )
}

fn tells_of_conversation(kind: EventType) -> bool {
    match kind {
        EventType::MessageReceived
        | EventType::MessageStatus
        | EventType::ConversationCreated
        | EventType::ConversationUpdated
        | EventType::ConversationOptedOut
        | EventType::ConversationOptedIn => true,
        EventType::NumberAdded
        | EventType::NumberUpdated
        | EventType::WalletLow
        | EventType::TrafficStopped
        | EventType::EndpointDisabled => false,
    }
}

fn message_id() -> MessageId {
    Extent::from(CONVERSATION).message(1)
}

fn fact(kind: EventType, peer: &Peer, at: Timestamp) -> Fact {
    let snapshot = NumberSnapshot {
        state: NumberState::Active,
        sms: true,
        whatsapp: true,
    };
    match kind {
        EventType::MessageReceived => Fact::MessageReceived(message_id()),
        EventType::MessageStatus => Fact::MessageStatus {
            message: message_id(),
            status: Status::Delivered,
            reason: None,
            is_read: false,
            is_taken: true,
        },
        EventType::ConversationCreated => Fact::ConversationCreated { peer: peer.clone() },
        EventType::ConversationUpdated => Fact::ConversationUpdated {
            peer: peer.clone(),
            change: ConversationChange::ChannelAdded(Channel::WhatsApp),
        },
        EventType::ConversationOptedOut => consent(peer, ConsentChange::OptedOut, "stop"),
        EventType::ConversationOptedIn => consent(peer, ConsentChange::OptedIn, "start"),
        EventType::NumberAdded => Fact::NumberAdded(snapshot),
        EventType::NumberUpdated => Fact::NumberUpdated(snapshot),
        EventType::WalletLow => Fact::WalletLow {
            balance: Micros::new(4_992_000),
            threshold: Micros::new(5_000_000),
        },
        EventType::TrafficStopped => Fact::TrafficStopped(TrafficStop {
            range: TrafficRange::Prefix(PEER / 10_000),
            cause: StopCause::Window,
            messages: 1_000,
            since: at,
            ends_at: None,
        }),
        EventType::EndpointDisabled => Fact::EndpointDisabled {
            endpoint: EndpointId(u32::MAX),
            cause: DisableCause::Failing,
        },
    }
}

fn consent(peer: &Peer, change: ConsentChange, word: &str) -> Fact {
    Fact::Consent {
        peer: peer.clone(),
        said: Box::new(ConsentEvent {
            change,
            cause: ConsentCause::Keyword,
            evidence: Some(message_id()),
            word: Some(word.into()),
            note: None,
            stated_at: None,
        }),
    }
}

fn message(event: &WebhookEvent, peer: &Peer, number: E164, facts: &Facts<'_>) -> Message {
    let segmentation = segments::count(BODY);
    let received = Received {
        message: message_id(),
        conversation: CONVERSATION,
        account: event.account,
        number: NumberId(u32::MAX),
        from: peer.clone(),
        to: number,
        channel: Channel::Sms,
        body: BODY.into(),
        encoding: segmentation.encoding,
        segments: segmentation.segments,
        carrier: CarrierId::SIMULATOR,
        carrier_message_id: None,
        content: None,
        alias: None,
    };
    let mut message = Message::received(&received, facts.at);
    if let Fact::MessageStatus { .. } = event.fact {
        std::mem::swap(&mut message.from, &mut message.to);
    }
    message
}
