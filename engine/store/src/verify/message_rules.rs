//! V2 to V6 as far as one message, its conversation, its number and its delivery tell.

use didfarm_core::channel::Direction;
use didfarm_core::conversation::{ALIASES_MAX, Conversation};
use didfarm_core::delivery::receipt::Claim;
use didfarm_core::delivery::status::Status;
use didfarm_core::delivery::{Delivery, Phase};
use didfarm_core::message::{Message, StatusChange};
use didfarm_core::segments;

use super::owners::Hosted;

/// Where rules put what they find: the invariant and a sentence.
pub(super) type Say<'a> = &'a mut dyn FnMut(&'static str, String);

/// V2: what no carrier took is given back, in the same entry, and nothing else is: whatever was given
/// up may have arrived.
pub(super) fn check_refund(message: &Message, say: Say<'_>) {
    let phase = message.closed.as_ref().map(|delivery| delivery.phase);
    let was_not_taken = matches!(phase, Some(Phase::Refused | Phase::Cancelled));
    if message.refunded && !was_not_taken {
        let phase = phase.map_or("open", Phase::as_str);
        say(
            "V2",
            format!("it is refunded, but its delivery is {phase}, not refused or cancelled"),
        );
    }
    if !message.refunded && was_not_taken {
        let phase = phase.map_or("open", Phase::as_str);
        say(
            "V2",
            format!("its delivery is {phase}, and it is not refunded"),
        );
    }
}

/// V3: encoding, segments and charge follow from the body.
pub(super) fn check_segments(message: &Message, say: Say<'_>) {
    let counted = segments::count(&message.body);
    if message.encoding != counted.encoding {
        let (stored, counted) = (message.encoding.as_str(), counted.encoding.as_str());
        say(
            "V3",
            format!("its encoding is {stored}, its body asks for {counted}"),
        );
    }
    if message.segments != counted.segments {
        let (stored, counted) = (message.segments, counted.segments);
        say(
            "V3",
            format!("it counts {stored} segments, its body takes {counted}"),
        );
    }
    let charge = message.charge.as_micros();
    let sound = match message.direction {
        Direction::Inbound => charge == 0,
        Direction::Outbound => charge > 0 && charge % i64::from(message.segments.max(1)) == 0,
    };
    if !sound {
        let (way, charge, segments) =
            (message.direction.as_str(), message.charge, message.segments);
        say(
            "V3",
            format!(
                "it is {way} with {segments} segments, and its charge of {charge} is no price of that"
            ),
        );
    }
}

/// V4: the history begins, goes forward and ends as it must.
pub(super) fn check_history(message: &Message, delivery: Option<&Delivery>, say: Say<'_>) {
    let history = &message.history;
    let (Some(first), Some(last)) = (history.first(), history.last()) else {
        return say("V4", "it has no status at all".into());
    };
    let begins_with = match message.direction {
        Direction::Outbound if message.send_at.is_some() => Status::Scheduled,
        Direction::Outbound => Status::Queued,
        Direction::Inbound => Status::Delivered,
    };
    let begin = StatusChange {
        status: begins_with,
        at: message.created_at,
        reason: None,
    };
    if *first != begin {
        say(
            "V4",
            format!(
                "its history begins with {} at {}, not with {begins_with} at its creation",
                first.status, first.at
            ),
        );
    }
    for pair in history.windows(2) {
        let (before, after) = (pair[0], pair[1]);
        if after.status < before.status {
            say(
                "V4",
                format!(
                    "its status went back from {} to {}",
                    before.status, after.status
                ),
            );
        } else if (after.status, after.reason) == (before.status, before.reason) {
            say(
                "V4",
                format!("its history has {} twice in a row", after.status),
            );
        }
    }
    match (message.direction, delivery) {
        (Direction::Inbound, _) if history.len() > 1 || message.read_at.is_some() => {
            say(
                "V4",
                "it is inbound, and more happened to it than that it came".into(),
            );
        }
        (Direction::Outbound, Some(delivery)) => check_end(message, *last, delivery, say),
        (Direction::Inbound | Direction::Outbound, _) => {}
    }
}

fn check_end(message: &Message, last: StatusChange, delivery: &Delivery, say: Say<'_>) {
    let reason = |reason: Option<didfarm_core::reason::Reason>| {
        reason.map_or("no reason", |reason| reason.as_str())
    };
    if (last.status, last.reason) != (delivery.status(), delivery.reason()) {
        say(
            "V4",
            format!(
                "its history ends with {} ({}), its delivery says {} ({})",
                last.status,
                reason(last.reason),
                delivery.status(),
                reason(delivery.reason())
            ),
        );
    }
    if message.read_at.is_some() != delivery.is_read() {
        let (marked, is) = match delivery.is_read() {
            true => ("not marked", "was"),
            false => ("marked", "was not"),
        };
        say(
            "V4",
            format!("it is {marked} as read, and by its delivery it {is}"),
        );
    }
}

/// V5: the message agrees with its conversation and, where it is known, with its number.
pub(super) fn check_place(
    message: &Message,
    conversation: &Conversation,
    hosted: Option<&Hosted>,
    say: Say<'_>,
) {
    let (ours, peer) = match message.direction {
        Direction::Inbound => (&message.to, &message.from),
        Direction::Outbound => (&message.from, &message.to),
    };
    let is_known = *peer == conversation.peer || conversation.aliases.contains(peer);
    let may_be_forgotten = conversation.aliases.len() >= ALIASES_MAX;
    let agreements = [
        (
            "account is not its conversation's",
            message.account == conversation.account,
        ),
        (
            "number is not its conversation's",
            message.number == conversation.number,
        ),
        (
            "peer is not its conversation's",
            is_known || may_be_forgotten,
        ),
        (
            "own side is not its number",
            hosted.is_none_or(|hosted| *ours == hosted.e164),
        ),
        (
            "account is not its number's",
            hosted.is_none_or(|hosted| message.account == hosted.account),
        ),
    ];
    for (clash, agrees) in agreements {
        if !agrees {
            say("V5", format!("its {clash}"));
        }
    }
}

/// V6: an outbound message's delivery is in one place and took the message's route, an inbound one
/// has none.
pub(super) fn check_delivery(message: &Message, delivery: Option<&Delivery>, say: Say<'_>) {
    match (message.direction, &message.closed) {
        (Direction::Inbound, Some(_)) => say("V6", "it is inbound and has a delivery".into()),
        (Direction::Outbound, Some(delivery)) if !may_be_closed(delivery) => {
            say(
                "V6",
                format!(
                    "its delivery is stored as closed, but it is {}",
                    delivery.phase.as_str()
                ),
            );
        }
        (Direction::Inbound, None) | (Direction::Outbound, _) => {}
    }
    let (route, submits) = match (message.direction, delivery) {
        (Direction::Outbound, Some(delivery)) => (delivery.route, delivery.submits),
        (Direction::Outbound, None) => return,
        (Direction::Inbound, _) => (None, 0),
    };
    if (message.route, message.submits) != (route, submits) {
        say("V6", "its route is not its delivery's".into());
    }
}

/// Whether a delivery may stand with its message: it is closed, or it was and a late answer opened it
/// again. One that was taken without an id was closed at once, until a receipt that names the message
/// told the id and that it is under way.
fn may_be_closed(delivery: &Delivery) -> bool {
    let is_reopened = delivery.gave_up
        || matches!(&delivery.segments[..], [only] if only.claims.has(Claim::EnRoute));
    delivery.is_closed() || (delivery.phase == Phase::Submitted && is_reopened)
}
