//! Conversations of more messages than one extent holds.

use didfarm_core::channel::Channel;
use didfarm_core::ids::{ConversationId, Extent};
use didfarm_store::records::keys::{self, MAPS};
use didfarm_store::verify::audit;

use crate::assert_breaches;
use crate::farm::Farm;
use crate::rich::{OTHER_PEER, PEER};
use crate::shelves::{alter, alter_meta, put, records_of, remove};
use didfarm_core::conversation::Conversation;

#[test]
fn a_conversation_of_two_extents_is_clean_and_its_breaches_are_named() {
    let mut farm = Farm::default();
    let account = farm.account("Acme", 1_000_000);
    let number = farm.number(account, "+31201234567");
    for _ in 0..Extent::ORDINALS {
        farm.receive(number, PEER, Channel::Sms, "many", None);
    }
    farm.receive(number, OTHER_PEER, Channel::Sms, "between", None);
    let last = farm.send(number, PEER, Channel::Sms, "in the second extent");
    let (first, second) = (ConversationId(1), last.extent());
    assert_eq!((second, last.ordinal()), (Extent(3), 1));
    let records = records_of(&farm.entries);
    let report = audit(&records, None).unwrap();
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.extents, report.messages), (1, 65_537));

    let row = keys::extent(first, second);
    remove(&records, MAPS.extents, &row);
    alter_meta(&records, |meta| meta.counts.extents -= 1);
    let report = audit(&records, None).unwrap();
    assert_breaches(
        "a message in an extent of nobody",
        &report,
        &["V5"],
        &last.to_string(),
    );
    put(&records, MAPS.extents, &row, Some(Vec::new()));
    alter_meta(&records, |meta| meta.counts.extents += 1);

    let key = keys::id(first.get());
    alter(
        &records,
        MAPS.conversations,
        &key,
        |state: &mut Conversation| state.unread += 1,
    );
    let report = audit(&records, None).unwrap();
    assert_breaches(
        "more unread than came to both extents",
        &report,
        &["V5"],
        &first.to_string(),
    );
}
