//! What the sink reads in a payload: the conversation, and the time that a flood wrote into the message's text.

use std::borrow::Cow;

use serde::Deserialize;

/// What the text of a message begins its time with: `t=` and microseconds since 1970, between blanks or at the ends.
pub const MARKER: &str = "t=";

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Payload<'a> {
    /// The conversation that the event is about.
    pub conversation_id: Option<Cow<'a, str>>,
    /// When the message was made, in microseconds since 1970.
    pub made_at_us: Option<u64>,
}

/// Both forms of payload: the members at the top, or within `data`.
#[derive(Deserialize)]
struct Outer<'a> {
    #[serde(borrow)]
    conversation_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    body: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: Option<Inner<'a>>,
}

#[derive(Deserialize)]
struct Inner<'a> {
    #[serde(borrow)]
    conversation_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    body: Option<Cow<'a, str>>,
}

impl<'a> Payload<'a> {
    /// Reads a payload; `None` when it is no JSON object, or these members are no texts.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let Outer {
            conversation_id,
            body,
            data,
        } = serde_json::from_slice(bytes).ok()?;
        let (inner_id, inner_body) =
            data.map_or((None, None), |data| (data.conversation_id, data.body));
        let body = body.or(inner_body);
        Some(Self {
            conversation_id: conversation_id.or(inner_id),
            made_at_us: body.as_deref().and_then(made_at_us),
        })
    }
}

fn made_at_us(text: &str) -> Option<u64> {
    let mut words = text.split_ascii_whitespace();
    words.find_map(|word| word.strip_prefix(MARKER)?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(Option<String>, Option<u64>)> {
        let payload = Payload::read(text.as_bytes())?;
        Some((
            payload.conversation_id.map(Cow::into_owned),
            payload.made_at_us,
        ))
    }

    #[test]
    fn both_forms_of_payload_are_read() {
        let conversation = Some("conv_0000000001a".to_owned());
        let flat = r#"{"id":"msg_1","event":"message.received","body":"hi t=1767261600000001 7","conversation_id":"conv_0000000001a"}"#;
        assert_eq!(
            read(flat),
            Some((conversation.clone(), Some(1_767_261_600_000_001)))
        );
        let nested = r#"{"event":"sms.received","data":{"id":7,"body":"t=12","conversation_id":"conv_0000000001a"}}"#;
        assert_eq!(read(nested), Some((conversation, Some(12))));
    }

    #[test]
    fn a_payload_without_them_is_read_and_one_of_another_shape_is_not() {
        for text in [r#"{}"#, r#"{"body":"at=5 t= t=x set=9","data":null}"#] {
            assert_eq!(read(text), Some((None, None)), "{text}");
        }
        for text in ["", "[1]", r#"{"body":7}"#, r#"{"data":[]}"#, "{"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
