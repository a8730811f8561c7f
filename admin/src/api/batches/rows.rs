//! Rows of a batch: what each holds by itself, and by the batch.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use didfarm_core::batch::RowPrint;
use didfarm_core::channel::Channel;
use didfarm_core::e164::Validation;
use didfarm_core::ids::{NumberId, PoolId};
use didfarm_runtime::send::SendRequest;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::api::send::{
    self, SendBounds, SendDefaults, read_channel, read_priority, read_row, read_send_at,
};
use crate::fields::{Spelled, Text};
use crate::json;
use crate::problem::{Code, Problem};

/// The most values that one recipient has.
const VALUES_MAX: usize = 100;

/// A batch as one document.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BatchBody<'a> {
    #[serde(borrow)]
    from: Option<Text<'a>>,
    from_number_id: Option<Spelled<NumberId>>,
    from_pool: Option<Spelled<PoolId>>,
    #[serde(borrow)]
    channel: Option<Text<'a>>,
    #[serde(borrow)]
    body: Option<Text<'a>>,
    validity_period: Option<u64>,
    #[serde(borrow)]
    send_at: Option<Text<'a>>,
    #[serde(borrow)]
    priority: Option<Text<'a>>,
    smart_encoding: Option<bool>,
    pub(super) spread_over: Option<u32>,
    #[serde(borrow)]
    pub(super) messages: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    pub(super) recipients: Option<Vec<&'a RawValue>>,
}

/// A recipient of one text for all.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recipient<'a> {
    #[serde(borrow)]
    to: Option<Text<'a>>,
    #[serde(borrow, default)]
    values: BTreeMap<Text<'a>, Text<'a>>,
}

/// How rows are read.
pub(super) struct Reader {
    pub(super) defaults: SendDefaults,
    pub(super) validation: Validation,
    pub(super) bounds: SendBounds,
    /// The text with placeholders, if rows are its recipients.
    pub(super) template: Option<Template>,
    /// Whether rows are told apart by their content: nobody can come back without a key.
    pub(super) prints: bool,
}

/// A row that was read.
pub(super) struct Row {
    pub(super) index: u64,
    pub(super) print: RowPrint,
    pub(super) read: Result<SendRequest, Problem>,
}

impl BatchBody<'_> {
    /// What every row follows.
    ///
    /// # Errors
    /// Any of a message's own.
    pub(super) fn defaults(&self, bounds: SendBounds) -> Result<SendDefaults, Problem> {
        let from = match (&self.from, self.from_number_id, self.from_pool) {
            (None, None, None) => None,
            (from, id, pool) => Some(send::sender(from.as_deref(), id, pool)?),
        };
        let channel = self.channel.as_deref();
        let channel = channel.map(|word| read_channel(Some(word))).transpose()?;
        let validity = self.validity_period;
        let validity = validity.map(|seconds| send::validity(seconds, bounds));
        let body = match &self.recipients {
            // It is a template.
            Some(_) => None,
            None => self.body.as_deref().map(|body| send::text(Some(body))),
        };
        Ok(SendDefaults {
            from,
            channel,
            body: body.transpose()?,
            validity: validity.transpose()?,
            send_at: read_send_at(self.send_at.as_deref())?,
            priority: read_priority(self.priority.as_deref())?,
            smart_encoding: self.smart_encoding.unwrap_or(false),
        })
    }

    /// The text with placeholders, if there are recipients.
    ///
    /// # Errors
    /// `validation_failed`.
    pub(super) fn template(&self) -> Result<Option<Template>, Problem> {
        if self.recipients.is_none() {
            return Ok(None);
        }
        let body = self.body.as_deref();
        let body = body.ok_or_else(|| Problem::missing("body"))?;
        Template::parse(body).map(Some)
    }
}

impl Reader {
    /// Reads a row.
    pub(super) fn read(&self, index: u64, bytes: &[u8]) -> Row {
        let print = match self.prints {
            true => print(bytes),
            false => RowPrint(0),
        };
        let read = match &self.template {
            None => read_row(bytes, &self.defaults, self.validation, self.bounds),
            Some(template) => self.recipient(template, bytes),
        };
        Row { index, print, read }
    }

