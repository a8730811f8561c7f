//! The form in which texts are compared: as people type, not as machines store.

use std::borrow::Cow;
use std::iter;

use icu_normalizer::ComposingNormalizerBorrowed;

/// A text without what people do not mean by it: case, punctuation and space around it, how much space
/// is inside, typographic quotes and dashes, fullwidth forms, what does not show, whether a letter and its
/// marks are one character or several.
///
/// A text of punctuation alone keeps it: `?` may be a keyword.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folded(Box<str>);

impl Folded {
    /// Folds a text.
    pub fn new(text: &str) -> Folded {
        let mut folded = String::with_capacity(text.len());
        for c in composed(text).chars().filter(|c| !is_invisible(*c)) {
            if c.is_whitespace() {
                if !folded.ends_with(' ') {
                    folded.push(' ');
                }
            } else {
                folded.extend(fold_case(plain(c)));
            }
        }
        // Some letters have no upper case of one character: they fall apart on the way.
        let folded = composed(&folded);
        let bare = folded.trim_matches(|c| c == ' ' || is_punctuation(c));
        let kept = if bare.is_empty() { folded.trim() } else { bare };
        Folded(kept.into())
    }

    /// Whether nothing is left.
    pub fn is_blank(&self) -> bool {
        self.0.is_empty()
    }

    /// The folded text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The canonical composition (NFC, Unicode's annex 15): handsets write `ê` as one character and as two.
fn composed(text: &str) -> Cow<'_, str> {
    match text.is_ascii() {
        true => Cow::Borrowed(text),
        false => ComposingNormalizerBorrowed::new_nfc().normalize(text),
    }
}

/// Upper case and back takes with it what lower case alone leaves apart: `ß` and `ss`, `ς` and `σ`.
fn fold_case(c: char) -> impl Iterator<Item = char> {
    // Two of the three iterators are empty: ASCII, nearly all there is, needs no table.
    let ascii = c.is_ascii().then(|| c.to_ascii_lowercase());
    let other = iter::once(c)
        .filter(|c| !c.is_ascii())
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase);
    ascii.into_iter().chain(other)
}

/// The plain form of what keyboards and handsets put in its place.
fn plain(c: char) -> char {
    match c {
        '\u{2018}' | '\u{2019}' => '\'',
        '\u{201c}' | '\u{201d}' => '"',
        '\u{2010}'..='\u{2015}' => '-',
        // Fullwidth forms of ASCII's printing characters.
        '\u{ff01}'..='\u{ff5e}' => {
            char::from_u32(u32::from(c) - 0xfee0).expect("the range lies 0xfee0 above ASCII")
        }
        // Unicode's own upper case of it is SS.
        'ẞ' => 'ß',
        // Turkish has four letters where a handset of another language has two.
        'İ' => 'i',
        _ => c,
    }
}

/// Controls that are no space, marks of direction, joiners, variation selectors, the soft hyphen.
fn is_invisible(c: char) -> bool {
    (c.is_control() && !c.is_whitespace())
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

/// Unicode's punctuation (general category P) of the scripts in wide use, and the marks of WhatsApp's
/// `~struck~` and `` `fixed` `` text. Signs with a meaning of their own stay: `+`, `$`, `=`, `<`.
fn is_punctuation(c: char) -> bool {
    matches!(c,
        '!'..='#' | '%'..='*' | ','..='/' | ':' | ';' | '?' | '@' | '['..=']' | '_'..='`' | '{' | '}'
        | '~' | '¡' | '§' | '«' | '¶' | '·' | '»' | '¿'
        | '\u{37e}' | '\u{387}' // Greek
        | '\u{55a}'..='\u{55f}' | '\u{589}' | '\u{58a}' // Armenian
        | '\u{5be}' | '\u{5c0}' | '\u{5c3}' | '\u{5c6}' | '\u{5f3}' | '\u{5f4}' // Hebrew
        | '\u{60c}' | '\u{60d}' | '\u{61b}' | '\u{61d}'..='\u{61f}' | '\u{66a}'..='\u{66d}'
        | '\u{6d4}' // Arabic
        | '\u{964}' | '\u{965}' | '\u{970}' // Devanagari
        | '\u{e5a}' | '\u{e5b}' | '\u{104a}'..='\u{104f}' // Thai, Myanmar
        | '\u{1361}'..='\u{1368}' | '\u{17d4}'..='\u{17d6}' | '\u{17d8}'..='\u{17da}' // Ethiopic, Khmer
        | '\u{2016}'..='\u{2027}' | '\u{2030}'..='\u{2043}' | '\u{2045}'..='\u{205e}' // general
        | '\u{3001}'..='\u{3003}' | '\u{3008}'..='\u{3011}' | '\u{3014}'..='\u{301f}' | '\u{3030}'
        | '\u{30fb}' | '\u{fe10}'..='\u{fe19}' | '\u{fe30}'..='\u{fe61}' | '\u{ff5f}'..='\u{ff65}' // CJK
    )
}
