//! The request of one send: formatted once, then only the peer's digits and the message's number are overwritten.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::peers::Peers;
use crate::target::Target;

/// Where messages are sent to.
pub const SEND_PATH: &str = "/api/v1/sms/messages";
/// Stands in a body for the message's number in the run.
pub const SEQUENCE_MARK: &str = "{n}";
/// Digits that [`SEQUENCE_MARK`] is replaced by.
pub const SEQUENCE_DIGITS: usize = 10;

/// Who sends: the API key and the number that messages come from.
#[derive(Clone)]
pub struct Sender {
    /// The account's API key.
    pub key: String,
    /// The account's number, in E.164.
    pub from: String,
}

// The key stays out of logs and panics.
impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender")
            .field("from", &self.from)
            .finish_non_exhaustive()
    }
}

/// The text of the messages; [`SEQUENCE_MARK`] in it makes every body different.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyText {
    text: String,
    over_whatsapp: bool,
    /// What the idempotency keys of a run begin with, if its messages have some.
    keys_of: Option<u64>,
}

impl BodyText {
    /// Takes the text as it is; the first [`SEQUENCE_MARK`], if any, becomes the message's number.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            over_whatsapp: false,
            keys_of: None,
        }
    }

    /// The same text, sent over WhatsApp; otherwise it goes as an SMS.
    pub fn over_whatsapp(self) -> Self {
        Self {
            over_whatsapp: true,
            ..self
        }
    }

    /// The same text, each message under an idempotency key that nobody used before.
    pub fn under_keys(self) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            keys_of: Some(now.map_or(0, |now| now.as_nanos() as u64)),
            ..self
        }
    }

    /// The body of message `sequence`.
    pub fn text(&self, sequence: u64) -> String {
        self.text.replacen(SEQUENCE_MARK, &padded(sequence), 1)
    }

    /// Whether a body fits on one line of a tab-separated file.
    pub fn is_one_line(&self) -> bool {
        !self.text.contains(['\n', '\r', '\t'])
    }
}

fn padded(sequence: u64) -> String {
    format!(
        "{:0width$}",
        sequence % 10_u64.pow(SEQUENCE_DIGITS as u32),
        width = SEQUENCE_DIGITS
    )
}

/// The bytes of a send request, patched in place for each message.
#[derive(Debug, Clone)]
pub struct SendRequest {
    bytes: Vec<u8>,
    peers: Peers,
    peer_at: usize,
    sequence_at: Option<usize>,
    key_at: Option<usize>,
}

impl SendRequest {
    /// Formats the request once.
    pub fn new(target: &Target, sender: &Sender, peers: Peers, body: &BodyText) -> Self {
        let body_json = json_string(&body.text);
        let lead = format!("{{\"from\":{},\"to\":\"+", json_string(&sender.from));
        let middle = "\",\"body\":";
        let mark_at = body_json.find(SEQUENCE_MARK);
        let body_json = body_json.replacen(SEQUENCE_MARK, &padded(0), 1);
        let channel = if body.over_whatsapp {
            ",\"channel\":\"whatsapp\""
        } else {
            ""
        };
        let content = format!(
            "{lead}{:0width$}{middle}{body_json}{channel}}}",
            0,
            width = peers.digits()
        );
        let head = format!(
            "POST {SEND_PATH} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n",
            target.authority,
            sender.key,
            content.len(),
        );
        let (head, key_at) = match body.keys_of {
            Some(run) => {
                let lead = format!("{head}Idempotency-Key: {run:016x}-");
                let key_at = lead.len();
                let number = padded(0);
                (format!("{lead}{number}\r\n\r\n"), Some(key_at))
            }
            None => (format!("{head}\r\n"), None),
        };
        let peer_at = head.len() + lead.len();
        let sequence_at = mark_at.map(|at| peer_at + peers.digits() + middle.len() + at);
        Self {
            bytes: [head, content].concat().into_bytes(),
            peers,
            peer_at,
            sequence_at,
            key_at,
        }
    }

    /// The request for message `sequence`, valid until the next call.
    pub fn for_message(&mut self, sequence: u64) -> &[u8] {
        let digits = self.peers.digits();
        overwrite(
            &mut self.bytes[self.peer_at..self.peer_at + digits],
            self.peers.number(sequence),
        );
        for at in [self.sequence_at, self.key_at].into_iter().flatten() {
            overwrite(&mut self.bytes[at..at + SEQUENCE_DIGITS], sequence);
        }
        &self.bytes
    }
}

