//! One submit as Meta wants it: `POST /{version}/{phone number id}/messages`.

use didfarm_core::content::{Content, ContentKind, Media, Template};
use didfarm_core::peer::Peer;
use didfarm_core::reason::Reason;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::Submit;

/// A message, as Meta's "Messages" reference has it. `to` wins over `recipient`, so only one is given.
#[derive(Serialize)]
struct Outbound<'a> {
    messaging_product: &'static str,
    recipient_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recipient: Option<&'a str>,
    /// Echoed in every status: a receipt names its message by it.
    biz_opaque_callback_data: &'a str,
    r#type: &'static str,
    #[serde(flatten)]
    object: Object<'a>,
}

/// What the message holds, under the name of its type.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Object<'a> {
    Text {
        body: &'a str,
        preview_url: bool,
    },
    Template {
        name: &'a str,
        language: Language<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        components: Option<&'a RawValue>,
    },
    Image(Attachment<'a>),
    Video(Attachment<'a>),
    Audio(Attachment<'a>),
    Document(Attachment<'a>),
    Sticker(Attachment<'a>),
}

#[derive(Serialize)]
struct Language<'a> {
    code: &'a str,
}

/// An attachment, by the link that Meta is to fetch it from.
#[derive(Serialize)]
struct Attachment<'a> {
    link: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    caption: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filename: Option<&'a str>,
}

/// The body of the request.
///
/// # Errors
/// [`Reason::Rejected`] for what WhatsApp cannot carry: nothing of a message is left out in silence.
pub(super) fn body(submit: &Submit) -> Result<Vec<u8>, Reason> {
    let (kind, object) = object(submit)?;
    let message = submit.message.spelled();
    let outbound = Outbound {
        messaging_product: "whatsapp",
        recipient_type: "individual",
        to: submit.to.number().map(|number| number.digits().to_string()),
        recipient: recipient(&submit.to)?,
        biz_opaque_callback_data: message.as_str(),
        r#type: kind.as_str(),
        object,
    };
    Ok(serde_json::to_vec(&outbound).expect("texts and checked JSON can be written"))
}

/// The user id of a peer without a number.
fn recipient(to: &Peer) -> Result<Option<&str>, Reason> {
    match to.name() {
        None => Ok(None),
        Some(name) if name.is_whatsapp_user() => Ok(Some(name.as_str())),
        Some(_) => Err(Reason::InvalidDestination),
    }
}

fn object(submit: &Submit) -> Result<(ContentKind, Object<'_>), Reason> {
    let Some(content) = submit.content.as_deref() else {
        return Ok((ContentKind::Text, text(submit)));
    };
    let kind = content.kind;
    let object = match kind {
        ContentKind::Text if content.media.is_empty() => text(submit),
        ContentKind::Template => template(content.template.as_ref().ok_or(Reason::Rejected)?)?,
        ContentKind::Image => Object::Image(captioned(content, submit)?),
        ContentKind::Video => Object::Video(captioned(content, submit)?),
        ContentKind::Document => Object::Document(Attachment {
            filename: one_media(content)?.filename.as_deref(),
            ..captioned(content, submit)?
        }),
        ContentKind::Audio => Object::Audio(bare(content, submit)?),
        ContentKind::Sticker => Object::Sticker(bare(content, submit)?),
        ContentKind::Text
        | ContentKind::Location
        | ContentKind::Contacts
        | ContentKind::Interactive
        | ContentKind::Reaction
        | ContentKind::Order
        | ContentKind::Unsupported => return Err(Reason::Rejected),
    };
    Ok((kind, object))
}

fn text(submit: &Submit) -> Object<'_> {
    Object::Text {
        body: &submit.body,
        preview_url: false,
    }
}

fn template(template: &Template) -> Result<Object<'_>, Reason> {
    let components: Vec<&RawValue> =
        serde_json::from_str(&template.components).map_err(|_| Reason::Rejected)?;
    let filled = !components.is_empty();
    Ok(Object::Template {
        name: &template.name,
        language: Language {
            code: &template.language,
        },
        components: filled
            .then(|| serde_json::from_str(&template.components))
            .transpose()
            .map_err(|_| Reason::Rejected)?,
    })
}

/// The one attachment that a WhatsApp message has.
fn one_media(content: &Content) -> Result<&Media, Reason> {
    match content.media.as_slice() {
        [media] => Ok(media),
        _ => Err(Reason::Rejected),
    }
}

fn captioned<'a>(content: &'a Content, submit: &'a Submit) -> Result<Attachment<'a>, Reason> {
    Ok(Attachment {
        link: one_media(content)?.url.as_deref().ok_or(Reason::Rejected)?,
        caption: Some(&*submit.body).filter(|body| !body.is_empty()),
        filename: None,
    })
}

/// Sound and stickers have no caption (Meta, "Audio messages", "Sticker messages").
fn bare<'a>(content: &'a Content, submit: &'a Submit) -> Result<Attachment<'a>, Reason> {
    if submit.body.is_empty() {
        captioned(content, submit)
    } else {
        Err(Reason::Rejected)
    }
}
