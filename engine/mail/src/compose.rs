//! A mail in bytes: a draft of typed facts becomes a complete message (RFC 5322, RFC 2045).
//!
//! The bytes depend on the draft alone, so a mail that is sent again is the same mail, with the same
//! `Message-ID`. All of it is ASCII in lines of at most 998 octets.

use std::fmt;
use std::time::{Duration, SystemTime};

use didfarm_core::time::Timestamp;
use lettre::message::header::{
    ContentDisposition, ContentTransferEncoding, ContentType, HeaderName, HeaderValue,
};
use lettre::message::{Body as Encoded, Message, MultiPart, SinglePart};

use crate::address::{Address, Mailbox};
use crate::body::Body;
use crate::text::one_line;

/// Most bytes of a mail's attachments together, before they are encoded: 10 MiB.
pub const ATTACHMENTS_BYTES_MAX: usize = 10 * 1024 * 1024;
/// Most attachments of one mail.
pub const ATTACHMENTS_MAX: usize = 20;
/// Longest subject, in characters.
pub const SUBJECT_CHARS_MAX: usize = 200;
/// Longest name of an attachment, in characters.
const ATTACHMENT_NAME_CHARS_MAX: usize = 100;
/// The header that marks what we wrote, so that a mail of ours that comes back is never answered.
pub const LOOP_HEADER: &str = "X-Loop";

// `=_` can occur in neither quoted-printable nor base64 (RFC 2045, 6.7), and every part is one of the
// two, so no text can end its part or begin another.
const BOUNDARY_OUTER: &str = "=_didfarm_mixed";
const BOUNDARY_INNER: &str = "=_didfarm_alternative";

/// Last second that a `Date` header can say, 9999-12-31T23:59:59Z, in seconds of the epoch.
const DATE_MAX_S: u64 = 253_402_300_799;

/// What names one mail for ever: the left side of its `Message-ID`.
///
/// Whoever makes a draft derives it from what the mail tells and to whom (for a forwarded message from
/// the message's id and the address' place), never from the attempt: servers and mail programs know a
/// repeat by it, and the maildir keeps one file for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MailId(Box<str>);

impl MailId {
    /// Longest id, in bytes.
    pub const BYTES_MAX: usize = 100;

