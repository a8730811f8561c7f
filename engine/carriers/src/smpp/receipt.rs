//! Receipts: optional parameters first, then the text of SMPP 3.4, Appendix B, read without trust in its
//! order, spelling or completeness.

use didfarm_core::delivery::receipt::Claim;
use didfarm_core::reason::Reason;

use super::text::{DefaultCoding, decode};

/// Network type of a `network_error_code` that holds a GSM MAP error (SMPP 3.4, 5.3.2.31).
const NETWORK_GSM: u8 = 3;

/// What became of a message at the SMSC (SMPP 3.4, 5.2.28; 0 and 9 are of SMPP 5.0).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MessageState {
    Scheduled,
    EnRoute,
    Delivered,
    Expired,
    Deleted,
    Undeliverable,
    Accepted,
    Unknown,
    Rejected,
    Skipped,
}

impl MessageState {
    /// By the octet of `message_state`.
    pub(super) fn of_octet(octet: u8) -> Option<MessageState> {
        Some(match octet {
            0 => MessageState::Scheduled,
            1 => MessageState::EnRoute,
            2 => MessageState::Delivered,
            3 => MessageState::Expired,
            4 => MessageState::Deleted,
            5 => MessageState::Undeliverable,
            6 => MessageState::Accepted,
            7 => MessageState::Unknown,
            8 => MessageState::Rejected,
            9 => MessageState::Skipped,
            _ => return None,
        })
    }

    /// By the word of `stat:`, whole or cut to seven letters, in any case.
    fn of_word(word: &str) -> Option<MessageState> {
        /// Letters by which the words differ.
        const LETTERS: usize = 5;
        let word = word.get(..LETTERS)?.to_ascii_uppercase();
        Some(match &word[..] {
            "SCHED" => MessageState::Scheduled,
            "ENROU" | "BUFFE" => MessageState::EnRoute,
            "DELIV" => MessageState::Delivered,
            "EXPIR" => MessageState::Expired,
            "DELET" => MessageState::Deleted,
            "UNDEL" | "FAILE" => MessageState::Undeliverable,
            "ACCEP" => MessageState::Accepted,
            "UNKNO" => MessageState::Unknown,
            "REJEC" => MessageState::Rejected,
            "SKIPP" => MessageState::Skipped,
            _ => return None,
        })
    }

    /// What it claims, and why when it claims a failure. `network_error` is the value of
    /// `network_error_code` where it came.
    ///
    /// `UNKNOWN` is no end: the SMSC lost track of the message, which may yet arrive.
    pub(super) fn claim(self, network_error: Option<&[u8]>) -> (Claim, Option<Reason>) {
        let failed = |reason| (Claim::Failed, Some(reason));
        match self {
            MessageState::Scheduled
            | MessageState::EnRoute
            | MessageState::Accepted
            | MessageState::Unknown => (Claim::EnRoute, None),
            MessageState::Delivered => (Claim::Delivered, None),
            MessageState::Expired => failed(Reason::Expired),
            MessageState::Deleted | MessageState::Rejected | MessageState::Skipped => {
                failed(Reason::Rejected)
            }
            MessageState::Undeliverable => failed(
                network_error
                    .and_then(map_error)
                    .unwrap_or(Reason::Unreachable),
            ),
        }
    }
}

/// The reason of a GSM MAP error (3GPP TS 29.002, 17.6.6), which is the same for every SMSC; `err:` of
/// the text is not.
fn map_error(network_error: &[u8]) -> Option<Reason> {
    let [NETWORK_GSM, 0, code] = network_error else {
        return None;
    };
    Some(match code {
        1 | 5 => Reason::InvalidDestination,
        9 | 12 | 21 => Reason::Rejected,
        11 | 13 => Reason::Blocked,
        6 | 27 | 31 | 32 => Reason::Unreachable,
        34 => Reason::CarrierError,
        _ => return None,
    })
}

/// What a receipt says, from parameters and text together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Said {
    /// The carrier message id as it is spelled here.
    pub id: Option<String>,
    /// What became of the message.
    pub state: Option<MessageState>,
}

