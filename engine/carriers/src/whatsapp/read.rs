//! A callback's body to receipts and inbound messages.
//!
//! Statuses come without an order and more than once, and so do messages: what they mean together is the
//! engine's to say, here each stands alone.

use std::sync::Arc;

use didfarm_core::channel::Channel;
use didfarm_core::consent::ConsentChange;
use didfarm_core::content::{Content, ContentKind, Location, Media};
use didfarm_core::delivery::receipt::Claim;
use didfarm_core::e164::E164;
use didfarm_core::ids::MessageId;
use didfarm_core::peer::{Peer, PeerName};
use didfarm_core::reason::Reason;
use didfarm_core::time::Timestamp;
use serde_json::value::RawValue;
use tracing::warn;

use super::numbers::Numbers;
use super::reasons;
use super::said::{self, Said};
use super::tolerant::{Code, Text};
use super::wa_id;
use super::wire::{self, Contact, MediaObject, Message, Place, Status, UserPreference, Value};
use crate::Receipt;
use crate::callback::{Callback, Inbound, Preference, Unreadable};
use crate::http::party;

/// What the body says that it is about.
const OBJECT: &str = "whatsapp_business_account";
/// The category of messages whose preference is an opt-out.
const MARKETING: &str = "marketing_messages";
/// Longest degree of a place, in bytes.
const DEGREES_BYTES_MAX: usize = 32;

/// Reads a body that is genuine.
///
/// # Errors
/// It is no JSON object, or has no `entry`.
pub(super) fn read(body: &[u8], numbers: &Numbers, carrier: &str) -> Result<Callback, Unreadable> {
    let unreadable = |detail: String| Unreadable { detail };
    let (envelope, malformed) = wire::parse(body).map_err(|e| unreadable(e.to_string()))?;
    let Some(entries) = envelope.entry else {
        return Err(unreadable("there is no array `entry`".into()));
    };
    let mut reading = Reading {
        numbers,
        carrier,
        callback: Callback {
            malformed,
            ..Callback::default()
        },
    };
    let is_ours = envelope.object.is_none_or(|object| &*object == OBJECT);
    for change in entries
        .into_iter()
        .flat_map(|entry| entry.changes.unwrap_or_default())
    {
        if !is_ours || !change.is_ours() {
            reading.callback.ignored += 1;
            continue;
        }
        match &change.value {
            Some(value) => reading.value(value),
            None => reading.callback.malformed += 1,
        }
    }
    Ok(reading.callback)
}

/// A body on its way to a callback.
struct Reading<'s> {
    numbers: &'s Numbers,
    carrier: &'s str,
    callback: Callback,
}

impl Reading<'_> {
    fn value(&mut self, value: &Value<'_>) {
        let statuses = value.statuses.as_deref().unwrap_or_default();
        self.callback.receipts.reserve(statuses.len());
        for status in statuses {
            self.status(status);
        }
        let messages = value.messages.as_deref().unwrap_or_default();
        if !messages.is_empty() {
            self.messages(value, messages);
        }
        let preferences = value.user_preferences.as_deref().unwrap_or_default();
        if !preferences.is_empty() {
            self.preferences(value, preferences);
        }
        for error in value.errors.as_deref().unwrap_or_default() {
            self.callback.ignored += 1;
            warn!(
                carrier = self.carrier,
                code = error.code.map(|code| code.0),
                "carrier reports an error of its own"
            );
        }
    }

    fn status(&mut self, status: &Status<'_>) {
        let (Some(id), Some(word)) = (
            status.id.as_deref().and_then(party::message_id),
            &status.status,
        ) else {
            self.callback.malformed += 1;
            return;
        };
        let claim = match &**word {
            "sent" => Claim::EnRoute,
            "delivered" => Claim::Delivered,
            "read" | "played" => Claim::Read,
            "failed" => Claim::Failed,
            _ => {
                self.callback.ignored += 1;
                return;
            }
        };
        self.callback.receipts.push(Receipt {
            message: status
                .biz_opaque_callback_data
                .as_deref()
                .and_then(own_message),
            id,
            claim,
            reason: (claim == Claim::Failed).then(|| failure(status)),
        });
    }

    fn preferences(&mut self, value: &Value<'_>, preferences: &[UserPreference<'_>]) {
        let Some(number) = self.our_number(value, preferences.len()) else {
            return;
        };
        for preference in preferences {
            self.preference(preference, number);
        }
    }

    fn preference(&mut self, preference: &UserPreference<'_>, number: E164) {
        let change = match (preference.category.as_deref(), preference.value.as_deref()) {
            (Some(MARKETING), Some("stop")) => ConsentChange::OptedOut,
            (Some(MARKETING), Some("resume")) => ConsentChange::OptedIn,
            (Some(_), Some(_)) => {
                self.callback.ignored += 1;
                return;
            }
            (None, _) | (_, None) => {
                self.callback.malformed += 1;
                return;
            }
        };
        let by_number = preference.wa_id.as_deref().and_then(wa_id::number);
        let by_name = || name(&preference.user_id);
        let Some(peer) = by_number.map(Peer::Number).or_else(by_name) else {
            self.callback.malformed += 1;
            return;
        };
        self.callback.preferences.push(Preference {
            peer,
            number,
            change,
            detail: short(&preference.detail),
            stated_at: preference.timestamp.and_then(seconds),
        });
    }

    /// Our number, without which none of so many elements can be used.
    fn our_number(&mut self, value: &Value<'_>, elements: usize) -> Option<E164> {
        let number = our_number(value, self.numbers);
        if number.is_none() {
            warn!(
                carrier = self.carrier,
                elements, "what a carrier brings names no number of ours"
            );
            self.callback.malformed += u32::try_from(elements).unwrap_or(u32::MAX);
        }
        number
    }

    fn messages(&mut self, value: &Value<'_>, messages: &[Message<'_>]) {
        let Some(to) = self.our_number(value, messages.len()) else {
            return;
        };
        let contacts = value.contacts.as_deref().unwrap_or_default();
        for (at, message) in messages.iter().enumerate() {
            self.message(message, contact_of(message, contacts, at), to);
        }
    }

    fn message(&mut self, message: &Message<'_>, contact: Option<&Contact<'_>>, to: E164) {
        let id = message.id.as_deref().and_then(party::message_id);
        let (Some(id), Some((from, alias))) = (id, sender(message)) else {
            self.callback.malformed += 1;
            return;
        };
        let (said, is_clear) = match said::said(message) {
            said::Heard::Said(said) => (said, true),
            said::Heard::Unclear(said) => (said, false),
            said::Heard::Nothing => {
                self.callback.ignored += 1;
                return;
            }
        };
        let (body, is_cut) = party::cut_body(&said.body);
        if !is_clear || is_cut {
            self.callback.malformed += 1;
        }
        self.callback.inbound.push(Inbound {
            id: Some(id),
            from,
            alias,
            to,
            channel: Channel::WhatsApp,
            body: Arc::from(body),
            content: content(&said, contact),
        });
    }
}

