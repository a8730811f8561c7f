//! The words by which people ask for no more messages, for messages again, and for help: how a message is
//! found to be one.

mod list;

use std::collections::HashMap;
use std::sync::LazyLock;

use self::list::{LOCAL, ON_BUTTONS, WORDS};
use super::Language;
use crate::folded::Folded;

/// The longest text that is looked at, in bytes: no word is near it, whatever is typed around it.
const TEXT_BYTES_MAX: usize = 160;

/// What a word asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Meaning {
    /// No more messages.
    Stop,
    /// Messages again.
    Start,
    /// Help.
    Help,
}

/// A word that a message consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    /// What it asks for.
    pub meaning: Meaning,
    /// Its language; `None` for one that many languages share.
    pub language: Option<Language>,
    /// As it stands in the list.
    pub listed: &'static str,
}

/// The words by the form in which they are compared.
static LISTED: LazyLock<HashMap<String, Word>> = LazyLock::new(|| {
    let mut listed = HashMap::new();
    for (meaning, language, words) in WORDS {
        for word in *words {
            let found = Word {
                meaning: *meaning,
                language: *language,
                listed: word,
            };
            listed.entry(compared(word)).or_insert(found);
        }
    }
    listed
});

/// What is left without the signs and emoji around a word, and the space and the marks that people put inside
/// of it: `<STOP>`, `OPT-OUT`, `S.T.O.P.`
fn compared(text: &str) -> String {
    let folded = Folded::new(text);
    let bare = folded.as_str().trim_matches(|c: char| !c.is_alphanumeric());
    let is_greek = bare.chars().any(|c| matches!(c, '\u{370}'..='\u{3ff}'));
    bare.chars()
        .filter(|c| !matches!(c, ' ' | '-' | '.' | '_' | '\''))
        .map(|c| if is_greek { greek(c) } else { c })
        .collect()
}

/// The Greek letter that a Latin one stands for in Greek: GSM-7 has only the capitals that Latin lacks (3GPP
/// TS 23.038, 6.2.1), and handsets write the others in Latin.
fn greek(c: char) -> char {
    const LATIN: &str = "abezhikmnoptyx";
    const GREEK: &str = "αβεζηικμνορτυχ";
    let mut pairs = LATIN.chars().zip(GREEK.chars());
    let found = pairs.find(|(latin, _)| *latin == c);
    found.map_or(c, |(_, greek)| greek)
}

