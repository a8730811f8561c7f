//! What a message holds besides its text: templates, attachments, a place, a sender's name.
//!
//! A plain text message has no [`Content`]. Every text in here is bounded by whoever makes it: the API
//! for what customers send, the carriers' parsers for what peers send ([`TEXT_BYTES_MAX`]).

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest name, link, file name or address in a content, in bytes.
pub const TEXT_BYTES_MAX: usize = 2_048;
/// Longest text of a template's components, in bytes.
pub const COMPONENTS_BYTES_MAX: usize = 4_096;
/// The most attachments of one message.
pub const MEDIA_MAX: usize = 10;
/// The most bytes of a message's text and content together: a record holds them.
pub const MESSAGE_BYTES_MAX: usize = 10 * 1024;

/// What kind of message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ContentKind {
    /// Text, with attachments perhaps (MMS).
    #[serde(rename = "t")]
    Text,
    /// A picture.
    #[serde(rename = "i")]
    Image,
    /// A film.
    #[serde(rename = "v")]
    Video,
    /// Sound.
    #[serde(rename = "a")]
    Audio,
    /// A file.
    #[serde(rename = "d")]
    Document,
    /// A sticker.
    #[serde(rename = "s")]
    Sticker,
    /// A place on the map.
    #[serde(rename = "l")]
    Location,
    /// Address cards.
    #[serde(rename = "c")]
    Contacts,
    /// A choice from buttons or a list that we offered.
    #[serde(rename = "b")]
    Interactive,
    /// A reaction to another message.
    #[serde(rename = "r")]
    Reaction,
    /// An order from a catalogue.
    #[serde(rename = "o")]
    Order,
    /// An approved template.
    #[serde(rename = "T")]
    Template,
    /// Something that the carrier names and we do not know; the text says what.
    #[serde(rename = "?")]
    Unsupported,
}

impl ContentKind {
    /// Every kind.
    pub const ALL: [ContentKind; 13] = [
        ContentKind::Text,
        ContentKind::Image,
        ContentKind::Video,
        ContentKind::Audio,
        ContentKind::Document,
        ContentKind::Sticker,
        ContentKind::Location,
        ContentKind::Contacts,
        ContentKind::Interactive,
        ContentKind::Reaction,
        ContentKind::Order,
        ContentKind::Template,
        ContentKind::Unsupported,
    ];

    /// The word in public JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            ContentKind::Text => "text",
            ContentKind::Image => "image",
            ContentKind::Video => "video",
            ContentKind::Audio => "audio",
            ContentKind::Document => "document",
            ContentKind::Sticker => "sticker",
            ContentKind::Location => "location",
            ContentKind::Contacts => "contacts",
            ContentKind::Interactive => "interactive",
            ContentKind::Reaction => "reaction",
            ContentKind::Order => "order",
            ContentKind::Template => "template",
            ContentKind::Unsupported => "unsupported",
        }
    }

    /// Reads the word of public JSON.
    pub fn parse(text: &str) -> Option<ContentKind> {
        ContentKind::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }

    /// Whether it is one attachment that a customer can send by a link.
    pub fn is_media(self) -> bool {
        matches!(
            self,
            ContentKind::Image
                | ContentKind::Video
                | ContentKind::Audio
                | ContentKind::Document
                | ContentKind::Sticker
        )
    }
}

impl fmt::Display for ContentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a message holds besides its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// What kind of message it is.
    pub kind: ContentKind,
    /// Its attachments, at most [`MEDIA_MAX`].
    pub media: Vec<Media>,
    /// The template that makes it.
    pub template: Option<Template>,
    /// The place that it shows.
    pub location: Option<Location>,
    /// The name that the sender gives itself.
    pub profile_name: Option<Box<str>>,
}

impl Content {
    /// A content of one kind with nothing in it.
    pub fn of(kind: ContentKind) -> Content {
        Content {
            kind,
            media: Vec::new(),
            template: None,
            location: None,
            profile_name: None,
        }
    }
}

fn bytes_of(texts: &[&Option<Box<str>>]) -> usize {
    texts
        .iter()
        .map(|text| text.as_ref().map_or(0, |text| text.len()))
        .sum()
}

impl Content {
    /// How many bytes its texts take.
    pub fn bytes(&self) -> usize {
        let media: usize = self.media.iter().map(Media::bytes_of_texts).sum();
        let template = self.template.as_ref().map_or(0, |template| {
            template.name.len() + template.language.len() + template.components.len()
        });
        let location = self.location.as_ref().map_or(0, |place| {
            place.latitude.len() + place.longitude.len() + bytes_of(&[&place.name, &place.address])
        });
        media + template + location + bytes_of(&[&self.profile_name])
    }

    /// Lets go of attachments from the last, then of the place's and the sender's names, until the texts
    /// take no more than this; `false` when something had to go.
    pub fn trim(&mut self, bytes_max: usize) -> bool {
        let mut is_whole = true;
        while self.bytes() > bytes_max {
            is_whole = false;
            if self.media.pop().is_some() {
                continue;
            }
            let place = self.location.take();
            if place.is_none() && self.profile_name.take().is_none() {
                self.template = None;
                break;
            }
        }
        is_whole
    }
}

/// One attachment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Media {
    /// Where it is: the customer's link, or the carrier's, which may want credentials and may not last.
    pub url: Option<Box<str>>,
    /// The carrier's id of it, where it has one in place of a link.
    pub id: Option<Box<str>>,
    /// Its media type, as the carrier says.
    pub content_type: Option<Box<str>>,
    /// Its size in bytes, as the carrier says.
    pub bytes: Option<u64>,
    /// Its SHA-256, as the carrier spells it.
    pub sha256: Option<Box<str>>,
    /// What the file is called.
    pub filename: Option<Box<str>>,
}

impl Media {
    fn bytes_of_texts(&self) -> usize {
        let Media {
            url,
            id,
            content_type,
            sha256,
            filename,
            bytes: _,
        } = self;
        bytes_of(&[url, id, content_type, sha256, filename])
    }
}

/// An approved WhatsApp template and what fills it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// Its name.
    pub name: Box<str>,
    /// Its language, as `en_US`.
    pub language: Box<str>,
    /// What fills it: a JSON array of components as Meta defines them, `[]` for none.
    pub components: Box<str>,
}

/// A place on the map. Degrees are kept as the carrier wrote them: a float would change them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// Degrees of latitude.
    pub latitude: Box<str>,
    /// Degrees of longitude.
    pub longitude: Box<str>,
    /// What it is called.
    pub name: Option<Box<str>>,
    /// Its address.
    pub address: Option<Box<str>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_that_is_too_large_loses_its_last_attachments_first() {
        let mut content = Content::of(ContentKind::Text);
        content.profile_name = Some("Ann".into());
        content.media = (0..3)
            .map(|n| Media {
                url: Some(format!("https://example.com/{n}").into()),
                ..Media::default()
            })
            .collect();
        assert_eq!(content.bytes(), 3 * 21 + 3);
        assert!(content.trim(66));
        assert!(!content.trim(65));
        assert_eq!((content.media.len(), content.bytes()), (2, 45));
        assert!(!content.trim(2));
        assert_eq!(content, Content::of(ContentKind::Text));
    }
}
