//! JSON requests: one pass when they are right, and an exact complaint when they are not.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::error::Category;

use crate::problem::Problem;

/// Reads a JSON object. The type is to refuse unknown fields.
///
/// # Errors
/// `malformed_json`, `unknown_field` or `validation_failed`, the last two with the field at fault.
pub(crate) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Problem> {
    // A list would be taken for the fields in order.
    if body.trim_ascii_start().first() == Some(&b'{')
        && let Ok(request) = serde_json::from_slice(body)
    {
        return Ok(request);
    }
    Err(complaint::<T>(body))
}

#[cold]
fn complaint<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Problem {
    let body = body.trim_ascii_start();
    if body.is_empty() {
        return Problem::malformed_json("the body is empty");
    }
    if let Err(error) = serde_json::from_slice::<IgnoredAny>(body) {
        return Problem::malformed_json(error.to_string());
    }
    if body[0] != b'{' {
        return Problem::invalid_request("the body must be a JSON object");
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let Err(error) = serde_path_to_error::deserialize::<_, T>(&mut deserializer) else {
        return Problem::malformed_json("something stands behind the JSON object");
    };
    let path = error.path().to_string();
    let error = error.into_inner();
    if error.classify() != Category::Data {
        return Problem::malformed_json(error.to_string());
    }
    let sentence = error.to_string();
    let sentence = sentence.split(" at line ").next().unwrap_or_default();
    // An error about the object as a whole names its field in its sentence alone.
    let field = match path.as_str() {
        "." => sentence.split('`').nth(1).unwrap_or_default(),
        path => path,
    };
    if sentence.starts_with("unknown field ") {
        let known = sentence
            .split_once("`, ")
            .map_or("is unknown", |(_, known)| known);
        return Problem::unknown_field(field, known.to_owned());
    }
    Problem::invalid(field, sentence)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::fields::{Spelled, Text};
    use didfarm_core::ids::NumberId;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample<'a> {
        #[serde(borrow)]
        to: Option<Text<'a>>,
        from_number_id: Option<Spelled<NumberId>>,
    }

    fn refused(body: &str) -> (String, Option<String>) {
        let problem = parse::<Sample<'_>>(body.as_bytes()).unwrap_err();
        let document: Value = crate::problem::document_of(problem);
        let field = document["errors"][0]["field"].as_str().map(str::to_owned);
        (document["code"].as_str().unwrap().to_owned(), field)
    }

    #[test]
    fn a_complaint_names_the_code_and_the_field() {
        for (body, code, field) in [
            ("", "malformed_json", None),
            ("{", "malformed_json", None),
            ("{\"to\":\"a\"} x", "malformed_json", None),
            ("{\"to\":\"\\ud800\"}", "malformed_json", None),
            ("[\"a\", 1]", "validation_failed", None),
            ("null", "validation_failed", None),
            ("{\"too\":\"a\"}", "unknown_field", Some("too")),
            ("{\"to\":1}", "validation_failed", Some("to")),
            (
                "{\"to\":\"a\",\"to\":\"b\"}",
                "validation_failed",
                Some("to"),
            ),
            (
                "{\"from_number_id\":\"x\"}",
                "validation_failed",
                Some("from_number_id"),
            ),
            (
                "{\"from_number_id\":1.5}",
                "validation_failed",
                Some("from_number_id"),
            ),
        ] {
            assert_eq!(
                refused(body),
                (code.to_owned(), field.map(str::to_owned)),
                "{body}"
            );
        }
    }

    #[test]
    fn null_is_an_absent_field() {
        let sample: Sample<'_> = parse(b" {\"to\":null,\"from_number_id\":3}").unwrap();
        assert_eq!(sample.to, None);
        assert_eq!(sample.from_number_id, Some(Spelled(NumberId(3))));
    }

    #[test]
    fn a_long_field_name_is_not_said_back_whole() {
        let (_, field) = refused(&format!("{{\"{}\":1}}", "x".repeat(5_000)));
        assert!(field.unwrap().len() < 200);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse::<Sample<'_>>(&body);
        }

        #[test]
        fn no_text_makes_it_panic(body in "[{}\\[\\]\":,to`0-9a. \\\\u]{0,40}") {
            let _ = parse::<Sample<'_>>(body.as_bytes());
        }
    }
}
