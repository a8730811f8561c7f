//! Reads Telnyx's events: receipts from `message.sent` and `message.finalized`, messages from
//! `message.received`; every other event is counted.

use std::borrow::Cow;
use std::sync::Arc;

use didfarm_core::channel::Channel;
use didfarm_core::content::{Content, ContentKind, MEDIA_MAX, Media};

use super::door::message_of;
use super::status::claim_of;
use super::wire::{self, Attachment, Enveloped, Event, Message, Party, elements, lenient};
use crate::Receipt;
use crate::callback::{Callback, Inbound, Unreadable};
use crate::http::party;

/// Reads one webhook.
pub(super) fn read(body: &[u8]) -> Result<Callback, Unreadable> {
    let mut callback = Callback::default();
    let Ok(Enveloped { data }) = serde_json::from_slice::<Enveloped<'_>>(body) else {
        if !wire::is_json(body) {
            return Err(Unreadable {
                detail: "no JSON".to_owned(),
            });
        }
        callback.malformed = 1;
        return Ok(callback);
    };
    let Some(event) = lenient::<Event<'_>>(data) else {
        callback.malformed = 1;
        return Ok(callback);
    };
    match &*event.event_type {
        "message.sent" | "message.finalized" => match lenient::<Message<'_>>(event.payload) {
            Some(message) => receipts(&message, &mut callback),
            None => callback.malformed += 1,
        },
        "message.received" => match lenient::<wire::Inbound<'_>>(event.payload) {
            Some(message) => inbound(&message, &mut callback),
            None => callback.malformed += 1,
        },
        _ => callback.ignored += 1,
    }
    Ok(callback)
}

/// One claim for each recipient whose status claims something.
fn receipts(message: &Message<'_>, callback: &mut Callback) {
    let Some(id) = message.id.as_deref().and_then(party::message_id) else {
        callback.malformed += 1;
        return;
    };
    let signed = lenient::<Cow<'_, str>>(message.webhook_url).and_then(|url| message_of(&url));
    let recipients = elements(message.to);
    if recipients.is_empty() {
        callback.malformed += 1;
    }
    for recipient in recipients {
        let Some(Party {
            status: Some(status),
            ..
        }) = lenient(Some(recipient))
        else {
            callback.malformed += 1;
            continue;
        };
        match claim_of(&status, message.errors) {
            Some((claim, reason)) => callback.receipts.push(Receipt {
                message: signed,
                id: id.clone(),
                claim,
                reason,
            }),
            None => callback.ignored += 1,
        }
    }
}

/// A message from a peer to the number of ours that it was brought for.
fn inbound(message: &wire::Inbound<'_>, callback: &mut Callback) {
    let id = message.id.as_deref().and_then(party::message_id);
    let from =
        lenient::<Party>(message.from).and_then(|from| party::peer(from.phone_number.as_deref()?));
    let to = our_number(message).and_then(|number| party::number(&number));
    let (Some(id), Some(from), Some(to)) = (id, from, to) else {
        callback.malformed += 1;
        return;
    };
    let text = lenient::<Cow<'_, str>>(message.text).unwrap_or_default();
    let (text, cut) = party::cut_body(&text);
    callback.malformed += u32::from(cut);
    let kind = lenient::<Cow<'_, str>>(message.kind);
    callback.inbound.push(Inbound {
        id: Some(id),
        from,
        alias: None,
        to,
        channel: match kind.as_deref() {
            Some("WHATSAPP") => Channel::WhatsApp,
            _ => Channel::Sms,
        },
        body: Arc::from(text),
        content: attachments(message, &mut callback.malformed),
    });
}

/// In a group message our number is the recipient that the webhook was delivered for.
fn our_number(message: &wire::Inbound<'_>) -> Option<String> {
    let recipients: Vec<Party> = elements(message.to)
        .into_iter()
        .filter_map(|recipient| lenient(Some(recipient)))
        .collect();
    let ours = |party: &&Party| party.status.as_deref() == Some("webhook_delivered");
    let party = recipients.iter().find(ours).or(recipients.first())?;
    party.phone_number.clone()
}

fn attachments(message: &wire::Inbound<'_>, malformed: &mut u32) -> Option<Box<Content>> {
    let mut content = Content::of(ContentKind::Text);
    for element in elements(message.media) {
        let attachment = lenient::<Attachment>(Some(element));
        match attachment.map(media) {
            Some(media) if media.url.is_some() && content.media.len() < MEDIA_MAX => {
                content.media.push(media);
            }
            _ => *malformed += 1,
        }
    }
    (!content.media.is_empty()).then(|| Box::new(content))
}

fn media(attachment: Attachment) -> Media {
    let short = |text: Option<String>| party::short_text(&text?);
    Media {
        url: short(attachment.url),
        content_type: short(attachment.content_type),
        bytes: attachment.size,
        sha256: short(attachment.sha256.or(attachment.hash_sha256)),
        ..Media::default()
    }
}