/// Writes `number` right-aligned with leading zeros; digits beyond the room are left out.
fn overwrite(room: &mut [u8], mut number: u64) {
    for digit in room.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

fn json_string(text: &str) -> String {
    serde_json::to_string(text).expect("a string is always valid json")
}

/// The value of the first `"id"` in an answer that starts `{"data":{"id":"…`; no JSON is parsed.
pub fn accepted_id(body: &[u8]) -> Option<&str> {
    const MARK: &[u8] = b"\"id\":\"";
    let start = body.windows(MARK.len()).position(|window| window == MARK)? + MARK.len();
    let end = start + body[start..].iter().position(|&byte| byte == b'"')?;
    std::str::from_utf8(&body[start..end])
        .ok()
        .filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::PEER_BASE_DEFAULT;

    fn request(body: &str) -> SendRequest {
        let target = Target::parse("http://127.0.0.1:1").unwrap();
        let sender = Sender {
            key: "k".into(),
            from: "+31201234567".into(),
        };
        SendRequest::new(
            &target,
            &sender,
            Peers::plain(PEER_BASE_DEFAULT, 100).unwrap(),
            &BodyText::new(body),
        )
    }

    fn content(request: &[u8]) -> serde_json::Value {
        let text = std::str::from_utf8(request).unwrap();
        let (head, content) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("Content-Length: {}", content.len())),
            "{head}"
        );
        serde_json::from_str(content).unwrap()
    }

    #[test]
    fn each_message_has_its_own_peer_and_number() {
        let mut request = request("he said \"{n}\" \u{20ac}");
        for sequence in [0, 7, 99, 123_456] {
            let sent = content(request.for_message(sequence));
            assert_eq!(sent["to"], format!("+316100{:05}", 10 + sequence % 100));
            assert_eq!(sent["body"], format!("he said \"{sequence:010}\" \u{20ac}"));
            assert_eq!(
                sent["body"],
                BodyText::new("he said \"{n}\" \u{20ac}").text(sequence)
            );
            assert_eq!(sent["from"], "+31201234567");
        }
    }

    #[test]
    fn a_message_over_whatsapp_says_so() {
        let target = Target::parse("http://127.0.0.1:1").unwrap();
        let sender = Sender {
            key: "k".into(),
            from: "+31201234567".into(),
        };
        let peers = Peers::plain(PEER_BASE_DEFAULT, 100).unwrap();
        let body = BodyText::new("no {n}").over_whatsapp();
        let mut request = SendRequest::new(&target, &sender, peers, &body);
        let sent = content(request.for_message(3));
        assert_eq!(
            (&sent["channel"], &sent["body"]),
            (&"whatsapp".into(), &"no 0000000003".into())
        );
    }

    #[test]
    fn each_message_has_a_key_of_its_own_and_each_run_others() {
        let target = Target::parse("http://127.0.0.1:1").unwrap();
        let sender = Sender {
            key: "k".into(),
            from: "+31201234567".into(),
        };
        let peers = Peers::plain(PEER_BASE_DEFAULT, 100).unwrap();
        let mut keys = std::collections::HashSet::new();
        for _ in 0..2 {
            let body = BodyText::new("no {n}").under_keys();
            let mut request = SendRequest::new(&target, &sender, peers, &body);
            for sequence in 0..3 {
                let bytes = request.for_message(sequence);
                assert_eq!(content(bytes)["body"], format!("no {sequence:010}"));
                let head = String::from_utf8_lossy(bytes).into_owned();
                let line = head
                    .lines()
                    .find(|line| line.starts_with("Idempotency-Key: "));
                keys.insert(line.unwrap().to_owned());
            }
        }
        assert_eq!(keys.len(), 6);
    }

    #[test]
    fn a_body_without_a_mark_stays_the_same() {
        assert_eq!(content(request("hello").for_message(5))["body"], "hello");
    }

    #[test]
    fn the_id_is_cut_out_of_the_answer() {
        assert_eq!(
            accepted_id(br#"{"data":{"id":"msg_1","status":"queued"}}"#),
            Some("msg_1")
        );
        for body in [
            &b""[..],
            b"{}",
            br#"{"data":{"id":""}}"#,
            br#"{"data":{"id":"msg_"#,
        ] {
            assert_eq!(accepted_id(body), None);
        }
    }

    #[test]
    fn the_key_is_not_printed() {
        let sender = Sender {
            key: "secret".into(),
            from: "+31201234567".into(),
        };
        assert!(!format!("{sender:?}").contains("secret"));
    }
}
