//! Breaches of V21: opt-outs and what their conversations say.

use didfarm_core::consent::ConsentCause;
use didfarm_core::conversation::Conversation;
use didfarm_core::ids::{AccountId, ConversationId};
use didfarm_store::records::keys::{self, MAPS};
use didfarm_store::records::round::OptOutRow;

use crate::rich::Rich;
use crate::shelves::{alter, remove, rows};
use crate::{Case, check};

const OPTED_OUT: fn(&Rich) -> String = |rich| rich.rivalled.to_string();
const THE_OPT_OUTS: fn(&Rich) -> String = |_| "the opt-outs".to_owned();

/// The keys of both opt-outs of the conversation, the one that holds first.
fn keys_of(rich: &Rich) -> [Vec<u8>; 2] {
    let rows = rows(&rich.records, MAPS.opt_outs);
    let keys: Vec<_> = rows.into_iter().map(|(key, _)| key).collect();
    keys.try_into().expect("there are two")
}

fn alter_held(rich: &Rich, change: fn(&mut OptOutRow)) {
    alter(&rich.records, MAPS.opt_outs, &keys_of(rich)[0], change);
}

fn alter_conversation(rich: &Rich, id: ConversationId, change: fn(&mut Conversation)) {
    alter(
        &rich.records,
        MAPS.conversations,
        &keys::id(id.get()),
        change,
    );
}

#[test]
fn v19_opt_outs_are_what_conversations_say() {
    check(&[
        Case {
            name: "an opt-out that holds and is not kept",
            invariants: &["V21", "V10"],
            subject: THE_OPT_OUTS,
            alter: |rich| remove(&rich.records, MAPS.opt_outs, &keys_of(rich)[0]),
        },
        Case {
            name: "one that holds and is kept as ended",
            invariants: &["V21"],
            subject: OPTED_OUT,
            alter: |rich| {
                alter_held(rich, |row| row.ended = Some((row.since, row.said.clone())));
            },
        },
        Case {
            name: "one that ended and is kept as one that holds",
            invariants: &["V21"],
            subject: OPTED_OUT,
            alter: |rich| {
                let ended = |row: &mut OptOutRow| row.ended = None;
                alter(&rich.records, MAPS.opt_outs, &keys_of(rich)[1], ended);
            },
        },
        Case {
            name: "one with another cause",
            invariants: &["V21"],
            subject: OPTED_OUT,
            alter: |rich| alter_held(rich, |row| row.said.cause = ConsentCause::WhatsApp),
        },
        Case {
            name: "one of another account",
            invariants: &["V10"],
            subject: OPTED_OUT,
            alter: |rich| alter_held(rich, |row| row.account = AccountId(1)),
        },
        Case {
            name: "a conversation that forgot its opt-out",
            invariants: &["V21"],
            subject: OPTED_OUT,
            alter: |rich| {
                alter_conversation(rich, rich.rivalled, |state| state.consent = None);
            },
        },
    ]);
}
