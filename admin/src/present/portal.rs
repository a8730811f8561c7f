//! The shapes of `/api/v1/portal/sms`: integer ids, times with a fraction.

use didfarm_core::e164::{E164, NumberType};
use didfarm_core::message::Message;
use didfarm_core::number::{Number, NumberState};
use didfarm_core::peer::Peer;
use didfarm_core::reason::Reason;
use didfarm_runtime::send::SentMessage;
use didfarm_webhooks::content::Held;
use serde::Serialize;

use super::{Fraction, Shown};

/// What the product has in the member `carrier` of this dialect, whoever carries the message.
const CARRIER: &str = "didfarm";

/// The answer to a send.
#[derive(Serialize)]
pub(crate) struct SendAnswer<'a> {
    success: bool,
    message: Sent<'a>,
}

#[derive(Serialize)]
struct Sent<'a> {
    id: u64,
    conversation_id: u64,
    direction: &'static str,
    from: Shown<E164>,
    to: Shown<&'a Peer>,
    body: &'a str,
    status: &'static str,
    segments: u16,
    /// There only when smart encoding was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    smart_encoding_applied: Option<bool>,
    carrier: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    send_at: Option<Fraction>,
    created_at: Fraction,
}

impl<'a> SendAnswer<'a> {
    pub(crate) fn of(message: &'a SentMessage) -> SendAnswer<'a> {
        let message = Sent {
            id: message.id.get(),
            conversation_id: message.conversation.get(),
            direction: "outbound",
            from: Shown(message.from),
            to: Shown(&message.to),
            body: &message.body,
            status: message.status().as_str(),
            segments: message.segments,
            smart_encoding_applied: message.smart_encoded,
            carrier: CARRIER,
            send_at: message.send_at.map(Fraction),
            created_at: Fraction(message.created_at),
        };
        SendAnswer {
            success: true,
            message,
        }
    }
}

/// A message in the list.
#[derive(Serialize)]
pub(crate) struct Row<'a> {
    id: u64,
    conversation_id: u64,
    direction: &'static str,
    from: Shown<&'a Peer>,
    to: Shown<&'a Peer>,
    body: &'a str,
    channel: &'static str,
    status: &'static str,
    reason: Option<&'static str>,
    segments: u16,
    carrier: &'static str,
    #[serde(flatten)]
    held: Held<'a>,
    route_carrier: Option<&'a str>,
    route_reason: Option<&'static str>,
    submits: u16,
    valid_until: Option<Fraction>,
    read_at: Option<Fraction>,
    created_at: Fraction,
}

impl<'a> Row<'a> {
    /// `route_carrier` is the name of the one that the message went to last, or that brought it; the
    /// member `carrier` keeps the value that the product gave it.
    pub(crate) fn of(message: &'a Message, route_carrier: Option<&'a str>) -> Row<'a> {
        Row {
            id: message.id.get(),
            conversation_id: message.conversation.get(),
            direction: message.direction.as_str(),
            from: Shown(&message.from),
            to: Shown(&message.to),
            body: &message.body,
            channel: message.channel.as_str(),
            status: message.status().as_str(),
            reason: message.reason().map(Reason::as_str),
            segments: message.segments,
            carrier: CARRIER,
            held: Held::of(message.content.as_deref()),
            route_carrier,
            route_reason: message.route.map(|route| route.reason.as_str()),
            submits: message.submits,
            valid_until: message.valid_until.map(Fraction),
            read_at: message.read_at.map(Fraction),
            created_at: Fraction(message.created_at),
        }
    }
}

/// A number that the account owns.
#[derive(Serialize)]
pub(crate) struct OwnNumber {
    id: u64,
    number: Shown<E164>,
    sms: bool,
    whatsapp: bool,
    status: &'static str,
    country: Option<&'static str>,
    r#type: &'static str,
}

impl OwnNumber {
    /// Takes as long as [`E164::region`] and [`E164::number_type`] together.
    pub(crate) fn of(number: &Number) -> OwnNumber {
        OwnNumber {
            id: number.id.get(),
            number: Shown(number.e164),
            sms: number.sms,
            whatsapp: number.whatsapp,
            status: state_word(number.state),
            country: number.e164.region(),
            r#type: type_word(number.e164.number_type()),
        }
    }
}

/// The word of a number's state.
pub(crate) fn state_word(state: NumberState) -> &'static str {
    match state {
        NumberState::Active => "active",
        NumberState::Provisioning => "provisioning",
    }
}

fn type_word(number_type: NumberType) -> &'static str {
    match number_type {
        NumberType::Mobile => "mobile",
        NumberType::FixedLine => "local",
        NumberType::FixedLineOrMobile => "local_or_mobile",
        NumberType::TollFree => "toll_free",
        NumberType::PremiumRate => "premium_rate",
        NumberType::Voip => "voip",
        NumberType::Other => "other",
        NumberType::Unknown => "unknown",
    }
}
