//! Where an answer ends: quoted history, attributions, signatures, in the ways of many mail programs.

use crate::forwarded::REPLY_MARKER;
use crate::text::lines;

/// Longest attribution ("On … wrote:"), in lines and in characters.
const ATTRIBUTION_LINES_MAX: usize = 3;
const ATTRIBUTION_CHARS_MAX: usize = 400;
/// Within how many lines behind "From:" Outlook's block names the date.
const HEADER_BLOCK_LINES_MAX: usize = 5;

/// How an attribution begins and what its end holds: English, German, Dutch, French, Spanish, Italian,
/// Portuguese.
const ATTRIBUTIONS: [(&str, &str); 7] = [
    ("on ", "wrote"),
    ("am ", "schrieb"),
    ("op ", "schreef"),
    ("le ", "a écrit"),
    ("el ", "escribió"),
    ("il ", "ha scritto"),
    ("em ", "escreveu"),
];
/// What Outlook's block begins with, in the same languages.
const FROM_LABELS: [&str; 4] = ["from", "von", "van", "de"];
const DATE_LABELS: [&str; 8] = [
    "sent",
    "date",
    "gesendet",
    "datum",
    "verzonden",
    "envoyé",
    "enviado",
    "fecha",
];
/// What stands between dashes above a history.
const SEPARATORS: [&str; 7] = [
    "original message",
    "forwarded message",
    "ursprüngliche nachricht",
    "oorspronkelijk bericht",
    "message d'origine",
    "message d’origine",
    "mensaje original",
];
/// What telephones put below a mail.
const FOOTERS: [&str; 12] = [
    "sent from my ",
    "sent from outlook",
    "sent from yahoo",
    "sent via ",
    "get outlook for ",
    "von meinem ",
    "gesendet von ",
    "verzonden vanaf mijn ",
    "verstuurd vanaf mijn ",
    "envoyé de mon ",
    "envoyé depuis ",
    "enviado desde mi ",
];

/// What a reply's writer said: without history, wherever it stands, and without signature.
pub(super) fn answer(text: &str) -> String {
    let text = lines(&text.replace('\u{a0}', " "));
    let all: Vec<&str> = text.lines().map(str::trim_end).collect();
    let mut kept: Vec<&str> = Vec::new();
    let mut introduced = false;
    let mut at = 0;
    while at < all.len() {
        let line = all[at];
        if is_signature_mark(line) || is_separator(line) || is_header_block(&all[at..]) {
            break;
        }
        if line.contains(REPLY_MARKER) {
            if !introduced {
                drop_introduction(&mut kept);
            }
            // Below a quoted marker there may be an answer; below one that is not, there is history.
            if !is_quoted(line) {
                break;
            }
        }
        if let Some(length) = attribution(&all[at..]) {
            let next = all[at + length..].iter().find(|line| !line.is_empty());
            if !next.is_some_and(|next| is_quoted(next)) {
                break;
            }
            introduced = true;
            at += length;
            continue;
        }
        if !is_quoted(line) {
            kept.push(line);
        }
        at += 1;
    }
    drop_footer(&mut kept);
    tidy(&kept)
}

/// Joins the lines that `format=flowed` wrapped (RFC 3676, 4); quoted lines are left as they are.
pub(super) fn unflowed(text: &str, delete_space: bool) -> String {
    let mut joined = String::with_capacity(text.len());
    let mut open = false;
    for line in text.lines() {
        let quoted = line.starts_with('>');
        if open && quoted {
            joined.push('\n');
        }
        let line = if quoted {
            line
        } else {
            line.strip_prefix(' ').unwrap_or(line)
        };
        open = !quoted && line.ends_with(' ') && line != "-- ";
        joined.push_str(match (open, delete_space) {
            (true, true) => &line[..line.len() - 1],
            (true, false) | (false, _) => line,
        });
        if !open {
            joined.push('\n');
        }
    }
    joined
}

fn is_quoted(line: &str) -> bool {
    line.starts_with('>') || line.trim_start().starts_with("> ")
}

/// `-- `, of which trimming leaves `--` (RFC 3676, 4.3).
fn is_signature_mark(line: &str) -> bool {
    line == "--"
}

fn is_separator(line: &str) -> bool {
    let line = line.trim();
    let inner = line.trim_matches(['-', '_', ' ']).to_lowercase();
    let dashes = line.starts_with("---") && line.ends_with("---");
    dashes && SEPARATORS.contains(&inner.as_str())
}

