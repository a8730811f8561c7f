//! Auto-reply rules as a customer writes them.

use didfarm_core::auto_reply::{AutoReplyDraft, AutoReplyError, AutoReplyRules};
use didfarm_core::hours::{DAYS, Holiday, HoursError, OpeningHours, Span};
use serde::Deserialize;

use crate::fields::Text;
use crate::present::numbers::DAY_WORDS;
use crate::problem::{Code, Problem};

/// The field that holds the rules.
const FIELD: &str = "auto_reply";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AutoReplyBody<'a> {
    #[serde(borrow)]
    immediate: Option<Text<'a>>,
    #[serde(borrow)]
    after_hours: Option<AfterHoursBody<'a>>,
    #[serde(borrow)]
    keywords: Option<Vec<KeywordBody<'a>>>,
    once_per_seconds: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AfterHoursBody<'a> {
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    hours: HoursBody<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HoursBody<'a> {
    #[serde(borrow)]
    zone: Text<'a>,
    #[serde(borrow)]
    weekly: WeeklyBody<'a>,
    #[serde(borrow)]
    holidays: Option<Vec<Text<'a>>>,
}

/// A day that is left out is closed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WeeklyBody<'a> {
    #[serde(borrow)]
    mon: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    tue: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    wed: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    thu: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    fri: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    sat: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    sun: Option<Vec<Text<'a>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeywordBody<'a> {
    #[serde(borrow)]
    words: Vec<Text<'a>>,
    #[serde(borrow)]
    text: Text<'a>,
}

impl AutoReplyBody<'_> {
    /// The rules.
    ///
    /// # Errors
    /// `auto_reply_invalid` with the path of what is at fault.
    pub(super) fn read(self) -> Result<AutoReplyRules, Problem> {
        let after_hours = self.after_hours.map(|after| {
            let text = after.text.to_string();
            Ok((read_hours(after.hours)?, text))
        });
        let keywords = self.keywords.unwrap_or_default().into_iter().map(|rule| {
            let words = rule.words.iter().map(|word| word.to_string()).collect();
            (words, rule.text.to_string())
        });
        let draft = AutoReplyDraft {
            immediate: self.immediate.map(|text| text.to_string()),
            after_hours: after_hours.transpose()?,
            keywords: keywords.collect(),
            once_per_s: self.once_per_seconds,
        };
        AutoReplyRules::new(draft).map_err(|error| {
            let field = match &error {
                AutoReplyError::OncePerOutOfRange { .. } => "once_per_seconds".to_owned(),
                error => error.field(),
            };
            unfit(&field, error.to_string())
        })
    }
}

fn read_hours(body: HoursBody<'_>) -> Result<OpeningHours, Problem> {
    let WeeklyBody {
        mon,
        tue,
        wed,
        thu,
        fri,
        sat,
        sun,
    } = body.weekly;
    let mut weekly: [Vec<Span>; DAYS.len()] = Default::default();
    let days = [mon, tue, wed, thu, fri, sat, sun];
    for ((spans, texts), day) in weekly.iter_mut().zip(days).zip(DAY_WORDS) {
        for (place, text) in texts.iter().flatten().enumerate() {
            let field = || format!("after_hours.hours.weekly.{day}[{place}]");
            let span = Span::parse(text)
                .ok_or_else(|| unfit(&field(), "must be a span of the day such as 09:00-18:00"))?;
            spans.push(span);
        }
    }
    let mut holidays = Vec::new();
    for (place, text) in body.holidays.iter().flatten().enumerate() {
        let holiday = Holiday::parse(text).ok_or_else(|| {
            let field = format!("after_hours.hours.holidays[{place}]");
            unfit(
                &field,
                "must be a date such as 2026-12-25, or 12-25 for every year",
            )
        })?;
        holidays.push(holiday);
    }
    OpeningHours::new(&body.zone, weekly, holidays).map_err(|error| {
        let field = match error {
            HoursError::TooManySpans { day, .. } | HoursError::SpansOverlap { day, .. } => {
                format!("weekly.{}", DAY_WORDS[day])
            }
            HoursError::UnknownZone | HoursError::TooManyHolidays { .. } => error.field(),
        };
        unfit(&format!("after_hours.hours.{field}"), error.to_string())
    })
}

fn unfit(field: &str, detail: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::of_field(Code::AutoReplyInvalid, &format!("{FIELD}.{field}"), detail)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::present::numbers::AutoReply;
    use crate::problem::document_of;

    fn read(body: &Value) -> Result<AutoReplyRules, Problem> {
        let text = body.to_string();
        let body: AutoReplyBody<'_> = crate::json::parse(text.as_bytes()).unwrap();
        body.read()
    }

    fn complete() -> Value {
        json!({
            "immediate": "Thank you for contacting us!",
            "after_hours": {
                "text": "We will reply on the next business day.",
                "hours": {
                    "zone": "Europe/Amsterdam",
                    "weekly": {"mon": ["09:00-12:30", "13:00-18:00"], "fri": ["09:00-24:00"]},
                    "holidays": ["01-01", "2026-12-25"],
                },
            },
            "keywords": [{"words": ["price", "Preis"], "text": "See example.com/prices."}],
            "once_per_seconds": 7200,
        })
    }

    #[test]
    fn what_is_shown_is_what_was_written() {
        let rules = read(&complete()).unwrap();
        let shown = serde_json::to_value(AutoReply::of(&rules)).unwrap();
        let mut expected = complete();
        for day in ["tue", "wed", "thu", "sat", "sun"] {
            expected["after_hours"]["hours"]["weekly"][day] = json!([]);
        }
        assert_eq!(shown, expected);
        assert_eq!(read(&shown).unwrap(), rules);
    }

    #[test]
    fn what_is_wrong_is_named_by_its_path() {
        let hours = "/after_hours/hours";
        for (at, value, field) in [
            ("/immediate", json!(" "), "immediate"),
            ("/once_per_seconds", json!(1), "once_per_seconds"),
            ("/keywords/0/words", json!([]), "keywords[0].words"),
            ("/keywords/0/text", json!("PRICE"), "keywords[0].text"),
            (
                &format!("{hours}/weekly/mon"),
                json!(["9-5"]),
                "after_hours.hours.weekly.mon[0]",
            ),
            (
                &format!("{hours}/weekly/fri"),
                json!(["09:00-12:00", "11:00-18:00"]),
                "after_hours.hours.weekly.fri",
            ),
            (
                &format!("{hours}/holidays"),
                json!(["02-30"]),
                "after_hours.hours.holidays[0]",
            ),
            (
                &format!("{hours}/zone"),
                json!("Mars"),
                "after_hours.hours.zone",
            ),
        ] {
            let mut body = complete();
            *body.pointer_mut(at).unwrap() = value;
            let document = document_of(read(&body).unwrap_err());
            assert_eq!(document["code"], "auto_reply_invalid");
            let expected = format!("auto_reply.{field}");
            assert_eq!(
                document["errors"][0]["field"],
                expected.as_str(),
                "{document}"
            );
        }
    }
}
