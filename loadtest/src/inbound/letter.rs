//! The requests that bring inbound messages: a text that tells its number and its time, to the simulator or
//! signed as Telnyx does.

use super::{Entrance, InboundFloodPlan};
use crate::carriers::post::request_bytes;
use crate::carriers::telnyx;
use crate::peers::Peers;
use crate::sink::payload::MARKER;

/// Where the simulator's messages come in.
const SIMULATOR_PATH: &str = "/carriers/simulator/inbound";
/// What every text begins with; then comes the run, and behind a dash the message's number in it.
const LEAD: &str = "Load test inbound ";
/// Digits of a message's number in its run.
const SEQUENCE_DIGITS: usize = 10;
/// Digits of microseconds since 1970, until the year 2286.
const TIME_DIGITS: usize = 16;

/// Makes the requests of one connection.
pub struct Letters {
    entrance: Entrance,
    authority: String,
    numbers: Vec<String>,
    peers: Peers,
    run: u32,
    is_timed: bool,
    bytes: Vec<u8>,
}

impl Letters {
    /// Prepares the requests of a plan.
    pub fn new(plan: &InboundFloodPlan) -> Self {
        Self {
            entrance: plan.entrance.clone(),
            authority: plan.target.authority.clone(),
            numbers: plan.numbers.clone(),
            peers: plan.peers,
            run: plan.run,
            is_timed: plan.is_timed,
            bytes: Vec::new(),
        }
    }

    /// The request for a message that was due at this time, in microseconds since 1970; valid until the next call.
    ///
    /// Made twice, it brings the same message: the same text and the carrier's same id.
    pub fn request(&mut self, sequence: u64, due_us: u64) -> &[u8] {
        let numbers = self.numbers.len() as u64;
        let to = &self.numbers[(sequence % numbers) as usize];
        let from = self.peers.number(sequence / numbers);
        let text = text(self.run, sequence, self.is_timed.then_some(due_us));
        let (authority, run) = (&self.authority, self.run);
        self.bytes = match &self.entrance {
            Entrance::Simulator => {
                // Nothing in it needs an escape.
                let body = format!(
                    r#"{{"from":"+{from}","to":"{to}","body":"{text}","id":"inbound-{run:08x}-{sequence:0SEQUENCE_DIGITS$}"}}"#
                );
                let headers = "Content-Type: application/json\r\n";
                request_bytes(authority, SIMULATOR_PATH, headers, body.as_bytes())
            }
            Entrance::Telnyx { carrier, keys } => {
                // The last two digits are the event's.
                let id = format!("{run:08x}-cafe-4000-8000-{sequence:010x}00");
                let url = format!("http://{authority}/carriers/{carrier}");
                let post = telnyx::inbound(&url, &id, &format!("+{from}"), to, &text, 1);
                post.request(keys).expect("a target's address makes a URL")
            }
        };
        &self.bytes
    }
}

/// The text of a message: no two of them are the same, and all of a run have the same length.
fn text(run: u32, sequence: u64, due_us: Option<u64>) -> String {
    let number = format!(
        "{LEAD}{run:08x}-{sequence:0width$}",
        width = SEQUENCE_DIGITS
    );
    match due_us {
        Some(us) => format!("{number} {MARKER}{us:0width$}", width = TIME_DIGITS),
        None => number,
    }
}

/// The number in its run of the message with this text; `None` when it is of no flood, or of another run.
pub fn sequence_of(run: u32, text: &str) -> Option<u64> {
    let (word, _) = text
        .strip_prefix(LEAD)?
        .split_once(' ')
        .unwrap_or((&text[LEAD.len()..], ""));
    let (of, sequence) = word.split_once('-')?;
    (u32::from_str_radix(of, 16).ok()? == run).then_some(())?;
    sequence.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_says_which_message_it_is_and_when_it_was_due() {
        let timed = text(7, 42, Some(1_767_261_600_000_001));
        assert_eq!(
            timed,
            "Load test inbound 00000007-0000000042 t=1767261600000001"
        );
        for text in [timed, text(7, 42, None)] {
            assert_eq!(sequence_of(7, &text), Some(42));
            assert_eq!(sequence_of(8, &text), None);
        }
        for text in ["", "Load test inbound ", "Load test inbound 7", "hi 7-42"] {
            assert_eq!(sequence_of(7, text), None, "{text}");
        }
    }
}