/// Our own id, where the text is one that we gave: others of the same business account may put what they
/// like there, bare integers too.
fn own_message(text: &str) -> Option<MessageId> {
    text.starts_with(MessageId::PREFIX)
        .then(|| text.parse().ok())
        .flatten()
}

fn failure(status: &Status<'_>) -> Reason {
    let code = status
        .errors
        .as_deref()
        .and_then(|errors| errors.first()?.code);
    code.map_or(Reason::Unknown, |code| reasons::of_receipt(code.0))
}

/// Our number: by Meta's id of it, else by its digits.
fn our_number(value: &Value<'_>, numbers: &Numbers) -> Option<E164> {
    let metadata = value.metadata.as_ref()?;
    let by_id = metadata
        .phone_number_id
        .as_deref()
        .and_then(|id| numbers.number(id));
    by_id.or_else(|| {
        let shown = metadata.display_phone_number.as_deref()?;
        let digits: String = shown.chars().filter(char::is_ascii_digit).collect();
        party::number(&digits)
    })
}

/// The peer, and what else it is known as. The number comes first: it is the one name that all channels
/// share.
fn sender(message: &Message<'_>) -> Option<(Peer, Option<Peer>)> {
    let number = message
        .from
        .as_deref()
        .and_then(wa_id::number)
        .map(Peer::Number);
    let user = name(&message.from_user_id).or_else(|| name(&message.from_parent_user_id));
    match (number, user) {
        (Some(number), user) => Some((number, user)),
        (None, Some(user)) => Some((user, None)),
        (None, None) => None,
    }
}

/// A peer that WhatsApp knows by a name of its own.
fn name(text: &Option<Text<'_>>) -> Option<Peer> {
    PeerName::parse(text.as_deref()?).map(Peer::Name)
}

/// A time in seconds since 1970.
fn seconds(Code(seconds): Code) -> Option<Timestamp> {
    seconds.checked_mul(1_000_000).map(Timestamp)
}

/// Who wrote the message: Meta lists senders in the order of their messages, one each.
fn contact_of<'c>(
    message: &Message<'_>,
    contacts: &'c [Contact<'c>],
    at: usize,
) -> Option<&'c Contact<'c>> {
    let same = |one: &Option<Text<'_>>, other: &Option<Text<'_>>| one.is_some() && one == other;
    let wrote = |contact: &&Contact<'_>| {
        same(&contact.wa_id, &message.from) || same(&contact.user_id, &message.from_user_id)
    };
    contacts
        .get(at)
        .filter(wrote)
        .or_else(|| contacts.iter().find(wrote))
}

/// What the message holds besides its text; `None` for plain text of someone without a name.
fn content(said: &Said<'_>, contact: Option<&Contact<'_>>) -> Option<Box<Content>> {
    let profile_name = contact
        .and_then(|contact| contact.profile.as_ref()?.name.as_deref())
        .and_then(party::short_text);
    if said.kind == ContentKind::Text && profile_name.is_none() {
        return None;
    }
    Some(Box::new(Content {
        media: said.media.map(media).into_iter().collect(),
        location: said.place.and_then(location),
        profile_name,
        ..Content::of(said.kind)
    }))
}

fn media(object: &MediaObject<'_>) -> Media {
    Media {
        url: short(&object.url),
        id: short(&object.id),
        content_type: short(&object.mime_type),
        bytes: None,
        sha256: short(&object.sha256),
        filename: short(&object.filename),
    }
}

fn location(place: &Place<'_>) -> Option<Location> {
    let degrees = |raw: Option<&RawValue>| {
        let text = raw?.get().trim_matches('"');
        let is_number =
            text.len() <= DEGREES_BYTES_MAX && text.parse::<f64>().is_ok_and(f64::is_finite);
        is_number.then(|| text.into())
    };
    Some(Location {
        latitude: degrees(place.latitude)?,
        longitude: degrees(place.longitude)?,
        name: short(&place.name),
        address: short(&place.address),
    })
}

fn short(text: &Option<Text<'_>>) -> Option<Box<str>> {
    text.as_deref().and_then(party::short_text)
}