/// Reads the text of a receipt. Never fails: what it does not say stays `None`.
///
/// Keys may come in any order and case, with blanks behind the colon; unknown ones are skipped. What
/// stands behind `text:` is the message's own beginning: it counts only for what nothing before it says.
pub(super) fn read_text(coding: u8, octets: &[u8], default: DefaultCoding) -> Said {
    let zeros = octets.iter().rev().take_while(|octet| **octet == 0).count();
    let octets = &octets[..octets.len() - zeros];
    // Most SMSCs write ASCII whatever they say the coding is.
    let is_plain = octets
        .iter()
        .all(|octet| (b' '..=b'~').contains(octet) || matches!(octet, b'\r' | b'\n' | b'\t'));
    let text = match is_plain {
        true => String::from_utf8_lossy(octets).into_owned(),
        false => decode(coding, octets, default),
    };
    let mut said = Said::default();
    let mut words = text.split(|c: char| c.is_whitespace() || c == '\0');
    let mut word = words.next();
    while let Some(current) = word {
        word = words.next();
        let Some((key, mut value)) = current.split_once(':') else {
            continue;
        };
        while value.is_empty() && word.is_some_and(|next| !next.contains(':')) {
            value = word.unwrap_or_default();
            word = words.next();
        }
        match key {
            key if key.eq_ignore_ascii_case("id") && said.id.is_none() && !value.is_empty() => {
                said.id = Some(value.to_owned());
            }
            key if key.eq_ignore_ascii_case("stat") && said.state.is_none() => {
                said.state = MessageState::of_word(value);
            }
            _ => {}
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Said {
        read_text(0, text.as_bytes(), DefaultCoding::Gsm7)
    }

    fn said(id: &str, state: MessageState) -> Said {
        Said {
            id: Some(id.to_owned()),
            state: Some(state),
        }
    }

    #[test]
    fn the_text_of_appendix_b_is_read() {
        let text = "id:0123456789 sub:001 dlvrd:001 submit date:2604031015 done date:2604031016 \
                    stat:DELIVRD err:000 text:Hello world, this is";
        assert_eq!(read(text), said("0123456789", MessageState::Delivered));
    }

    #[test]
    fn what_real_smscs_write_is_read() {
        for text in [
            "ID:ab-1 Stat:UNDELIV Err:IMSI_unknown",
            "stat:UNDELIV id:ab-1 err:1A",
            "id: ab-1 sub: dlvrd: submit date: 260403101530 done date:260403101531 stat: undeliverable",
            "id:ab-1 stat:UNDELIV\0",
            "id:ab-1  stat:FAILED\r\ntext:id:zz stat:DELIVRD",
            "sub:001 id:ab-1 x:y stat:UNDELIV text:stat:DELIVRD id:other",
        ] {
            assert_eq!(
                read(text),
                said("ab-1", MessageState::Undeliverable),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_missing_stays_unsaid() {
        assert_eq!(read(""), Said::default());
        assert_eq!(read("id: sub:001 stat:").id, None);
        assert_eq!(read("id:7 stat:WHAT").state, None);
        assert_eq!(read("msgid:7 state:DELIVRD"), Said::default());
    }

    #[test]
    fn the_text_may_come_in_any_coding() {
        let utf16: Vec<u8> = "id:7 stat:EXPIRED"
            .encode_utf16()
            .flat_map(u16::to_be_bytes)
            .collect();
        let default = DefaultCoding::Gsm7;
        assert_eq!(
            read_text(8, &utf16, default),
            said("7", MessageState::Expired)
        );
        assert_eq!(
            read_text(8, b"id:7 stat:EXPIRED", default),
            said("7", MessageState::Expired)
        );
        // In GSM-7 an underscore is 0x11.
        assert_eq!(
            read_text(0, b"id:a\x11b stat:REJECTD", default),
            said("a_b", MessageState::Rejected)
        );
    }

    #[test]
    fn each_state_claims_what_the_table_says() {
        let claims: Vec<_> = (0..=10)
            .map(|octet| MessageState::of_octet(octet).map(|state| state.claim(None)))
            .collect();
        let open = Some((Claim::EnRoute, None));
        let failed = |reason| Some((Claim::Failed, Some(reason)));
        assert_eq!(
            claims,
            [
                open,
                open,
                Some((Claim::Delivered, None)),
                failed(Reason::Expired),
                failed(Reason::Rejected),
                failed(Reason::Unreachable),
                open,
                open,
                failed(Reason::Rejected),
                failed(Reason::Rejected),
                None
            ]
        );
    }

    #[test]
    fn a_gsm_network_error_says_why() {
        let why = |error: &[u8]| MessageState::Undeliverable.claim(Some(error)).1.unwrap();
        assert_eq!(why(&[3, 0, 1]), Reason::InvalidDestination);
        assert_eq!(why(&[3, 0, 13]), Reason::Blocked);
        assert_eq!(why(&[3, 0, 99]), Reason::Unreachable);
        assert_eq!(why(&[1, 0, 1]), Reason::Unreachable);
        assert_eq!(why(&[]), Reason::Unreachable);
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd_to_read(coding: u8, octets: Vec<u8>) {
            read_text(coding, &octets, DefaultCoding::Gsm7);
        }

        #[test]
        fn no_words_are_too_odd_to_read(text in "((id|stat|text|err|done date):? ?[A-Z0-9:]{0,4} ?){0,9}") {
            read(&text);
        }

        #[test]
        fn an_id_and_a_state_are_found_among_anything(
            id in "[A-Za-z0-9_.-]{1,64}",
            other in "(sub:[0-9]{0,3} |x:[a-z]{0,5} |err:[A-Z0-9]{0,5} |\n ){0,5}",
            first: bool,
        ) {
            let text = match first {
                true => format!("id:{id} {other}stat:DELIVRD text:stat:REJECTD id:no"),
                false => format!("{other}stat:DELIVRD {other} Id:{id} text:stat:REJECTD id:no"),
            };
            prop_assert_eq!(read(&text), said(&id, MessageState::Delivered));
        }
    }
}
