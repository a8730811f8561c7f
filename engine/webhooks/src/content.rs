//! Public JSON of what a message holds besides its text, the same in the API and in webhooks.

use didfarm_core::content::{Content, ContentKind, Location, Media, Template};
use serde::Serialize;
use serde::ser::SerializeMap;
use serde_json::value::RawValue;

/// The members that every message has for its content; those of a plain text are `text`, `null` and `[]`.
#[derive(Debug, Serialize)]
pub struct Held<'a> {
    message_type: &'static str,
    /// The first link of `media`.
    media_url: Option<&'a str>,
    media: Vec<Attachment<'a>>,
    location: Option<Place<'a>>,
    profile_name: Option<&'a str>,
    template: Option<Filled<'a>>,
}

#[derive(Debug, Serialize)]
struct Attachment<'a> {
    url: Option<&'a str>,
    id: Option<&'a str>,
    content_type: Option<&'a str>,
    bytes: Option<u64>,
    sha256: Option<&'a str>,
    filename: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Place<'a> {
    latitude: Degrees<'a>,
    longitude: Degrees<'a>,
    name: Option<&'a str>,
    address: Option<&'a str>,
}

/// Degrees, digit for digit: a number where they are one in JSON, otherwise their text.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Degrees<'a> {
    Number(Box<RawValue>),
    Text(&'a str),
}

#[derive(Debug, Serialize)]
struct Filled<'a> {
    name: &'a str,
    language: &'a str,
    components: Box<RawValue>,
}

impl<'a> Held<'a> {
    /// The members of a message with this content.
    pub fn of(content: Option<&'a Content>) -> Held<'a> {
        let Some(content) = content else {
            return Held {
                message_type: ContentKind::Text.as_str(),
                media_url: None,
                media: Vec::new(),
                location: None,
                profile_name: None,
                template: None,
            };
        };
        Held {
            message_type: content.kind.as_str(),
            media_url: content.media.iter().find_map(|media| media.url.as_deref()),
            media: content.media.iter().map(Attachment::of).collect(),
            location: content.location.as_ref().map(Place::of),
            profile_name: content.profile_name.as_deref(),
            template: content.template.as_ref().map(Filled::of),
        }
    }
}

impl Held<'_> {
    /// Writes every member into an object that has others too.
    ///
    /// # Errors
    /// The serialiser's.
    pub fn each_member<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("message_type", self.message_type)?;
        map.serialize_entry("media_url", &self.media_url)?;
        map.serialize_entry("media", &self.media)?;
        map.serialize_entry("location", &self.location)?;
        map.serialize_entry("profile_name", &self.profile_name)
    }
}

impl<'a> Attachment<'a> {
    fn of(media: &'a Media) -> Attachment<'a> {
        Attachment {
            url: media.url.as_deref(),
            id: media.id.as_deref(),
            content_type: media.content_type.as_deref(),
            bytes: media.bytes,
            sha256: media.sha256.as_deref(),
            filename: media.filename.as_deref(),
        }
    }
}

impl<'a> Place<'a> {
    fn of(location: &'a Location) -> Place<'a> {
        Place {
            latitude: Degrees::of(&location.latitude),
            longitude: Degrees::of(&location.longitude),
            name: location.name.as_deref(),
            address: location.address.as_deref(),
        }
    }
}

impl<'a> Degrees<'a> {
    fn of(text: &'a str) -> Degrees<'a> {
        let is_number = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
        match RawValue::from_string(text.to_owned()) {
            Ok(number) if is_number => Degrees::Number(number),
            Ok(_) | Err(_) => Degrees::Text(text),
        }
    }
}

impl<'a> Filled<'a> {
    fn of(template: &'a Template) -> Filled<'a> {
        let components = RawValue::from_string(template.components.to_string());
        Filled {
            name: &template.name,
            language: &template.language,
            components: components.unwrap_or_else(|_| RawValue::NULL.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn shown(content: Option<&Content>) -> Value {
        serde_json::to_value(Held::of(content)).unwrap()
    }

    #[test]
    fn a_plain_text_has_the_same_members_with_nothing_in_them() {
        assert_eq!(
            shown(None),
            json!({
                "message_type": "text",
                "media_url": null,
                "media": [],
                "location": null,
                "profile_name": null,
                "template": null,
            })
        );
    }

    #[test]
    fn the_first_link_stands_beside_the_attachments() {
        let media = |id: &str, url: Option<&str>| Media {
            id: Some(id.into()),
            url: url.map(Into::into),
            bytes: Some(7),
            ..Media::default()
        };
        let content = Content {
            media: vec![media("1", None), media("2", Some("https://a"))],
            profile_name: Some("Ann".into()),
            ..Content::of(ContentKind::Document)
        };
        let shown = shown(Some(&content));
        assert_eq!(
            (&shown["message_type"], &shown["media_url"]),
            (&json!("document"), &json!("https://a"))
        );
        assert_eq!(shown["profile_name"], "Ann");
        assert_eq!(
            shown["media"][0],
            json!({"url": null, "id": "1", "content_type": null, "bytes": 7, "sha256": null, "filename": null})
        );
    }

    #[test]
    fn degrees_are_shown_digit_for_digit() {
        let content = Content {
            location: Some(Location {
                latitude: "52.370216000000000001".into(),
                longitude: "+4.9".into(),
                name: None,
                address: Some("Dam".into()),
            }),
            ..Content::of(ContentKind::Location)
        };
        let text = serde_json::to_string(&Held::of(Some(&content))).unwrap();
        assert!(
            text.contains(
                r#""latitude":52.370216000000000001,"longitude":"+4.9","name":null,"address":"Dam""#
            ),
            "{text}"
        );
        assert!(matches!(Degrees::of("true"), Degrees::Text("true")));
    }

    #[test]
    fn a_template_is_shown_with_what_fills_it() {
        let template = |components: &str| Content {
            template: Some(Template {
                name: "hello".into(),
                language: "nl".into(),
                components: components.into(),
            }),
            ..Content::of(ContentKind::Template)
        };
        let whole = template(r#"[{"type":"body"}]"#);
        assert_eq!(
            shown(Some(&whole))["template"],
            json!({"name": "hello", "language": "nl", "components": [{"type": "body"}]})
        );
        assert_eq!(
            shown(Some(&template("[")))["template"]["components"],
            Value::Null
        );
    }
}
