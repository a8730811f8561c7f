//! The walk over all messages, extent by extent: the rules of each, and what its conversation says of
//! all of them together (V5).

use didfarm_core::channel::{Channel, Direction};
use didfarm_core::conversation::Conversation;
use didfarm_core::delivery::status::Status;
use didfarm_core::ids::{ConversationId, Extent, MessageId};
use didfarm_core::message::Message;
use didfarm_core::time::Timestamp;
use rustc_hash::FxHashMap;

use super::audit::{Audit, Found};
use super::conversations::Extents;
use super::fact::{Fact, Index};
use super::maps::{CONVERSATIONS, IN_FLIGHT, MESSAGES};
use super::message_rules as rules;
use super::owners::Owners;
use super::sides;
use crate::records::keys::{self, MAPS};

/// Counts the messages of each extent as they come, in order of their ids.
#[derive(Default)]
pub(super) struct ExtentCounter {
    current: Option<(Extent, u32)>,
}

impl ExtentCounter {
    /// Counts one; gives the extent before when this one begins another.
    pub fn add(&mut self, extent: Extent) -> Option<Fact> {
        match &mut self.current {
            Some((current, messages)) if *current == extent => {
                *messages += 1;
                None
            }
            _ => self.current.replace((extent, 1)).map(fact_of),
        }
    }

    /// Gives the last extent.
    pub fn end(&mut self) -> Option<Fact> {
        self.current.take().map(fact_of)
    }
}

fn fact_of((extent, messages): (Extent, u32)) -> Fact {
    Fact::Extent { extent, messages }
}

/// What a conversation's messages come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Sum {
    inbound: u64,
    latest: Option<Timestamp>,
    whatsapp_inbound_at: Option<Timestamp>,
    channels: u8,
    last_channel: Option<Channel>,
}

impl Sum {
    fn add(&mut self, message: &Message) {
        self.latest = self.latest.max(Some(message.created_at));
        self.channels |= 1 << (message.channel as u8);
        self.last_channel = Some(message.channel);
        if message.direction == Direction::Inbound {
            self.inbound += 1;
            if message.channel == Channel::WhatsApp {
                self.whatsapp_inbound_at = self.whatsapp_inbound_at.max(Some(message.created_at));
            }
        }
    }

    fn join(&mut self, later: &Sum) {
        self.inbound += later.inbound;
        self.latest = self.latest.max(later.latest);
        self.whatsapp_inbound_at = self.whatsapp_inbound_at.max(later.whatsapp_inbound_at);
        self.channels |= later.channels;
        self.last_channel = later.last_channel.or(self.last_channel);
    }
}

/// The extent that the walk is in.
#[derive(Default)]
struct Place {
    extent: Option<Extent>,
    last_ordinal: u16,
    /// The conversation that the extent is one of.
    owner: Option<Conversation>,
    sum: Sum,
}

struct Walk<'a> {
    owners: &'a Owners,
    extents: &'a Extents,
    counter: ExtentCounter,
    place: Place,
    /// Sums of conversations of several extents, which do not lie side by side.
    several: FxHashMap<ConversationId, Sum>,
}

/// Looks at every message and notes what it calls for.
pub(super) fn check(audit: &mut Audit<'_>, owners: &Owners, extents: &Extents) {
    let mut walk = Walk {
        owners,
        extents,
        counter: ExtentCounter::default(),
        place: Place::default(),
        several: FxHashMap::default(),
    };
    audit.walk_bytes(MESSAGES.map, |audit, key, value| {
        audit.report.messages += 1;
        let id = keys::id_of(key).map(MessageId);
        if let Some(id) = id {
            walk.enter(audit, id);
        }
        if let Some(message) = audit.decode(&MESSAGES, key, value) {
            if id != Some(message.id) {
                audit.misplaced("message", key, message.id);
            }
            audit.batched += u64::from(message.batch.is_some());
            walk.message(audit, &message);
        }
    });
    let last = walk.counter.end();
    walk.leave_extent(audit, last);
    if audit.is_whole(MAPS.messages) {
        let mut several: Vec<_> = walk.several.into_iter().collect();
        several.sort_unstable_by_key(|(id, _)| *id);
        for (id, sum) in several {
            if let Found::Record(conversation) = audit.get(&CONVERSATIONS, &keys::id(id.get())) {
                compare(audit, &conversation, &sum);
            }
        }
    }
}

