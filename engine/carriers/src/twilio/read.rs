//! Reads Twilio's callbacks: receipts from status callbacks, messages from peers.

use std::sync::Arc;

use didfarm_core::channel::Channel;
use didfarm_core::content::{Content, ContentKind, Location, MEDIA_MAX, Media};
use didfarm_core::ids::MessageId;
use didfarm_core::peer::Peer;

use super::form::Form;
use super::status::{claim_of, is_inbound};
use super::{STATUS_TAIL, WHATSAPP};
use crate::Receipt;
use crate::callback::{Callback, Inbound};
use crate::http::party;

/// Reads one callback; `tail` is what stands behind our address, and signed.
pub(super) fn read(form: &Form<'_>, tail: &str) -> Callback {
    let mut callback = Callback::default();
    let status = form.get("MessageStatus").or(form.get("SmsStatus"));
    match status {
        Some(status) if !is_inbound(status) => receipt(form, status, tail, &mut callback),
        Some(_) => inbound(form, &mut callback),
        None if form.get("Body").is_some() || form.get("NumMedia").is_some() => {
            inbound(form, &mut callback);
        }
        None => callback.ignored += 1,
    }
    callback
}

fn sid<'a>(form: &'a Form<'_>) -> Option<&'a str> {
    form.get("MessageSid").or(form.get("SmsSid"))
}

fn receipt(form: &Form<'_>, status: &str, tail: &str, callback: &mut Callback) {
    let Some(id) = sid(form).and_then(party::message_id) else {
        callback.malformed += 1;
        return;
    };
    let code = form.get("ErrorCode").and_then(|code| code.parse().ok());
    match claim_of(status, code) {
        Some((claim, reason)) => callback.receipts.push(Receipt {
            message: message_of(tail),
            id,
            claim,
            reason,
        }),
        None => callback.ignored += 1,
    }
}

/// Our id of the message, which we gave as the end of the callback's address.
fn message_of(tail: &str) -> Option<MessageId> {
    let id = tail.strip_prefix(STATUS_TAIL)?;
    id.starts_with(MessageId::PREFIX)
        .then(|| id.parse().ok())
        .flatten()
}

fn inbound(form: &Form<'_>, callback: &mut Callback) {
    let id = sid(form).and_then(party::message_id);
    let sender = form.get("From").and_then(address);
    let to = form.get("To").and_then(address);
    let (Some(id), Some((channel, from)), Some((_, Peer::Number(to)))) = (id, sender, to) else {
        callback.malformed += 1;
        return;
    };
    let (from, alias) = with_alias(from, form.get("WaId"));
    let text = form.get("Body").or(form.get("ButtonText"));
    let (text, cut) = party::cut_body(text.unwrap_or_default());
    callback.malformed += u32::from(cut);
    callback.inbound.push(Inbound {
        id: Some(id),
        from,
        alias,
        to,
        channel,
        body: Arc::from(text),
        content: content(form, channel, &mut callback.malformed),
    });
}

/// Reads an address: a number, a name, or either behind `whatsapp:`. Other channels are not ours.
fn address(text: &str) -> Option<(Channel, Peer)> {
    let (channel, text) = match text.strip_prefix(WHATSAPP) {
        Some(rest) => (Channel::WhatsApp, rest),
        None if text.contains(':') => return None,
        None => (Channel::Sms, text),
    };
    Some((channel, party::peer(text)?))
}

/// A WhatsApp user who comes under a name is known by the number as well where `WaId` has it.
fn with_alias(from: Peer, whatsapp_id: Option<&str>) -> (Peer, Option<Peer>) {
    match whatsapp_id.and_then(party::number) {
        Some(number) if from.name().is_some() => (Peer::Number(number), Some(from)),
        _ => (from, None),
    }
}

/// What the message holds besides its text; nothing for a plain one.
fn content(form: &Form<'_>, channel: Channel, malformed: &mut u32) -> Option<Box<Content>> {
    let short = |name| form.get(name).and_then(party::short_text);
    let mut content = Content::of(ContentKind::Text);
    content.profile_name = short("ProfileName");
    content.media = media(form, malformed);
    if let (Some(latitude), Some(longitude)) = (short("Latitude"), short("Longitude")) {
        content.location = Some(Location {
            latitude,
            longitude,
            name: short("Label"),
            address: short("Address"),
        });
    }
    content.kind = match channel {
        Channel::Sms => ContentKind::Text,
        Channel::WhatsApp => kind(form, &content),
    };
    let is_plain = content == Content::of(ContentKind::Text);
    (!is_plain).then(|| Box::new(content))
}

fn kind(form: &Form<'_>, content: &Content) -> ContentKind {
    let named = form.get("MessageType").map(|kind| match kind {
        "button" => ContentKind::Interactive,
        kind => ContentKind::parse(kind).unwrap_or(ContentKind::Unsupported),
    });
    let seen = if content.location.is_some() {
        ContentKind::Location
    } else if form.get("ButtonText").is_some() {
        ContentKind::Interactive
    } else {
        ContentKind::Text
    };
    named.unwrap_or(seen)
}

/// `MediaUrlN` and `MediaContentTypeN`, N from 0 below `NumMedia`.
fn media(form: &Form<'_>, malformed: &mut u32) -> Vec<Media> {
    let count: usize = form
        .get("NumMedia")
        .and_then(|count| count.parse().ok())
        .unwrap_or(0);
    let mut media = Vec::new();
    for place in 0..count.min(MEDIA_MAX) {
        let text = |name: &str| {
            form.get(&format!("{name}{place}"))
                .and_then(party::short_text)
        };
        match text("MediaUrl") {
            Some(url) => media.push(Media {
                url: Some(url),
                content_type: text("MediaContentType"),
                ..Media::default()
            }),
            None => *malformed += 1,
        }
    }
    *malformed += u32::from(count > MEDIA_MAX);
    media
}
