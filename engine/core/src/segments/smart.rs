//! Smart encoding: characters that force UCS-2 are swapped for look-alikes that GSM-7 has.

use std::borrow::Cow;

use super::{BODY_CHARS_MAX, Encoding, count};

/// Characters that GSM-7 lacks, in order, each with what says the same in it.
///
/// Only what keeps the meaning is here: punctuation, spaces, and letters that Unicode itself calls the
/// same as one of GSM-7's (the ohm sign, the Latin ligatures). A letter with an accent that GSM-7 lacks
/// stays what it is, as do the letters of every other alphabet. No text is longer in UTF-8 than what it
/// stands for, so that no bound on a body's bytes is broken by a swap.
const LOOK_ALIKES: &[(char, &str)] = &[
    ('\t', " "),
    ('\u{0B}', "\n"), // line tabulation
    ('`', "'"),
    ('\u{85}', "\n"), // next line
    ('\u{A0}', " "),  // no-break space
    ('«', "\""),
    ('\u{AD}', ""), // soft hyphen: shown only where a line breaks
    ('´', "'"),
    ('»', "\""),
    ('×', "x"),
    ('ʹ', "'"),
    ('ʺ', "\""),
    ('ʻ', "'"),
    ('ʼ', "'"),
    ('ʽ', "'"),
    ('ˆ', "^"),
    ('ˊ', "'"),
    ('ˋ', "'"),
    ('˜', "~"),
    ('\u{2000}', " "), // en quad
    ('\u{2001}', " "), // em quad
    ('\u{2002}', " "), // en space
    ('\u{2003}', " "), // em space
    ('\u{2004}', " "), // three-per-em space
    ('\u{2005}', " "), // four-per-em space
    ('\u{2006}', " "), // six-per-em space
    ('\u{2007}', " "), // figure space
    ('\u{2008}', " "), // punctuation space
    ('\u{2009}', " "), // thin space
    ('\u{200A}', " "), // hair space
    ('\u{200B}', ""),  // zero width space
    ('‐', "-"),
    ('\u{2011}', "-"), // non-breaking hyphen
    ('‒', "-"),
    ('–', "-"),
    ('—', "-"),
    ('―', "-"),
    ('‘', "'"),
    ('’', "'"),
    ('‚', "'"),
    ('‛', "'"),
    ('“', "\""),
    ('”', "\""),
    ('„', "\""),
    ('‟', "\""),
    ('•', "*"),
    ('‣', "*"),
    ('․', "."),
    ('‥', ".."),
    ('…', "..."),
    ('\u{2028}', "\n"), // line separator
    ('\u{2029}', "\n"), // paragraph separator
    ('\u{202F}', " "),  // narrow no-break space
    ('′', "'"),
    ('″', "\""),
    ('‵', "'"),
    ('‶', "\""),
    ('‹', "'"),
    ('›', "'"),
    ('‼', "!!"),
    ('⁃', "-"),
    ('⁄', "/"),
    ('⁇', "??"),
    ('⁈', "?!"),
    ('⁉', "!?"),
    ('\u{205F}', " "), // medium mathematical space
    ('\u{2060}', ""),  // word joiner
    ('\u{2126}', "Ω"), // ohm sign
    ('\u{212A}', "K"), // kelvin sign
    ('\u{212B}', "Å"), // ångström sign
    ('−', "-"),
    ('∕', "/"),
    ('∗', "*"),
    ('∙', "*"),
    ('∣', "|"),
    ('∶', ":"),
    ('∼', "~"),
    ('⋯', "..."),
    ('▪', "*"),
    ('●', "*"),
    ('◦', "*"),
    ('❛', "'"),
    ('❜', "'"),
    ('❝', "\""),
    ('❞', "\""),
    ('\u{3000}', " "), // ideographic space
    ('〝', "\""),
    ('〞', "\""),
    ('ﬀ', "ff"),
    ('ﬁ', "fi"),
    ('ﬂ', "fl"),
    ('ﬃ', "ffi"),
    ('ﬄ', "ffl"),
    ('﹘', "-"),
    ('﹣', "-"),
    ('\u{FEFF}', ""), // byte order mark
];

