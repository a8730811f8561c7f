//! A text that is read from the settings and never printed back.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

/// What stands in place of a secret wherever settings are printed or serialised.
///
/// No secret may be spelled like this, so that printed settings that are fed back are refused
/// rather than taken with a key that everyone can read.
pub(crate) const REDACTED: &str = "(redacted)";

/// A text such as an API key that shows itself only to who asks for it by [`Secret::expose`].
///
/// `Debug` and `Serialize` write `(redacted)`. Empty where an optional one is not set.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct Secret {
    text: String,
    from_file: bool,
}

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        let (text, from_file) = (text.into(), false);
        Self { text, from_file }
    }

    /// Wraps a text that was read from a file of its own.
    pub(crate) fn from_file(text: String) -> Self {
        let from_file = true;
        Self { text, from_file }
    }

    /// Returns the text itself; whoever calls this keeps it out of logs and answers.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// Tells whether it is not set, or stands in a file: printed settings name that file instead.
    pub(crate) fn stands_elsewhere(&self) -> bool {
        self.from_file || self.text.is_empty()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(REDACTED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_show_itself_in_debug_output() {
        for secret in [
            Secret::new("dk_0123456789abcdefghij"),
            Secret::from_file("dk_0123456789abcdefghij".to_owned()),
        ] {
            assert_eq!(format!("{:?}", Some(&secret)), "Some((redacted))");
            assert_eq!(secret.expose(), "dk_0123456789abcdefghij");
        }
    }
}
