//! The shapes of a number's settings, as its owner sees them.

use didfarm_core::auto_reply::AutoReplyRules;
use didfarm_core::e164::E164;
use didfarm_core::hours::{DAYS, OpeningHours};
use didfarm_core::ids::{EndpointId, NumberId};
use didfarm_core::number::Number;
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Seconds, Shown};

/// The days of the week in public JSON, in the order of [`DAYS`].
pub(crate) const DAY_WORDS: [&str; DAYS.len()] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// A number with what its owner sets of it.
#[derive(serde::Serialize)]
pub(crate) struct NumberSettings<'a> {
    id: Shown<NumberId>,
    number: Shown<E164>,
    sms_enabled: bool,
    whatsapp_enabled: bool,
    inbound_webhook_url: Option<&'a str>,
    inbound_webhook_id: Option<Shown<EndpointId>>,
    /// There only when the URL was set just now.
    #[serde(skip_serializing_if = "Option::is_none")]
    inbound_webhook_secret: Option<&'a str>,
    forward_to_email: Option<&'a str>,
    auto_reply: Option<AutoReply>,
    /// Until when SMS on it is paid, if it ever was.
    sms_paid_until: Option<Seconds>,
}

/// The endpoint that is a number's inbound URL.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Inbound<'a> {
    /// Its id.
    pub(crate) id: EndpointId,
    /// Where it is.
    pub(crate) url: &'a str,
    /// Its secret, if it was made just now.
    pub(crate) secret: Option<&'a str>,
}

impl<'a> NumberSettings<'a> {
    pub(crate) fn of(number: &'a Number, inbound: Option<Inbound<'a>>) -> NumberSettings<'a> {
        NumberSettings {
            id: Shown(number.id),
            number: Shown(number.e164),
            sms_enabled: number.sms,
            whatsapp_enabled: number.whatsapp,
            inbound_webhook_url: inbound.map(|inbound| inbound.url),
            inbound_webhook_id: inbound.map(|inbound| Shown(inbound.id)),
            inbound_webhook_secret: inbound.and_then(|inbound| inbound.secret),
            forward_to_email: number.forward_to.as_deref(),
            auto_reply: number.auto_reply.as_deref().map(AutoReply::of),
            sms_paid_until: number.add_on.map(|add_on| Seconds(add_on.paid_until)),
        }
    }
}

/// Auto-reply rules, in the form in which they are written.
#[derive(serde::Serialize)]
pub(crate) struct AutoReply {
    immediate: Option<String>,
    after_hours: Option<AfterHours>,
    keywords: Vec<Keywords>,
    once_per_seconds: Option<u32>,
}

#[derive(serde::Serialize)]
struct AfterHours {
    text: String,
    hours: Hours,
}

#[derive(serde::Serialize)]
struct Keywords {
    words: Vec<String>,
    text: String,
}

struct Hours(OpeningHours);

impl AutoReply {
    pub(crate) fn of(rules: &AutoReplyRules) -> AutoReply {
        let draft = rules.draft();
        let keywords = draft.keywords.into_iter();
        AutoReply {
            immediate: draft.immediate,
            after_hours: draft.after_hours.map(|(hours, text)| AfterHours {
                text,
                hours: Hours(hours),
            }),
            keywords: keywords
                .map(|(words, text)| Keywords { words, text })
                .collect(),
            once_per_seconds: draft.once_per_s,
        }
    }
}

impl Serialize for Hours {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Hours(hours) = self;
        let holidays: Vec<_> = hours.holidays().iter().map(Shown).collect();
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("zone", hours.zone())?;
        map.serialize_entry("weekly", &Weekly(hours))?;
        map.serialize_entry("holidays", &holidays)?;
        map.end()
    }
}

struct Weekly<'a>(&'a OpeningHours);

impl Serialize for Weekly<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(DAY_WORDS.len()))?;
        for (day, word) in DAY_WORDS.into_iter().enumerate() {
            let spans: Vec<_> = self.0.spans(day).iter().map(Shown).collect();
            map.serialize_entry(word, &spans)?;
        }
        map.end()
    }
}
