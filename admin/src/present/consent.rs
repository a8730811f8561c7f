//! Consent in answers: the opt-out that holds, the list of opt-outs, and their lines in an export.

use didfarm_core::consent::ConsentEvent;
use didfarm_core::e164::E164;
use didfarm_core::message::Message;
use didfarm_core::peer::Peer;
use didfarm_core::time::Timestamp;
use didfarm_runtime::consent::{ConsentView, OptOutView};
use serde::Serialize;

use super::{Named, Seconds, Shown};

/// Whether the peer of a conversation may be written to.
#[derive(Serialize)]
pub(crate) struct Consent<'a> {
    conversation_id: Named,
    peer: Shown<&'a Peer>,
    opted_out: bool,
    opt_out: Option<OptOut<'a>>,
}

impl<'a> Consent<'a> {
    pub(crate) fn of(view: &'a ConsentView) -> Consent<'a> {
        Consent {
            conversation_id: Named(view.conversation.id.spelled()),
            peer: Shown(&view.conversation.peer),
            opted_out: view.conversation.opt_out().is_some(),
            opt_out: view.opt_out.as_ref().map(OptOut::of),
        }
    }
}

/// An opt-out with what proves it, and what ended it.
#[derive(Serialize)]
pub(crate) struct OptOut<'a> {
    conversation_id: Named,
    number_id: Named,
    number: Shown<E164>,
    peer: Shown<&'a Peer>,
    opted_out_at: Seconds,
    cause: &'static str,
    word: Option<&'a str>,
    note: Option<&'a str>,
    stated_at: Option<Seconds>,
    evidence: Option<Evidence<'a>>,
    ended: Option<Ended<'a>>,
}

/// The message that proves an opt-out: the peer's own, or ours that a carrier did not take.
#[derive(Serialize)]
struct Evidence<'a> {
    message_id: Named,
    direction: &'static str,
    channel: &'static str,
    body: &'a str,
    created_at: Seconds,
}

/// What ended an opt-out.
#[derive(Serialize)]
struct Ended<'a> {
    at: Seconds,
    change: &'static str,
    cause: &'static str,
    word: Option<&'a str>,
    note: Option<&'a str>,
    stated_at: Option<Seconds>,
    message_id: Option<Named>,
}

impl<'a> OptOut<'a> {
    pub(crate) fn of(view: &'a OptOutView) -> OptOut<'a> {
        let row = &view.row;
        OptOut {
            conversation_id: Named(row.conversation.spelled()),
            number_id: Named(row.number.spelled()),
            number: Shown(view.number),
            peer: Shown(&row.peer),
            opted_out_at: Seconds(row.since),
            cause: row.said.cause.as_str(),
            word: row.said.word.as_deref(),
            note: row.said.note.as_deref(),
            stated_at: row.said.stated_at.map(Seconds),
            evidence: view.evidence.as_ref().map(Evidence::of),
            ended: row.ended.as_ref().map(|(at, said)| Ended::of(*at, said)),
        }
    }
}

impl<'a> Evidence<'a> {
    fn of(message: &'a Message) -> Evidence<'a> {
        Evidence {
            message_id: Named(message.id.spelled()),
            direction: message.direction.as_str(),
            channel: message.channel.as_str(),
            body: &message.body,
            created_at: Seconds(message.created_at),
        }
    }
}

impl<'a> Ended<'a> {
    fn of(at: Timestamp, said: &'a ConsentEvent) -> Ended<'a> {
        Ended {
            at: Seconds(at),
            change: said.change.as_str(),
            cause: said.cause.as_str(),
            word: said.word.as_deref(),
            note: said.note.as_deref(),
            stated_at: said.stated_at.map(Seconds),
            message_id: said.evidence.map(|message| Named(message.spelled())),
        }
    }
}

/// The first line of an export as CSV.
pub(crate) const CSV_HEAD: &str = "opted_out_at,number,peer,cause,word,note,evidence_message_id,evidence_direction,evidence_at,evidence_body,ended_at,ended_change,ended_cause,ended_note,conversation_id,stated_at\r\n";

/// Adds the line of an opt-out as CSV (RFC 4180).
pub(crate) fn write_csv(view: &OptOutView, to: &mut String) {
    let row = &view.row;
    let time = |at: Timestamp| at.to_rfc3339_seconds();
    let evidence = view.evidence.as_ref();
    let proof = row.said.evidence;
    let ended = row.ended.as_ref();
    let cells = [
        time(row.since),
        view.number.to_string(),
        row.peer.to_string(),
        row.said.cause.as_str().to_owned(),
        row.said.word.as_deref().unwrap_or_default().to_owned(),
        row.said.note.as_deref().unwrap_or_default().to_owned(),
        proof.map(|id| id.to_string()).unwrap_or_default(),
        evidence
            .map_or("", |found| found.direction.as_str())
            .to_owned(),
        evidence
            .map(|found| time(found.created_at))
            .unwrap_or_default(),
        evidence
            .map(|found| found.body.to_string())
            .unwrap_or_default(),
        ended.map(|(at, _)| time(*at)).unwrap_or_default(),
        ended
            .map_or("", |(_, said)| said.change.as_str())
            .to_owned(),
        ended.map_or("", |(_, said)| said.cause.as_str()).to_owned(),
        ended
            .and_then(|(_, said)| said.note.as_deref())
            .unwrap_or_default()
            .to_owned(),
        row.conversation.to_string(),
        row.said.stated_at.map(time).unwrap_or_default(),
    ];
    for (place, cell) in cells.iter().enumerate() {
        if place > 0 {
            to.push(',');
        }
        write_cell(cell, to);
    }
    to.push_str("\r\n");
}

/// Adds a cell. One that a spreadsheet would take for a formula begins with an apostrophe: also a number
/// in E.164, which is text.
fn write_cell(cell: &str, to: &mut String) {
    let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\0']);
    if !is_formula && !cell.contains([',', '"', '\r', '\n']) {
        to.push_str(cell);
        return;
    }
    to.push('"');
    if is_formula {
        to.push('\'');
    }
    for c in cell.chars() {
        if c == '"' {
            to.push('"');
        }
        to.push(c);
    }
    to.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_never_a_formula() {
        for (cell, written) in [
            ("stop", "stop"),
            ("", ""),
            ("+31612345678", "\"'+31612345678\""),
            ("=1+1", "\"'=1+1\""),
            ("a, \"b\"", "\"a, \"\"b\"\"\""),
            ("two\nlines", "\"two\nlines\""),
        ] {
            let mut text = String::new();
            write_cell(cell, &mut text);
            assert_eq!(text, written);
        }
    }
}