    /// Takes 1 to [`MailId::BYTES_MAX`] ASCII letters, digits, `_`, `-`, and single dots inside.
    pub fn parse(text: &str) -> Option<MailId> {
        let fits = text.len() <= MailId::BYTES_MAX
            && text.split('.').all(|atom| {
                !atom.is_empty()
                    && atom
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
            });
        fits.then(|| MailId(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A file that goes with a mail.
#[derive(Clone)]
pub struct Attachment {
    /// The file's name as the reader sees it.
    pub name: String,
    /// The media type, as `image/jpeg`; what is none is sent as `application/octet-stream`.
    pub media_type: String,
    /// The content.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attachment")
            .field("media_type", &self.media_type)
            .field("bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

/// The facts that a mail is written from.
#[derive(Clone)]
pub struct Draft {
    /// What names the mail.
    pub id: MailId,
    /// The configured sender.
    pub from: Mailbox,
    /// The one recipient: two recipients are two mails, so that each has its own outcome.
    pub to: Address,
    /// Where an answer goes, if not to the sender.
    pub reply_to: Option<Address>,
    /// The subject; line breaks and controls become spaces.
    pub subject: String,
    /// What it says.
    pub body: Body,
    /// What all mails of one conversation share: they are shown as one thread.
    pub thread: Option<MailId>,
    /// The time that the mail bears.
    pub date: Timestamp,
    /// Files, at most [`ATTACHMENTS_MAX`] of [`ATTACHMENTS_BYTES_MAX`] together.
    pub attachments: Vec<Attachment>,
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft")
            .field("id", &self.id)
            .field("to", &self.to)
            .field("attachments", &self.attachments)
            .finish_non_exhaustive()
    }
}

/// From whom and to whom a mail goes, as the SMTP server is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The sender; bounces go there.
    pub from: Address,
    /// The recipient.
    pub to: Address,
}

/// A complete mail.
#[derive(Clone)]
pub struct Mail {
    /// What names it.
    pub id: MailId,
    /// From whom and to whom.
    pub envelope: Envelope,
    /// Header and body, lines ended by CRLF.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail")
            .field("id", &self.id)
            .field("envelope", &self.envelope)
            .field("bytes", &self.bytes.len())
            .finish()
    }
}

/// Why a draft cannot become a mail. Nothing heals it: the caller leaves attachments out, or gives up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ComposeError {
    /// The attachments are more than [`ATTACHMENTS_BYTES_MAX`].
    #[error("the attachments have {bytes} bytes, more than {ATTACHMENTS_BYTES_MAX}")]
    AttachmentsTooLarge {
        /// Their bytes together.
        bytes: usize,
    },
    /// There are more than [`ATTACHMENTS_MAX`] attachments.
    #[error("there are {count} attachments, more than {ATTACHMENTS_MAX}")]
    TooManyAttachments {
        /// How many.
        count: usize,
    },
}

impl Draft {
    /// Writes the mail.
    ///
    /// Every mail says `Auto-Submitted: auto-generated` (RFC 3834, 5), asks Exchange for no automatic
    /// answers, and bears [`LOOP_HEADER`].
    ///
    /// # Errors
    ///
    /// [`ComposeError`] when the attachments are too many or too large.
    pub fn compose(&self) -> Result<Mail, ComposeError> {
        self.check_attachments()?;
        let domain = self.from.address().domain();
        let mut builder = Message::builder()
            .date(date(self.date))
            .from(self.from.to_lettre())
            .to(self.to.to_lettre().into())
            .subject(one_line(&self.subject, SUBJECT_CHARS_MAX))
            .message_id(Some(message_id(&self.id, domain)));
        if let Some(reply_to) = &self.reply_to {
            builder = builder.reply_to(reply_to.to_lettre().into());
        }
        if let Some(root) = &self.thread {
            let root = message_id(root, domain);
            builder = builder.in_reply_to(root.clone()).references(root);
        }
        let message = builder
            .raw_header(header("Auto-Submitted", "auto-generated"))
            .raw_header(header("X-Auto-Response-Suppress", "All"))
            .raw_header(header(LOOP_HEADER, self.from.address().as_str()))
            .multipart(self.parts())
            .expect("a draft has a sender and a recipient");
        Ok(Mail {
            id: self.id.clone(),
            envelope: Envelope {
                from: self.from.address().clone(),
                to: self.to.clone(),
            },
            bytes: message.formatted(),
        })
    }

    fn check_attachments(&self) -> Result<(), ComposeError> {
        let count = self.attachments.len();
        if count > ATTACHMENTS_MAX {
            return Err(ComposeError::TooManyAttachments { count });
        }
        let bytes = self.attachments.iter().map(|file| file.bytes.len()).sum();
        if bytes > ATTACHMENTS_BYTES_MAX {
            return Err(ComposeError::AttachmentsTooLarge { bytes });
        }
        Ok(())
    }

    fn parts(&self) -> MultiPart {
        let alternatives = MultiPart::alternative()
            .boundary(BOUNDARY_INNER)
            .singlepart(text_part(ContentType::TEXT_PLAIN, self.body.to_text()))
            .singlepart(text_part(ContentType::TEXT_HTML, self.body.to_html()));
        if self.attachments.is_empty() {
            return alternatives;
        }
        let mixed = MultiPart::mixed()
            .boundary(BOUNDARY_OUTER)
            .multipart(alternatives);
        self.attachments
            .iter()
            .fold(mixed, |mixed, file| mixed.singlepart(file_part(file)))
    }
}

/// The `Message-ID` of a mail whose sender is at `domain`.
pub fn message_id(id: &MailId, domain: &str) -> String {
    format!("<{}@{domain}>", id.as_str())
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

fn date(at: Timestamp) -> SystemTime {
    let seconds = u64::try_from(at.0 / 1_000_000).unwrap_or(0).min(DATE_MAX_S);
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn encoded(
    content: impl Into<lettre::message::MaybeString>,
    how: ContentTransferEncoding,
) -> Encoded {
    Encoded::new_with_encoding(content, how).expect("any content can be encoded this way")
}

fn text_part(content_type: ContentType, text: String) -> SinglePart {
    let text = encoded(text, ContentTransferEncoding::QuotedPrintable);
    SinglePart::builder().header(content_type).body(text)
}

fn file_part(file: &Attachment) -> SinglePart {
    let name = one_line(&file.name, ATTACHMENT_NAME_CHARS_MAX).replace(['/', '\\', '"'], "_");
    let name = if name.is_empty() { "attachment" } else { &name };
    SinglePart::builder()
        .header(media_type(&file.media_type))
        .header(ContentDisposition::attachment(name))
        .body(encoded(file.bytes.clone(), ContentTransferEncoding::Base64))
}

/// The media type without parameters: `type/subtype` of RFC 6838, 4.2; multiparts and messages are no
/// types of a file, as their content must not be encoded (RFC 2045, 6.4).
fn media_type(text: &str) -> ContentType {
    let essence = text.split(';').next().unwrap_or_default().trim();
    let is_name = |name: &str| {
        (1..=127).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    let known = match essence.split_once('/') {
        Some((kind, subtype)) if is_name(kind) && is_name(subtype) => {
            !kind.eq_ignore_ascii_case("multipart") && !kind.eq_ignore_ascii_case("message")
        }
        Some(_) | None => false,
    };
    known
        .then(|| ContentType::parse(essence).ok())
        .flatten()
        .unwrap_or_else(|| {
            ContentType::parse("application/octet-stream").expect("it is a media type")
        })
}
