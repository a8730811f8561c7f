//! Keys of the record maps: big-endian, so that they sort as their fields do; newest first where a
//! list reads so.

use didfarm_core::e164::E164;
use didfarm_core::ids::{
    AccountId, CarrierId, CarrierMessageId, ConversationId, Extent, MessageId, NumberId,
};
use didfarm_core::time::Timestamp;

use crate::packed::PackedMap;
use crate::seq::Seq;

/// Every map, by the first byte of its leaves' keys.
pub struct Maps {
    /// Account id → account.
    pub accounts: PackedMap,
    /// Number id → number.
    pub numbers: PackedMap,
    /// Conversation id → conversation.
    pub conversations: PackedMap,
    /// (number, peer) → conversation id.
    pub pairs: PackedMap,
    /// (conversation, extent) → nothing, for every extent but the first.
    pub extents: PackedMap,
    /// Message id → message.
    pub messages: PackedMap,
    /// Message id → its open delivery.
    pub in_flight: PackedMap,
    /// (carrier, hash of the carrier message id) → parked receipts.
    pub parked: PackedMap,
    /// (account, newest first, message) → what a list filters by.
    pub timeline: PackedMap,
    /// (account, newest activity first, conversation) → what the inbox filters by.
    pub inbox: PackedMap,
    /// (account, journal sequence, place) → one movement of money.
    pub ledger: PackedMap,
}

/// The maps of every store.
pub const MAPS: Maps = Maps {
    accounts: PackedMap::new(b'a'),
    numbers: PackedMap::new(b'n'),
    conversations: PackedMap::new(b'c'),
    pairs: PackedMap::new(b'q'),
    extents: PackedMap::new(b'x'),
    messages: PackedMap::new(b'm'),
    in_flight: PackedMap::new(b'f'),
    parked: PackedMap::new(b'k'),
    timeline: PackedMap::new(b't'),
    inbox: PackedMap::new(b'i'),
    ledger: PackedMap::new(b'l'),
};

/// The key of an entity whose id is one integer.
pub fn id(id: u64) -> [u8; 8] {
    id.to_be_bytes()
}

/// The integer back from [`id`].
pub fn id_of(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.try_into().ok()?))
}

/// The key of a pair.
pub fn pair(number: NumberId, peer: E164) -> [u8; 12] {
    join(&number.0.to_be_bytes(), &peer.digits().to_be_bytes())
}

/// The key of a further extent.
pub fn extent(conversation: ConversationId, extent: Extent) -> [u8; 16] {
    join(&conversation.0.to_be_bytes(), &extent.0.to_be_bytes())
}

/// The key of a timeline or inbox row: newest first, then the largest id first.
pub fn newest_first(account: AccountId, at: Timestamp, id: u64) -> [u8; 20] {
    let place: [u8; 16] = join(&(!at.0.cast_unsigned()).to_be_bytes(), &(!id).to_be_bytes());
    join(&account.0.to_be_bytes(), &place)
}

/// Time and id back from [`newest_first`].
pub fn newest_first_of(key: &[u8]) -> Option<(Timestamp, u64)> {
    let at = !u64::from_be_bytes(key.get(4..12)?.try_into().ok()?);
    let id = !u64::from_be_bytes(key.get(12..20)?.try_into().ok()?);
    Some((Timestamp(at.cast_signed()), id))
}

/// The key of a ledger entry.
pub fn ledger(account: AccountId, seq: Seq, place: u16) -> [u8; 14] {
    let tail: [u8; 10] = join(&seq.0.to_be_bytes(), &place.to_be_bytes());
    join(&account.0.to_be_bytes(), &tail)
}

/// The key of the receipts parked under one carrier message id; ids that share it share the row.
pub fn parked(carrier: CarrierId, id: &CarrierMessageId) -> [u8; 10] {
    // FNV-1a, 64 bits: stable over versions and machines, which the hasher of a map is not.
    let hash = id.0.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    join(&carrier.0.to_be_bytes(), &hash.to_be_bytes())
}

/// The first and the last message id of an extent.
pub fn extent_bounds(extent: Extent) -> (MessageId, MessageId) {
    (extent.message(0), extent.message(u16::MAX))
}

fn join<const N: usize>(head: &[u8], tail: &[u8]) -> [u8; N] {
    let mut key = [0; N];
    key[..head.len()].copy_from_slice(head);
    key[head.len()..].copy_from_slice(tail);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_rows_sort_first_and_come_back_whole() {
        let account = AccountId(7);
        let keys = [(9, 1), (5, 9), (5, 2), (-3, 4)]
            .map(|(at, id)| newest_first(account, Timestamp(at), id));
        assert_eq!(newest_first_of(&keys[1]), Some((Timestamp(5), 9)));
        // Times before the epoch do not occur; among the others the order holds.
        assert!(keys[..3].is_sorted());
        assert!(newest_first(AccountId(8), Timestamp(9), 1) > keys[0]);
    }

    #[test]
    fn pairs_of_one_number_lie_together() {
        let peer = |text| {
            didfarm_core::e164::E164::parse(text, didfarm_core::e164::Validation::Syntax).unwrap()
        };
        let first = pair(NumberId(1), peer("+31612345678"));
        assert!(first < pair(NumberId(2), peer("+31600000000")));
        assert!(first < pair(NumberId(1), peer("+31612345679")));
    }
}
