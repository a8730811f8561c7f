//! What a value may be: whether a value is allowed, and the sentence that says so.

use crate::filter::is_filter;
use crate::schema::Rule;

/// The fewest characters of an API key that are not to be guessed.
const API_KEY_CHARS_MIN: usize = 20;
/// The most characters of an API key.
const API_KEY_CHARS_MAX: usize = 200;
/// The most characters of a path or a filter.
pub(crate) const TEXT_CHARS_MAX: usize = 4_096;
/// The fewest digits of a number that a country hands out today.
const E164_DIGITS_MIN: usize = 7;
/// The most digits, ITU-T E.164, clause 6.
const E164_DIGITS_MAX: usize = 15;

/// What a value may be.
#[derive(Debug)]
pub(crate) enum Allowed {
    /// A whole number of `unit` (empty for none), bounds included; `zero` says what 0 stands for,
    /// if anything.
    Whole {
        min: i64,
        max: i64,
        unit: &'static str,
        zero: Option<&'static str>,
    },
    /// A number from 0 to 1.
    Share,
    /// `true` or `false`.
    YesOrNo,
    /// Any text without control characters, 1 to this many of them.
    Text { chars_max: usize },
    /// An IP address with a port.
    Address,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A log filter directive string.
    Filter,
    /// A number in E.164 form.
    E164,
    /// An API key in plain text.
    ApiKey,
    /// A table of these keys.
    Section(&'static [Rule]),
    /// A list of tables of these keys.
    List(&'static [Rule]),
}

impl Allowed {
    /// Tells whether a text in an environment variable is meant as it stands.
    ///
    /// A data directory named `2026` or a key of digits only is a text, whatever it looks like.
    pub(crate) fn is_text(&self) -> bool {
        match self {
            Self::Text { .. }
            | Self::Address
            | Self::OneOf(_)
            | Self::Filter
            | Self::E164
            | Self::ApiKey => true,
            Self::Whole { .. } | Self::Share | Self::YesOrNo | Self::Section(_) | Self::List(_) => {
                false
            }
        }
    }

    /// Tells whether a refused value may be shown: not a secret, and not a phone number.
    pub(crate) fn may_be_shown(&self) -> bool {
        !matches!(self, Self::ApiKey | Self::E164)
    }

    /// Tells whether a text is allowed here.
    pub(crate) fn admits_text(&self, text: &str) -> bool {
        match self {
            Self::Text { chars_max } => is_plain(text, *chars_max),
            Self::Address => text.parse::<std::net::SocketAddr>().is_ok(),
            Self::OneOf(words) => words.contains(&text),
            Self::Filter => is_plain(text, TEXT_CHARS_MAX) && is_filter(text),
            Self::E164 => is_e164(text),
            Self::ApiKey => {
                (API_KEY_CHARS_MIN..=API_KEY_CHARS_MAX).contains(&text.len())
                    && text.bytes().all(|byte| byte.is_ascii_graphic())
            }
            Self::Whole { .. } | Self::Share | Self::YesOrNo | Self::Section(_) | Self::List(_) => {
                false
            }
        }
    }

    /// Says what is allowed, to follow "must be".
    pub(crate) fn sentence(&self) -> String {
        match self {
            Self::Whole {
                min,
                max,
                unit,
                zero,
            } => {
                let zero = zero.map_or(String::new(), |zero| format!(" (0: {zero})"));
                let unit = match *unit {
                    "" => String::new(),
                    unit => format!(" of {unit}"),
                };
                format!("a whole number{unit} from {min} to {max}{zero}")
            }
            Self::Share => "a share, a number from 0 to 1".to_owned(),
            Self::YesOrNo => "true or false".to_owned(),
            Self::Text { chars_max } => {
                format!("a text of 1 to {chars_max} characters without control characters")
            }
            Self::Address => "an IP address with a port such as \"127.0.0.1:8080\"".to_owned(),
            Self::OneOf(words) => format!("one of \"{}\"", words.join("\", \"")),
            Self::Filter => {
                "a log filter such as \"info\" or \"info,didfarm_store=debug\"".to_owned()
            }
            Self::E164 => format!(
                "an E.164 number, \"+\" and {E164_DIGITS_MIN} to {E164_DIGITS_MAX} digits, the first not 0"
            ),
            Self::ApiKey => format!(
                "a key of {API_KEY_CHARS_MIN} to {API_KEY_CHARS_MAX} visible ASCII characters without spaces"
            ),
            Self::Section(_) => "a table".to_owned(),
            Self::List(_) => "a list of tables".to_owned(),
        }
    }
}

/// A replacement character stands where bytes were no UTF-8: such a text is not what was meant.
fn is_plain(text: &str, chars_max: usize) -> bool {
    let plain = |c: char| !c.is_control() && c != char::REPLACEMENT_CHARACTER;
    (1..=chars_max).contains(&text.chars().count()) && text.chars().all(plain)
}

fn is_e164(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| {
        (E164_DIGITS_MIN..=E164_DIGITS_MAX).contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}
