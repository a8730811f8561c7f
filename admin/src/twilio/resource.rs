//! The JSON of a message, field for field as Twilio shows it; numbers are texts there.

use didfarm_core::channel::{Channel, Direction};
use didfarm_core::content::Content;
use didfarm_core::delivery::status::Status;
use didfarm_core::ids::{AccountId, MessageId};
use didfarm_core::message::Message;
use didfarm_core::money::Micros;
use didfarm_core::peer::Peer;
use didfarm_core::time::Timestamp;
use didfarm_runtime::send::SentMessage;
use didfarm_webhooks::twilio::failure::{self, Failure};
use didfarm_webhooks::twilio::{API_VERSION, address, sid, status};
use serde::{Serialize, Serializer};

use crate::present::CURRENCY;

/// A message.
#[derive(Serialize)]
pub(super) struct Resource<'a> {
    body: &'a str,
    num_segments: String,
    direction: &'static str,
    from: String,
    to: String,
    date_updated: Rfc2822,
    price: Option<String>,
    error_message: Option<&'static str>,
    uri: String,
    account_sid: String,
    num_media: String,
    status: &'static str,
    messaging_service_sid: Option<&'static str>,
    sid: String,
    date_sent: Option<Rfc2822>,
    date_created: Rfc2822,
    error_code: Option<u32>,
    price_unit: &'static str,
    api_version: &'static str,
    subresource_uris: Below,
}

#[derive(Serialize)]
struct Below {
    media: String,
}

/// A time by RFC 2822, as `Thu, 24 Aug 2023 05:01:45 +0000`.
pub(super) struct Rfc2822(pub(super) Timestamp);

impl Serialize for Rfc2822 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let at = jiff::Timestamp::from_microsecond(self.0.0).unwrap_or(jiff::Timestamp::MAX);
        let zoned = at.to_zoned(jiff::tz::TimeZone::UTC);
        serializer.collect_str(&zoned.strftime("%a, %d %b %Y %H:%M:%S +0000"))
    }
}

/// What every message has, stored or just accepted.
struct Common<'a> {
    account: AccountId,
    id: MessageId,
    channel: Channel,
    from: &'a Peer,
    to: &'a Peer,
    body: &'a str,
    segments: u16,
    content: Option<&'a Content>,
    created_at: Timestamp,
}

impl<'a> Common<'a> {
    fn resource(self, price: Option<Micros>) -> Resource<'a> {
        let uri = uri(self.account, self.id);
        let media = self.content.map_or(0, |content| content.media.len());
        Resource {
            body: self.body,
            num_segments: self.segments.to_string(),
            direction: "outbound-api",
            from: address(self.from, self.channel),
            to: address(self.to, self.channel),
            date_updated: Rfc2822(self.created_at),
            // What was paid is below zero, as Twilio writes it.
            price: price.map(|price| Micros::new(-price.as_micros()).to_string()),
            error_message: None,
            subresource_uris: Below {
                media: format!("{}/Media.json", uri.trim_end_matches(".json")),
            },
            uri,
            account_sid: sid::account(self.account),
            num_media: media.to_string(),
            status: status::RECEIVED,
            messaging_service_sid: None,
            sid: sid::message(self.id),
            date_sent: None,
            date_created: Rfc2822(self.created_at),
            error_code: None,
            price_unit: CURRENCY,
            api_version: API_VERSION,
        }
    }
}

fn uri(account: AccountId, message: MessageId) -> String {
    let (account, message) = (sid::account(account), sid::message(message));
    format!("/{API_VERSION}/Accounts/{account}/Messages/{message}.json")
}

impl<'a> Resource<'a> {
    /// A message that was just accepted, of this account; `from` is its number once more.
    pub(super) fn accepted(
        account: AccountId,
        sent: &'a SentMessage,
        from: &'a Peer,
    ) -> Resource<'a> {
        let common = Common {
            account,
            id: sent.id,
            channel: sent.channel,
            from,
            to: &sent.to,
            body: &sent.body,
            segments: sent.segments,
            content: sent.content.as_deref(),
            created_at: sent.created_at,
        };
        Resource {
            status: sent.status().as_str(),
            ..common.resource(Some(sent.charge))
        }
    }

    /// A message of the records.
    pub(super) fn of(message: &'a Message) -> Resource<'a> {
        let common = Common {
            account: message.account,
            id: message.id,
            channel: message.channel,
            from: &message.from,
            to: &message.to,
            body: &message.body,
            segments: message.segments,
            content: message.content.as_deref(),
            created_at: message.created_at,
        };
        let (direction, price) = match message.direction {
            Direction::Inbound => ("inbound", None),
            Direction::Outbound if message.refunded => ("outbound-api", Some(Micros::ZERO)),
            Direction::Outbound => ("outbound-api", Some(message.charge)),
        };
        let failure = failure::of(message.status(), message.reason());
        Resource {
            direction,
            status: status::word(message),
            date_sent: sent_at(message).map(Rfc2822),
            date_updated: Rfc2822(updated_at(message)),
            error_code: failure.map(|Failure { code, .. }| code),
            error_message: failure.map(|Failure { message, .. }| message),
            ..common.resource(price)
        }
    }
}

/// When a carrier took it, or brought it.
fn sent_at(message: &Message) -> Option<Timestamp> {
    let taken = [Status::Sent, Status::Delivered];
    let mut steps = message.history.iter();
    steps
        .find(|step| taken.contains(&step.status))
        .map(|step| step.at)
}

fn updated_at(message: &Message) -> Timestamp {
    let changed = message.history.last().map(|step| step.at);
    changed
        .into_iter()
        .chain(message.read_at)
        .fold(message.created_at, Timestamp::max)
}
