//! A reply by mail: what its writer said, without what the mail program put around it.

mod automatic;
mod html;
mod quote;

use std::fmt;

use mail_parser::{Message, MessageParser, MimeHeaders, PartType};

use crate::address::Address;

/// Longest text that is looked at for an answer, in bytes; what follows is history.
pub const TEXT_BYTES_MAX: usize = 256 * 1024;

/// What a reply says.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    /// The answer, without history and signature, lines ended by `\n`; it may be empty.
    pub text: String,
    /// Whether a machine wrote it: such a mail is never passed on.
    pub automatic: bool,
    /// Who says to have written it; nothing proves that.
    pub from: Option<Address>,
    /// Its `Message-ID` without angle brackets: a mail that comes twice is known by it.
    pub message_id: Option<String>,
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("chars", &self.text.chars().count())
            .field("automatic", &self.automatic)
            .finish_non_exhaustive()
    }
}

/// Why bytes are no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// They are no message of RFC 5322.
    #[error("this is not an email message")]
    NoMessage,
}

/// Reads a mail. `null_sender` says that the envelope's sender was empty (`MAIL FROM:<>`), which only
/// machines use (RFC 5321, 4.5.5).
///
/// # Errors
///
/// [`ReplyError`] if the bytes are no message at all.
///
/// # Limits
///
/// The caller bounds the bytes ([`crate::lmtp::MESSAGE_BYTES_MAX`]) and the length of the answer.
pub fn read(bytes: &[u8], null_sender: bool) -> Result<Reply, ReplyError> {
    let message = MessageParser::default()
        .parse(bytes)
        .filter(|message| message.from().is_some() || message.subject().is_some())
        .ok_or(ReplyError::NoMessage)?;
    let from = message
        .from()
        .and_then(|from| from.first())
        .and_then(|from| from.address())
        .and_then(|from| Address::parse(from).ok());
    Ok(Reply {
        text: quote::answer(&text(&message)),
        automatic: null_sender || automatic::is_automatic(&message),
        from,
        message_id: message.message_id().map(str::to_owned),
    })
}

/// The text that a person would read: the first plain part, or else the HTML without its tags.
fn text(message: &Message<'_>) -> String {
    let part = message
        .text_bodies()
        .next()
        .or(message.html_bodies().next());
    match part.map(|part| (&part.body, part)) {
        Some((PartType::Text(text), part)) => {
            let parameter = |name: &str| {
                part.content_type()
                    .and_then(|kind| kind.attribute(name))
                    .unwrap_or_default()
                    .to_owned()
            };
            let text = bounded(text);
            match parameter("format").eq_ignore_ascii_case("flowed") {
                true => quote::unflowed(text, parameter("delsp").eq_ignore_ascii_case("yes")),
                false => text.to_owned(),
            }
        }
        Some((PartType::Html(html), _)) => html::to_text(bounded(html)),
        Some(_) | None => String::new(),
    }
}

fn bounded(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_BYTES_MAX)]
}