impl Walk<'_> {
    fn message(&mut self, audit: &mut Audit<'_>, message: &Message) {
        match (message.direction, message.history.last()) {
            (Direction::Inbound, _) => audit.report.inbound += 1,
            (Direction::Outbound, Some(change)) => {
                audit.report.outbound[place_of(change.status)] += 1
            }
            (Direction::Outbound, None) => {}
        }
        self.check_conversation(audit, message);
        self.check_alone(audit, message);
        sides::of_message(message, |fact| {
            audit.tallies[fact.index() as usize].expect(&fact)
        });
    }

    /// Steps to the next id: into another extent, or to the next ordinal.
    fn enter(&mut self, audit: &mut Audit<'_>, id: MessageId) {
        let (extent, ordinal) = (id.extent(), id.ordinal());
        let before = self.counter.add(extent);
        if self.place.extent != Some(extent) {
            self.leave_extent(audit, before);
            self.place = Place {
                extent: Some(extent),
                ..Place::default()
            };
        }
        audit.highest.extent = audit.highest.extent.max(extent.0);
        let expected = self.place.last_ordinal.checked_add(1);
        if expected != Some(ordinal) {
            let last = self.place.last_ordinal;
            audit.message(
                "V5",
                id,
                format!("its ordinal is {ordinal}, the one before it in its extent is {last}"),
            );
        }
        self.place.last_ordinal = ordinal;
    }

    fn leave_extent(&mut self, audit: &mut Audit<'_>, counted: Option<Fact>) {
        if let Some(fact) = counted {
            audit.tallies[Index::Extents as usize].found(&fact);
        }
        let place = std::mem::take(&mut self.place);
        let Some(owner) = place.owner else { return };
        if !self.extents.further(owner.id).is_empty() {
            self.several.entry(owner.id).or_default().join(&place.sum);
        } else if audit.is_whole(MAPS.messages) {
            compare(audit, &owner, &place.sum);
        }
    }

    fn check_conversation(&mut self, audit: &mut Audit<'_>, message: &Message) {
        let id = message.conversation;
        if self.place.owner.as_ref().is_none_or(|owner| owner.id != id) {
            match audit.get(&CONVERSATIONS, &keys::id(id.get())) {
                Found::Missing => {
                    return audit.message(
                        "V5",
                        message.id,
                        format!("its conversation {id} does not exist"),
                    );
                }
                Found::Unreadable => return,
                Found::Record(_) if !self.extents.has(id, message.id.extent()) => {
                    if audit.is_whole(MAPS.extents) {
                        let sentence =
                            format!("its conversation {id} has no extent that it could lie in");
                        audit.message("V5", message.id, sentence);
                    }
                    return;
                }
                Found::Record(conversation) => self.place.owner = Some(conversation),
            }
        }
        self.place.sum.add(message);
        let hosted = self.owners.numbers.get(&message.number);
        if let Some(owner) = &self.place.owner {
            rules::check_place(message, owner, hosted, &mut |invariant, sentence| {
                audit.message(invariant, message.id, sentence);
            });
        }
    }

    /// The rules that ask for the message and its delivery only.
    fn check_alone(&mut self, audit: &mut Audit<'_>, message: &Message) {
        let mut in_flight = None;
        if message.direction == Direction::Outbound && message.closed.is_none() {
            match audit.get(&IN_FLIGHT, &keys::id(message.id.get())) {
                Found::Record(found) => in_flight = Some(found.delivery),
                Found::Missing => {
                    audit.message(
                        "V6",
                        message.id,
                        "its delivery is neither in flight nor closed: it is lost",
                    );
                }
                Found::Unreadable => {}
            }
        }
        let delivery = message.closed.as_ref().or(in_flight.as_ref());
        let mut say = |invariant, sentence| audit.message(invariant, message.id, sentence);
        rules::check_refund(message, &mut say);
        rules::check_segments(message, &mut say);
        rules::check_history(message, delivery, &mut say);
        rules::check_delivery(message, delivery, &mut say);
    }
}

fn place_of(status: Status) -> usize {
    Status::ALL
        .iter()
        .position(|other| *other == status)
        .expect("every status is in the list")
}

/// V5: what a conversation says of its messages is what they come to.
fn compare(audit: &mut Audit<'_>, conversation: &Conversation, sum: &Sum) {
    let id = conversation.id;
    if u64::from(conversation.unread) > sum.inbound {
        let (unread, inbound) = (conversation.unread, sum.inbound);
        audit.breach(
            "V5",
            id,
            format!("{unread} of its {inbound} inbound messages are unread"),
        );
    }
    let agreements = [
        (
            "last activity",
            Some(conversation.last_activity) == sum.latest,
        ),
        (
            "last inbound WhatsApp message",
            conversation.whatsapp_inbound_at == sum.whatsapp_inbound_at,
        ),
        ("channels", conversation.channels == sum.channels),
        (
            "last channel",
            Some(conversation.last_channel) == sum.last_channel,
        ),
    ];
    for (field, agrees) in agreements {
        if !agrees {
            audit.breach(
                "V5",
                id,
                format!("its {field} as stored is not what its messages come to"),
            );
        }
    }
}
