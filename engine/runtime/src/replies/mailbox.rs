//! Replies that a mail server puts into a maildir.
//!
//! A mail is moved to `cur` once what came of it is durable; one that cannot be sent now stays in `new`
//! and is looked at again. Nobody is told of one that is refused: it is counted, and lies in `cur`.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use didfarm_mail::maildir::{Maildir, UnreadableMail, Waiting};
use didfarm_mail::reply;
use didfarm_mail::token::ReplyTarget;

use super::answer::{Outcome, ReplyDesk};

/// How often the maildir is looked at.
const INTERVAL: Duration = Duration::from_secs(2);
/// The same after the file system has failed.
const TROUBLE_INTERVAL: Duration = Duration::from_secs(60);
/// Where mail servers note the envelope's recipient.
const ENVELOPE_FIELDS: [&str; 3] = ["delivered-to", "x-original-to", "envelope-to"];
/// Where people do.
const ADDRESS_FIELDS: [&str; 2] = ["to", "cc"];

/// Serves a maildir until `stop` resolves.
pub(super) async fn watch(
    desk: &Arc<ReplyDesk>,
    maildir: &Maildir,
    stop: impl Future<Output = ()>,
) {
    tokio::pin!(stop);
    loop {
        let look = async {
            match look(desk, maildir).await {
                Ok(true) => INTERVAL,
                Ok(false) => TROUBLE_INTERVAL,
                Err(error) => {
                    tracing::warn!(%error, "the maildir of replies cannot be served");
                    TROUBLE_INTERVAL
                }
            }
        };
        tokio::select! {
            () = &mut stop => return,
            () = async { tokio::time::sleep(look.await).await } => {}
        }
    }
}

/// Looks through what is new; `false` when some of it could not be read or put away.
async fn look(desk: &Arc<ReplyDesk>, maildir: &Maildir) -> std::io::Result<bool> {
    let mut is_sound = true;
    for Waiting { name, content } in maildir.take_new()? {
        let is_done = match content {
            Ok(bytes) => take(desk, &bytes).await,
            Err(UnreadableMail::TooLarge) => {
                desk.misaddressed();
                true
            }
            Err(UnreadableMail::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => false,
            Err(UnreadableMail::Io(error)) => {
                tracing::warn!(?name, %error, "a reply in the maildir cannot be read; it stays there");
                is_sound = false;
                continue;
            }
        };
        if is_done && let Err(error) = maildir.done(&name) {
            tracing::warn!(?name, %error, "a reply in the maildir cannot be put away; it is known when it comes again");
            is_sound = false;
        }
    }
    Ok(is_sound)
}

/// Takes a mail for each conversation that it is addressed to; `false` when it is to come again.
async fn take(desk: &Arc<ReplyDesk>, bytes: &[u8]) -> bool {
    let targets = targets(desk, bytes);
    let Ok(letter) = reply::read(bytes, false) else {
        desk.misaddressed();
        return true;
    };
    if targets.is_empty() {
        desk.misaddressed();
    }
    let mut is_done = true;
    for target in targets {
        let key = ReplyDesk::key(target.conversation, &letter, bytes);
        match desk.answer(target, key, letter.clone()).await {
            Outcome::Sent | Outcome::Repeated | Outcome::Automatic => {}
            Outcome::Refused(why) => tracing::debug!(why, "a reply in the maildir was refused"),
            Outcome::Later(_) => is_done = false,
        }
    }
    is_done
}

/// The conversations that a mail answers: by the envelope where its fields say so, else by its
/// addressees.
fn targets(desk: &ReplyDesk, bytes: &[u8]) -> Vec<ReplyTarget> {
    let fields = fields(bytes);
    let among = |names: &[&str]| {
        let values = fields.iter().filter(|(name, _)| names.contains(&&**name));
        let values: Vec<&str> = values.map(|(_, value)| &**value).collect();
        desk.addresses().find(&values.join("\n"))
    };
    match among(&ENVELOPE_FIELDS) {
        found if found.is_empty() => among(&ADDRESS_FIELDS),
        found => found,
    }
}

/// The header's fields, unfolded (RFC 5322, 2.2.3), names in lower case.
fn fields(bytes: &[u8]) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = String::from_utf8_lossy(line);
        if line.is_empty() {
            break;
        }
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                value.push_str(&line);
            }
        } else if let Some((name, value)) = line.split_once(':') {
            let name = name.trim_end().to_ascii_lowercase();
            fields.push((name, value.to_owned()));
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_unfolded_and_end_with_the_header() {
        let text =
            b"Return-Path: <ann@example.org>\r\nTO: a@b.example,\r\n\tc@d.example\r\nno field\r\n\r\nCc: x\r\n";
        let expected = [
            ("return-path", " <ann@example.org>"),
            ("to", " a@b.example,\tc@d.example"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(fields(text), expected);
        assert_eq!(fields(b""), []);
        assert_eq!(fields(b" folded before any\n"), []);
    }
}