impl Word {
    /// Reads a message that is nothing but one of the words; `language` is the peer's by its country.
    pub fn read(text: &str, language: Language) -> Option<Word> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let word = LISTED.get(&compared(text)).copied()?;
        let local = LOCAL.iter().find(|(local, _)| *local == word.listed);
        local
            .is_none_or(|(_, languages)| languages.contains(&language))
            .then_some(word)
    }

    /// Reads the title of a button that the peer chose: only what cannot mean anything else.
    pub fn read_button(title: &str, language: Language) -> Option<Word> {
        Word::read(title, language).filter(|word| ON_BUTTONS.contains(&word.listed))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::list::Row;
    use super::*;
    use crate::consent::Language::*;

    fn meaning(text: &str) -> Option<Meaning> {
        Word::read(text, English).map(|word| word.meaning)
    }

    /// Reads a word of the list where it counts.
    fn read(word: &str, listed: &str) -> Option<Word> {
        let local = LOCAL.iter().find(|(local, _)| *local == listed);
        Word::read(word, local.map_or(English, |(_, languages)| languages[0]))
    }

    fn all() -> Vec<&'static str> {
        let words = WORDS.iter().flat_map(|(_, _, words)| words.iter().copied());
        words.collect()
    }

    #[test]
    fn every_word_stands_in_the_list_once() {
        let mut forms = HashSet::new();
        for word in all() {
            assert!(forms.insert(compared(word)), "{word}");
        }
        for language in Language::ALL {
            for wanted in [Meaning::Stop, Meaning::Start, Meaning::Help] {
                let has =
                    |row: &&Row| row.0 == wanted && (row.1 == Some(*language) || row.1.is_none());
                assert!(WORDS.iter().any(|row| has(&row)), "{language:?} {wanted:?}");
            }
        }
    }

    #[test]
    fn the_words_of_the_fcc_stop() {
        for word in [
            "stop",
            "quit",
            "end",
            "revoke",
            "opt out",
            "cancel",
            "unsubscribe",
        ] {
            assert_eq!(meaning(word), Some(Meaning::Stop), "{word}");
        }
    }

    #[test]
    fn words_are_known_however_they_are_typed() {
        for (text, expected) in [
            ("STOP", Meaning::Stop),
            ("  Stop!! ", Meaning::Stop),
            ("*stop*", Meaning::Stop),
            ("S.T.O.P.", Meaning::Stop),
            ("“Stop”", Meaning::Stop),
            ("ＳＴＯＰ", Meaning::Stop),
            ("OPT-OUT", Meaning::Stop),
            ("optout", Meaning::Stop),
            ("StopAll", Meaning::Stop),
            ("ARRÊT", Meaning::Stop),
            ("СТОП.", Meaning::Stop),
            ("Stopp.", Meaning::Stop),
            ("توقف؟", Meaning::Stop),
            ("停止。", Meaning::Stop),
            ("UNSTOP", Meaning::Start),
            ("start\n", Meaning::Start),
            ("Opt-In", Meaning::Start),
            ("help?", Meaning::Help),
            ("Hilfe!", Meaning::Help),
            // A letter and its mark as two characters.
            ("ARRE\u{302}T", Meaning::Stop),
            ("de\u{301}sabonner", Meaning::Stop),
            ("STOP 🛑", Meaning::Stop),
            ("🛑🛑 stop ❗\u{fe0f}", Meaning::Stop),
            ("<STOP>", Meaning::Stop),
            ("= stop +", Meaning::Stop),
            ("start ▶\u{fe0f}", Meaning::Start),
            // Greek of a GSM-7 handset: Latin T and O, Latin A, P and H.
            ("ΣTOΠ", Meaning::Stop),
            ("ΔIAΓPAΦH", Meaning::Stop),
            ("ΣΤΟΠ", Meaning::Stop),
        ] {
            assert_eq!(meaning(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_says_more_or_something_else_is_no_word() {
        for text in [
            "",
            "!",
            "please stop calling me at night",
            "stop it",
            "non stop",
            "don't stop",
            "when does it start?",
            "help me with my order",
            "the end",
            "fine",
            "yes",
            "no",
            "1",
            "stop 1234",
            "cancel my order",
            "информация",
            "🛑",
            "<>",
            "🛑 don't stop 🛑",
        ] {
            assert_eq!(meaning(text), None, "{text}");
        }
        assert_eq!(meaning(&format!("stop{}", "!".repeat(200))), None);
    }

    #[test]
    fn a_word_that_is_an_ordinary_one_elsewhere_counts_only_at_home() {
        for (word, languages) in LOCAL {
            let listed = LISTED[&compared(word)];
            assert!(
                listed.language.is_some_and(|own| languages.contains(&own)),
                "{word}"
            );
            for language in Language::ALL {
                let counts = Word::read(word, *language).is_some();
                assert_eq!(counts, languages.contains(language), "{word} {language:?}");
            }
        }
        assert_eq!(Word::read("Seis", Spanish), None);
        assert!(Word::read("Seis", Finnish).is_some());
    }

    #[test]
    fn a_button_opts_out_only_where_it_can_mean_nothing_else() {
        for listed in ON_BUTTONS {
            let word = Word::read_button(listed, English);
            assert_eq!(
                word.map(|word| word.meaning),
                Some(Meaning::Stop),
                "{listed}"
            );
        }
        for title in ["Stop promotions", "STOP", "Opt-out", "Unsubscribe"] {
            assert!(Word::read_button(title, English).is_some(), "{title}");
        }
        for title in [
            "Cancel", "End", "Quit", "Start", "Help", "Info", "Resume", "Cancelar",
        ] {
            assert!(Word::read(title, Spanish).is_some(), "{title}");
            assert_eq!(Word::read_button(title, Spanish), None, "{title}");
        }
    }

    proptest! {
        #[test]
        fn marks_and_case_around_a_word_change_nothing(
            place in 0..all().len(),
            before in "[ \\t!?.¡«“(*]{0,4}",
            after in "[ \\n!?.»”)…*]{0,4}",
        ) {
            let word = all()[place];
            let typed = format!("{before}{}{after}", word.to_uppercase());
            prop_assert_eq!(read(&typed, word), read(word, word));
            prop_assert!(read(word, word).is_some());
        }

        /// Latin words of five letters or more beside a word: no two of the list make a third.
        #[test]
        fn a_longer_sentence_is_no_word(
            place in 0..all().len(),
            more in "[b-df-hj-np-tv-z]{5,12}( [a-z]{1,8}){0,3}",
            first in any::<bool>(),
        ) {
            let word = all()[place];
            let text = if first { format!("{more} {word}") } else { format!("{word}, {more}") };
            prop_assert_eq!(read(&text, word), None);
        }
    }
}
