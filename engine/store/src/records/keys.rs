//! Keys of the record maps: big-endian, so that they sort as their fields do; newest first where a
//! list reads so.

mod batches;
mod guarded;
mod webhooks;

use std::ops::Deref;

use didfarm_core::ids::{
    AccountId, CarrierId, CarrierMessageId, ConversationId, Extent, MessageId, NumberId,
};
use didfarm_core::parts::PartsKey;
use didfarm_core::peer::Peer;
use didfarm_core::time::Timestamp;
use sha2::{Digest, Sha256};

use super::AGED_RECEIPTS_MAX;
use super::read::LedgerPlace;
use crate::packed::PackedMap;
use crate::seq::Seq;

pub use batches::{batch, batch_of, batch_row, batch_row_of};
pub use guarded::{guarded, guarded_of};
pub use webhooks::{
    AttemptPlace, attempt, attempt_of, event, event_of, mail, mail_given_up, mail_of, pending,
    pending_of,
};

/// Bytes of SHA-256 that stand for a text in a key: enough that no two texts ever share them.
const DIGEST_BYTES: usize = 16;
/// Bytes of a pair's key whose peer is known by a number.
const PAIR_NUMBER_BYTES: usize = 12;
/// The same, by a name.
const PAIR_NAME_BYTES: usize = 5 + DIGEST_BYTES;
/// Stands before a name's digest; the first byte of a number is 0.
const PAIR_NAME_MARK: u8 = 0xff;

/// Every map, by the first byte of its leaves' keys.
pub struct Maps {
    /// Account id → account.
    pub accounts: PackedMap,
    /// Number id → number.
    pub numbers: PackedMap,
    /// (number id, part) → a part of its auto-reply rules, which no row has room for.
    pub auto_replies: PackedMap,
    /// Conversation id → conversation.
    pub conversations: PackedMap,
    /// (number, peer or alias of the peer) → conversation id.
    pub pairs: PackedMap,
    /// (conversation, extent) → nothing, for every extent but the first.
    pub extents: PackedMap,
    /// Message id → message.
    pub messages: PackedMap,
    /// Message id → its open delivery.
    pub in_flight: PackedMap,
    /// (carrier, hash of the carrier message id) → parked receipts.
    pub parked: PackedMap,
    /// Place in a ring → a receipt that aged out.
    pub aged: PackedMap,
    /// (carrier, digest of the carrier message id) → message id, of those that asked for it.
    pub owners: PackedMap,
    /// (conversation, carrier, digest of the carrier message id) → message id, of those inbound
    /// messages that the conversation itself no longer knows by the carrier's id.
    pub inbound: PackedMap,
    /// (digest of the parts' key, place) → a part that waits for the others.
    pub parts: PackedMap,
    /// (account, newest first, message) → what a list filters by.
    pub timeline: PackedMap,
    /// (account, newest activity first, conversation) → what the inbox filters by.
    pub inbox: PackedMap,
    /// (account, journal sequence, place) → one movement of money.
    pub ledger: PackedMap,
    /// Endpoint id → endpoint and how much waits for it.
    pub endpoints: PackedMap,
    /// (account, event) → the event and what came of it at each endpoint.
    pub events: PackedMap,
    /// (endpoint, due, event) → an event that is to be sent to an endpoint.
    pub pending: PackedMap,
    /// (endpoint, newest first, event, ordinal, part) → an attempt, and the further parts of its body.
    pub attempts: PackedMap,
    /// (due, mail) → a mail that waits.
    pub mails: PackedMap,
    /// Place in a ring → a mail that was given up.
    pub mails_given_up: PackedMap,
    /// (slot, hash of an idempotency key) → what was answered under it.
    pub guarded: PackedMap,
    /// (account, newest first, conversation) → an opt-out, and what ended it.
    pub opt_outs: PackedMap,
    /// (account, newest batch first) → batch.
    pub batches: PackedMap,
    /// (account, batch, index) → what became of a row.
    pub batch_rows: PackedMap,
    /// Pool, whose id begins with its account's → pool.
    pub pools: PackedMap,
}

/// The maps of every store.
pub const MAPS: Maps = Maps {
    accounts: PackedMap::new(b'a'),
    numbers: PackedMap::new(b'n'),
    auto_replies: PackedMap::new(b'r'),
    conversations: PackedMap::new(b'c'),
    pairs: PackedMap::new(b'q'),
    extents: PackedMap::new(b'x'),
    messages: PackedMap::new(b'm'),
    in_flight: PackedMap::new(b'f'),
    parked: PackedMap::new(b'k'),
    aged: PackedMap::new(b'g'),
    owners: PackedMap::new(b'o'),
    inbound: PackedMap::new(b'b'),
    parts: PackedMap::new(b'p'),
    timeline: PackedMap::new(b't'),
    inbox: PackedMap::new(b'i'),
    ledger: PackedMap::new(b'l'),
    endpoints: PackedMap::new(b'e'),
    events: PackedMap::new(b'v'),
    pending: PackedMap::new(b'w'),
    attempts: PackedMap::new(b'h'),
    mails: PackedMap::new(b's'),
    mails_given_up: PackedMap::new(b'u'),
    guarded: PackedMap::new(b'y'),
    opt_outs: PackedMap::new(b'z'),
    batches: PackedMap::new(b'd'),
    batch_rows: PackedMap::new(b'j'),
    pools: PackedMap::new(b'0'),
};

/// The key of an entity whose id is one integer.
pub fn id(id: u64) -> [u8; 8] {
    id.to_be_bytes()
}

/// The integer back from [`id`].
pub fn id_of(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.try_into().ok()?))
}

