//! Whether a machine wrote a mail, by its headers.

use mail_parser::{HeaderForm, Message, MimeHeaders};

use crate::compose::LOOP_HEADER;

/// Headers whose mere presence tells of a list or of a machine.
const TELLING: [&str; 6] = [
    "List-Id",
    "List-Unsubscribe",
    "X-Autoreply",
    "X-Autorespond",
    "X-Failed-Recipients",
    LOOP_HEADER,
];

/// Whether a mail was written by a machine: an automatic answer, a list's mail, a bounce, or our own.
///
/// `Auto-Submitted` other than `no` (RFC 3834, 5.2), `Precedence` of bulk mail, Exchange's
/// `X-Auto-Response-Suppress`, a null `Return-Path` (RFC 5321, 4.5.5), list headers (RFC 2919, 2369),
/// delivery reports (RFC 6522) and the loop header.
pub(super) fn is_automatic(message: &Message<'_>) -> bool {
    let values = |name: &'static str| {
        message
            .header_as(name, HeaderForm::Raw)
            .into_iter()
            .filter_map(|value| value.into_text())
            .map(|value| value.trim().to_ascii_lowercase())
    };
    let first_word = |value: &str| -> String {
        let end = value.find(|c: char| c == ';' || c.is_whitespace());
        value[..end.unwrap_or(value.len())].to_owned()
    };
    values("Auto-Submitted").any(|value| first_word(&value) != "no")
        || values("Precedence").any(|value| {
            ["bulk", "junk", "list", "auto_reply"].contains(&first_word(&value).as_str())
        })
        || values("X-Auto-Response-Suppress").any(|value| first_word(&value) != "none")
        || values("Return-Path").any(|value| value == "<>")
        || TELLING
            .iter()
            .any(|name| message.header_raw(*name).is_some())
        || is_report(message)
        || is_from_the_mail_system(message)
}

fn is_report(message: &Message<'_>) -> bool {
    message.content_type().is_some_and(|kind| {
        kind.ctype().eq_ignore_ascii_case("multipart")
            && kind
                .subtype()
                .is_some_and(|sub| sub.eq_ignore_ascii_case("report"))
    })
}

fn is_from_the_mail_system(message: &Message<'_>) -> bool {
    let from = message
        .from()
        .and_then(|from| from.first())
        .and_then(|from| from.address())
        .unwrap_or_default()
        .to_ascii_lowercase();
    ["mailer-daemon@", "postmaster@"]
        .iter()
        .any(|system| from.starts_with(system))
}
