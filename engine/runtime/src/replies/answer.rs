//! What a reply comes to: it is sent, once, or told why not.

use std::sync::Arc;

use didfarm_core::channel::{Channel, Direction};
use didfarm_core::conversation::Conversation;
use didfarm_core::ids::{AccountId, ConversationId, MessageId};
use didfarm_core::segments::BODY_CHARS_MAX;
use didfarm_mail::reply::Reply;
use didfarm_mail::token::ReplyTarget;
use didfarm_store::records::{Records, RecordsError};
use sha2::{Digest, Sha256};

use super::addressee;
use super::addresses::ReplyAddresses;
use super::ledger::{InHand, KEY_BYTES, Key, Known, Ledger};
use crate::handle::EngineHandle;
use crate::meters::mails::ReplyMeter;
use crate::read::ReadError;
use crate::send::{Priority, SendError, SendRequest, Sender, Unavailable};
use crate::shared::Shared;

/// Messages of a conversation that are looked through for a reply that may have been sent.
const DOUBT_MESSAGES_MAX: usize = 10_000;
/// How many of them are read at once.
const DOUBT_PAGE: usize = 200;

const MISADDRESSED: &str = "misaddressed";

/// What became of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is accepted: durable, and on its way to the peer.
    Sent,
    /// It was sent when it came before.
    Repeated,
    /// A machine wrote it: it is let go, for an answer to it would begin a loop.
    Automatic,
    /// Never, and why.
    Refused(String),
    /// Not now, and why.
    Later(String),
}

impl Outcome {
    const WORDS: [&'static str; 6] = [
        "sent",
        "repeated",
        "automatic",
        "refused",
        "later",
        MISADDRESSED,
    ];

    fn as_str(&self) -> &'static str {
        match self {
            Outcome::Sent => "sent",
            Outcome::Repeated => "repeated",
            Outcome::Automatic => "automatic",
            Outcome::Refused(_) => "refused",
            Outcome::Later(_) => "later",
        }
    }

    fn refused(why: impl ToString) -> Outcome {
        Outcome::Refused(why.to_string())
    }

    fn later(why: impl ToString) -> Outcome {
        Outcome::Later(why.to_string())
    }
}

impl From<ReadError> for Outcome {
    fn from(error: ReadError) -> Outcome {
        match error {
            ReadError::Unavailable(why) => Outcome::later(why),
            ReadError::Damaged { sentence } => {
                tracing::error!(%sentence, "the conversation of a reply cannot be read");
                Outcome::later("the conversation cannot be read at the moment")
            }
        }
    }
}

/// Whether a reply that was begun is among the messages.
enum Doubt {
    Sent,
    NotSent,
    /// So much was written since that nobody looks through it.
    Unclear,
}

/// Who takes replies.
pub(super) struct ReplyDesk {
    engine: Arc<Shared>,
    handle: EngineHandle,
    addresses: Arc<ReplyAddresses>,
    ledger: Arc<Ledger>,
    meter: ReplyMeter,
}

impl ReplyDesk {
    pub(super) fn new(
        engine: Arc<Shared>,
        handle: EngineHandle,
        addresses: Arc<ReplyAddresses>,
        ledger: Arc<Ledger>,
    ) -> ReplyDesk {
        ReplyDesk {
            engine,
            handle,
            addresses,
            ledger,
            meter: ReplyMeter::new(&Outcome::WORDS),
        }
    }

    pub(super) fn addresses(&self) -> &ReplyAddresses {
        &self.addresses
    }

    /// Counts a mail for no address of ours.
    pub(super) fn misaddressed(&self) {
        self.meter.count(MISADDRESSED);
    }

    /// What a reply to a conversation is known by: its `Message-ID`, or all of it where it has none.
    pub(super) fn key(conversation: ConversationId, letter: &Reply, bytes: &[u8]) -> Key {
        let mut digest = Sha256::new();
        digest.update(conversation.0.to_be_bytes());
        match &letter.message_id {
            Some(id) => digest.update(id.as_bytes()),
            None => {
                digest.update([0]);
                digest.update(bytes);
            }
        }
        let mut key = [0; KEY_BYTES];
        key.copy_from_slice(&digest.finalize()[..KEY_BYTES]);
        key
    }

    /// Answers a conversation. Whoever asks may leave: what was begun is finished all the same.
    pub(super) async fn answer(
        self: &Arc<Self>,
        target: ReplyTarget,
        key: Key,
        letter: Reply,
    ) -> Outcome {
        let desk = Arc::clone(self);
        let task = tokio::spawn(async move {
            let outcome = match desk.decide(target, key, letter).await {
                Ok(outcome) | Err(outcome) => outcome,
            };
            desk.meter.count(outcome.as_str());
            outcome
        });
        let failed = |_| Outcome::later("the reply met a fault; it may be brought again");
        task.await.unwrap_or_else(failed)
    }

