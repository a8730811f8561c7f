//! Keywords: the words that rules answer to.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::folded::Folded;

/// The longest keyword, in Unicode scalar values.
pub const KEYWORD_CHARS_MAX: usize = 64;

/// A word, or a few, that a message may consist of.
#[derive(Debug, Clone)]
pub struct Keyword {
    written: Box<str>,
    folded: Folded,
}

impl Keyword {
    /// Reads a keyword; `None` for what shows nothing or is longer than [`KEYWORD_CHARS_MAX`].
    pub fn parse(text: &str) -> Option<Keyword> {
        let written = text.trim();
        let keyword = Keyword {
            written: written.into(),
            folded: Folded::new(written),
        };
        let fits = !keyword.folded.is_blank() && written.chars().count() <= KEYWORD_CHARS_MAX;
        fits.then_some(keyword)
    }

    /// As it was written, without space around it.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// As it is compared.
    pub fn folded(&self) -> &Folded {
        &self.folded
    }
}

impl PartialEq for Keyword {
    fn eq(&self, other: &Keyword) -> bool {
        self.written == other.written
    }
}

impl Eq for Keyword {}

impl Serialize for Keyword {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.written)
    }
}

impl<'de> Deserialize<'de> for Keyword {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Box::<str>::deserialize(deserializer)?;
        let folded = Folded::new(&written);
        Ok(Keyword { written, folded })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_message_is_a_keyword_however_it_is_typed() {
        for (keyword, messages) in [
            (
                "info",
                &[
                    "INFO",
                    " Info! ",
                    "\"info\"",
                    "“info”…",
                    "*info*",
                    "ＩＮＦＯ",
                    "in\u{200b}fo",
                ][..],
            ),
            (
                "Opening  hours",
                &["opening hours?", "OPENING\u{a0}HOURS", "opening\n hours."],
            ),
            ("STRASSE", &["straße", "Straẞe"]),
            ("ΌΡΟΣ", &["όρος", "Όρος;"]),
            ("BİLGİ", &["bilgi", "BILGI", "BİLGİ!"]),
            ("МЕНЮ", &["меню", "«Меню»"]),
            ("j'arrive", &["J’arrive !", "¡j‘arrive!"]),
            ("نعم", &["نعم؟", "\u{200f}نعم"]),
            ("はい", &["はい。", "「はい」", "はい！"]),
            ("हाँ", &["हाँ।"]),
            ("❤\u{fe0f}", &["❤", "❤!"]),
            ("?", &["？", " ? "]),
        ] {
            let keyword = Keyword::parse(keyword).unwrap();
            for message in messages {
                assert_eq!(Folded::new(message), *keyword.folded(), "{message}");
            }
        }
    }

    #[test]
    fn a_message_that_says_more_is_no_keyword() {
        for (keyword, message) in [
            ("info", "more info"),
            ("info", "information"),
            ("C", "C+"),
            ("1", "10"),
            ("opening hours", "openinghours"),
            ("?", "!"),
            ("👍", "👎"),
            ("info", ""),
        ] {
            let keyword = Keyword::parse(keyword).unwrap();
            assert_ne!(Folded::new(message), *keyword.folded(), "{message}");
        }
    }

    #[test]
    fn what_shows_nothing_is_no_keyword() {
        let long = "a".repeat(KEYWORD_CHARS_MAX + 1);
        for text in ["", " \n", "\u{200b}\u{feff}", "\u{0}", &long] {
            assert!(Keyword::parse(text).is_none(), "{text:?}");
        }
        assert!(Keyword::parse(&long[1..]).is_some());
    }

    proptest! {
        #[test]
        fn punctuation_space_and_case_never_part_a_word_from_itself(
            word in "[a-zà-öø-ÿα-ωа-я]{1,12}( [a-zа-я]{1,12})?",
            before in "[ \\t!?.¡«“(*]{0,4}",
            after in "[ \\n!?.»”)…*]{0,4}",
        ) {
            let message = format!("{before}{}{after}", word.to_uppercase());
            prop_assert_eq!(Folded::new(&message), Folded::new(&word));
        }

        #[test]
        fn any_text_folds(text in any::<String>()) {
            let folded = Folded::new(&text);
            prop_assert_eq!(folded.as_str().trim(), folded.as_str());
        }
    }
}
