//! What becomes of a message, by the last four digits of its peer.
//!
//! These endings have their fate whatever the shares in the settings; only `rate_max` comes before them.
//!
//! | Ending | Fate |
//! |---|---|
//! | `0001` | refused at submit, reason `invalid_destination` |
//! | `0002` | accepted; the receipt says failed, reason `unreachable` |
//! | `0003` | accepted; no receipt ever comes |
//! | `0004` | accepted; the delivered receipt comes before the submit answer |
//! | `0005` | accepted; the delivered receipt comes three times |
//! | `0006` | throttled on the first and second submit, accepted on the third; delivered |
//! | `0007` | no answer and no receipt ever come |
//! | `0008` | accepted; the receipt says failed, and a later one delivered |
//! | `0009` | the connection is cut: the answer is that there is none, and no receipt comes |
//!
//! Every other ending is accepted and delivered, unless a share decides otherwise. A message of several
//! segments has its fate in each of them. A WhatsApp message is read after it was delivered.

use didfarm_core::peer::Peer;

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Accepted and delivered, unless a share decides otherwise.
    Delivered,
    /// Refused at submit.
    Refused,
    /// A receipt says that it failed.
    Failed,
    /// Accepted, and no receipt comes.
    NeverReceipted,
    /// The receipt comes before the answer.
    ReceiptFirst,
    /// The receipt comes three times.
    ReceiptThrice,
    /// Throttled twice, then accepted and delivered.
    ThrottledTwice,
    /// Nothing ever comes.
    NeverAnswered,
    /// Failed first, delivered later.
    Contradicted,
    /// Answered with no answer.
    ConnectionCut,
}

/// One row of the table of fates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FateRow {
    /// The last four digits of the peer.
    pub ending: u16,
    /// What they stand for.
    pub fate: Fate,
    /// The same in words, for documents.
    pub text: &'static str,
}

const fn row(ending: u16, fate: Fate, text: &'static str) -> FateRow {
    FateRow { ending, fate, text }
}

/// The endings with a fate of their own, from `0001` upwards without a gap.
pub const FATES: &[FateRow] = &[
    row(
        1,
        Fate::Refused,
        "refused at submit, reason `invalid_destination`",
    ),
    row(
        2,
        Fate::Failed,
        "accepted; the receipt says failed, reason `unreachable`",
    ),
    row(3, Fate::NeverReceipted, "accepted; no receipt ever comes"),
    row(
        4,
        Fate::ReceiptFirst,
        "accepted; the delivered receipt comes before the submit answer",
    ),
    row(
        5,
        Fate::ReceiptThrice,
        "accepted; the delivered receipt comes three times",
    ),
    row(
        6,
        Fate::ThrottledTwice,
        "throttled on the first and second submit, accepted on the third; delivered",
    ),
    row(7, Fate::NeverAnswered, "no answer and no receipt ever come"),
    row(
        8,
        Fate::Contradicted,
        "accepted; the receipt says failed, and a later one delivered",
    ),
    row(
        9,
        Fate::ConnectionCut,
        "the connection is cut: the answer is that there is none, and no receipt comes",
    ),
];

/// One more than the greatest ending: an ending is four digits.
const ENDINGS: u64 = 10_000;

impl Fate {
    /// Reads the fate off a peer's last four digits; a peer known by a name only gets its messages.
    pub fn of(peer: &Peer) -> Fate {
        let Some(number) = peer.number() else {
            return Fate::Delivered;
        };
        let ending = (number.digits() % ENDINGS) as usize;
        match ending.checked_sub(1).and_then(|place| FATES.get(place)) {
            Some(row) => row.fate,
            None => Fate::Delivered,
        }
    }
}

#[cfg(test)]
mod tests {
    use didfarm_core::e164::E164;

    use super::*;

    #[test]
    fn the_table_in_the_header_is_the_one_in_the_code() {
        let documented: Vec<&str> = include_str!("fate.rs")
            .lines()
            .filter(|line| line.starts_with("//! | `"))
            .collect();
        let expected: Vec<String> = FATES
            .iter()
            .map(|row| format!("//! | `{:04}` | {} |", row.ending, row.text))
            .collect();
        assert_eq!(documented, expected);
    }

    #[test]
    fn every_ending_has_its_fate_and_all_others_are_delivered() {
        let by_place = |ending: u64| FATES.iter().find(|row| u64::from(row.ending) == ending);
        for ending in 0..ENDINGS {
            let peer = E164::from_digits(31_610_000_000 + ending).unwrap();
            let expected = by_place(ending).map_or(Fate::Delivered, |row| row.fate);
            assert_eq!(Fate::of(&peer.into()), expected, "{ending:04}");
        }
    }
}
