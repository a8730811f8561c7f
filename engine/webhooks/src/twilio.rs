//! Twilio's dialect, as far as customers are told things in it: sids, words, codes, forms and their signature.
//!
//! The carrier Twilio is another thing, which this knows nothing of: here we answer as Twilio does, in the
//! names of its API 2010-04-01.

pub mod failure;
pub mod sid;
pub mod signature;
pub mod status;

use bytes::Bytes;
use didfarm_core::channel::Channel;
use didfarm_core::ids::MessageId;
use didfarm_core::message::Message;
use didfarm_core::peer::Peer;
use didfarm_core::webhook::Fact;
use url::form_urlencoded::Serializer;

use crate::payload::Facts;
use status::Told;

/// The version of the API, a part of every path and of every form.
pub const API_VERSION: &str = "2010-04-01";
/// What stands before a number on WhatsApp.
pub const WHATSAPP_PREFIX: &str = "whatsapp:";

/// A number or name as Twilio writes it on a channel.
pub fn address(peer: &Peer, channel: Channel) -> String {
    match channel {
        Channel::Sms => peer.to_string(),
        Channel::WhatsApp => format!("{WHATSAPP_PREFIX}{peer}"),
    }
}

/// Writes the form of an event about a message; of any other, which no endpoint with this payload is told
/// of, only the account is named.
pub(crate) fn form(facts: &Facts<'_>) -> Bytes {
    let mut form = Serializer::new(String::new());
    match &facts.event.fact {
        Fact::MessageReceived(id) => {
            ids(&mut form, *id);
            form.append_pair("SmsMessageSid", &sid::message(*id));
            form.append_pair("SmsStatus", status::RECEIVED);
            if let Some(message) = facts.message {
                received(&mut form, message);
            }
        }
        Fact::MessageStatus {
            message,
            status,
            reason,
            is_read,
            is_taken,
        } => {
            ids(&mut form, *message);
            let told = Told {
                status: *status,
                is_read: *is_read,
                is_taken: *is_taken,
            };
            let word = told.word();
            form.append_pair("MessageStatus", word);
            form.append_pair("SmsStatus", word);
            if let Some(failure) = failure::of(*status, *reason) {
                form.append_pair("ErrorCode", &failure.code.to_string());
            }
            if let Some(message) = facts.message {
                parties(&mut form, message);
            }
        }
        Fact::ConversationCreated { .. }
        | Fact::ConversationUpdated { .. }
        | Fact::Consent { .. }
        | Fact::TrafficStopped(_)
        | Fact::NumberAdded(_)
        | Fact::NumberUpdated(_)
        | Fact::WalletLow { .. }
        | Fact::EndpointDisabled { .. }
        | Fact::Example(_) => {}
    }
    form.append_pair("AccountSid", &sid::account(facts.event.account));
    form.append_pair("ApiVersion", API_VERSION);
    Bytes::from(form.finish())
}

fn ids(form: &mut Serializer<'_, String>, message: MessageId) {
    let sid = sid::message(message);
    form.append_pair("MessageSid", &sid);
    form.append_pair("SmsSid", &sid);
}

fn parties(form: &mut Serializer<'_, String>, message: &Message) {
    form.append_pair("From", &address(&message.from, message.channel));
    form.append_pair("To", &address(&message.to, message.channel));
    if message.channel == Channel::WhatsApp {
        form.append_pair("ChannelPrefix", "whatsapp");
    }
}

fn received(form: &mut Serializer<'_, String>, message: &Message) {
    parties(form, message);
    form.append_pair("Body", &message.body);
    form.append_pair("NumSegments", &message.segments.to_string());
    let content = message.content.as_deref();
    let media = content.map_or(&[][..], |content| &content.media);
    form.append_pair("NumMedia", &media.len().to_string());
    for (place, media) in media.iter().enumerate() {
        if let Some(url) = &media.url {
            form.append_pair(&format!("MediaUrl{place}"), url);
        }
        if let Some(kind) = &media.content_type {
            form.append_pair(&format!("MediaContentType{place}"), kind);
        }
    }
    if message.channel == Channel::WhatsApp {
        if let Some(name) = content.and_then(|content| content.profile_name.as_deref()) {
            form.append_pair("ProfileName", name);
        }
        let id = message.from.to_string();
        form.append_pair("WaId", id.trim_start_matches('+'));
    }
}

#[cfg(test)]
mod tests;
