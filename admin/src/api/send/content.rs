//! What a message to send holds besides its text: a WhatsApp template, or one attachment by its link.

use std::sync::Arc;

use didfarm_core::content::{
    COMPONENTS_BYTES_MAX, Content, ContentKind, Media, TEXT_BYTES_MAX, Template,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::check_chars;
use crate::fields::Text;
use crate::problem::Problem;

/// Longest name of a template, in bytes (Meta, "Message Templates": 512 characters).
const TEMPLATE_NAME_BYTES_MAX: usize = 512;
/// Longest language of a template, in bytes (RFC 5646, 4.4.1).
const LANGUAGE_BYTES_MAX: usize = 35;
/// Longest caption, in characters (Meta, "Image messages").
const CAPTION_CHARS_MAX: usize = 1_024;
/// What a link starts with: Meta fetches over TLS only what it is to deliver.
const LINK_PREFIX: &str = "https://";

/// The field `template`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TemplateBody<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    language: Option<Text<'a>>,
    #[serde(borrow)]
    components: Option<&'a RawValue>,
}

/// The field `media`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MediaBody<'a> {
    #[serde(borrow)]
    r#type: Option<Text<'a>>,
    #[serde(borrow)]
    url: Option<Text<'a>>,
    #[serde(borrow)]
    filename: Option<Text<'a>>,
}

impl TemplateBody<'_> {
    /// The text that the history shows, and the content.
    pub(super) fn read(self) -> Result<(Arc<str>, Content), Problem> {
        let name = line(
            "template.name",
            self.name.as_deref(),
            TEMPLATE_NAME_BYTES_MAX,
        )?;
        let language = line(
            "template.language",
            self.language.as_deref(),
            LANGUAGE_BYTES_MAX,
        )?;
        let components = match self.components {
            None => "[]",
            Some(raw) => components(raw)?,
        };
        let text = Arc::from(format!("[template {name}]"));
        let template = Template {
            name: name.into(),
            language: language.into(),
            components: components.into(),
        };
        let content = Content {
            template: Some(template),
            ..Content::of(ContentKind::Template)
        };
        Ok((text, content))
    }
}

/// Checks the components as far as that they are a list of objects; Meta checks the rest.
fn components(raw: &RawValue) -> Result<&str, Problem> {
    let text = raw.get();
    let refused = |fault: String| Err(Problem::invalid("template.components", fault));
    if text.len() > COMPONENTS_BYTES_MAX {
        return refused(format!("may have {COMPONENTS_BYTES_MAX} bytes at most"));
    }
    let is_object = |component: &&RawValue| component.get().starts_with('{');
    match serde_json::from_str::<Vec<&RawValue>>(text) {
        Ok(list) if list.iter().all(is_object) => Ok(text),
        Ok(_) | Err(_) => refused("must be a list of objects".to_owned()),
    }
}

impl MediaBody<'_> {
    /// The caption, which may be empty, and the content.
    pub(super) fn read(self, body: Option<&str>) -> Result<(Arc<str>, Content), Problem> {
        let kind = kind(self.r#type.as_deref())?;
        let url = link(self.url.as_deref())?;
        let filename = match self.filename.as_deref() {
            None => None,
            Some(_) if kind != ContentKind::Document => {
                let fault = "is for documents only";
                return Err(Problem::invalid("media.filename", fault));
            }
            given => Some(line("media.filename", given, TEXT_BYTES_MAX)?.into()),
        };
        attached(kind, url, filename, body.unwrap_or_default())
    }
}

/// One attachment behind a link, of a kind that its address tells: the caption, which may be empty, and the
/// content.
///
/// # Errors
/// `validation_failed`, `body_too_long`.
pub(crate) fn linked(url: &str, caption: &str) -> Result<(Arc<str>, Content), Problem> {
    let url = link(Some(url))?;
    attached(kind_of(url), url, None, caption)
}

/// The kind that the ending of an address tells; a document unless it is a known one.
fn kind_of(url: &str) -> ContentKind {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let ending = path.rsplit_once('.').map_or("", |(_, ending)| ending);
    match ending.to_ascii_lowercase().as_str() {
        "jpg" | "jpeg" | "png" => ContentKind::Image,
        "mp4" | "3gp" => ContentKind::Video,
        "aac" | "amr" | "m4a" | "mp3" | "ogg" | "opus" => ContentKind::Audio,
        "webp" => ContentKind::Sticker,
        _ => ContentKind::Document,
    }
}

fn attached(
    kind: ContentKind,
    url: &str,
    filename: Option<Box<str>>,
    caption: &str,
) -> Result<(Arc<str>, Content), Problem> {
    if !caption.is_empty() && matches!(kind, ContentKind::Audio | ContentKind::Sticker) {
        let fault = format!("may not stand beside {kind}, which has no caption on WhatsApp");
        return Err(Problem::invalid("body", fault));
    }
    check_chars(caption, 0, CAPTION_CHARS_MAX)?;
    let media = Media {
        url: Some(url.into()),
        filename,
        ..Media::default()
    };
    let content = Content {
        media: vec![media],
        ..Content::of(kind)
    };
    Ok((Arc::from(caption), content))
}

fn kind(word: Option<&str>) -> Result<ContentKind, Problem> {
    let word = word.ok_or_else(|| Problem::missing("media.type"))?;
    ContentKind::parse(word)
        .filter(|kind| kind.is_media())
        .ok_or_else(|| {
            let fault = "must be image, video, audio, document or sticker";
            Problem::invalid("media.type", fault)
        })
}

fn link(url: Option<&str>) -> Result<&str, Problem> {
    let url = line("media.url", url, TEXT_BYTES_MAX)?;
    let has_scheme = url
        .get(..LINK_PREFIX.len())
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case(LINK_PREFIX));
    // Behind the scheme there is a host.
    let has_host = url
        .as_bytes()
        .get(LINK_PREFIX.len())
        .is_some_and(|first| !matches!(first, b'/' | b'?' | b'#'));
    if has_scheme && has_host && url.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(url);
    }
    let fault = "must be an https address, with everything but ASCII escaped";
    Err(Problem::invalid("media.url", fault))
}

/// A text of one line that is not empty.
fn line<'t>(field: &str, text: Option<&'t str>, bytes_max: usize) -> Result<&'t str, Problem> {
    let text = text.ok_or_else(|| Problem::missing(field))?;
    if (1..=bytes_max).contains(&text.len()) && !text.chars().any(char::is_control) {
        return Ok(text);
    }
    let fault = format!("must have 1 to {bytes_max} bytes, none of them a control character");
    Err(Problem::invalid(field, fault))
}
