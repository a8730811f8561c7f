//! What a request says of an endpoint, and the settings that it comes to.

use std::fmt;
use std::hash::Hash;

use didfarm_core::channel::Channel;
use didfarm_core::ids::NumberId;
use didfarm_core::webhook::EventType;
use didfarm_core::webhook::endpoint::{
    EndpointSettings, EventFilter, FILTER_ENTRIES_MAX, PayloadForm,
};
use didfarm_core::webhook::schedule::RetrySchedule;
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};

use crate::fields::{Given, NumberRef, Text};
use crate::present::webhooks::{SCHEDULE_DEFAULT, SCHEDULE_EXTENDED};
use crate::problem::{Code, Problem};
use crate::query::one_of;

/// An endpoint as a customer writes it. Whatever is left out stays as it is.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EndpointBody<'a> {
    #[serde(borrow)]
    pub(super) url: Option<Text<'a>>,
    #[serde(borrow)]
    description: Option<Text<'a>>,
    #[serde(borrow)]
    event_types: Option<Vec<Text<'a>>>,
    numbers: Option<Vec<NumberRef>>,
    #[serde(borrow)]
    channels: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    payload: Option<Text<'a>>,
    retry_schedule: Option<Schedule>,
    ordered: Option<bool>,
    #[serde(default)]
    rate_per_second: Given<u32>,
    pub(super) asymmetric: Option<bool>,
}

impl EndpointBody<'_> {
    /// Puts what is given in its place. `own` finds one of the account's numbers.
    ///
    /// # Errors
    /// `validation_failed`, `endpoint_unfit` or `number_unknown`, with the field at fault.
    pub(super) fn apply(
        self,
        settings: &mut EndpointSettings,
        own: impl Fn(NumberRef) -> Option<NumberId>,
    ) -> Result<(), Problem> {
        if let Some(url) = self.url {
            settings.url = url.to_string().into();
        }
        if let Some(description) = self.description {
            settings.description = description.to_string().into();
        }
        if let Some(types) = self.event_types {
            settings.filter.types = read_types("event_types", &types)?;
        }
        if let Some(channels) = self.channels {
            settings.filter.channels = read_channels(&channels)?;
        }
        if let Some(numbers) = self.numbers {
            settings.filter.numbers = read_numbers(&numbers, own)?;
        }
        if let Some(payload) = self.payload {
            settings.form = PayloadForm::parse(&payload).ok_or_else(|| {
                let words = one_of(&PayloadForm::ALL, PayloadForm::as_str);
                Problem::invalid("payload", format!("must be {words}"))
            })?;
        }
        if let Some(Schedule(schedule)) = self.retry_schedule {
            settings.schedule = schedule;
        }
        if let Some(ordered) = self.ordered {
            settings.is_ordered = ordered;
        }
        if let Some(rate) = self.rate_per_second.change() {
            settings.rate_per_second = rate;
        }
        Ok(())
    }
}

/// The settings of an endpoint of which nothing is said: told of everything, in the product's form, on
/// the product's schedule.
pub(super) fn unsaid() -> EndpointSettings {
    EndpointSettings {
        url: "".into(),
        description: "".into(),
        filter: EventFilter::default(),
        form: PayloadForm::default(),
        schedule: RetrySchedule::default(),
        is_ordered: false,
        rate_per_second: None,
    }
}

