//! What a value may be, and whether a text is one.

mod form;
mod sentence;

pub(crate) use form::SIMULATOR;

use crate::address::{is_base_url, is_host, is_host_and_port, is_mail_address, is_socket_address};
use crate::filter::is_filter;
use crate::schema::Rule;

/// The most characters of a path or a filter.
pub(crate) const TEXT_CHARS_MAX: usize = 4_096;

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
    /// Any text without control characters, of so many of them.
    Text { chars_min: usize, chars_max: usize },
    /// Visible ASCII characters without spaces, so many of them.
    Ascii { chars_min: usize, chars_max: usize },
    /// What may stand in a path: letters, digits, `_` and `-`, so many of them.
    Word { chars_min: usize, chars_max: usize },
    /// An IP address with a port.
    Address,
    /// An IP address with a port, or nothing.
    AddressOrNothing,
    /// A host, by name or IP address, with a port.
    HostPort,
    /// A host, by name or IP address, or nothing.
    HostOrNothing,
    /// The base address of an HTTP service, or nothing where that is allowed.
    BaseUrl { or_nothing: bool },
    /// A range of IP addresses.
    Network,
    /// A mail address.
    MailAddress,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A log filter directive string.
    Filter,
    /// A number in E.164 form.
    E164,
    /// What numbers in E.164 form begin with, or nothing.
    Prefix,
    /// An API key in plain text.
    ApiKey,
    /// A secret that someone else chose, in plain text, of at most so many characters.
    Secret { chars_max: usize },
    /// An Ed25519 public key in base64.
    PublicKey,
    /// The name of a carrier; `simulator` names one only where carriers are referred to.
    Carrier { simulator: bool },
    /// A version of the Graph API.
    GraphVersion,
    /// A table of these keys.
    Section(&'static [Rule]),
    /// A list of so many tables of these keys.
    List {
        rules: &'static [Rule],
        entries_min: usize,
        entries_max: usize,
    },
    /// A list of texts, each of which is allowed by itself.
    Texts {
        each: &'static Allowed,
        entries_max: usize,
    },
}

impl Allowed {
    /// Tells whether a text in an environment variable is meant as it stands.
    ///
    /// A data directory named `2026` or a key of digits only is a text, whatever it looks like.
    pub(crate) fn is_text(&self) -> bool {
        match self {
            Self::Whole { .. }
            | Self::Share
            | Self::YesOrNo
            | Self::Section(_)
            | Self::List { .. }
            | Self::Texts { .. } => false,
            Self::Text { .. }
            | Self::Ascii { .. }
            | Self::Word { .. }
            | Self::Address
            | Self::AddressOrNothing
            | Self::HostPort
            | Self::HostOrNothing
            | Self::BaseUrl { .. }
            | Self::Network
            | Self::MailAddress
            | Self::OneOf(_)
            | Self::Filter
            | Self::E164
            | Self::Prefix
            | Self::ApiKey
            | Self::Secret { .. }
            | Self::PublicKey
            | Self::Carrier { .. }
            | Self::GraphVersion => true,
        }
    }

    /// Tells whether a refused value may be shown: not a secret, nor what a secret may have been
    /// put in place of, and not a phone number.
    pub(crate) fn may_be_shown(&self) -> bool {
        !matches!(
            self,
            Self::ApiKey | Self::Secret { .. } | Self::PublicKey | Self::E164 | Self::Prefix
        )
    }

    /// Tells whether a text is allowed here.
    pub(crate) fn admits_text(&self, text: &str) -> bool {
        match self {
            Self::Text {
                chars_min,
                chars_max,
            } => form::is_plain(text, *chars_min, *chars_max),
            Self::Ascii {
                chars_min,
                chars_max,
            } => form::is_visible(text, *chars_min, *chars_max),
            Self::Word {
                chars_min,
                chars_max,
            } => form::is_word(text, *chars_min, *chars_max),
            Self::Address => is_socket_address(text),
            Self::AddressOrNothing => text.is_empty() || is_socket_address(text),
            Self::HostPort => is_host_and_port(text),
            Self::HostOrNothing => text.is_empty() || is_host(text),
            Self::BaseUrl { or_nothing } => (*or_nothing && text.is_empty()) || is_base_url(text),
            Self::Network => text.parse::<ipnet::IpNet>().is_ok(),
            Self::MailAddress => is_mail_address(text),
            Self::OneOf(words) => words.contains(&text),
            Self::Filter => form::is_plain(text, 1, TEXT_CHARS_MAX) && is_filter(text),
            Self::E164 => form::is_e164(text),
            Self::Prefix => text.is_empty() || form::is_prefix(text),
            Self::ApiKey => form::is_api_key(text),
            Self::Secret { chars_max } => form::is_secret(text, *chars_max),
            Self::PublicKey => form::is_public_key(text),
            Self::Carrier { simulator } => form::is_carrier(text, *simulator),
            Self::GraphVersion => form::is_graph_version(text),
            Self::Whole { .. }
            | Self::Share
            | Self::YesOrNo
            | Self::Section(_)
            | Self::List { .. }
            | Self::Texts { .. } => false,
        }
    }
}