    fn recipient(&self, template: &Template, bytes: &[u8]) -> Result<SendRequest, Problem> {
        let Recipient { to, values } = json::parse(bytes)?;
        if values.len() > VALUES_MAX {
            let fault = format!("may have {VALUES_MAX} members at most");
            return Err(Problem::invalid("values", fault));
        }
        let from = self.defaults.from.ok_or_else(|| {
            let fault = "is missing: a batch with recipients names the number that sends";
            Problem::invalid("from", fault)
        })?;
        let channel = self.defaults.channel.unwrap_or(Channel::Sms);
        let text = template.fill(|name| {
            let mut values = values.iter();
            values
                .find(|(key, _)| ***key == *name)
                .map(|(_, value)| &**value)
        })?;
        Ok(SendRequest {
            from,
            to: send::recipient(to.as_deref(), channel, self.validation)?,
            channel,
            body: send::text(Some(&text))?,
            content: None,
            validity: self.defaults.validity,
            send_at: self.defaults.send_at,
            priority: self.defaults.priority,
            smart_encoding: send::smart_encoding(Some(self.defaults.smart_encoding), channel)?,
            status_url: None,
        })
    }
}

/// What stands for a row's content.
fn print(bytes: &[u8]) -> RowPrint {
    let digest = Sha256::digest(bytes.trim_ascii());
    let (first, _) = digest.split_first_chunk().expect("a digest has 32 bytes");
    RowPrint(u64::from_be_bytes(*first))
}

/// A text with placeholders: `{{name}}`, where a name is letters, digits, `_`, `-` and `.`.
pub(super) struct Template(Vec<Piece>);

enum Piece {
    Text(Box<str>),
    Value(Arc<str>),
}

impl Template {
    fn parse(text: &str) -> Result<Template, Problem> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once("{{") {
            let unfit = || {
                let fault = "has a {{ without a name and }} behind it; a name is letters, digits, _, - and .";
                Problem::invalid("body", fault)
            };
            let (name, after) = behind.split_once("}}").ok_or_else(unfit)?;
            let name = name.trim();
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
            if name.is_empty() || !name.bytes().all(fits) {
                return Err(unfit());
            }
            pieces.push(Piece::Text(before.into()));
            pieces.push(Piece::Value(name.into()));
            rest = after;
        }
        pieces.push(Piece::Text(rest.into()));
        Ok(Template(pieces))
    }

    fn fill<'v>(&self, value_of: impl Fn(&str) -> Option<&'v str>) -> Result<String, Problem> {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Value(name) => match value_of(name) {
                    Some(value) => text.push_str(value),
                    None => {
                        let mut detail = String::new();
                        let said = write!(detail, "the text needs a value for {name}");
                        said.expect("writing to a string does not fail");
                        return Err(Problem::of_field(
                            Code::PlaceholderMissing,
                            "values",
                            detail,
                        ));
                    }
                },
            }
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> Result<String, Problem> {
        let values = [("name", "Ada"), ("a.b-c_1", "{{name}}"), ("none", "")];
        let of = |name: &str| values.iter().find(|(key, _)| *key == name);
        Template::parse(text)?.fill(|name| of(name).map(|(_, value)| *value))
    }

    #[test]
    fn placeholders_take_their_values_and_values_are_text() {
        for (text, wanted) in [
            ("hi", "hi"),
            ("", ""),
            ("hi {{name}}!", "hi Ada!"),
            ("{{ name }}{{none}}{{name}}", "AdaAda"),
            ("{{a.b-c_1}}", "{{name}}"),
            ("a } b { c }} {", "a } b { c }} {"),
        ] {
            assert_eq!(filled(text).unwrap(), wanted, "{text}");
        }
    }

    #[test]
    fn what_is_no_placeholder_and_what_has_no_value_is_refused() {
        for (text, code) in [
            ("{{", Code::ValidationFailed),
            ("{{}}", Code::ValidationFailed),
            ("{{a b}}", Code::ValidationFailed),
            ("{{name}", Code::ValidationFailed),
            ("{{other}}", Code::PlaceholderMissing),
        ] {
            assert_eq!(filled(text).unwrap_err().code(), code, "{text}");
        }
    }

    #[test]
    fn a_row_is_known_by_its_content() {
        assert_eq!(print(b" {} "), print(b"{}"));
        assert_ne!(print(b"{}"), print(b"{\"to\":1}"));
    }
}