/// Reads the words of event types, each once.
///
/// # Errors
/// `validation_failed` with the place of a word that is no type's, `endpoint_unfit` for too many.
pub(super) fn read_types(field: &str, words: &[Text<'_>]) -> Result<Vec<EventType>, Problem> {
    each(field, words, |place, word| {
        EventType::parse(word).ok_or_else(|| {
            let words = one_of(EventType::ALL, EventType::as_str);
            Problem::invalid(&format!("{field}[{place}]"), format!("must be {words}"))
        })
    })
}

fn read_channels(words: &[Text<'_>]) -> Result<Vec<Channel>, Problem> {
    each("channels", words, |place, word| {
        Channel::parse(word).ok_or_else(|| {
            let words = one_of(&Channel::ALL, Channel::as_str);
            Problem::invalid(&format!("channels[{place}]"), format!("must be {words}"))
        })
    })
}

fn read_numbers(
    numbers: &[NumberRef],
    own: impl Fn(NumberRef) -> Option<NumberId>,
) -> Result<Vec<NumberId>, Problem> {
    each("numbers", numbers, |place, number| {
        own(*number).ok_or_else(|| Problem::number_unknown(&format!("numbers[{place}]"), *number))
    })
}

/// Reads the entries of one of the filter's lists, in their order, each value once.
fn each<T, V: Copy + Eq + Hash>(
    field: &str,
    entries: &[T],
    read: impl Fn(usize, &T) -> Result<V, Problem>,
) -> Result<Vec<V>, Problem> {
    if entries.len() > FILTER_ENTRIES_MAX {
        let detail = format!("{field} has {FILTER_ENTRIES_MAX} entries at most");
        return Err(Problem::of_field(Code::EndpointUnfit, field, detail));
    }
    let mut values = Vec::with_capacity(entries.len());
    for (place, entry) in entries.iter().enumerate() {
        let value = read(place, entry)?;
        if !values.contains(&value) {
            values.push(value);
        }
    }
    Ok(values)
}

/// A retry schedule: a word for one that is known, or the waits in seconds.
struct Schedule(RetrySchedule);

impl<'de> Deserialize<'de> for Schedule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Schedule, D::Error> {
        struct ScheduleVisitor;

        impl<'de> Visitor<'de> for ScheduleVisitor {
            type Value = Schedule;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(
                    f,
                    "\"{SCHEDULE_DEFAULT}\", \"{SCHEDULE_EXTENDED}\" or a list of waits in seconds"
                )
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Schedule, E> {
                match word {
                    SCHEDULE_DEFAULT => Ok(Schedule(RetrySchedule::Product)),
                    SCHEDULE_EXTENDED => Ok(Schedule(RetrySchedule::Specification)),
                    _ => Err(E::invalid_value(
                        de::Unexpected::Other("another string"),
                        &self,
                    )),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Schedule, A::Error> {
                let mut waits = smallvec::SmallVec::new();
                while let Some(wait) = seq.next_element::<u32>()? {
                    waits.push(wait);
                }
                Ok(Schedule(RetrySchedule::Custom(waits)))
            }
        }

        deserializer.deserialize_any(ScheduleVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;
    use crate::problem::document_of;

    fn read(body: &str) -> Result<EndpointSettings, Problem> {
        let mut settings = unsaid();
        let body: EndpointBody<'_> = json::parse(body.as_bytes())?;
        body.apply(&mut settings, |number| match number {
            NumberRef::Id(id) => (id == NumberId(7)).then_some(id),
            NumberRef::E164(_) => Some(NumberId(8)),
        })?;
        settings.check().map_err(|refusal| {
            let didfarm_core::refusal::Refusal::EndpointUnfit { field, why } = refusal else {
                panic!("{refusal}")
            };
            Problem::of_field(Code::EndpointUnfit, field, why)
        })?;
        Ok(settings)
    }

    #[test]
    fn every_field_is_read() {
        let settings = read(
            r#"{"url": "https://example.com/a", "description": "helpdesk",
                "event_types": ["message.received", "wallet.low", "message.received"],
                "numbers": [7, "num_00000000007", "+31201234567"], "channels": ["whatsapp"],
                "payload": "sms", "retry_schedule": [5, 60], "ordered": true, "rate_per_second": 3}"#,
        )
        .unwrap();
        let expected = EndpointSettings {
            url: "https://example.com/a".into(),
            description: "helpdesk".into(),
            filter: EventFilter {
                types: vec![EventType::MessageReceived, EventType::WalletLow],
                numbers: vec![NumberId(7), NumberId(8)],
                channels: vec![Channel::WhatsApp],
            },
            form: PayloadForm::Sms,
            schedule: RetrySchedule::Custom([5, 60].as_slice().into()),
            is_ordered: true,
            rate_per_second: Some(3),
        };
        assert_eq!(settings, expected);
        let extended = read(r#"{"retry_schedule": "extended"}"#).unwrap();
        assert_eq!(extended.schedule, RetrySchedule::Specification);
    }

    #[test]
    fn a_change_leaves_the_rest_alone_and_null_takes_the_rate_away() {
        let mut settings = read(r#"{"ordered": true, "rate_per_second": 3}"#).unwrap();
        let body: EndpointBody<'_> =
            json::parse(br#"{"rate_per_second": null, "payload": "sms", "url": null}"#).unwrap();
        body.apply(&mut settings, |_| None).unwrap();
        assert_eq!(
            (settings.rate_per_second, settings.is_ordered),
            (None, true)
        );
        assert_eq!(settings.form, PayloadForm::Sms);
    }

    #[test]
    fn a_bad_field_is_refused_by_its_name() {
        let long = "x".repeat(300);
        let many = vec!["\"message.received\""; FILTER_ENTRIES_MAX + 1].join(",");
        for (body, code, field) in [
            (
                r#"{"event_types":["a"]}"#,
                "validation_failed",
                "event_types[0]",
            ),
            (r#"{"event_types":"a"}"#, "validation_failed", "event_types"),
            (
                &format!(r#"{{"event_types":[{many}]}}"#),
                "endpoint_unfit",
                "event_types",
            ),
            (r#"{"numbers":[7,9]}"#, "number_unknown", "numbers[1]"),
            (r#"{"numbers":["x"]}"#, "validation_failed", "numbers[0]"),
            (
                r#"{"channels":["fax"]}"#,
                "validation_failed",
                "channels[0]",
            ),
            (r#"{"payload":"xml"}"#, "validation_failed", "payload"),
            (
                r#"{"retry_schedule":"never"}"#,
                "validation_failed",
                "retry_schedule",
            ),
            (
                r#"{"retry_schedule":[0]}"#,
                "endpoint_unfit",
                "retry_schedule",
            ),
            (
                r#"{"rate_per_second":0}"#,
                "endpoint_unfit",
                "rate_per_second",
            ),
            (
                &format!(r#"{{"description":"{long}"}}"#),
                "endpoint_unfit",
                "description",
            ),
            (r#"{"uri":"https://example.com"}"#, "unknown_field", "uri"),
        ] {
            let document = document_of(read(body).unwrap_err());
            assert_eq!(
                (&document["code"], &document["errors"][0]["field"]),
                (&code.into(), &field.into()),
                "{body}"
            );
        }
    }
}
