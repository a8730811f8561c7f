//! The mail that carries an inbound message to whom it is forwarded.

use didfarm_core::channel::Channel;
use didfarm_core::e164::E164;
use didfarm_core::ids::ConversationId;
use didfarm_core::peer::Peer;
use didfarm_core::time::Timestamp;

use crate::address::{Address, Mailbox};
use crate::body::Body;
use crate::compose::{Attachment, Draft, MailId};

/// What stands above a forwarded message that can be answered by mail. A reply is cut at the line that
/// holds it, whatever the mail program and its language.
pub const REPLY_MARKER: &str = "Reply above this line";

/// An inbound message, and to whom it goes.
pub struct ForwardedMessage<'a> {
    /// What names the mail: derived from the message's id and the recipient.
    pub id: MailId,
    /// The configured sender.
    pub sender: &'a Mailbox,
    /// Who gets it.
    pub to: &'a Address,
    /// The address with the token, where replies by mail are on; `None` where they are off.
    pub reply_to: Option<Address>,
    /// What carried the message.
    pub channel: Channel,
    /// Who wrote it.
    pub peer: &'a Peer,
    /// The name that the peer's profile shows.
    pub profile_name: Option<&'a str>,
    /// The number that it was sent to.
    pub number: E164,
    /// Its text; empty for a message of media alone.
    pub body: &'a str,
    /// Links of its media that are not attached.
    pub media_urls: &'a [&'a str],
    /// When we received it.
    pub received_at: Timestamp,
    /// Its conversation, where there is one.
    pub conversation: Option<ConversationId>,
    /// Its media.
    pub attachments: Vec<Attachment>,
}

impl ForwardedMessage<'_> {
    /// The mail: subject `SMS from +31612345678`, one thread per conversation.
    pub fn draft(self) -> Draft {
        let thread = self.conversation.map(thread_of);
        let subject = format!("{} from {}", self.channel.label(), self.peer);
        let body = self.page();
        Draft {
            id: self.id,
            from: self.sender.clone(),
            to: self.to.clone(),
            reply_to: self.reply_to,
            subject,
            body,
            thread,
            date: self.received_at,
            attachments: self.attachments,
        }
    }

    fn page(&self) -> Body {
        let mut page = Body::new();
        if self.reply_to.is_some() {
            page = page.small(format!(
                "— {REPLY_MARKER} to answer by {} —",
                self.channel.label()
            ));
        }
        page = match self.body.trim() {
            "" => page.paragraph("(This message has no text.)"),
            _ => page.quote(self.body),
        };
        page.facts(self.facts())
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = vec![("From", self.peer.to_string())];
        facts.extend(self.profile_name.map(|name| ("Name", name.to_owned())));
        facts.push(("To", self.number.to_string()));
        facts.push(("Channel", self.channel.label().to_owned()));
        facts.push(("Received at", self.received_at.to_rfc3339_seconds()));
        facts.extend(self.conversation.map(|id| ("Conversation", id.to_string())));
        facts.extend(
            self.media_urls
                .iter()
                .map(|url| ("Media", (*url).to_owned())),
        );
        facts
    }
}

/// What all mails of a conversation share.
fn thread_of(conversation: ConversationId) -> MailId {
    MailId::parse(conversation.spelled().as_str()).expect("an id is letters, digits and _")
}
