//! Tests of the keys: their order, and their bytes on disk.

use super::*;
use didfarm_core::ids::{EndpointId, EventId, MailId};

#[test]
fn newer_rows_sort_first_and_come_back_whole() {
    let account = AccountId(7);
    let keys =
        [(9, 1), (5, 9), (5, 2), (-3, 4)].map(|(at, id)| newest_first(account, Timestamp(at), id));
    assert_eq!(newest_first_of(&keys[1]), Some((Timestamp(5), 9)));
    // Times before the epoch do not occur; among the others the order holds.
    assert!(keys[..3].is_sorted());
    assert!(newest_first(AccountId(8), Timestamp(9), 1) > keys[0]);
}

fn peer(text: &str) -> Peer {
    Peer::parse(text).unwrap()
}

#[test]
fn pairs_of_one_number_lie_together() {
    let first = pair(NumberId(1), &peer("+31612345678"));
    assert!(*first < *pair(NumberId(2), &peer("+31600000000")));
    assert!(*first < *pair(NumberId(1), &peer("+31612345679")));
    let name = pair(NumberId(1), &peer("US.1"));
    assert!(*first < *name && *name < *pair(NumberId(2), &peer("+1")));
}

#[test]
fn a_pair_key_is_read_back_and_nothing_else_is_one() {
    for text in ["+31612345678", "MyBank"] {
        let key = pair(NumberId(7), &peer(text));
        assert_eq!(PairKey::read(&key), Some(key));
        assert_eq!(key.number(), NumberId(7));
        assert_eq!(PairKey::read(&key[..key.len() - 1]), None);
    }
    assert_eq!(PairKey::read(&[0; PAIR_NAME_BYTES]), None);
    assert_eq!(PairKey::read(&[]), None);
}

/// Keys are on disk: another hash, or another spelling of what is hashed, loses every row.
#[test]
fn digests_in_keys_are_these_bytes() {
    let id = CarrierMessageId("abc".into());
    let abc = [
        0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22,
        0x23,
    ];
    assert_eq!(owner(CarrierId(258), &id)[..2], [1, 2]);
    assert_eq!(owner(CarrierId(258), &id)[2..], abc);
    let key = inbound(ConversationId(3), CarrierId(258), &id);
    assert_eq!(key[8..], owner(CarrierId(258), &id));
    assert_eq!(inbound_of(&key), Some((ConversationId(3), CarrierId(258))));
    assert_eq!(pair(NumberId(1), &peer("abc"))[..5], [0, 0, 0, 1, 0xff]);
    assert_eq!(pair(NumberId(1), &peer("abc"))[5..], abc);
    let parts_key = PartsKey {
        carrier: CarrierId(2),
        from: peer("abc"),
        to: didfarm_core::e164::E164::from_digits(31_201_234_567).unwrap(),
        reference: 300,
        wide: true,
        total: 3,
    };
    let rmp = [
        0x96, 0x02, 0xa3, b'a', b'b', b'c', 0xcf, 0, 0, 0, 0x07, 0x43, 0xbd, 0x0e, 0x87, 0xcd,
        0x01, 0x2c, 0xc3, 0x03,
    ];
    assert_eq!(part(&parts_key, 2)[..DIGEST_BYTES], digest(&rmp));
    let places: Vec<u8> = parts(&parts_key).map(|key| key[DIGEST_BYTES]).collect();
    assert_eq!(places, [1, 2, 3]);
    assert_eq!(parts(&parts_key).nth(1), Some(part(&parts_key, 2)));
}

#[test]
fn rows_of_webhooks_and_mails_sort_by_owner_and_time_and_come_back_whole() {
    let (owner, next) = (EndpointId(7), EndpointId(8));
    let early = pending(owner, Timestamp(5), EventId(9));
    assert!(early < pending(owner, Timestamp(5), EventId(10)));
    assert!(early < pending(owner, Timestamp(256), EventId(1)));
    assert!(
        pending(owner, Timestamp(i64::MAX), EventId(u64::MAX))
            < pending(next, Timestamp(0), EventId(0))
    );
    assert_eq!(pending_of(&early), Some((owner, Timestamp(5), EventId(9))));

    let place = |at, ordinal| AttemptPlace {
        at: Timestamp(at),
        event: EventId(9),
        ordinal,
    };
    let newest = attempt(owner, place(256, 1), 0);
    assert!(
        newest < attempt(owner, place(256, 1), 1),
        "then its further parts"
    );
    assert!(attempt(owner, place(256, 1), 1) < attempt(owner, place(5, 1), 0));
    assert_eq!(attempt_of(&newest), Some((owner, place(256, 1), 0)));

    let row = event(AccountId(1), EventId(258));
    assert!(row > event(AccountId(1), EventId(3)) && row < event(AccountId(2), EventId(1)));
    assert_eq!(event_of(&row), Some((AccountId(1), EventId(258))));
    let row = mail(Timestamp(5), MailId(2));
    assert!(row < mail(Timestamp(6), MailId(1)));
    assert_eq!(mail_of(&row), Some((Timestamp(5), MailId(2))));
    assert_eq!(
        auto_reply_of(&auto_reply(NumberId(3), 4)),
        Some((NumberId(3), 4))
    );
    for short in [&row[..15], &early[..19], &newest[..22], &[]] {
        assert_eq!((event_of(short), mail_of(short)), (None, None));
        assert_eq!((pending_of(short), attempt_of(short)), (None, None));
    }
}
