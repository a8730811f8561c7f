//! `[[routes]]`: which carriers are for which messages.

use didfarm_core::channel::Channel;
use serde::{Deserialize, Serialize};

/// `[[routes]]`: one rule, with its carriers.
///
/// Of the rules that fit a message the most specific one speaks: one that names its number before
/// one that does not, then the longer prefix, then one that names the channel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RouteSettings {
    /// Our numbers that it is for, each `+` and digits; empty for all.
    pub numbers: Vec<String>,
    /// What the peer's number begins with, `+` and digits; empty for all.
    pub prefix: String,
    /// The channel that it is for.
    pub channel: RouteChannel,
    /// Its carriers, at least one.
    pub targets: Vec<TargetSettings>,
}

/// The channel that a rule is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RouteChannel {
    /// All, each by those of its carriers that carry it.
    #[default]
    #[serde(rename = "")]
    All,
    /// SMS.
    #[serde(rename = "sms")]
    Sms,
    /// WhatsApp.
    #[serde(rename = "whatsapp")]
    WhatsApp,
}

impl RouteChannel {
    /// Returns the one channel, or nothing for all of them.
    pub fn one(self) -> Option<Channel> {
        match self {
            Self::All => None,
            Self::Sms => Some(Channel::Sms),
            Self::WhatsApp => Some(Channel::WhatsApp),
        }
    }
}

/// One carrier of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TargetSettings {
    /// The name of the carrier, or `simulator`.
    pub carrier: String,
    /// Its tier, lower ones first; its place in the list, from 0, when left out.
    pub tier: Option<u16>,
    /// Its share among those of its tier.
    pub weight: u32,
}

impl Default for TargetSettings {
    fn default() -> Self {
        Self {
            carrier: String::new(),
            tier: None,
            weight: 1,
        }
    }
}
