//! V6 and V9: deliveries in flight and the messages that they carry, and parked receipts.

use didfarm_core::channel::Direction;
use didfarm_core::delivery::InFlight;
use didfarm_core::ids::MessageId;
use didfarm_core::message::Message;

use super::audit::{Audit, Found};
use super::maps::{IN_FLIGHT, MESSAGES, PARKED, hex};
use crate::records::keys;

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
    for segment in &in_flight.delivery.segments {
        let key = keys::parked(in_flight.carrier, &segment.id);
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
