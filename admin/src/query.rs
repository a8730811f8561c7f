//! Query parameters: each is taken once, and what nobody took is refused by name.

use std::fmt::Display;

use didfarm_core::e164::E164;
use didfarm_core::time::Timestamp;
use didfarm_runtime::read::PAGE_ROWS_MAX;

use crate::problem::{Code, Problem};

/// The most parameters of one query.
const PARAMETERS_MAX: usize = 32;

/// The parameters of one request that nobody has taken yet.
#[derive(Debug)]
pub(crate) struct Query {
    parameters: Vec<(String, String)>,
}

impl Query {
    /// Splits and decodes what stands behind the `?` (`application/x-www-form-urlencoded`).
    ///
    /// # Errors
    /// `validation_failed`: a broken escape, a parameter that is there twice, too many of them.
    pub(crate) fn parse(text: &str) -> Result<Query, Problem> {
        let mut parameters: Vec<(String, String)> = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name).ok_or_else(|| broken_escape(name))?;
            let value = decode(value).ok_or_else(|| broken_escape(&name))?;
            if parameters.iter().any(|(known, _)| *known == name) {
                return Err(Problem::invalid(&name, "is there more than once"));
            }
            if parameters.len() == PARAMETERS_MAX {
                return Err(Problem::invalid(
                    &name,
                    format!("is one more than the {PARAMETERS_MAX} there may be"),
                ));
            }
            parameters.push((name, value));
        }
        Ok(Query { parameters })
    }

    /// Takes a parameter; an empty one counts as absent.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        let place = self
            .parameters
            .iter()
            .position(|(known, _)| known == name)?;
        let (_, value) = self.parameters.swap_remove(place);
        (!value.is_empty()).then_some(value)
    }

    /// Takes a parameter and reads it.
    ///
    /// # Errors
    /// `validation_failed` with what was expected.
    pub(crate) fn take_as<T>(
        &mut self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        match self.take(name) {
            None => Ok(None),
            Some(text) => match read(&text) {
                Some(value) => Ok(Some(value)),
                None => Err(Problem::invalid(name, format!("must be {expected}"))),
            },
        }
    }

    /// Takes a telephone number. A `+` that was not escaped arrives as a space and is taken for one.
    ///
    /// # Errors
    /// `validation_failed`.
    pub(crate) fn take_number(&mut self, name: &str) -> Result<Option<E164>, Problem> {
        self.take_as(name, "a number in E.164, with + as %2B", read_number)
    }

    /// Takes a time by RFC 3339, its `+` perhaps not escaped.
    ///
    /// # Errors
    /// `validation_failed`.
    pub(crate) fn take_time(&mut self, name: &str) -> Result<Option<Timestamp>, Problem> {
        let expected = "a time by RFC 3339, such as 2026-04-05T14:22:08Z";
        self.take_as(name, expected, |text| {
            Timestamp::parse_rfc3339(&text.replace(' ', "+"))
        })
    }

    /// Takes the number of rows on a page, by one of its names.
    ///
    /// # Errors
    /// `validation_failed`.
    pub(crate) fn take_limit(&mut self, names: &[&str], default: usize) -> Result<usize, Problem> {
        let mut limit = None;
        for name in names {
            if let Some(rows) = self.take_count(name, PAGE_ROWS_MAX)? {
                if limit.is_some() {
                    return Err(Problem::invalid(
                        name,
                        format!("is another name of {}; send one", names[0]),
                    ));
                }
                limit = Some(rows);
            }
        }
        Ok(limit.unwrap_or(default))
    }

    /// Takes the number of rows of a list that has no pages.
    ///
    /// # Errors
    /// `validation_failed`.
    pub(crate) fn take_rows(
        &mut self,
        name: &str,
        default: usize,
        max: usize,
    ) -> Result<usize, Problem> {
        Ok(self.take_count(name, max)?.unwrap_or(default))
    }

    fn take_count(&mut self, name: &str, max: usize) -> Result<Option<usize>, Problem> {
        let expected = format!("a whole number from 1 to {max}");
        self.take_as(name, &expected, |text| {
            text.parse().ok().filter(|rows| (1..=max).contains(rows))
        })
    }

    /// Refuses what nobody has taken.
    ///
    /// # Errors
    /// `unknown_parameter`.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        match self.parameters.first() {
            None => Ok(()),
            Some((name, _)) if name == "page" => {
                let detail = "page is not supported: follow next_cursor with the parameter cursor";
                Err(Problem::of_field(Code::UnknownParameter, name, detail))
            }
            Some((name, _)) => Err(Problem::of_field(
                Code::UnknownParameter,
                name,
                "this list has no such parameter",
            )),
        }
    }
}

