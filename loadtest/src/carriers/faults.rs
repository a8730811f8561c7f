//! What goes wrong on purpose: shares of submits and of receipts, changed while it runs.

use std::time::Duration;

use clap::Args;
use serde::Deserialize;

use crate::dice::parse_share;

/// The longest delay of receipts, in milliseconds: seven days.
pub const RECEIPT_DELAY_MS_MAX: u64 = 7 * 24 * 60 * 60 * 1000;

/// How the carriers behave.
#[derive(Debug, Clone, Args)]
pub struct Faults {
    /// Time from the answer to the last receipt of a message, in milliseconds; earlier ones come in between.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(..=RECEIPT_DELAY_MS_MAX))]
    pub receipt_delay_ms: u64,
    /// Share of receipts that come twice.
    #[arg(long, default_value_t = 0.0, value_parser = parse_share)]
    pub duplicates: f64,
    /// Share of messages whose receipts come in the wrong order, a single one at any time up to twice the delay.
    #[arg(long, default_value_t = 0.0, value_parser = parse_share)]
    pub disorder: f64,
    /// Share of messages whose last receipt comes before the answer to the submit.
    #[arg(long, default_value_t = 0.0, value_parser = parse_share)]
    pub early: f64,
    /// Share of receipts that never come.
    #[arg(long, default_value_t = 0.0, value_parser = parse_share)]
    pub loss: f64,
    /// Share of submits that are answered with "too many" and not taken.
    #[arg(long, default_value_t = 0.0, value_parser = parse_share)]
    pub throttle: f64,
    /// Share of submits that are taken and never answered; their receipts come.
    #[arg(long, default_value_t = 0.0, value_parser = parse_share)]
    pub unanswered: f64,
    /// Share of delivered WhatsApp messages that are read.
    #[arg(long, default_value_t = 0.0, value_parser = parse_share)]
    pub read: f64,
    /// Starts in a blackout: connections are accepted, and nothing is ever answered.
    #[arg(long)]
    pub blackout: bool,
    /// Gives messages the fates of the simulated carrier, by the last four digits of the peer (0001 to 0007).
    #[arg(long)]
    pub fates: bool,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            receipt_delay_ms: 100,
            duplicates: 0.0,
            disorder: 0.0,
            early: 0.0,
            loss: 0.0,
            throttle: 0.0,
            unanswered: 0.0,
            read: 0.0,
            blackout: false,
            fates: false,
        }
    }
}

impl Faults {
    /// Time from the answer to the last receipt.
    pub fn receipt_delay(&self) -> Duration {
        Duration::from_millis(self.receipt_delay_ms)
    }
}

/// A change of some of it, from `POST /control`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct FaultsChange {
    receipt_delay_ms: Option<u64>,
    duplicates: Option<f64>,
    disorder: Option<f64>,
    early: Option<f64>,
    loss: Option<f64>,
    throttle: Option<f64>,
    unanswered: Option<f64>,
    read: Option<f64>,
    blackout: Option<bool>,
    fates: Option<bool>,
}

/// A value is out of its range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} is out of range: a share is 0 to 1, a delay at most {RECEIPT_DELAY_MS_MAX} ms")]
pub struct RangeError {
    /// Which value.
    pub field: &'static str,
}

impl FaultsChange {
    /// The behaviour after the change.
    ///
    /// # Errors
    /// [`RangeError`]; nothing is changed then.
    pub fn applied(&self, to: &Faults) -> Result<Faults, RangeError> {
        let share = |field, change: Option<f64>, now: f64| match change {
            Some(share) if !(0.0..=1.0).contains(&share) => Err(RangeError { field }),
            change => Ok(change.unwrap_or(now)),
        };
        let receipt_delay_ms = self.receipt_delay_ms.unwrap_or(to.receipt_delay_ms);
        if receipt_delay_ms > RECEIPT_DELAY_MS_MAX {
            return Err(RangeError {
                field: "receipt_delay_ms",
            });
        }
        Ok(Faults {
            receipt_delay_ms,
            duplicates: share("duplicates", self.duplicates, to.duplicates)?,
            disorder: share("disorder", self.disorder, to.disorder)?,
            early: share("early", self.early, to.early)?,
            loss: share("loss", self.loss, to.loss)?,
            throttle: share("throttle", self.throttle, to.throttle)?,
            unanswered: share("unanswered", self.unanswered, to.unanswered)?,
            read: share("read", self.read, to.read)?,
            blackout: self.blackout.unwrap_or(to.blackout),
            fates: self.fates.unwrap_or(to.fates),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_touches_what_it_names_and_nothing_when_it_is_out_of_range() {
        let before = Faults::default();
        let change = |text| -> FaultsChange { serde_json::from_str(text).unwrap() };
        let after = change(r#"{"throttle":0.5,"blackout":true}"#)
            .applied(&before)
            .unwrap();
        assert_eq!((after.throttle, after.blackout), (0.5, true));
        assert_eq!((after.loss, after.receipt_delay_ms), (0.0, 100));
        for (text, field) in [
            (r#"{"loss":1.5}"#, "loss"),
            (r#"{"receipt_delay_ms":99999999999}"#, "receipt_delay_ms"),
        ] {
            assert_eq!(
                change(text).applied(&before).unwrap_err(),
                RangeError { field }
            );
        }
    }
}
