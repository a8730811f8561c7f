//! V12: carrier message ids lead to the messages that have them.

use didfarm_core::channel::Direction;
use didfarm_core::conversation::Conversation;
use didfarm_core::delivery::Delivery;
use didfarm_core::ids::{CarrierId, ConversationId, MessageId};
use didfarm_core::message::Message;

use super::audit::{Audit, Found};
use super::fact::{Fact, Index};
use super::maps::{self, CONVERSATIONS, IN_FLIGHT, MESSAGES};
use crate::packed::PackedMap;
use crate::records::keys::{self, MAPS};

/// The bytes of a key of the carrier message ids: carrier, digest.
const OWNER_KEY_BYTES: usize = 18;

/// Tells the conversations that have inbound ids, as their rows come in order.
#[derive(Default)]
pub(super) struct InboundGroups {
    current: Option<ConversationId>,
}

impl InboundGroups {
    /// Gives the conversation's fact with the first of its rows.
    pub fn enter(&mut self, conversation: ConversationId) -> Option<Fact> {
        let before = self.current.replace(conversation);
        (before != Some(conversation)).then_some(Fact::InboundRows { conversation })
    }
}

/// Looks at every carrier message id of a message that asked for the index.
pub(super) fn check_owners(audit: &mut Audit<'_>) {
    audit.walk_bytes(MAPS.owners, |audit, key, value| {
        audit.report.owners += 1;
        let carrier = key.first_chunk().filter(|_| key.len() == OWNER_KEY_BYTES);
        let (Some(carrier), Some(id)) = (carrier, keys::id_of(value)) else {
            return none_of_its_kind(audit, MAPS.owners, key);
        };
        let (carrier, id) = (CarrierId(u16::from_be_bytes(*carrier)), MessageId(id));
        let has_it = |delivery: &Delivery| {
            let mut segments = delivery.segments.iter();
            segments.any(|segment| keys::owner(carrier, &segment.id) == *key)
                && delivery.carrier() == Some(carrier)
        };
        let sound = match audit.get(&MESSAGES, &keys::id(id.get())) {
            Found::Missing => false,
            Found::Unreadable => true,
            Found::Record(Message {
                closed: Some(delivery),
                ..
            }) => has_it(&delivery),
            Found::Record(message) if message.direction == Direction::Inbound => false,
            Found::Record(_) => match audit.get(&IN_FLIGHT, &keys::id(id.get())) {
                Found::Record(in_flight) => has_it(&in_flight.delivery),
                // That an open delivery is lost was said of its message.
                Found::Missing | Found::Unreadable => true,
            },
        };
        if !sound {
            let key = maps::hex(key);
            let sentence = format!(
                "the carrier message id {key} leads to it, and its delivery has no such id"
            );
            audit.message("V12", id, sentence);
        }
    });
}

/// Looks at every carrier message id of an older inbound message.
pub(super) fn check_inbound(audit: &mut Audit<'_>) {
    let mut groups = InboundGroups::default();
    let mut owner = Found::Missing;
    audit.walk_bytes(MAPS.inbound, |audit, key, value| {
        audit.report.inbound_ids += 1;
        let (Some((conversation, carrier)), Some(id)) = (keys::inbound_of(key), keys::id_of(value))
        else {
            return none_of_its_kind(audit, MAPS.inbound, key);
        };
        if let Some(fact) = groups.enter(conversation) {
            audit.tallies[Index::Inbound as usize].found(&fact);
            owner = audit.get(&CONVERSATIONS, &keys::id(conversation.get()));
        }
        // Rows of a conversation that does not exist are told by the tally.
        if let Found::Record(owner) = &owner {
            check_inbound_row(audit, owner, carrier, MessageId(id));
        }
    });
}

fn check_inbound_row(
    audit: &mut Audit<'_>,
    owner: &Conversation,
    carrier: CarrierId,
    id: MessageId,
) {
    let clash = match audit.get(&MESSAGES, &keys::id(id.get())) {
        Found::Record(message) => clash(owner, carrier, &message),
        Found::Missing => Some("is not stored"),
        Found::Unreadable => None,
    };
    if let Some(clash) = clash {
        let sentence = format!("an inbound id leads to {id}, which {clash}");
        audit.breach("V12", owner.id, sentence);
    }
}

fn clash(owner: &Conversation, carrier: CarrierId, message: &Message) -> Option<&'static str> {
    let oldest_known = owner.inbound_known.first().map(|(_, _, oldest)| *oldest);
    let rules = [
        (
            message.conversation == owner.id,
            "is of another conversation",
        ),
        (message.direction == Direction::Inbound, "is outbound"),
        (
            message.brought_by == Some(carrier),
            "came from another carrier",
        ),
        (
            oldest_known.is_none_or(|oldest| message.id < oldest),
            "is none of those that it no longer knows itself",
        ),
    ];
    let broken = rules.into_iter().find(|(holds, _)| !holds);
    broken.map(|(_, clash)| clash)
}

fn none_of_its_kind(audit: &mut Audit<'_>, map: PackedMap, key: &[u8]) {
    let subject = format!("key {}", maps::hex(key));
    let sentence = format!("{} has a row that is none of its kind", maps::name(map));
    audit.breach("V10", subject, sentence);
}
