//! V7: what conversations call for in the pair index, by the names that their peers have.
//!
//! A conversation keeps the last few aliases of its peer, while the rows of those that it forgot stay. One
//! whose list is full may have forgotten some: what it calls for is looked up at once, and any row of its
//! number may lead to it.

use didfarm_core::conversation::{ALIASES_MAX, Conversation};
use didfarm_core::ids::ConversationId;

use super::audit::{Audit, Found};
use super::fact::Fact;
use crate::records::keys::{self, MAPS, PairKey};

/// Notes what a conversation calls for.
pub(super) fn expect(audit: &mut Audit<'_>, conversation: &Conversation) {
    if conversation.aliases.len() < ALIASES_MAX {
        return of_conversation(audit, conversation, |audit, fact| {
            audit.tallies[fact.index() as usize].expect(&fact);
        });
    }
    let id = conversation.id;
    audit.forgetful.insert(id, conversation.number);
    for (key, is_peer) in keys_of(conversation) {
        let leads_here = match lead(audit, &key) {
            Found::Record(other) => other == id || !is_peer,
            Found::Missing => false,
            Found::Unreadable => true,
        };
        if !leads_here {
            let fact = Fact::Pair {
                conversation: id,
                key,
            };
            audit.breach(fact.index().invariant(), id, fact.missing());
        }
    }
}

/// What a conversation calls for that has forgotten no alias; nothing for another.
pub(super) fn of_conversation(
    audit: &mut Audit<'_>,
    conversation: &Conversation,
    mut tell: impl FnMut(&mut Audit<'_>, Fact),
) {
    if conversation.aliases.len() >= ALIASES_MAX {
        return;
    }
    let id = conversation.id;
    for (key, is_peer) in keys_of(conversation) {
        // An alias that led to another conversation before was left there.
        let is_elsewhere =
            !is_peer && matches!(lead(audit, &key), Found::Record(other) if other != id);
        if !is_elsewhere {
            let fact = Fact::Pair {
                conversation: id,
                key,
            };
            tell(audit, fact);
        }
    }
}

/// Whether a row may be one of an alias that its conversation has forgotten.
pub(super) fn may_be_forgotten(audit: &Audit<'_>, row: &Fact) -> bool {
    match row {
        Fact::Pair { conversation, key } => {
            audit.forgetful.get(conversation) == Some(&key.number())
        }
        _ => false,
    }
}

/// The keys of a conversation's peer and of its aliases.
fn keys_of(conversation: &Conversation) -> impl Iterator<Item = (PairKey, bool)> {
    let number = conversation.number;
    let aliases = conversation.aliases.iter();
    std::iter::once((keys::pair(number, &conversation.peer), true))
        .chain(aliases.map(move |alias| (keys::pair(number, alias), false)))
}

fn lead(audit: &mut Audit<'_>, key: &PairKey) -> Found<ConversationId> {
    match MAPS.pairs.get(audit.shelf(), key) {
        Ok(Some(value)) => {
            keys::id_of(&value).map_or(Found::Unreadable, |id| Found::Record(ConversationId(id)))
        }
        Ok(None) => Found::Missing,
        Err(error) => {
            audit.damage(MAPS.pairs, error);
            Found::Unreadable
        }
    }
}
