//! The peers that messages go to, and what becomes of a message by its peer's last four digits.

use std::fmt::Write as _;

/// The first peer when none is given: a Dutch mobile number, without its `+`.
pub const PEER_BASE_DEFAULT: u64 = 31_610_000_000;

const BLOCK: u64 = 10_000;
/// Endings `0000` to `0009` are kept free for the simulator's special fates.
const ENDINGS_RESERVED: u64 = 10;
const PLAIN_PER_BLOCK: u64 = BLOCK - ENDINGS_RESERVED;
/// Fates in one turn of the cycle: seven special ones and a plain one.
const FATES: u64 = 8;

/// Why peers cannot be generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PeersError {
    /// There are none.
    #[error("no peers were asked for; ask for at least one")]
    None,
    /// The base is not an E.164 number.
    #[error("the first peer is no E.164 number; give + and 8 to 15 digits")]
    Base,
    /// Counting up from the base adds a digit or leaves the numbers that exist.
    #[error(
        "so many peers do not fit after the first one with the same number of digits; start lower"
    )]
    TooMany,
}

/// What the simulated carrier does with a message, told by the last four digits of the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// `0001`: refused at submit.
    RefusedAtSubmit,
    /// `0002`: a receipt says that it failed.
    FailedByReceipt,
    /// `0003`: submitted, and no receipt ever comes.
    NeverReceipted,
    /// `0004`: the receipt comes before the submit answer.
    ReceiptFirst,
    /// `0005`: every receipt comes three times.
    ReceiptsTwice,
    /// `0006`: throttled first, then taken.
    ThrottledFirst,
    /// `0007`: the submit is never answered.
    NeverAnswered,
    /// Any other ending: submitted and delivered.
    Delivered,
}

impl Fate {
    /// Reads the fate off a number's last four digits.
    pub fn of(number: u64) -> Self {
        match number % BLOCK {
            1 => Self::RefusedAtSubmit,
            2 => Self::FailedByReceipt,
            3 => Self::NeverReceipted,
            4 => Self::ReceiptFirst,
            5 => Self::ReceiptsTwice,
            6 => Self::ThrottledFirst,
            7 => Self::NeverAnswered,
            _ => Self::Delivered,
        }
    }

    /// The delivery status that such a message comes to rest at.
    pub fn resting_status(self) -> &'static str {
        match self {
            Self::RefusedAtSubmit | Self::FailedByReceipt => "failed",
            Self::NeverReceipted => "sent",
            Self::NeverAnswered => "sending",
            Self::ReceiptFirst | Self::ReceiptsTwice | Self::ThrottledFirst | Self::Delivered => {
                "delivered"
            }
        }
    }
}

/// A row of distinct peers with equally many digits each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peers {
    base: u64,
    count: u64,
    fates: bool,
}

impl Peers {
    /// Peers from `base` upwards that are all simply delivered to: none ends in `0000` to `0009`.
    ///
    /// # Errors
    /// [`PeersError`] when there are none, or too many for the number of digits.
    pub fn plain(base: u64, count: u64) -> Result<Self, PeersError> {
        Self {
            base,
            count,
            fates: false,
        }
        .checked()
    }

    /// Peers from `base` upwards that go through every [`Fate`] in turn.
    ///
    /// # Errors
    /// [`PeersError`] when there are none, or too many for the number of digits.
    pub fn with_fates(base: u64, count: u64) -> Result<Self, PeersError> {
        Self {
            base,
            count,
            fates: true,
        }
        .checked()
    }

