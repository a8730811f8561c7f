//! The shape of `/api/v1/sms/quote`.

use didfarm_core::channel::Channel;
use didfarm_core::peer::Peer;
use didfarm_core::segments::{Forcing, look_alike};
use didfarm_runtime::quote;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{CURRENCY, Shown, euros};

/// What a message would cost.
#[derive(Serialize)]
pub(crate) struct Quote<'a> {
    to: Shown<&'a Peer>,
    channel: &'static str,
    #[serde(flatten)]
    given: Text<'a>,
    ucs2_characters: Vec<Ucs2Character>,
    segment_price: Box<RawValue>,
    smart_encoding: Smart<'a>,
    /// What a send with the same fields is charged.
    cost: Box<RawValue>,
    currency: &'static str,
}

/// What one text comes to.
#[derive(Serialize)]
struct Text<'a> {
    body: &'a str,
    encoding: &'static str,
    segments: u16,
    units: u32,
    segment_characters: &'a [usize],
    price: Box<RawValue>,
}

/// A character that forces UCS-2.
#[derive(Serialize)]
struct Ucs2Character {
    character: char,
    code_point: String,
    position: usize,
    count: usize,
    replacement: Option<&'static str>,
}

/// The text after smart encoding.
#[derive(Serialize)]
struct Smart<'a> {
    requested: bool,
    changes: bool,
    #[serde(flatten)]
    text: Text<'a>,
}

impl<'a> Quote<'a> {
    pub(crate) fn of(
        quoted: &'a quote::Quote,
        to: &'a Peer,
        channel: Channel,
        requested: bool,
    ) -> Quote<'a> {
        let after = quoted.smart.as_ref().unwrap_or(&quoted.given);
        Quote {
            to: Shown(to),
            channel: channel.as_str(),
            given: Text::of(&quoted.given),
            ucs2_characters: quoted.forcing.iter().map(Ucs2Character::of).collect(),
            segment_price: euros(quoted.segment_price),
            smart_encoding: Smart {
                requested,
                changes: quoted.smart.is_some(),
                text: Text::of(after),
            },
            cost: euros(quoted.charge),
            currency: CURRENCY,
        }
    }
}

impl<'a> Text<'a> {
    fn of(text: &'a quote::QuotedText) -> Text<'a> {
        Text {
            body: &text.body,
            encoding: text.encoding.as_str(),
            segments: text.segments,
            units: text.units,
            segment_characters: &text.segment_chars,
            price: euros(text.price),
        }
    }
}

impl Ucs2Character {
    fn of(forcing: &Forcing) -> Ucs2Character {
        Ucs2Character {
            character: forcing.character,
            code_point: format!("U+{:04X}", u32::from(forcing.character)),
            position: forcing.first,
            count: forcing.count,
            replacement: look_alike(forcing.character),
        }
    }
}