/// Letters of GSM-7 that a text may spell in two: letter, combining mark, the letter with it.
const COMPOSED: &[(char, char, char)] = &[
    ('A', '\u{308}', 'Ä'),
    ('A', '\u{30A}', 'Å'),
    ('C', '\u{327}', 'Ç'),
    ('E', '\u{301}', 'É'),
    ('N', '\u{303}', 'Ñ'),
    ('O', '\u{308}', 'Ö'),
    ('U', '\u{308}', 'Ü'),
    ('a', '\u{300}', 'à'),
    ('a', '\u{308}', 'ä'),
    ('a', '\u{30A}', 'å'),
    ('e', '\u{300}', 'è'),
    ('e', '\u{301}', 'é'),
    ('i', '\u{300}', 'ì'),
    ('n', '\u{303}', 'ñ'),
    ('o', '\u{300}', 'ò'),
    ('o', '\u{308}', 'ö'),
    ('u', '\u{300}', 'ù'),
    ('u', '\u{308}', 'ü'),
];

/// A character that GSM-7 lacks, as often as a text has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forcing {
    /// The character.
    pub character: char,
    /// Where it stands first, counted in characters from 0.
    pub first: usize,
    /// How often it is there.
    pub count: usize,
}

/// Returns what is written for `c` by [`smart_encoded`]; nothing for a character that stays.
pub fn look_alike(c: char) -> Option<&'static str> {
    let place = LOOK_ALIKES.binary_search_by_key(&c, |(from, _)| *from);
    place.ok().map(|place| LOOK_ALIKES[place].1)
}

/// Returns the characters of `body` that force UCS-2, each once, in the order of their first places.
pub fn forcing(body: &str) -> Vec<Forcing> {
    let mut found: Vec<Forcing> = Vec::new();
    for (first, character) in super::unencodable(body) {
        match found.iter_mut().find(|one| one.character == character) {
            Some(one) => one.count += 1,
            None => found.push(Forcing {
                character,
                first,
                count: 1,
            }),
        }
    }
    found
}

/// Returns `body` with look-alikes from GSM-7 in place of what forces UCS-2, where that is worth it.
///
/// It is worth it when the text fits GSM-7 then without taking more segments, or takes fewer in any
/// case; otherwise, and when it would pass [`BODY_CHARS_MAX`], the body stays as it is. Encoding twice
/// changes nothing more.
pub fn smart_encoded(body: &str) -> Cow<'_, str> {
    let before = count(body);
    if before.encoding == Encoding::Gsm7 {
        return Cow::Borrowed(body);
    }
    let swapped = swapped(body);
    let after = count(&swapped);
    let fits = after.encoding == Encoding::Gsm7 && after.segments <= before.segments;
    let is_worth_it = fits || after.segments < before.segments;
    let is_something = !swapped.is_empty() && swapped.chars().count() <= BODY_CHARS_MAX;
    if is_worth_it && is_something {
        Cow::Owned(swapped)
    } else {
        Cow::Borrowed(body)
    }
}

/// Swaps whatever can be swapped.
fn swapped(body: &str) -> String {
    let mut text = String::with_capacity(body.len());
    for c in body.chars() {
        if let Some(written) = look_alike(c) {
            text.push_str(written);
            continue;
        }
        let letter = text.chars().next_back();
        match letter.and_then(|letter| composed(letter, c)) {
            Some(whole) => {
                text.pop();
                text.push(whole);
            }
            None => text.push(c),
        }
    }
    text
}

fn composed(letter: char, mark: char) -> Option<char> {
    let row = COMPOSED
        .iter()
        .find(|(of, with, _)| (*of, *with) == (letter, mark));
    row.map(|(_, _, composed)| *composed)
}

#[cfg(test)]
mod tests {
    use super::super::gsm7;
    use super::*;

    #[test]
    fn the_tables_are_in_order_and_lead_from_outside_of_gsm7_into_it_without_growing() {
        assert!(LOOK_ALIKES.is_sorted_by_key(|(from, _)| *from));
        for (from, to) in LOOK_ALIKES {
            assert_eq!(gsm7::Code::of(*from), None, "{from:?}");
            assert!(to.chars().all(|c| gsm7::Code::of(c).is_some()), "{from:?}");
            assert!(to.len() <= from.len_utf8(), "{from:?}");
        }
        for (letter, mark, composed) in COMPOSED {
            assert!(gsm7::Code::of(*letter).is_some() && gsm7::Code::of(*composed).is_some());
            assert_eq!(gsm7::Code::of(*mark), None, "{composed:?}");
            assert!(composed.len_utf8() <= letter.len_utf8() + mark.len_utf8());
        }
    }

    #[test]
    fn the_only_letters_that_are_swapped_are_the_same_by_unicode() {
        let letters: String = LOOK_ALIKES
            .iter()
            .map(|(from, _)| *from)
            .filter(|from| from.is_alphabetic() && !('ʹ'..='˿').contains(from))
            .collect();
        assert_eq!(letters, "\u{2126}\u{212A}\u{212B}ﬀﬁﬂﬃﬄ");
    }
}
