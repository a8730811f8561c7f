//! Who is no person, and what no person writes.

use crate::channel::Channel;
use crate::e164::DIGITS_MIN;
use crate::folded::Folded;
use crate::peer::Peer;

/// Whether a person may read what is sent to the peer on the channel.
///
/// Numbers too short for E.164 are short codes, which programs own. An SMS from a name comes from an
/// alphanumeric sender, which takes no answer (3GPP TS 23.040, 9.1.2.5), even when the name has the form
/// of a WhatsApp user id; on WhatsApp only that form is a user.
pub fn is_person(peer: &Peer, channel: Channel) -> bool {
    match (peer, channel) {
        (Peer::Number(number), Channel::Sms | Channel::WhatsApp) => {
            number.digits() >= 10_u64.pow(DIGITS_MIN as u32 - 1)
        }
        (Peer::Name(_), Channel::Sms) => false,
        (Peer::Name(name), Channel::WhatsApp) => name.is_whatsapp_user(),
    }
}

/// Whether a text is a receipt that a message centre let through as a message: `id:… sub:… dlvrd:… submit
/// date:… done date:… stat:…` (SMPP 3.4, appendix B).
pub(super) fn is_receipt(folded: &Folded) -> bool {
    let text = folded.as_str();
    text.starts_with("id:") && text.contains(" stat:") && text.contains(" done date:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_and_whatsapp_users_are_persons() {
        for (peer, sms, whatsapp) in [
            ("+31612345678", true, true),
            ("+2907123", true, true), // the shortest numbers have 7 digits
            ("+345678", false, false),
            ("+3669", false, false),
            ("MyBank", false, false),
            ("US.13491208655302741918", false, true),
            ("NL.bank", false, true),
        ] {
            let peer = Peer::parse(peer).unwrap();
            let persons = Channel::ALL.map(|channel| is_person(&peer, channel));
            assert_eq!(persons, [sms, whatsapp], "{peer}");
        }
    }

    #[test]
    fn a_receipt_is_known_by_its_form() {
        let receipt = "id:0123456789 sub:001 dlvrd:001 submit date:2604031015 done date:2604031016 \
                       stat:DELIVRD err:000 text:Thank you";
        assert!(is_receipt(&Folded::new(receipt)));
        for text in ["id: 12 please", "My stat: fine, done date: today", ""] {
            assert!(!is_receipt(&Folded::new(text)), "{text}");
        }
    }
}
