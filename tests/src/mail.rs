//! Mail as it goes out and comes back: the maildir that mails go to, a server that takes them, a client that
//! brings replies.

mod dialogue;
mod lmtp;
mod server;

use std::collections::BTreeSet;
use std::path::Path;

use mail_parser::{HeaderForm, Message, MessageParser};

pub use self::lmtp::{bring, reply};
pub use self::server::MailServer;

/// A mail in whole.
#[derive(Debug, Clone)]
pub struct Mail {
    /// Whom the envelope named; empty for one of a maildir, which has no envelope.
    pub recipients: Vec<String>,
    message: Message<'static>,
}

impl Mail {
    /// Reads a mail.
    ///
    /// # Panics
    /// When it is none.
    pub fn parse(recipients: Vec<String>, bytes: &[u8]) -> Mail {
        let message = MessageParser::default().parse(bytes);
        let message = message.expect("a mail that was written can be read");
        Mail {
            recipients,
            message: message.into_owned(),
        }
    }

    /// A header's text without its fold and its edges; empty when it is not there.
    pub fn header(&self, name: &'static str) -> String {
        let values = self.message.header_as(name, HeaderForm::Raw);
        let text = values.first().and_then(|value| value.as_text());
        text.unwrap_or_default()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// The address of a header that has one.
    ///
    /// # Panics
    /// When it has none.
    pub fn address(&self, name: &'static str) -> String {
        let header = self.header(name);
        let bare = header.rsplit_once('<').map_or(&*header, |(_, rest)| rest);
        let bare = bare.trim_end_matches('>');
        assert!(bare.contains('@'), "{name} has no address: {header}");
        bare.to_owned()
    }

    /// What ties it to other mails: the ids in `References` and `In-Reply-To`.
    pub fn references(&self) -> BTreeSet<String> {
        let ids = format!(
            "{} {}",
            self.header("References"),
            self.header("In-Reply-To")
        );
        ids.split_whitespace().map(str::to_owned).collect()
    }

    /// Its plain text.
    ///
    /// # Panics
    /// When it has none.
    pub fn text(&self) -> String {
        let text = self.message.body_text(0);
        text.expect("a mail has a plain text").into_owned()
    }

    /// Its text in HTML.
    ///
    /// # Panics
    /// When it has none.
    pub fn html(&self) -> String {
        let html = self.message.body_html(0);
        html.expect("a mail has a text in HTML").into_owned()
    }
}

/// The mails that lie unread in a maildir, in no order; none when there is no maildir yet.
///
/// # Panics
/// When it cannot be read, or a mail in it is none.
pub fn maildir(path: &Path) -> Vec<Mail> {
    let Ok(files) = std::fs::read_dir(path.join("new")) else {
        return Vec::new();
    };
    let bytes = files.map(|file| std::fs::read(file.expect("a maildir can be listed").path()));
    bytes
        .map(|bytes| Mail::parse(Vec::new(), &bytes.expect("a mail can be read")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_read_with_its_folded_headers() {
        let text = "From: Ann <ann@example.org>\r\nSubject: a\r\n b\r\nReferences: <1@x>\r\n <2@x>\r\n\r\nhello\r\n";
        let mail = Mail::parse(Vec::new(), text.as_bytes());
        assert_eq!(
            (mail.header("Subject"), mail.address("From")),
            ("a b".into(), "ann@example.org".into())
        );
        assert_eq!(
            mail.references(),
            ["<1@x>", "<2@x>"].map(str::to_owned).into()
        );
        assert_eq!((mail.text().trim(), &*mail.header("Bcc")), ("hello", ""));
    }
}
