//! V1: the messages that somebody was told are stored, one to a line of a list.

use didfarm_core::ids::{IdError, MessageId};

use super::audit::{Audit, Found};
use super::maps::MESSAGES;
use crate::records::keys;

/// A message that must be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Its id.
    pub id: MessageId,
    /// Its body, where it is known.
    pub body: Option<String>,
}

/// Why a line is no expected message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpectError {
    /// It does not begin with a message id.
    #[error("a line begins with a message id, as an integer or as msg_…: {0}")]
    Id(#[from] IdError),
    /// Its body has a backslash that begins no escape.
    #[error(
        "the body has `\\{found}`, which is no escape: write \\n, \\r, \\t, or \\\\ for a backslash"
    )]
    Escape {
        /// What follows the backslash; nothing at the end of the line.
        found: String,
    },
}

/// Reads one line of a list of expected messages: the id in either spelling and, behind a tab, the
/// body with `\n`, `\r`, `\t` and `\\` escaped. Nothing for a blank line and one that begins with `#`.
///
/// # Errors
/// The line is none of these.
pub fn parse_expect_line(line: &str) -> Result<Option<Expected>, ExpectError> {
    if line.trim().is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (id, body) = match line.split_once('\t') {
        Some((id, body)) => (id, Some(unescape(body)?)),
        None => (line, None),
    };
    Ok(Some(Expected {
        id: id.trim().parse()?,
        body,
    }))
}

fn unescape(escaped: &str) -> Result<String, ExpectError> {
    let mut body = String::with_capacity(escaped.len());
    let mut characters = escaped.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            body.push(character);
            continue;
        }
        body.push(match characters.next() {
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('\\') => '\\',
            other => {
                return Err(ExpectError::Escape {
                    found: other.into_iter().collect(),
                });
            }
        });
    }
    Ok(body)
}

/// Looks every expected message up. A list that gives one id two bodies breaks V1 too: at most one of
/// them can be the stored one.
pub(super) fn check(audit: &mut Audit<'_>, expected: &mut dyn Iterator<Item = Expected>) {
    for Expected { id, body } in expected {
        audit.report.expected += 1;
        match (audit.get(&MESSAGES, &keys::id(id.get())), body) {
            (Found::Missing, _) => {
                audit.message("V1", id, "it is expected and not stored: it is lost")
            }
            (Found::Record(message), Some(body)) if *message.body != *body => {
                let (stored, expected) = (message.body.len(), body.len());
                let sentence = format!(
                    "its stored body, of {stored} bytes, is not the expected one, of {expected} bytes"
                );
                audit.message("V1", id, sentence);
            }
            (Found::Record(_) | Found::Unreadable, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use didfarm_core::ids::Extent;

    #[test]
    fn a_line_is_an_id_and_perhaps_a_body() {
        let id = Extent(7).message(2);
        let expected = |body: Option<&str>| {
            Ok(Some(Expected {
                id,
                body: body.map(str::to_owned),
            }))
        };
        assert_eq!(parse_expect_line(&id.to_string()), expected(None));
        assert_eq!(
            parse_expect_line(&format!("{}\t", id.get())),
            expected(Some(""))
        );
        let line = format!("{id}\ta\\nb\\tc\\\\n\\r\td # not a comment ");
        assert_eq!(
            parse_expect_line(&line),
            expected(Some("a\nb\tc\\n\r\td # not a comment "))
        );
    }

    #[test]
    fn blank_lines_and_comments_are_passed_over_and_the_rest_is_refused() {
        for line in ["", "  ", "# msg_00000000001"] {
            assert_eq!(parse_expect_line(line), Ok(None));
        }
        assert!(matches!(
            parse_expect_line("conv_00000000001"),
            Err(ExpectError::Id(_))
        ));
        for (line, found) in [("65537\ta\\", ""), ("65537\ta\\xb", "x")] {
            let refused = ExpectError::Escape {
                found: found.into(),
            };
            assert_eq!(parse_expect_line(line), Err(refused));
        }
    }
}
