//! The parameters of a Twilio request: form-encoded, or the flat JSON of the same names.

use std::borrow::Cow;

use serde_json::Value;

/// The most parameters of one request: Twilio sends a few dozen, and the signature is over all sorted.
pub const PARAMETERS_MAX: usize = 1_000;

/// The parameters, decoded, in the order in which they came.
pub(super) struct Form<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Form<'a> {
    /// Decodes a form; `None` for more than [`PARAMETERS_MAX`].
    pub(super) fn of_form(body: &'a [u8]) -> Option<Form<'a>> {
        let pairs: Vec<_> = form_urlencoded::parse(body)
            .take(PARAMETERS_MAX + 1)
            .collect();
        (pairs.len() <= PARAMETERS_MAX).then_some(Form(pairs))
    }

    /// Takes the members of a JSON object that are texts, numbers or truths; `None` for no JSON object,
    /// and for more than [`PARAMETERS_MAX`].
    pub(super) fn of_json(body: &[u8]) -> Option<Form<'static>> {
        let members: serde_json::Map<String, Value> = serde_json::from_slice(body).ok()?;
        if members.len() > PARAMETERS_MAX {
            return None;
        }
        let flat = |(name, value)| {
            let text = match value {
                Value::String(text) => text,
                Value::Number(number) => number.to_string(),
                Value::Bool(truth) => truth.to_string(),
                Value::Null | Value::Array(_) | Value::Object(_) => return None,
            };
            Some((Cow::Owned(name), Cow::Owned(text)))
        };
        Some(Form(members.into_iter().filter_map(flat).collect()))
    }

    /// The first value of a parameter; `None` where it is missing or empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(known, _)| known == name)?;
        (!value.is_empty()).then_some(&**value)
    }

    /// What the signature is over behind the address: names with their values, sorted by both, equal
    /// pairs once.
    pub(super) fn signed(&self) -> String {
        let mut pairs: Vec<(&str, &str)> = self.0.iter().map(|(n, v)| (&**n, &**v)).collect();
        pairs.sort_unstable();
        pairs.dedup();
        pairs.into_iter().flat_map(|(n, v)| [n, v]).collect()
    }
}
