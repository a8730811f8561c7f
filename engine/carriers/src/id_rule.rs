//! How a carrier's message ids are compared: carriers spell one id in two ways.
//!
//! An SMSC may answer a submit with `1A2B` and send the receipt for `6699`, or pad one of the two with
//! zeros. A rule brings both to one spelling before they are compared or stored; what a rule cannot read
//! stays as it is, so that nothing is thrown away.

use didfarm_core::ids::CarrierMessageId;

/// How one side spells ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Spelling {
    /// As text.
    #[default]
    AsIs,
    /// As a decimal number.
    Decimal,
    /// As a hexadecimal number.
    Hexadecimal,
}

/// How one carrier's ids are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IdRule {
    /// In submit answers.
    pub answers: Spelling,
    /// In receipts.
    pub receipts: Spelling,
    /// Whether upper and lower case are the same, for text.
    pub fold_case: bool,
    /// Whether leading zeros count for nothing, for text.
    pub strip_zeros: bool,
}

impl IdRule {
    /// The id of a submit answer in the one spelling; `None` for nothing, or for more than
    /// [`CarrierMessageId::BYTES_MAX`].
    pub fn of_answer(&self, text: &str) -> Option<CarrierMessageId> {
        self.canonical(text, self.answers)
    }

    /// The id of a receipt in the one spelling; `None` as in [`IdRule::of_answer`].
    pub fn of_receipt(&self, text: &str) -> Option<CarrierMessageId> {
        self.canonical(text, self.receipts)
    }

    fn canonical(&self, text: &str, spelling: Spelling) -> Option<CarrierMessageId> {
        if !(1..=CarrierMessageId::BYTES_MAX).contains(&text.len()) {
            return None;
        }
        let radix = match spelling {
            Spelling::AsIs => return Some(self.as_text(text)),
            Spelling::Decimal => 10,
            Spelling::Hexadecimal => 16,
        };
        let digits = text.trim();
        // `from_str_radix` would take a sign.
        let value = digits
            .bytes()
            .all(|digit| digit.is_ascii_hexdigit())
            .then(|| u128::from_str_radix(digits, radix).ok())
            .flatten();
        Some(match value {
            Some(value) => CarrierMessageId(value.to_string().into()),
            None => self.as_text(text),
        })
    }

    fn as_text(&self, text: &str) -> CarrierMessageId {
        let stripped = text.trim_start_matches('0');
        let text = match (self.strip_zeros, stripped) {
            (true, "") => "0",
            (true, stripped) => stripped,
            (false, _) => text,
        };
        CarrierMessageId(if self.fold_case {
            text.to_ascii_lowercase().into()
        } else {
            text.into()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(rule: IdRule, answer: &str, receipt: &str) -> bool {
        rule.of_answer(answer).unwrap() == rule.of_receipt(receipt).unwrap()
    }

    #[test]
    fn ids_meet_by_the_rule_of_their_carrier() {
        let (decimal, hex) = (Spelling::Decimal, Spelling::Hexadecimal);
        let rule = |answers, receipts| IdRule {
            answers,
            receipts,
            ..IdRule::default()
        };
        assert!(same(IdRule::default(), "ab-1", "ab-1"));
        assert!(!same(IdRule::default(), "ab-1", "AB-1"));
        assert!(!same(IdRule::default(), "007", "7"));
        assert!(same(rule(hex, decimal), "1A2B", "6699"));
        assert!(same(rule(decimal, hex), "6699", "00001a2b"));
        assert!(same(rule(decimal, decimal), "0006699", "6699"));
        let folded = IdRule {
            fold_case: true,
            strip_zeros: true,
            ..IdRule::default()
        };
        assert!(same(folded, "00Ab", "aB") && same(folded, "000", "0"));
    }

    #[test]
    fn what_a_rule_cannot_read_stays_text() {
        let rule = IdRule {
            answers: Spelling::Decimal,
            receipts: Spelling::Decimal,
            ..IdRule::default()
        };
        for text in ["c0ffee", "-5", "+5", "a-b", &"9".repeat(60)] {
            assert_eq!(rule.of_answer(text).unwrap().0.as_ref(), text);
        }
        assert_eq!(rule.of_answer(""), None);
        assert_eq!(rule.of_receipt(&"9".repeat(129)), None);
    }
}