    async fn decide(
        &self,
        target: ReplyTarget,
        key: Key,
        letter: Reply,
    ) -> Result<Outcome, Outcome> {
        if letter.automatic {
            return Ok(Outcome::Automatic);
        }
        let text = text_of(&letter)?;
        self.engine.gate().map_err(Outcome::later)?;
        let in_hand = match self.ledger.take(key) {
            Ok(in_hand) => in_hand,
            Err(Known::Sent) => return Ok(Outcome::Repeated),
            Err(Known::InHand) => return Err(Outcome::later("the reply is being sent already")),
        };
        let conversation = self
            .conversation(target.conversation, target.account)
            .await?;
        if let Some(after) = in_hand.begun() {
            match self.look_for(conversation.id, after, &text).await? {
                Doubt::Sent => {
                    in_hand.sent();
                    return Ok(Outcome::Repeated);
                }
                Doubt::NotSent => {}
                Doubt::Unclear => {
                    let why = "it cannot be told whether the reply was sent: see the inbox";
                    return Err(Outcome::refused(why));
                }
            }
        }
        let channel = target.channel;
        self.send(in_hand, &conversation, channel, text).await
    }

    async fn conversation(
        &self,
        id: ConversationId,
        account: AccountId,
    ) -> Result<Conversation, Outcome> {
        let read = move |records: &Records| records.conversation(id).map_err(damaged);
        let found = self.engine.read(read).await?;
        found
            .filter(|found| found.account == account)
            .ok_or_else(|| Outcome::refused("the conversation is not hosted here"))
    }

    async fn send(
        &self,
        in_hand: InHand,
        conversation: &Conversation,
        channel: Channel,
        text: Arc<str>,
    ) -> Result<Outcome, Outcome> {
        let unknown = || Outcome::refused("the number is not hosted here");
        let directory = &self.engine.directory;
        let account = directory
            .account(conversation.account)
            .ok_or_else(unknown)?;
        let to = addressee(conversation, channel)
            .ok_or_else(|| Outcome::refused("the peer cannot be answered"))?;
        in_hand
            .begin(conversation.last_message())
            .map_err(|error| {
                tracing::error!(%error, "the ledger of replies cannot be written");
                Outcome::later("the reply cannot be noted at the moment")
            })?;
        let request = SendRequest {
            from: Sender::Id(conversation.number),
            to,
            channel,
            body: text,
            content: None,
            validity: None,
            send_at: None,
            priority: Priority::Normal,
            smart_encoding: false,
            status_url: None,
        };
        match self.handle.send(&account, request).await {
            Ok(_) => {
                in_hand.sent();
                Ok(Outcome::Sent)
            }
            Err(SendError::Refused(refusal)) => {
                in_hand.unsent();
                Err(Outcome::refused(refusal))
            }
            // Whether it was sent is in doubt: the messages tell when it comes again.
            Err(error @ SendError::Unavailable(Unavailable::Faulted)) => Err(Outcome::later(error)),
            Err(
                error @ (SendError::RateLimited { .. }
                | SendError::PrefixBusy { .. }
                | SendError::Unavailable(_)),
            ) => {
                in_hand.unsent();
                Err(Outcome::later(error))
            }
        }
    }

    /// Looks for a reply that was begun when `after` was the conversation's last message.
    async fn look_for(
        &self,
        conversation: ConversationId,
        after: MessageId,
        text: &Arc<str>,
    ) -> Result<Doubt, Outcome> {
        let text = Arc::clone(text);
        let read =
            move |records: &Records| look_for(records, conversation, after, &text).map_err(damaged);
        Ok(self.engine.read(read).await?)
    }
}

fn damaged(error: RecordsError) -> ReadError {
    ReadError::Damaged {
        sentence: error.to_string(),
    }
}

fn look_for(
    records: &Records,
    conversation: ConversationId,
    after: MessageId,
    text: &str,
) -> Result<Doubt, RecordsError> {
    let mut before = None;
    for _ in 0..DOUBT_MESSAGES_MAX / DOUBT_PAGE {
        let page = records.conversation_messages(conversation, before, DOUBT_PAGE)?;
        for message in &page {
            if message.id <= after {
                return Ok(Doubt::NotSent);
            }
            if message.direction == Direction::Outbound && *message.body == *text {
                return Ok(Doubt::Sent);
            }
        }
        before = match page.last() {
            Some(last) => Some(last.id),
            None => return Ok(Doubt::NotSent),
        };
    }
    Ok(Doubt::Unclear)
}

fn text_of(letter: &Reply) -> Result<Arc<str>, Outcome> {
    let text = letter.text.trim();
    let chars = text.chars().count();
    match chars {
        0 => Err(Outcome::refused(
            "the reply has no text above what it quotes",
        )),
        1..=BODY_CHARS_MAX => Ok(text.into()),
        _ => Err(Outcome::refused(format!(
            "the reply has {chars} characters; at most {BODY_CHARS_MAX} are sent"
        ))),
    }
}
