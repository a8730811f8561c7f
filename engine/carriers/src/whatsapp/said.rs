//! What a peer's message says, whatever its type, in words that a support agent reads.
//!
//! Nothing is thrown away for being new to us: a type that we do not know, and one whose object cannot
//! be read, becomes a message of kind `unsupported` that says so.

use std::borrow::Cow;
use std::fmt::Write as _;

use didfarm_core::content::ContentKind;
use serde_json::value::RawValue;

use super::tolerant::Text;
use super::wire::{Card, Interactive, MediaObject, Message, Order, OrderItem, Place, TextBody};

/// The body of a reaction that is taken back.
pub const REACTION_REMOVED: &str = "[reaction removed]";
/// Longest name of an unknown type in a body, in bytes.
const TYPE_BYTES_MAX: usize = 64;

/// A message in our words.
pub(super) struct Said<'m> {
    /// What kind it is.
    pub(super) kind: ContentKind,
    /// Its text.
    pub(super) body: Cow<'m, str>,
    /// Its attachment.
    pub(super) media: Option<&'m MediaObject<'m>>,
    /// Its place.
    pub(super) place: Option<&'m Place<'m>>,
}

/// How well a message was understood.
pub(super) enum Heard<'m> {
    /// It says this, or is of a type that we do not know, and says that.
    Said(Said<'m>),
    /// It is not what its type says it is.
    Unclear(Said<'m>),
    /// It is not from the peer, and has no text.
    Nothing,
}

impl<'m> Said<'m> {
    fn text(kind: ContentKind, body: impl Into<Cow<'m, str>>) -> Said<'m> {
        Said {
            kind,
            body: body.into(),
            media: None,
            place: None,
        }
    }

    fn unsupported(what: &str) -> Said<'static> {
        let what: String = what
            .chars()
            .take(TYPE_BYTES_MAX)
            .map(|c| {
                if c.is_ascii_graphic() || c == ' ' {
                    c
                } else {
                    '_'
                }
            })
            .collect();
        let body = format!("[unsupported WhatsApp message: {what}]");
        Said::text(ContentKind::Unsupported, body)
    }
}

/// Puts a message into words.
pub(super) fn said<'m>(message: &'m Message<'m>) -> Heard<'m> {
    let kind = message.kind.as_deref().unwrap_or("no type");
    let said = match kind {
        "text" => body(&message.text).map(|body| Said::text(ContentKind::Text, body)),
        "image" => media(ContentKind::Image, &message.image),
        "video" => media(ContentKind::Video, &message.video),
        "audio" => media(ContentKind::Audio, &message.audio),
        "document" => media(ContentKind::Document, &message.document),
        "sticker" => media(ContentKind::Sticker, &message.sticker),
        "location" => message.location.as_ref().and_then(location),
        "contacts" => message
            .contacts
            .as_deref()
            .map(|cards| Said::text(ContentKind::Contacts, contacts(cards))),
        "interactive" => message.interactive.as_ref().and_then(interactive),
        "button" => message.button.as_ref().and_then(|button| {
            let chosen = button.text.as_deref().or(button.payload.as_deref())?;
            Some(Said::text(ContentKind::Interactive, chosen))
        }),
        "reaction" => message.reaction.as_ref().map(|reaction| {
            let emoji = reaction.emoji.as_deref().filter(|emoji| !emoji.is_empty());
            Said::text(ContentKind::Reaction, emoji.unwrap_or(REACTION_REMOVED))
        }),
        "order" => message
            .order
            .as_ref()
            .map(|placed| Said::text(ContentKind::Order, order(placed))),
        "system" => {
            return match body(&message.system) {
                // Meta's words about the peer: not the peer's text.
                Some(body) => Heard::Said(Said::text(ContentKind::Unsupported, body)),
                None => Heard::Nothing,
            };
        }
        unknown => {
            let named = message
                .unsupported
                .as_ref()
                .and_then(|named| named.kind.as_deref());
            return Heard::Said(Said::unsupported(named.unwrap_or(unknown)));
        }
    };
    match said {
        Some(said) => Heard::Said(said),
        None => Heard::Unclear(Said::unsupported(kind)),
    }
}

fn body<'m>(text: &'m Option<TextBody<'m>>) -> Option<&'m str> {
    text.as_ref()?.body.as_deref()
}

/// An attachment, with its caption for a text; without an id and a link there is nothing to fetch.
fn media<'m>(kind: ContentKind, object: &'m Option<MediaObject<'m>>) -> Option<Said<'m>> {
    let object = object
        .as_ref()
        .filter(|o| o.id.is_some() || o.url.is_some())?;
    Some(Said {
        media: Some(object),
        ..Said::text(kind, object.caption.as_deref().unwrap_or_default())
    })
}

/// A place: its name and address for a text.
fn location<'m>(place: &'m Place<'m>) -> Option<Said<'m>> {
    place.latitude.and(place.longitude)?;
    let words = [place.name.as_deref(), place.address.as_deref()];
    Some(Said {
        place: Some(place),
        ..Said::text(ContentKind::Location, joined(words.into_iter().flatten()))
    })
}

/// A line for each card: the name, numbers, addresses.
fn contacts(cards: &[Card<'_>]) -> String {
    let mut lines = String::new();
    for card in cards {
        let name = card
            .name
            .as_ref()
            .and_then(|name| name.formatted_name.as_deref());
        let phones = card.phones.iter().flatten();
        let phones = phones.filter_map(|phone| phone.phone.as_deref().or(phone.wa_id.as_deref()));
        let emails = card
            .emails
            .iter()
            .flatten()
            .filter_map(|email| email.email.as_deref());
        add_line(
            &mut lines,
            &joined(name.into_iter().chain(phones).chain(emails)),
        );
    }
    lines
}

/// What was chosen, by the title that the peer saw; a form by its answers.
fn interactive<'m>(reply: &'m Interactive<'m>) -> Option<Said<'m>> {
    let choice = reply.button_reply.as_ref().or(reply.list_reply.as_ref());
    let chosen = choice.and_then(|choice| choice.title.as_deref().or(choice.id.as_deref()));
    let form = reply.nfm_reply.as_ref();
    let form = form.and_then(|form| form.response_json.as_deref().or(form.body.as_deref()));
    if let Some(chosen) = chosen.or(form) {
        return Some(Said::text(ContentKind::Interactive, chosen));
    }
    if let Some(reply) = &reply.call_permission_reply {
        let response = reply.response.as_deref()?;
        return Some(Said::text(
            ContentKind::Interactive,
            format!("call permission: {response}"),
        ));
    }
    let kind = reply.kind.as_deref()?;
    Some(Said::unsupported(&format!("interactive {kind}")))
}

/// The peer's words, then a line for each product.
fn order(order: &Order<'_>) -> String {
    let mut lines = order.text.as_deref().unwrap_or_default().to_owned();
    for item in order.product_items.iter().flatten() {
        add_line(&mut lines, &order_line(item));
    }
    lines
}

/// `2 x SKU-1 at 7.99 USD`.
fn order_line(item: &OrderItem<'_>) -> String {
    let plain = |raw: &'static str, value: Option<&RawValue>| {
        value.map_or(raw.to_owned(), |value| {
            value.get().trim_matches('"').to_owned()
        })
    };
    let product = text_or(&item.product_retailer_id, "?");
    let mut line = format!("{} x {product}", plain("?", item.quantity));
    if item.item_price.is_some() {
        let currency = text_or(&item.currency, "");
        // A write to a `String` cannot fail.
        let _ = write!(line, " at {} {currency}", plain("?", item.item_price));
    }
    line
}

fn text_or<'m>(text: &'m Option<Text<'m>>, otherwise: &'m str) -> &'m str {
    text.as_deref().unwrap_or(otherwise)
}

fn joined<'w>(words: impl Iterator<Item = &'w str>) -> String {
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join(", ")
}

fn add_line(lines: &mut String, line: &str) {
    if !lines.is_empty() && !line.is_empty() {
        lines.push('\n');
    }
    lines.push_str(line);
}
