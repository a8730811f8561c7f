//! Form bodies (`application/x-www-form-urlencoded`): read and written.

use std::fmt::Write as _;

/// The most fields of one form.
pub const FIELDS_MAX: usize = 256;

/// The body is no form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body is no form of at most {FIELDS_MAX} fields in UTF-8")]
pub struct FormError;

/// Fields in their order; a name may be there several times.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Form(pub Vec<(String, String)>);

impl Form {
    /// Reads a body.
    ///
    /// # Errors
    /// [`FormError`] for a broken escape, for bytes that are no UTF-8, for too many fields.
    pub fn parse(body: &[u8]) -> Result<Self, FormError> {
        let text = std::str::from_utf8(body).map_err(|_| FormError)?;
        let mut fields = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if fields.len() == FIELDS_MAX {
                return Err(FormError);
            }
            let field = decode(name).zip(decode(value)).ok_or(FormError)?;
            fields.push(field);
        }
        Ok(Self(fields))
    }

    /// The first value by this name; empty counts as absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// Adds a field.
    pub fn push(&mut self, name: &str, value: impl Into<String>) {
        self.0.push((name.to_owned(), value.into()));
    }

    /// The body.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.0 {
            if !text.is_empty() {
                text.push('&');
            }
            encode(&mut text, name);
            text.push('=');
            encode(&mut text, value);
        }
        text
    }
}

fn encode(text: &mut String, value: &str) {
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => {
                text.push(char::from(byte));
            }
            b' ' => text.push('+'),
            _ => write!(text, "%{byte:02X}").expect("writing to a string cannot fail"),
        }
    }
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes().iter();
    while let Some(&byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let nibble = |digit: Option<&u8>| char::from(*digit?).to_digit(16);
                let (high, low) = (nibble(rest.next())?, nibble(rest.next())?);
                (high * 16 + low) as u8
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_as_it_is_written() {
        let mut form = Form::default();
        form.push("Body", "a b&c=d%+é\n");
        form.push("To", "whatsapp:+31612345678");
        form.push("Empty", "");
        assert_eq!(Form::parse(form.encode().as_bytes()), Ok(form.clone()));
        assert_eq!(form.get("To"), Some("whatsapp:+31612345678"));
        assert_eq!((form.get("Empty"), form.get("Other")), (None, None));
    }

    #[test]
    fn what_is_no_form_is_refused() {
        let many = "a=1&".repeat(FIELDS_MAX + 1);
        for body in [&b"a=%2"[..], b"a=%zz", b"a=%ff", b"\xff", many.as_bytes()] {
            assert_eq!(Form::parse(body), Err(FormError));
        }
    }
}
