//! What a mail tells besides what is queued with it: read by a loader when it is tried.

use didfarm_config::ProtocolSettings;
use didfarm_core::channel::Channel;
use didfarm_core::content::Media;
use didfarm_core::e164::E164;
use didfarm_core::ids::ConversationId;
use didfarm_core::mail::{Mail, MailKind};
use didfarm_core::message::Message;
use didfarm_store::records::{Records, RecordsError};

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
    /// What is said of its media, one line each.
    pub(crate) media: Vec<String>,
}

impl Facts {
    /// The facts of a mail that needs none from the records.
    pub(crate) fn at_hand(mail: &Mail) -> Option<Facts> {
        match mail.kind {
            MailKind::WalletLow { .. } => Some(Facts::None),
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
            MailKind::WalletLow { .. } => Ok(Facts::None),
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
        let media = message.content.iter().flat_map(|content| &content.media);
        let is_public = is_public(engine, &message);
        let media = media.map(|media| described(media, is_public)).collect();
        Ok(Facts::Message(Box::new(MessageFacts {
            is_answerable: own.may_carry(message.channel).is_ok() && peer.is_some(),
            number,
            media,
            message,
        })))
    }
}

/// Whether links to a message's media open without the carrier's credentials. WhatsApp's never do, and
/// Twilio's do not where the account asks for them.
fn is_public(engine: &Shared, message: &Message) -> bool {
    let carriers = &engine.settings.carriers;
    let carrier = carriers
        .iter()
        .find(|carrier| Some(carrier.carrier_id()) == message.brought_by);
    match carrier.map(|carrier| carrier.protocol()) {
        Some(ProtocolSettings::WhatsApp(_) | ProtocolSettings::Twilio(_)) => false,
        Some(ProtocolSettings::Telnyx(_) | ProtocolSettings::Smpp(_)) => true,
        // The carrier is none of the settings' any more: nobody knows whose links these are.
        None => message.channel == Channel::Sms,
    }
}

fn described(media: &Media, is_public: bool) -> String {
    let kind = media.content_type.as_deref().unwrap_or("a file");
    match &media.url {
        Some(url) if is_public => url.to_string(),
        Some(_) | None => format!("{kind}, kept by the carrier: see the inbox"),
    }
}