/// Whether Outlook's block of "From: … Sent: … To: …" begins, perhaps under a rule.
fn is_header_block(rest: &[&str]) -> bool {
    let is_rule = rest[0].len() >= 20 && rest[0].bytes().all(|byte| byte == b'_');
    let start = usize::from(is_rule);
    let Some(first) = rest.get(start) else {
        return false;
    };
    label_of(first).is_some_and(|label| FROM_LABELS.contains(&label.as_str()))
        && rest[start + 1..]
            .iter()
            .take(HEADER_BLOCK_LINES_MAX)
            .filter_map(|line| label_of(line))
            .any(|label| DATE_LABELS.contains(&label.as_str()))
}

/// The word before a colon, as of `*From:* Ann` or `Envoyé : lundi`.
fn label_of(line: &str) -> Option<String> {
    let (label, _) = line.split_once(':')?;
    Some(label.trim_matches([' ', '*']).to_lowercase())
}

/// How many lines the attribution has that begins here, if one does: an opening word, a date or an
/// address, and "wrote" near a colon at the end, within a few lines, as programs wrap it.
fn attribution(rest: &[&str]) -> Option<usize> {
    let first = rest[0].trim_start().to_lowercase();
    let (_, verb) = ATTRIBUTIONS
        .into_iter()
        .find(|(opening, _)| first.starts_with(opening))?;
    let mut whole = String::new();
    for (count, line) in (1..=ATTRIBUTION_LINES_MAX).zip(rest) {
        if line.is_empty() || is_quoted(line) {
            return None;
        }
        whole.push_str(&line.to_lowercase());
        whole.push(' ');
        if whole.chars().count() > ATTRIBUTION_CHARS_MAX {
            return None;
        }
        if whole.trim_end().ends_with(':') {
            let told =
                whole.contains(verb) && whole.contains(|c: char| c.is_ascii_digit() || c == '@');
            return told.then_some(count);
        }
    }
    None
}

/// Above our own marker stands the introduction of a mail program whose language is not known here.
fn drop_introduction(kept: &mut Vec<&str>) {
    while kept.last().is_some_and(|line| line.trim().is_empty()) {
        kept.pop();
    }
    let introduces = |line: &&str| {
        line.ends_with(':') && line.contains(|c: char| c == '@' || c.is_ascii_digit())
    };
    if kept.last().is_some_and(introduces) {
        kept.pop();
    }
}

fn drop_footer(kept: &mut Vec<&str>) {
    while kept.last().is_some_and(|line| line.trim().is_empty()) {
        kept.pop();
    }
    let is_footer = |line: &&str| {
        let line = line.trim().to_lowercase();
        FOOTERS.iter().any(|footer| line.starts_with(footer))
    };
    if kept.last().is_some_and(is_footer) {
        kept.pop();
    }
}

/// Joins lines; blank ones only inside, and never two in a row.
fn tidy(kept: &[&str]) -> String {
    let mut text = String::new();
    let mut blank = false;
    for line in kept {
        if line.trim().is_empty() {
            blank = true;
            continue;
        }
        if !text.is_empty() {
            text.push_str(if blank { "\n\n" } else { "\n" });
        }
        blank = false;
        text.push_str(line);
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn flowed_lines_are_joined_and_signatures_and_quotations_are_not() {
        let flowed = "One line that \nwas wrapped.\n  indented\n> quoted \nnext\n-- \nAnn";
        assert_eq!(
            unflowed(flowed, false),
            "One line that was wrapped.\n indented\n> quoted \nnext\n-- \nAnn\n"
        );
        assert_eq!(unflowed("日本 \n語", true), "日本語\n");
    }

    #[test]
    fn ordinary_sentences_are_no_history() {
        for text in [
            "On Monday I wrote:\nhello",
            "From: the station, 10 minutes\nto: the office",
            "Le colis est là : merci",
            "--- a b ---",
            "a - b\n-5 degrees",
            "Sent from my heart, today\nreally",
        ] {
            assert_eq!(answer(text), text);
        }
    }

    proptest! {
        #[test]
        fn an_answer_is_always_made_of_the_mails_own_lines(text in "[a-z>:@0-9 \n-]{0,120}") {
            for line in answer(&text).lines() {
                prop_assert!(text.lines().any(|own| own.trim_end() == line), "{line:?}");
            }
        }
    }
}
