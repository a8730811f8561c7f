//! Parts of a long inbound message that wait for the others (3GPP TS 23.040, 9.2.3.24.1).
//!
//! Parts are kept as the carrier sent them, octets and coding: a character may be cut between two.

use serde::{Deserialize, Serialize};

use crate::e164::E164;
use crate::ids::CarrierId;
use crate::peer::Peer;

/// How long parts wait for the others, in milliseconds; then the message is shown with gaps.
pub const WAIT_MS: u64 = 24 * 60 * 60 * 1000;
/// The most parts that are held at once, over all messages.
pub const HELD_MAX: usize = 100_000;

/// Which message a part belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PartsKey {
    /// Who brings it.
    pub carrier: CarrierId,
    /// The peer.
    pub from: Peer,
    /// Our number.
    pub to: E164,
    /// The reference that the parts share.
    pub reference: u16,
    /// Whether the reference has 16 bits; it has 8 otherwise.
    pub wide: bool,
    /// How many parts there are, at least 2.
    pub total: u8,
}

/// One part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Which message it belongs to.
    pub key: PartsKey,
    /// Its place, 1 to `total`.
    pub place: u8,
    /// Its octets without the header, at most 255.
    pub octets: Box<[u8]>,
    /// How they are coded (`data_coding` of SMPP 3.4, 5.2.19).
    pub coding: u8,
}
