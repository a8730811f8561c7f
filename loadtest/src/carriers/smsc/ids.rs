//! How the message center spells its ids: in submit answers and in receipts, not always the same.

use clap::ValueEnum;

/// How ids are spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum IdSpelling {
    /// Decimal digits in both.
    Decimal,
    /// Hexadecimal in answers and queries, decimal in receipts.
    HexAnswers,
    /// Decimal in answers and queries, hexadecimal with leading zeros in receipts.
    HexReceipts,
    /// The same text in both, no number.
    Text,
}

impl IdSpelling {
    /// A number as submit answers and query answers have it.
    pub fn in_answer(self, decimal: &str) -> String {
        match self {
            IdSpelling::Decimal | IdSpelling::HexReceipts => decimal.to_owned(),
            IdSpelling::HexAnswers => format!("{:X}", number(decimal)),
            IdSpelling::Text => format!("lt-{decimal}"),
        }
    }

    /// A number as receipts have it.
    pub fn in_receipt(self, decimal: &str) -> String {
        match self {
            IdSpelling::Decimal | IdSpelling::HexAnswers => decimal.to_owned(),
            IdSpelling::HexReceipts => format!("{:020X}", number(decimal)),
            IdSpelling::Text => format!("lt-{decimal}"),
        }
    }

    /// The decimal digits of an id as answers have it.
    pub fn of_answer(self, text: &str) -> Option<String> {
        match self {
            IdSpelling::Decimal | IdSpelling::HexReceipts => Some(text.to_owned()),
            IdSpelling::HexAnswers => Some(u64::from_str_radix(text, 16).ok()?.to_string()),
            IdSpelling::Text => text.strip_prefix("lt-").map(str::to_owned),
        }
    }
}

fn number(decimal: &str) -> u64 {
    decimal
        .parse()
        .expect("the message center's own ids are numbers")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_found_by_its_answers_spelling() {
        let id = "1763700000000123";
        for spelling in IdSpelling::value_variants() {
            assert_eq!(
                spelling.of_answer(&spelling.in_answer(id)).as_deref(),
                Some(id)
            );
        }
        assert_eq!(IdSpelling::HexAnswers.in_answer("255"), "FF");
        assert_eq!(
            IdSpelling::HexReceipts.in_receipt("255"),
            format!("{:0>20}", "FF")
        );
        assert_eq!(IdSpelling::Text.of_answer("255"), None);
    }
}