/// The words that a parameter may be, for its complaint.
pub(crate) fn one_of<T: Copy, W: Display>(all: &[T], word: impl Fn(T) -> W) -> String {
    let words: Vec<String> = all.iter().map(|value| word(*value).to_string()).collect();
    format!("one of {}", words.join(", "))
}

/// Reads `true` or `false`.
pub(crate) fn read_bool(text: &str) -> Option<bool> {
    text.parse().ok()
}

/// Reads a number as it was once stored: a peer's may be a short code.
pub(crate) fn read_number(text: &str) -> Option<E164> {
    let digits = text.strip_prefix(['+', ' '])?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) || digits.starts_with('0') {
        return None;
    }
    E164::from_digits(digits.parse().ok()?).ok()
}

fn broken_escape(name: &str) -> Problem {
    Problem::invalid(name, "is not percent-encoded UTF-8")
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn query(text: &str) -> Query {
        Query::parse(text).unwrap()
    }

    #[test]
    fn an_unescaped_plus_is_taken_for_what_it_was() {
        let number = E164::from_digits(31_612_345_678).unwrap();
        for text in [
            "to=%2B31612345678",
            "to=+31612345678",
            "to=%2b31612345678",
            "to=%2031612345678",
        ] {
            assert_eq!(
                query(text).take_number("to").unwrap(),
                Some(number),
                "{text}"
            );
        }
        let at = Timestamp::parse_rfc3339("2026-04-05T16:22:08+02:00");
        assert_eq!(
            query("since=2026-04-05T16:22:08+02:00")
                .take_time("since")
                .unwrap(),
            at
        );
        assert_eq!(
            query("since=2026-04-05T16%3A22%3A08%2B02:00")
                .take_time("since")
                .unwrap(),
            at
        );
    }

    #[test]
    fn a_bad_value_is_refused_with_its_name() {
        for text in [
            "to=31612345678",
            "to=%2B0123456",
            "to=%2B12a",
            "to=%2B",
            "to=%2B1234567890123456",
        ] {
            assert_eq!(
                query(text).take_number("to").unwrap_err().code(),
                Code::ValidationFailed,
                "{text}"
            );
        }
        for text in [
            "limit=0",
            "limit=101",
            "limit=ten",
            "per_page=0",
            "limit=1&per_page=2",
        ] {
            assert!(
                query(text).take_limit(&["limit", "per_page"], 25).is_err(),
                "{text}"
            );
        }
    }

    #[test]
    fn a_limit_has_a_default_and_two_names() {
        for (text, rows) in [
            ("", 25),
            ("limit=", 25),
            ("limit=100", 100),
            ("per_page=7", 7),
        ] {
            assert_eq!(
                query(text).take_limit(&["limit", "per_page"], 25).unwrap(),
                rows,
                "{text}"
            );
        }
    }

    #[test]
    fn a_list_without_pages_has_a_bound_of_its_own() {
        let rows = |text| query(text).take_rows("limit", 100, 1_000);
        assert_eq!(rows("").unwrap(), 100);
        assert_eq!(rows("limit=1000").unwrap(), 1_000);
        for text in ["limit=0", "limit=1001", "limit=-1", "limit=ten"] {
            let problem = rows(text).unwrap_err();
            assert_eq!(problem.code(), Code::ValidationFailed, "{text}");
        }
    }

    #[test]
    fn what_nobody_took_is_refused() {
        let mut both = query("a=1&b=2");
        assert_eq!(both.take("a").as_deref(), Some("1"));
        assert_eq!(both.finish().unwrap_err().code(), Code::UnknownParameter);
        assert!(query("").finish().is_ok());
        let document = crate::problem::document_of(query("page=2").finish().unwrap_err());
        assert!(document["detail"].as_str().unwrap().contains("next_cursor"));
    }

    #[test]
    fn repeated_and_broken_parameters_are_refused() {
        let many: String = (0..=PARAMETERS_MAX)
            .map(|place| format!("p{place}=1&"))
            .collect();
        for text in ["a=1&a=2", "a=%2", "a=%zz", "a=%ff", &many] {
            assert!(Query::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,80}|[a-b&=%+0-9]{0,40}") {
            let _ = Query::parse(&text);
        }
    }
}