/// The key of a part of a number's auto-reply rules.
pub fn auto_reply(number: NumberId, part: u8) -> [u8; 5] {
    join(&number.0.to_be_bytes(), &[part])
}

/// Number and part back from [`auto_reply`].
pub fn auto_reply_of(key: &[u8]) -> Option<(NumberId, u8)> {
    let [a, b, c, d, part] = key.try_into().ok()?;
    Some((NumberId(u32::from_be_bytes([a, b, c, d])), part))
}

/// The key of a pair: our number's id, then the peer's digits, or `0xff` and the digest of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PairKey {
    bytes: [u8; PAIR_NAME_BYTES],
    len: usize,
}

impl PairKey {
    fn of(number: NumberId, peer: &[u8]) -> PairKey {
        PairKey {
            bytes: join(&number.0.to_be_bytes(), peer),
            len: size_of::<NumberId>() + peer.len(),
        }
    }

    /// Reads a key; `None` for bytes that are none.
    pub fn read(key: &[u8]) -> Option<PairKey> {
        let (number, peer) = key.split_first_chunk()?;
        let is_name = key.len() == PAIR_NAME_BYTES && peer[0] == PAIR_NAME_MARK;
        (key.len() == PAIR_NUMBER_BYTES || is_name)
            .then(|| PairKey::of(NumberId(u32::from_be_bytes(*number)), peer))
    }

    /// Our number's id.
    pub fn number(&self) -> NumberId {
        let [a, b, c, d, ..] = self.bytes;
        NumberId(u32::from_be_bytes([a, b, c, d]))
    }
}

impl Deref for PairKey {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// The key of a pair.
pub fn pair(number: NumberId, peer: &Peer) -> PairKey {
    match peer {
        Peer::Number(peer) => PairKey::of(number, &peer.digits().to_be_bytes()),
        Peer::Name(name) => {
            let digest = digest(name.as_str().as_bytes());
            let marked: [u8; 1 + DIGEST_BYTES] = join(&[PAIR_NAME_MARK], &digest);
            PairKey::of(number, &marked)
        }
    }
}

/// The key of a further extent.
pub fn extent(conversation: ConversationId, extent: Extent) -> [u8; 16] {
    join(&conversation.0.to_be_bytes(), &extent.0.to_be_bytes())
}

/// The key of a timeline or inbox row, or of an opt-out: newest first, then the largest id first.
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

/// Account and place back from [`ledger`].
pub fn ledger_of(key: &[u8]) -> Option<(AccountId, LedgerPlace)> {
    let (account, rest) = key.split_first_chunk()?;
    let (seq, place) = rest.split_first_chunk()?;
    let place = LedgerPlace {
        seq: Seq(u64::from_be_bytes(*seq)),
        place: u16::from_be_bytes(place.try_into().ok()?),
    };
    Some((AccountId(u32::from_be_bytes(*account)), place))
}

/// The key of the receipts parked under one carrier message id; ids that share it share the row.
pub fn parked(carrier: CarrierId, id: &CarrierMessageId) -> [u8; 10] {
    // FNV-1a, 64 bits: stable over versions and machines, which the hasher of a map is not.
    let hash = id.0.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    join(&carrier.0.to_be_bytes(), &hash.to_be_bytes())
}

/// The key of the message that a carrier's id leads to.
pub fn owner(carrier: CarrierId, id: &CarrierMessageId) -> [u8; 18] {
    join(&carrier.0.to_be_bytes(), &digest(id.0.as_bytes()))
}

/// The key of the inbound message that a carrier's id leads to.
pub fn inbound(
    conversation: ConversationId,
    carrier: CarrierId,
    id: &CarrierMessageId,
) -> [u8; 26] {
    join(&conversation.0.to_be_bytes(), &owner(carrier, id))
}

/// Conversation and carrier back from [`inbound`].
pub fn inbound_of(key: &[u8]) -> Option<(ConversationId, CarrierId)> {
    let key: &[u8; 26] = key.try_into().ok()?;
    let (conversation, rest) = key.split_first_chunk()?;
    let (carrier, _) = rest.split_first_chunk()?;
    Some((
        ConversationId(u64::from_be_bytes(*conversation)),
        CarrierId(u16::from_be_bytes(*carrier)),
    ))
}

/// The key of one part of a message.
pub fn part(key: &PartsKey, place: u8) -> [u8; 17] {
    join(&parts_digest(key), &[place])
}

/// The keys of every part of a message.
pub fn parts(key: &PartsKey) -> impl Iterator<Item = [u8; 17]> + use<> {
    let digest = parts_digest(key);
    (1..=key.total).map(move |place| join(&digest, &[place]))
}

fn parts_digest(key: &PartsKey) -> [u8; DIGEST_BYTES] {
    digest(&rmp_serde::to_vec(key).expect("keys serialise into memory"))
}

/// The key of the n-th receipt that aged out, which takes the place of the one a ring's length before.
pub fn aged(n: u64) -> [u8; 8] {
    id(n % AGED_RECEIPTS_MAX)
}

/// The first and the last message id of an extent.
pub fn extent_bounds(extent: Extent) -> (MessageId, MessageId) {
    (extent.message(0), extent.message(u16::MAX))
}

fn join<const N: usize>(head: &[u8], tail: &[u8]) -> [u8; N] {
    let mut key = [0; N];
    key[..head.len()].copy_from_slice(head);
    key[head.len()..head.len() + tail.len()].copy_from_slice(tail);
    key
}

fn digest(bytes: &[u8]) -> [u8; DIGEST_BYTES] {
    let mut digest = [0; DIGEST_BYTES];
    digest.copy_from_slice(&Sha256::digest(bytes)[..DIGEST_BYTES]);
    digest
}

#[cfg(test)]
mod tests;
