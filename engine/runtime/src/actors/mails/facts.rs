//! What a mail tells besides what is queued with it: read by a loader when it is tried.

use std::sync::Arc;

use didfarm_core::e164::E164;
use didfarm_core::ids::ConversationId;
use didfarm_core::mail::{Mail, MailKind};
use didfarm_core::message::Message;
use didfarm_store::records::{Records, RecordsError};
use didfarm_webhooks::AddressGuard;

use super::media::File;
use crate::replies::addressee;
use crate::shared::Shared;

/// What was read.
pub(crate) enum Facts {
    /// Nothing: the mail says it all.
    None,
    /// An inbound message.
    Message(Box<MessageFacts>),
    /// The conversation that a forwarded message belongs to, if its pair has one.
    Conversation(Option<ConversationId>),
    /// An endpoint's URL; `None` when it is gone.
    Endpoint(Option<Box<str>>),
    /// The message, or its number, is not hosted here any more.
    Missing,
}

/// What is known of an inbound message.
pub(crate) struct MessageFacts {
    pub(crate) message: Message,
    /// Our number that it came to.
    pub(crate) number: E164,
    /// Whether its conversation could be answered on its channel.
    pub(crate) is_answerable: bool,
    /// Its files, and the rules by which they are fetched.
    pub(crate) files: Vec<File>,
    pub(crate) guard: Arc<AddressGuard>,
}

impl Facts {
    /// The facts of a mail that needs none from the records.
    pub(crate) fn at_hand(mail: &Mail) -> Option<Facts> {
        match mail.kind {
            MailKind::WalletLow { .. } | MailKind::TrafficStopped(_) => Some(Facts::None),
            MailKind::Inbound(_)
            | MailKind::Forward { .. }
            | MailKind::Exhausted { .. }
            | MailKind::EndpointDisabled { .. } => None,
        }
    }

    /// Reads them. It blocks.
    pub(crate) fn read(
        engine: &Shared,
        records: &Records,
        mail: &Mail,
    ) -> Result<Facts, RecordsError> {
        match &mail.kind {
            MailKind::WalletLow { .. } | MailKind::TrafficStopped(_) => Ok(Facts::None),
            MailKind::Exhausted { endpoint, .. } | MailKind::EndpointDisabled { endpoint, .. } => {
                let record = records.endpoint(*endpoint)?;
                Ok(Facts::Endpoint(
                    record.map(|record| record.endpoint.settings.url),
                ))
            }
            MailKind::Forward { number, from, .. } => {
                let number = engine.directory.number_id(*number);
                let id = number.map(|number| records.conversation_id_of(number, from));
                Ok(Facts::Conversation(id.transpose()?.flatten()))
            }
            MailKind::Inbound(message) => match records.message(*message)? {
                Some(message) => MessageFacts::read(engine, records, message),
                None => Ok(Facts::Missing),
            },
        }
    }
}

impl MessageFacts {
    fn read(engine: &Shared, records: &Records, message: Message) -> Result<Facts, RecordsError> {
        let (Some(own), Some(number)) =
            (engine.directory.number(message.number), message.to.number())
        else {
            return Ok(Facts::Missing);
        };
        let conversation = records.conversation(message.conversation)?;
        let peer = conversation.and_then(|found| addressee(&found, message.channel));
        Ok(Facts::Message(Box::new(MessageFacts {
            is_answerable: own.may_carry(message.channel).is_ok() && peer.is_some(),
            number,
            files: File::of(&engine.settings, &message),
            guard: engine.reach.guard(),
            message,
        })))
    }
}
