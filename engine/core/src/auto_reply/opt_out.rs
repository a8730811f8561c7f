//! The words by which people ask for no more messages.

use super::Folded;

/// What carriers and regulators take for a wish to be left alone (CTIA Messaging Principles 5.1.3; the
/// words of the largest operators), as [`Folded`] writes it.
const WORDS: [&str; 19] = [
    "stop",
    "stopall",
    "stop all",
    "unsubscribe",
    "cancel",
    "end",
    "quit",
    "optout",
    "opt out",
    "opt-out",
    "revoke",
    "arret",
    "arrêt",
    "alto",
    "baja",
    "stopp",
    "afmelden",
    "uitschrijven",
    "abmelden",
];

/// Whether a text is nothing but such a wish.
pub(super) fn asks_for_silence(text: &Folded) -> bool {
    WORDS.contains(&text.as_str())
}
