//! What a value may be, in words.

use didfarm_core::e164::{DIGITS_MAX, DIGITS_MIN};

use super::Allowed;
use super::form::{
    API_KEY_CHARS_MAX, API_KEY_CHARS_MIN, CARRIER_CHARS_MAX, PUBLIC_KEY_BYTES, SIMULATOR,
};
use crate::address::BASE_URL_CHARS_MAX;

impl Allowed {
    /// Says what is allowed, to follow "must be".
    pub(crate) fn sentence(&self) -> String {
        match self {
            Self::Whole {
                min,
                max,
                unit,
                zero,
            } => whole(*min, *max, unit, *zero),
            Self::Share => "a share, a number from 0 to 1".to_owned(),
            Self::YesOrNo => "true or false".to_owned(),
            Self::Text {
                chars_min,
                chars_max,
            } => {
                format!(
                    "a text of {chars_min} to {chars_max} characters without control characters"
                )
            }
            Self::Ascii {
                chars_min,
                chars_max,
            } => format!(
                "a text of {chars_min} to {chars_max} visible ASCII characters without spaces"
            ),
            Self::Word {
                chars_min,
                chars_max,
            } => format!(
                "a text of {chars_min} to {chars_max} ASCII letters, digits, \"_\" and \"-\""
            ),
            Self::Address => "an IP address with a port such as \"127.0.0.1:8080\"".to_owned(),
            Self::AddressOrNothing => {
                "an IP address with a port such as \"127.0.0.1:2424\", or \"\"".to_owned()
            }
            Self::HostPort => "a host with a port such as \"smsc.example.org:2775\"".to_owned(),
            Self::HostOrNothing => "a host such as \"smsc.example.org\", or \"\"".to_owned(),
            Self::BaseUrl { or_nothing } => base_url(*or_nothing),
            Self::Network => "a network such as \"10.20.0.0/16\" or \"fd00:1::/64\"".to_owned(),
            Self::MailAddress => "a mail address such as \"sms@example.org\"".to_owned(),
            Self::OneOf(words) => format!("one of \"{}\"", words.join("\", \"")),
            Self::Filter => {
                "a log filter such as \"info\" or \"info,didfarm_store=debug\"".to_owned()
            }
            Self::E164 => format!("an E.164 number, {}", digits(DIGITS_MIN)),
            Self::Prefix => {
                let digits = digits(1);
                format!("what E.164 numbers begin with, {digits}, or \"\"")
            }
            Self::ApiKey => format!(
                "a key of {API_KEY_CHARS_MIN} to {API_KEY_CHARS_MAX} visible ASCII characters without spaces"
            ),
            Self::Secret { chars_max } => format!(
                "a secret of 1 to {chars_max} printable ASCII characters, no space first or last"
            ),
            Self::PublicKey => {
                format!("an Ed25519 public key, {PUBLIC_KEY_BYTES} bytes in base64")
            }
            Self::Carrier { simulator } => carrier(*simulator),
            Self::GraphVersion => "a version of the Graph API such as \"v23.0\"".to_owned(),
            Self::Section(_) => "a table".to_owned(),
            Self::List {
                entries_min,
                entries_max,
                ..
            } => format!("a list of {} tables", count(*entries_min, *entries_max)),
            Self::Texts { each, entries_max } => {
                let each = each.sentence();
                format!("a list of at most {entries_max} texts, each {each}")
            }
        }
    }
}

fn whole(min: i64, max: i64, unit: &str, zero: Option<&str>) -> String {
    let zero = zero.map_or(String::new(), |zero| format!(" (0: {zero})"));
    let unit = match unit {
        "" => String::new(),
        unit => format!(" of {unit}"),
    };
    format!("a whole number{unit} from {min} to {max}{zero}")
}

fn digits(min: usize) -> String {
    format!("\"+\" and {min} to {DIGITS_MAX} digits, the first not 0")
}

fn base_url(or_nothing: bool) -> String {
    let or_nothing = if or_nothing { ", or \"\"" } else { "" };
    format!(
        "an address of at most {BASE_URL_CHARS_MAX} characters such as \"https://api.example.org\", \
         http on loopback only, without user, query and trailing \"/\"{or_nothing}"
    )
}

fn carrier(simulator: bool) -> String {
    let but = if simulator {
        String::new()
    } else {
        format!(", not \"{SIMULATOR}\"")
    };
    format!("a name of 1 to {CARRIER_CHARS_MAX} characters, a to z, 0 to 9 and \"-\"{but}")
}

/// Says how many entries a list may have.
fn count(min: usize, max: usize) -> String {
    match min {
        0 => format!("at most {max}"),
        min => format!("{min} to {max}"),
    }
}
