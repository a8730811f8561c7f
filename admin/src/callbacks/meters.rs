//! The metrics of callbacks, one set of handles per carrier and worker.

use didfarm_carriers::callback::Callback;
use metrics::{Counter, Unit, counter, describe_counter};

/// Carriers' requests, by `carrier` and by `outcome`.
pub const CALLBACKS_TOTAL: &str = "didfarm_callbacks_total";
/// What durable callbacks held, by `carrier` and by `kind`.
pub const CALLBACK_ELEMENTS_TOTAL: &str = "didfarm_callback_elements_total";

/// What became of a carrier's request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// All of it is durable.
    Taken,
    /// Its signature, or the token of its challenge, is not right.
    RefusedSignature,
    /// It is genuine, and cannot be read.
    Unreadable,
    /// The carrier is to bring it again.
    Overloaded,
    /// The carrier's check of the address was answered.
    Challenge,
}

impl Outcome {
    const ALL: [Outcome; 5] = [
        Outcome::Taken,
        Outcome::RefusedSignature,
        Outcome::Unreadable,
        Outcome::Overloaded,
        Outcome::Challenge,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Outcome::Taken => "taken",
            Outcome::RefusedSignature => "refused_signature",
            Outcome::Unreadable => "unreadable",
            Outcome::Overloaded => "overloaded",
            Outcome::Challenge => "challenge",
        }
    }
}

/// The kinds of elements, in the order of [`ElementCounts`].
const KINDS: [&str; 6] = [
    "receipt",
    "inbound",
    "part",
    "preference",
    "ignored",
    "malformed",
];

/// How many elements of each kind a callback holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ElementCounts([u64; KINDS.len()]);

impl ElementCounts {
    pub(super) fn of(callback: &Callback) -> ElementCounts {
        ElementCounts([
            callback.receipts.len() as u64,
            callback.inbound.len() as u64,
            callback.parts.len() as u64,
            callback.preferences.len() as u64,
            callback.ignored.into(),
            callback.malformed.into(),
        ])
    }
}

/// One carrier's handles, looked up once.
pub(super) struct CarrierMeters {
    outcomes: [Counter; Outcome::ALL.len()],
    elements: [Counter; KINDS.len()],
}

impl CarrierMeters {
    /// Looks the handles up in the recorder that is installed. The carrier's name is one of the
    /// settings', so that the set of labels is closed.
    pub(super) fn register(carrier: &str) -> CarrierMeters {
        let carrier = carrier.to_owned();
        CarrierMeters {
            outcomes: Outcome::ALL.map(|outcome| {
                counter!(CALLBACKS_TOTAL, "carrier" => carrier.clone(), "outcome" => outcome.as_str())
            }),
            elements: KINDS.map(
                |kind| counter!(CALLBACK_ELEMENTS_TOTAL, "carrier" => carrier.clone(), "kind" => kind),
            ),
        }
    }

    pub(super) fn count(&self, outcome: Outcome) {
        self.outcomes[outcome as usize].increment(1);
    }

    pub(super) fn count_elements(&self, ElementCounts(counts): &ElementCounts) {
        for (counter, count) in self.elements.iter().zip(counts) {
            if *count > 0 {
                counter.increment(*count);
            }
        }
    }
}

/// Tells the recorder what the metrics mean.
pub(crate) fn describe() {
    describe_counter!(
        CALLBACKS_TOTAL,
        Unit::Count,
        "Carriers' requests, by what became of them."
    );
    describe_counter!(
        CALLBACK_ELEMENTS_TOTAL,
        Unit::Count,
        "What durable callbacks held, by kind."
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_its_own_place_and_word() {
        for (place, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, place);
        }
        let mut words = Outcome::ALL.map(Outcome::as_str);
        words.sort_unstable();
        assert!(words.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn elements_are_counted_under_their_own_kind() {
        let callback = Callback {
            ignored: 2,
            malformed: 3,
            ..Callback::default()
        };
        assert_eq!(
            ElementCounts::of(&callback),
            ElementCounts([0, 0, 0, 0, 2, 3])
        );
        assert_eq!(KINDS[4..], ["ignored", "malformed"]);
    }
}
