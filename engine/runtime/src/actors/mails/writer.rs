//! Writing mails: what is queued, and the facts, become a complete message.

use std::sync::Arc;

use didfarm_config::Settings;
use didfarm_core::channel::Channel;
use didfarm_core::ids::MailId;
use didfarm_core::mail::MailKind;
use didfarm_core::peer::Peer;
use didfarm_core::webhook::attempt::AttemptClass;
use didfarm_core::webhook::endpoint::DisableCause;
use didfarm_mail::address::{Address, AddressError, Mailbox};
use didfarm_mail::compose::{ComposeError, Draft, Mail as Composed, MailId as MessageName};
use didfarm_mail::forwarded::ForwardedMessage;
use didfarm_mail::notice::{self, DisabledBecause, Notice};
use didfarm_mail::token::ReplyTarget;

use super::Waiting;
use super::facts::{Facts, MessageFacts};
use super::media::Enclosed;
use crate::replies::addresses::ReplyAddresses;
use crate::replies::secret::MailSecret;

/// What is said in place of the URL of an endpoint that is gone.
const DELETED_ENDPOINT: &str = "(deleted)";
/// The same of a status endpoint, which has none of its own.
const STATUS_ENDPOINT: &str = "(the StatusCallback of a message)";

/// Why a mail cannot be written. Nothing heals it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unwritable {
    #[error("no mail goes to the address: {0}")]
    Address(#[from] AddressError),
    #[error(transparent)]
    Compose(#[from] ComposeError),
    #[error("the message that it tells of is gone")]
    Missing,
}

/// Who writes.
pub(crate) struct Writer {
    sender: Mailbox,
    /// What sets our mails apart from those of any other installation.
    tag: String,
    failing_days_max: u32,
    replies: Option<Arc<ReplyAddresses>>,
}

impl Writer {
    /// A writer by the settings.
    ///
    /// # Errors
    /// `mail.from` is no address.
    pub(crate) fn new(
        settings: &Settings,
        secret: &MailSecret,
        replies: Option<Arc<ReplyAddresses>>,
    ) -> Result<Writer, AddressError> {
        let from = Address::parse(&settings.mail.from)?;
        let days = settings.webhooks.failing_hours_max.div_ceil(24);
        Ok(Writer {
            sender: Mailbox::new(Some(&settings.mail.public_name), from),
            tag: secret.tag(),
            failing_days_max: u32::try_from(days).unwrap_or(u32::MAX),
            replies,
        })
    }

    /// Writes a mail with what goes with it. The same mail is the same bytes whenever it is tried, unless
    /// what it tells of has changed meanwhile, and always bears the same `Message-ID`.
    ///
    /// # Errors
    /// The mail will never be one.
    pub(crate) fn write(
        &self,
        waiting: &Waiting,
        facts: &Facts,
        enclosed: Enclosed,
    ) -> Result<Composed, Unwritable> {
        let mail = &*waiting.mail;
        let to = Address::parse(&mail.to)?;
        let url = match facts {
            Facts::Endpoint(Some(url)) if url.is_empty() => STATUS_ENDPOINT,
            Facts::Endpoint(Some(url)) => url,
            _ => DELETED_ENDPOINT,
        };
        let draft = match &mail.kind {
            MailKind::Inbound(_) => match facts {
                Facts::Message(facts) => self.inbound(mail.id, &to, facts, enclosed),
                _ => return Err(Unwritable::Missing),
            },
            MailKind::Forward {
                number,
                from,
                body,
                received_at,
            } => {
                let conversation = match facts {
                    Facts::Conversation(id) => *id,
                    _ => None,
                };
                self.forwarded(ForwardedMessage {
                    id: self.name(mail.id),
                    sender: &self.sender,
                    to: &to,
                    reply_to: None,
                    channel: channel_of(from),
                    peer: from,
                    profile_name: None,
                    number: *number,
                    body,
                    media_urls: &[],
                    received_at: *received_at,
                    conversation,
                    attachments: Vec::new(),
                })
            }
            MailKind::Exhausted {
                endpoint,
                class,
                status,
                ..
            } => {
                let notice = Notice::WebhookExhausted {
                    endpoint: url,
                    last_error: &last_error(*class, *status),
                    last_attempt_at: waiting.queued_at,
                };
                self.notice(waiting, &to, &notice, self.name(endpoint))
            }
            MailKind::EndpointDisabled { endpoint, cause } => {
                let notice = Notice::EndpointDisabled {
                    endpoint: url,
                    because: self.because(*cause),
                    disabled_at: waiting.queued_at,
                };
                self.notice(waiting, &to, &notice, self.name(endpoint))
            }
            MailKind::WalletLow { balance, threshold } => {
                let notice = Notice::WalletLow {
                    balance: *balance,
                    threshold: *threshold,
                };
                self.notice(waiting, &to, &notice, self.name(mail.account))
            }
            MailKind::TrafficStopped(stop) => {
                let notice = Notice::TrafficStopped(*stop);
                self.notice(waiting, &to, &notice, self.name(mail.account))
            }
        };
        Ok(draft.compose()?)
    }

    /// The name of a thing among those of all installations.
    fn name(&self, id: impl std::fmt::Display) -> MessageName {
        MessageName::parse(&format!("{id}.{}", self.tag))
            .expect("ids and tags are letters, digits and _")
    }

    fn inbound(&self, id: MailId, to: &Address, facts: &MessageFacts, enclosed: Enclosed) -> Draft {
        let message = &facts.message;
        let replies = self.replies.as_ref().filter(|_| facts.is_answerable);
        let profile_name = message
            .content
            .as_ref()
            .and_then(|content| content.profile_name.as_deref());
        let media: Vec<&str> = enclosed.said.iter().map(String::as_str).collect();
        self.forwarded(ForwardedMessage {
            id: self.name(id),
            sender: &self.sender,
            to,
            reply_to: replies.map(|replies| {
                replies.of(ReplyTarget {
                    conversation: message.conversation,
                    account: message.account,
                    channel: message.channel,
                })
            }),
            channel: message.channel,
            peer: &message.from,
            profile_name,
            number: facts.number,
            body: &message.body,
            media_urls: &media,
            received_at: message.created_at,
            conversation: Some(message.conversation),
            attachments: enclosed.attachments,
        })
    }

    /// A forwarded message in the thread of its conversation.
    fn forwarded(&self, message: ForwardedMessage<'_>) -> Draft {
        let thread = message.conversation.map(|id| self.name(id));
        Draft {
            thread,
            ..message.draft()
        }
    }

    fn notice(
        &self,
        waiting: &Waiting,
        to: &Address,
        notice: &Notice<'_>,
        thread: MessageName,
    ) -> Draft {
        let id = self.name(waiting.mail.id);
        let at = waiting.queued_at;
        notice::draft(notice, id, &self.sender, to, Some(thread), at)
    }

    /// Customers are not told of what they did themselves: such a cause is never mailed.
    fn because(&self, cause: DisableCause) -> DisabledBecause {
        match cause {
            DisableCause::Gone => DisabledBecause::Gone,
            DisableCause::Failing | DisableCause::Customer => DisabledBecause::Failing {
                days: self.failing_days_max,
            },
        }
    }
}

/// Customers forward what they say was an SMS, unless only WhatsApp names people so.
fn channel_of(peer: &Peer) -> Channel {
    match peer.name() {
        Some(name) if name.is_whatsapp_user() => Channel::WhatsApp,
        Some(_) | None => Channel::Sms,
    }
}

fn last_error(class: AttemptClass, status: Option<u16>) -> String {
    match status {
        Some(status) => format!("HTTP {status}"),
        None => class.as_str().replace('_', " "),
    }
}

#[cfg(test)]
mod tests;
