//! V6, V9 and V13: deliveries in flight and the messages that they carry, and what waits for a message.

use didfarm_core::channel::Direction;
use didfarm_core::delivery::InFlight;
use didfarm_core::ids::MessageId;
use didfarm_core::message::Message;

use super::audit::{Audit, Found};
use super::maps::{AGED, IN_FLIGHT, MESSAGES, PARKED, PARTS, hex};
use crate::records::{AGED_RECEIPTS_MAX, keys};

/// Looks at every delivery in flight from its own side; the walk over the messages did from theirs.
pub(super) fn check_in_flight(audit: &mut Audit<'_>) {
    audit.walk(&IN_FLIGHT, |audit, key, in_flight| {
        audit.report.in_flight += 1;
        let id = in_flight.message;
        if keys::id_of(key) != Some(id.get()) {
            audit.misplaced("delivery", key, id);
        }
        match audit.get(&MESSAGES, &keys::id(id.get())) {
            Found::Missing => {
                audit.message("V6", id, "it is in flight, and no such message is stored")
            }
            Found::Record(message) => check_pair(audit, id, &in_flight, &message),
            Found::Unreadable => {}
        }
        if in_flight.delivery.is_closed() {
            audit.message("V6", id, "its delivery is closed and still in flight");
        }
        check_unparked(audit, &in_flight);
    });
}

fn check_pair(audit: &mut Audit<'_>, id: MessageId, in_flight: &InFlight, message: &Message) {
    if message.direction == Direction::Inbound {
        audit.message("V6", id, "it is inbound and in flight");
    }
    if message.closed.is_some() {
        audit.message("V6", id, "its delivery is both in flight and closed");
    }
    let agreements = [
        ("account", in_flight.account == message.account),
        ("number", in_flight.number == message.number),
        ("charge", in_flight.charge == message.charge),
        (
            "time of acceptance",
            in_flight.accepted_at == message.created_at,
        ),
        (
            "validity period",
            Some(in_flight.valid_until) == message.valid_until,
        ),
        (
            "time that it waits for",
            in_flight
                .scheduled_for()
                .is_none_or(|at| message.send_at == Some(at)),
        ),
        (
            "URL for the status",
            in_flight.has_status_url == message.status_url.is_some(),
        ),
    ];
    for (field, agrees) in agreements {
        if !agrees {
            audit.message(
                "V6",
                id,
                format!("the {field} of its delivery in flight is not its own"),
            );
        }
    }
}

/// A carrier message id that the carrier gave for a delivery in flight has claimed its parked receipts.
fn check_unparked(audit: &mut Audit<'_>, in_flight: &InFlight) {
    let Some(carrier) = in_flight.delivery.carrier() else {
        return;
    };
    for segment in &in_flight.delivery.segments {
        let key = keys::parked(carrier, &segment.id);
        if let Found::Record(row) = audit.get(&PARKED, &key)
            && row.iter().any(|(_, receipt)| receipt.id == segment.id)
        {
            let sentence = format!(
                "a receipt for its carrier message id is parked under {}",
                hex(&key)
            );
            audit.message("V9", in_flight.message, sentence);
        }
    }
}

/// Looks at every parked receipt.
pub(super) fn check_parked(audit: &mut Audit<'_>) {
    audit.walk(&PARKED, |audit, key, row| {
        audit.report.parked += row.len() as u64;
        let subject = || format!("parked receipts {}", hex(key));
        if row.is_empty() {
            audit.breach("V9", subject(), "nothing is parked in this row");
        }
        if row
            .iter()
            .any(|(_, receipt)| keys::parked(receipt.carrier, &receipt.id) != *key)
        {
            audit.breach(
                "V9",
                subject(),
                "a receipt is parked here whose carrier message id belongs elsewhere",
            );
        }
    });
}

/// Looks at every receipt in the ring of those that aged out.
pub(super) fn check_aged(audit: &mut Audit<'_>) {
    audit.walk(&AGED, |audit, key, aged| {
        audit.report.aged += 1;
        let subject = || format!("aged receipt {}", hex(key));
        if keys::id_of(key).is_none_or(|place| place >= AGED_RECEIPTS_MAX) {
            audit.breach("V9", subject(), "its place is none of the ring");
        }
        if aged.aged_at < aged.parked_at {
            audit.breach("V9", subject(), "it aged out before it was parked");
        }
    });
}

/// Looks at every part that waits for the others.
pub(super) fn check_parts(audit: &mut Audit<'_>) {
    audit.walk(&PARTS, |audit, key, (_, part)| {
        audit.report.parts += 1;
        let subject = || format!("part {}", hex(key));
        if keys::part(&part.key, part.place) != *key {
            audit.breach("V13", subject(), "it lies under a key that is not its own");
        }
        let (place, total) = (part.place, part.key.total);
        if total < 2 || !(1..=total).contains(&place) {
            let sentence = format!("it is part {place} of {total}");
            audit.breach("V13", subject(), sentence);
        }
    });
}
