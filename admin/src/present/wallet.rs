//! The shapes of `/api/v1/wallet`: movements of money as JSON and as CSV.

use std::io::Write;

use didfarm_core::ids::{MessageId, NumberId};
use didfarm_runtime::wallet::{LedgerCause, Movement, MovementKind};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{CURRENCY, Fraction, Shown, euros};

/// The first line of an export as CSV.
pub(crate) const CSV_HEAD: &[u8] =
    b"id,at,kind,amount,balance,currency,message_id,number_id,sms_since,sms_month\r\n";

/// A movement of money.
#[derive(Serialize)]
pub(crate) struct Row {
    id: String,
    at: Fraction,
    kind: &'static str,
    amount: Box<RawValue>,
    balance: Box<RawValue>,
    currency: &'static str,
    message_id: Option<Shown<MessageId>>,
    number_id: Option<Shown<NumberId>>,
    /// When the first month of SMS on the number began, and which month this one is, from 0.
    sms_since: Option<Fraction>,
    sms_month: Option<u32>,
}

impl Row {
    pub(crate) fn of(movement: &Movement) -> Row {
        let Movement { place, entry } = movement;
        let (message, month) = match entry.cause {
            LedgerCause::TopUp => (None, None),
            LedgerCause::Charge(message)
            | LedgerCause::AutoReply(message)
            | LedgerCause::Refund(message) => (Some(message), None),
            LedgerCause::SmsMonthly(number, month) => (None, Some((number, month))),
        };
        Row {
            id: format!("mov_{}_{}", place.seq.0, place.place),
            at: Fraction(entry.at),
            kind: MovementKind::of(&entry.cause).as_str(),
            amount: euros(entry.amount),
            balance: euros(entry.balance),
            currency: CURRENCY,
            message_id: message.map(Shown),
            number_id: month.map(|(number, _)| Shown(number)),
            sms_since: month.map(|(_, month)| Fraction(month.since)),
            sms_month: month.map(|(_, month)| month.month),
        }
    }

    /// Appends it as a line of JSON.
    pub(crate) fn write_ndjson(&self, out: &mut Vec<u8>) {
        serde_json::to_writer(&mut *out, self)
            .expect("answers have string keys only and a vector takes all bytes");
        out.push(b'\n');
    }

    /// Appends it as a line of CSV (RFC 4180). No field has anything that would have to be quoted.
    pub(crate) fn write_csv(&self, out: &mut Vec<u8>) {
        let text = |value: Option<String>| value.unwrap_or_default();
        let line = write!(
            out,
            "{},{},{},{},{},{},{},{},{},{}\r\n",
            self.id,
            self.at,
            self.kind,
            self.amount,
            self.balance,
            self.currency,
            text(self.message_id.map(|id| id.0.to_string())),
            text(self.number_id.map(|id| id.0.to_string())),
            text(self.sms_since.map(|at| at.to_string())),
            text(self.sms_month.map(|month| month.to_string())),
        );
        line.expect("a vector takes all bytes");
    }
}

#[cfg(test)]
mod tests {
    use didfarm_core::add_on::SmsMonth;
    use didfarm_core::money::Micros;
    use didfarm_core::time::Timestamp;
    use didfarm_runtime::wallet::{LedgerEntry, LedgerPlace};

    use super::*;

    #[test]
    fn both_forms_of_an_export_say_the_same() {
        let at = Timestamp::parse_rfc3339("2026-11-21T10:00:00.5Z").unwrap();
        let month = SmsMonth {
            since: at,
            month: 1,
        };
        let mut row = (Vec::new(), Vec::new());
        for (cause, amount, balance) in [
            (LedgerCause::Charge(MessageId(65_537)), -8_000, 992_000),
            (
                LedgerCause::SmsMonthly(NumberId(7), month),
                -750_000,
                242_000,
            ),
        ] {
            let place = LedgerPlace::new(3, 1);
            let (amount, balance) = (Micros::new(amount), Micros::new(balance));
            let entry = LedgerEntry {
                at,
                amount,
                balance,
                cause,
            };
            let shown = Row::of(&Movement { place, entry });
            shown.write_ndjson(&mut row.0);
            shown.write_csv(&mut row.1);
        }
        let (ndjson, csv) = (
            String::from_utf8(row.0).unwrap(),
            String::from_utf8(row.1).unwrap(),
        );
        let first: serde_json::Value =
            serde_json::from_str(ndjson.lines().next().unwrap()).unwrap();
        assert_eq!(first["kind"], "message");
        assert_eq!(first["amount"], serde_json::json!(-0.008));
        assert_eq!(
            csv,
            "mov_3_1,2026-11-21T10:00:00.500000Z,message,-0.008,0.992,EUR,msg_00000002001,,,\r\n\
             mov_3_1,2026-11-21T10:00:00.500000Z,sms_monthly,-0.75,0.242,EUR,,num_00000000007,2026-11-21T10:00:00.500000Z,1\r\n"
        );
        let fields = |line: &str| line.split(',').count();
        let head = std::str::from_utf8(CSV_HEAD).unwrap();
        assert!(csv.lines().all(|line| fields(line) == fields(head)));
    }
}
