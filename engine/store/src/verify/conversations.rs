//! V5: what each conversation says of itself, its number and its extents.

use std::collections::BTreeMap;

use didfarm_core::conversation::{Conversation, INBOUND_KNOWN_MAX};
use didfarm_core::ids::{ConversationId, Extent};

use super::audit::Audit;
use super::maps::{self, CONVERSATIONS};
use super::owners::Owners;
use super::{pairs, sides};
use crate::records::keys::{self, MAPS};

/// The extents beyond the first, by conversation: one for every 65,535 messages, so few.
#[derive(Default)]
pub(super) struct Extents {
    further: BTreeMap<ConversationId, Vec<Extent>>,
}

impl Extents {
    /// Every extent of a conversation, in order.
    pub fn of(&self, id: ConversationId) -> impl Iterator<Item = Extent> + '_ {
        std::iter::once(Extent::from(id)).chain(self.further(id).iter().copied())
    }

    /// Whether the extent is one of the conversation's.
    pub fn has(&self, id: ConversationId, extent: Extent) -> bool {
        self.of(id).any(|own| own == extent)
    }

    /// The extents of a conversation beyond its first.
    pub fn further(&self, id: ConversationId) -> &[Extent] {
        self.further.get(&id).map_or(&[], Vec::as_slice)
    }
}

/// Reads every further extent.
pub(super) fn extents(audit: &mut Audit<'_>) -> Extents {
    let mut extents = Extents::default();
    audit.walk_bytes(MAPS.extents, |audit, key, value| {
        audit.report.extents += 1;
        let parts = key.split_first_chunk::<8>();
        let row =
            parts.and_then(|(id, extent)| Some((u64::from_be_bytes(*id), keys::id_of(extent)?)));
        match row {
            Some((id, extent)) if value.is_empty() => {
                audit.highest.extent = audit.highest.extent.max(extent);
                extents
                    .further
                    .entry(ConversationId(id))
                    .or_default()
                    .push(Extent(extent));
            }
            Some(_) | None => {
                let subject = format!("key {}", maps::hex(key));
                audit.breach(
                    "V10",
                    subject,
                    "the extents have a row that is none of their kind",
                );
            }
        }
    });
    extents
}

/// Looks at every conversation and notes what it calls for; says how many peers opted out.
pub(super) fn check(audit: &mut Audit<'_>, owners: &Owners, extents: &Extents) -> u64 {
    let (mut claimed, mut opted_out) = (0, 0);
    audit.walk(&CONVERSATIONS, |audit, key, conversation| {
        let id = conversation.id;
        audit.report.conversations += 1;
        audit.highest.extent = audit.highest.extent.max(id.get());
        if keys::id_of(key) != Some(id.get()) {
            audit.misplaced("conversation", key, id);
        }
        claimed += usize::from(!extents.further(id).is_empty());
        check_owner(audit, owners, &conversation);
        if audit.is_whole(MAPS.extents) {
            check_extents(audit, extents, &conversation);
        }
        sides::of_conversation(&conversation, extents, |fact| {
            audit.tallies[fact.index() as usize].expect(&fact);
        });
        pairs::expect(audit, &conversation);
        opted_out += u64::from(conversation.opt_out().is_some());
    });
    if claimed < extents.further.len() && audit.is_whole(MAPS.conversations) {
        name_strays(audit, extents);
    }
    opted_out
}

fn check_owner(audit: &mut Audit<'_>, owners: &Owners, conversation: &Conversation) {
    let Conversation {
        id,
        number,
        account,
        ..
    } = *conversation;
    match owners.numbers.get(&number) {
        Some(hosted) if hosted.account != account => {
            audit.breach(
                "V5",
                id,
                format!(
                    "its account is {account}, its number {number} is of {}",
                    hosted.account
                ),
            );
        }
        None if audit.is_whole(MAPS.numbers) => {
            audit.breach("V5", id, format!("its number {number} does not exist"));
        }
        Some(_) | None => {}
    }
}

fn check_extents(audit: &mut Audit<'_>, extents: &Extents, conversation: &Conversation) {
    let Conversation {
        id,
        extent,
        ordinal,
        messages,
        ..
    } = *conversation;
    let further = extents.further(id);
    // Extents are given out in ascending order, so the one in use is the last.
    let last = further.last().copied().unwrap_or(id.into());
    if extent != last {
        audit.breach(
            "V5",
            id,
            format!(
                "it fills extent {}, but its last one is {}",
                extent.0, last.0
            ),
        );
    }
    let given_out = further.len() as u64 * u64::from(Extent::ORDINALS) + u64::from(ordinal);
    if messages != given_out {
        let sentence =
            format!("it counts {messages} messages and has given out {given_out} ordinals");
        audit.breach("V5", id, sentence);
    }
    if ordinal == 0 {
        audit.breach(
            "V5",
            id,
            format!("it has no message in its last extent, {}", extent.0),
        );
    }
    let known = &conversation.inbound_known;
    if known.len() > INBOUND_KNOWN_MAX
        || known.iter().any(|(_, _, of)| !extents.has(id, of.extent()))
    {
        audit.breach(
            "V5",
            id,
            "the last inbound messages that it knows are not all its own",
        );
    }
}

/// Extents whose conversation is none.
fn name_strays(audit: &mut Audit<'_>, extents: &Extents) {
    for (id, further) in &extents.further {
        if let super::audit::Found::Missing = audit.get(&CONVERSATIONS, &keys::id(id.get())) {
            let sentence = format!(
                "it has {} further extents and does not exist",
                further.len()
            );
            audit.breach("V5", *id, sentence);
        }
    }
}