    fn checked(self) -> Result<Self, PeersError> {
        if self.count == 0 {
            return Err(PeersError::None);
        }
        if !(10_000_000..=999_999_999_999_999).contains(&self.base) {
            return Err(PeersError::Base);
        }
        let blocks = self.count / if self.fates { FATES } else { PLAIN_PER_BLOCK };
        let reach = blocks
            .checked_add(2)
            .and_then(|blocks| blocks.checked_mul(BLOCK));
        let last = reach
            .and_then(|reach| self.base.checked_add(reach))
            .map(|_| self.number(self.count - 1));
        if last.is_none_or(|last| last.ilog10() != self.base.ilog10()) {
            return Err(PeersError::TooMany);
        }
        Ok(self)
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Digits of every one of them, without the `+`.
    pub fn digits(&self) -> usize {
        self.base.ilog10() as usize + 1
    }

    /// The peer that message `sequence` goes to, as digits without the `+`; peers repeat after [`Self::count`].
    pub fn number(&self, sequence: u64) -> u64 {
        let index = sequence % self.count;
        if self.fates {
            let ending = match index % FATES + 1 {
                FATES => ENDINGS_RESERVED,
                special => special,
            };
            return (self.base.div_ceil(BLOCK) + index / FATES) * BLOCK + ending;
        }
        let skipped = (self.base % BLOCK).saturating_sub(ENDINGS_RESERVED);
        let rank = self.base / BLOCK * PLAIN_PER_BLOCK + skipped + index;
        rank / PLAIN_PER_BLOCK * BLOCK + ENDINGS_RESERVED + rank % PLAIN_PER_BLOCK
    }

    /// The same peer in E.164, with its `+`.
    pub fn e164(&self, sequence: u64) -> String {
        let mut text = String::with_capacity(self.digits() + 1);
        write!(text, "+{}", self.number(sequence)).expect("writing to a string cannot fail");
        text
    }
}

/// Reads an E.164 number's digits; the `+` is optional.
///
/// # Errors
/// [`PeersError::Base`] when it is none.
pub fn parse_e164(text: &str) -> Result<u64, PeersError> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    if !(8..=15).contains(&digits.len())
        || digits.starts_with('0')
        || !digits.bytes().all(|b| b.is_ascii_digit())
    {
        return Err(PeersError::Base);
    }
    digits.parse().map_err(|_| PeersError::Base)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn plain_peers_are_distinct_and_avoid_the_reserved_endings() {
        for base in [
            PEER_BASE_DEFAULT,
            PEER_BASE_DEFAULT + 7,
            PEER_BASE_DEFAULT + 9_995,
        ] {
            let peers = Peers::plain(base, 25_000).unwrap();
            let numbers: HashSet<u64> = (0..25_000).map(|index| peers.number(index)).collect();
            assert_eq!(numbers.len(), 25_000);
            assert!(
                numbers
                    .iter()
                    .all(|number| number % BLOCK >= ENDINGS_RESERVED && *number >= base)
            );
            assert_eq!(peers.number(25_000), peers.number(0));
        }
    }

    #[test]
    fn a_row_within_one_block_is_simply_counted() {
        let peers = Peers::plain(PEER_BASE_DEFAULT, 10).unwrap();
        assert_eq!(peers.e164(0), "+31610000010");
        assert_eq!(peers.e164(9), "+31610000019");
        assert_eq!(
            Peers::plain(PEER_BASE_DEFAULT + 500, 10).unwrap().e164(0),
            "+31610000500"
        );
    }

    #[test]
    fn fates_go_through_all_of_them() {
        let peers = Peers::with_fates(PEER_BASE_DEFAULT, 16).unwrap();
        let numbers: Vec<u64> = (0..16).map(|index| peers.number(index)).collect();
        let statuses: Vec<&str> = numbers[..8]
            .iter()
            .map(|n| Fate::of(*n).resting_status())
            .collect();
        assert_eq!(
            statuses,
            [
                "failed",
                "failed",
                "sent",
                "delivered",
                "delivered",
                "delivered",
                "sending",
                "delivered"
            ]
        );
        assert_eq!(numbers.iter().collect::<HashSet<_>>().len(), 16);
    }

    #[test]
    fn rows_that_do_not_fit_are_refused() {
        assert_eq!(Peers::plain(PEER_BASE_DEFAULT, 0), Err(PeersError::None));
        assert_eq!(Peers::plain(12, 1), Err(PeersError::Base));
        assert_eq!(Peers::plain(99_999_990, 20_000), Err(PeersError::TooMany));
        assert_eq!(
            Peers::plain(PEER_BASE_DEFAULT, u64::MAX),
            Err(PeersError::TooMany)
        );
        assert_eq!(
            Peers::with_fates(PEER_BASE_DEFAULT, u64::MAX),
            Err(PeersError::TooMany)
        );
    }

    #[test]
    fn e164_is_read_with_or_without_its_plus() {
        assert_eq!(parse_e164("+31610000000"), Ok(PEER_BASE_DEFAULT));
        assert_eq!(parse_e164("31610000000"), Ok(PEER_BASE_DEFAULT));
        for text in [
            "",
            "+",
            "0612345678",
            "+31x10000000",
            "+1234567",
            "+1234567890123456",
        ] {
            assert_eq!(parse_e164(text), Err(PeersError::Base), "{text}");
        }
    }
}
