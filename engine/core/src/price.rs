//! What segments and numbers cost: a default, and rows for countries and types of numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use thiserror::Error;

use crate::e164::{self, E164, NumberType};
use crate::money::{Micros, SEGMENT_PRICE_DEFAULT};
use crate::peer::Peer;

/// The most rows of a list: every type of number in every country, twice over.
pub const ROWS_MAX: usize = 5_000;

/// What a number costs a month that has SMS, where nothing else is set: 0.75 euro.
pub const SMS_MONTHLY_DEFAULT: Micros = Micros::new(750_000);

/// The prices of one country, or of one type of its numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceRow {
    /// The country by its two letters (ISO 3166-1), as [`E164::region`] has it.
    pub country: Box<str>,
    /// The type of number; `None` for every type without a row of its own.
    pub number_type: Option<NumberType>,
    /// What a segment to such a number costs; `None` for what the wider row says.
    pub segment: Option<Micros>,
    /// What such a number of ours costs a month that has SMS; `None` for what the wider row says.
    pub sms_monthly: Option<Micros>,
}

/// What is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PriceRowFault {
    /// No numbers belong to these letters.
    #[error("{country:?} is no country: write its two capital letters by ISO 3166-1")]
    CountryUnknown {
        /// As it was given.
        country: Box<str>,
    },
    /// An earlier row is about the same numbers.
    #[error("there is a row of this country and type already")]
    Duplicate,
    /// A price below nothing, or a segment for nothing.
    #[error("a price must be positive")]
    NotPositive,
    /// It says nothing.
    #[error("it has no price")]
    Empty,
}

/// Why rows make no list.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PriceRowsError {
    /// A row does not fit.
    #[error("row {row}: {fault}")]
    Row {
        /// Which row, from 1.
        row: usize,
        /// What is wrong with it.
        fault: PriceRowFault,
    },
    /// There are too many.
    #[error("a price list has {ROWS_MAX} rows at most")]
    TooMany,
}

/// Rows that fit together, found by the country code of a number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PriceRows {
    by_country_code: BTreeMap<u16, Vec<PriceRow>>,
}

impl PriceRows {
    /// Takes rows in.
    ///
    /// # Errors
    /// The first row that does not fit, by its place.
    pub fn new(rows: Vec<PriceRow>) -> Result<PriceRows, PriceRowsError> {
        if rows.len() > ROWS_MAX {
            return Err(PriceRowsError::TooMany);
        }
        let mut known = BTreeSet::new();
        let mut by_country_code: BTreeMap<u16, Vec<PriceRow>> = BTreeMap::new();
        for (place, row) in rows.into_iter().enumerate() {
            let wrong = |fault| PriceRowsError::Row {
                row: place + 1,
                fault,
            };
            let code = check(&row).map_err(wrong)?;
            let kind = row.number_type.map(|kind| kind as u8);
            if !known.insert((row.country.clone(), kind)) {
                return Err(wrong(PriceRowFault::Duplicate));
            }
            by_country_code.entry(code).or_default().push(row);
        }
        Ok(PriceRows { by_country_code })
    }

    /// Looks up what a number's rows would need, so that no message waits for the numbering plans.
    fn warm_up(&self) {
        for (code, rows) in &self.by_country_code {
            // In no range that is assigned: every country of the code is looked at.
            let nobody = u64::from(*code) * 1_000_000_000 + 999_999_999;
            if let Ok(number) = E164::from_digits(nobody) {
                let _ = find(rows, number, |row| row.segment);
            }
        }
    }

    fn of(&self, number: E164, price: impl Fn(&PriceRow) -> Option<Micros>) -> Option<Micros> {
        if self.by_country_code.is_empty() {
            return None;
        }
        let rows = self.by_country_code.get(&number.country_code()?)?;
        find(rows, number, price)
    }
}

/// Checks a row by itself; returns its country code.
fn check(row: &PriceRow) -> Result<u16, PriceRowFault> {
    let code =
        e164::country_code_of(&row.country).ok_or_else(|| PriceRowFault::CountryUnknown {
            country: row.country.clone(),
        })?;
    if row.segment.is_none() && row.sms_monthly.is_none() {
        return Err(PriceRowFault::Empty);
    }
    let is_free = row.segment.is_some_and(|price| price <= Micros::ZERO);
    if is_free || row.sms_monthly.is_some_and(|price| price < Micros::ZERO) {
        return Err(PriceRowFault::NotPositive);
    }
    Ok(code)
}

/// The price by the row of the number's own type, else by the one of every type. Numbering plans are asked
/// only for what the rows tell apart.
fn find(
    rows: &[PriceRow],
    number: E164,
    price: impl Fn(&PriceRow) -> Option<Micros>,
) -> Option<Micros> {
    let region = match number.sole_region() {
        Some(region) => region,
        None => number.region()?,
    };
    let of_country = || rows.iter().filter(|row| *row.country == *region);
    let typed = of_country()
        .any(|row| row.number_type.is_some())
        .then(|| number.number_type())
        .and_then(|kind| of_country().find(|row| row.number_type == Some(kind)))
        .and_then(&price);
    typed.or_else(|| {
        let of_all = of_country().find(|row| row.number_type.is_none());
        of_all.and_then(price)
    })
}

/// The price list in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceList {
    segment: Micros,
    sms_monthly: Micros,
    rows: Arc<PriceRows>,
}

impl Default for PriceList {
    fn default() -> PriceList {
        PriceList::new(SEGMENT_PRICE_DEFAULT, SMS_MONTHLY_DEFAULT, Arc::default())
    }
}

impl PriceList {
    /// Makes a list of what a segment and a month with SMS cost where no row says otherwise.
    pub fn new(segment: Micros, sms_monthly: Micros, rows: Arc<PriceRows>) -> PriceList {
        rows.warm_up();
        PriceList {
            segment,
            sms_monthly,
            rows,
        }
    }

    /// What one segment to this peer costs. A peer that is known by a name has no country.
    ///
    /// # Limits
    /// Microseconds where rows tell countries of one country code or types of numbers apart, else
    /// nothing to speak of.
    pub fn segment(&self, to: &Peer) -> Micros {
        let by_row = match to {
            Peer::Number(number) => self.rows.of(*number, |row| row.segment),
            Peer::Name(_) => None,
        };
        by_row.unwrap_or(self.segment)
    }

    /// What a message of so many segments costs; nothing where it is more than an amount can be.
    pub fn message(&self, to: &Peer, segments: u16) -> Option<Micros> {
        self.segment(to).checked_mul(u64::from(segments))
    }

    /// What a month costs in which this number of ours has SMS.
    pub fn sms_monthly(&self, number: E164) -> Micros {
        let by_row = self.rows.of(number, |row| row.sms_monthly);
        by_row.unwrap_or(self.sms_monthly)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::e164::Validation;

    fn row(country: &str, number_type: Option<NumberType>, segment: i64) -> PriceRow {
        PriceRow {
            country: country.into(),
            number_type,
            segment: Some(Micros::new(segment)),
            sms_monthly: None,
        }
    }

    fn list(rows: Vec<PriceRow>) -> PriceList {
        let rows = PriceRows::new(rows).unwrap();
        PriceList::new(Micros::new(8_000), Micros::new(750_000), Arc::new(rows))
    }

    fn peer(text: &str) -> Peer {
        Peer::Number(E164::parse(text, Validation::Possible).unwrap())
    }

    #[test]
    fn the_narrowest_row_counts_and_the_default_where_there_is_none() {
        let list = list(vec![
            row("NL", None, 10_000),
            row("NL", Some(NumberType::Mobile), 11_000),
            row("US", None, 12_000),
            row("GB", Some(NumberType::TollFree), 13_000),
        ]);
        for (to, price) in [
            ("+31201234567", 10_000),
            ("+31612345678", 11_000),
            ("+12125550123", 12_000), // New York
            ("+14165550123", 8_000),  // Toronto shares the country code
            ("+442079460123", 8_000),
            ("+448001111111", 13_000),
            ("+493012345678", 8_000),
        ] {
            assert_eq!(list.segment(&peer(to)), Micros::new(price), "{to}");
        }
        assert_eq!(
            list.message(&peer("+31612345678"), 3),
            Some(Micros::new(33_000))
        );
    }

    #[test]
    fn a_row_without_a_price_follows_the_wider_one() {
        let monthly = |country: &str, number_type, price| PriceRow {
            country: country.into(),
            number_type,
            segment: None,
            sms_monthly: Some(Micros::new(price)),
        };
        let list = list(vec![
            monthly("NL", Some(NumberType::Mobile), 1_000_000),
            monthly("DE", None, 0),
            row("NL", None, 9_000),
        ]);
        let number = |text| E164::parse(text, Validation::Possible).unwrap();
        assert_eq!(list.segment(&peer("+31612345678")), Micros::new(9_000));
        assert_eq!(
            list.sms_monthly(number("+31612345678")),
            Micros::new(1_000_000)
        );
        assert_eq!(
            list.sms_monthly(number("+31201234567")),
            Micros::new(750_000)
        );
        assert_eq!(list.sms_monthly(number("+493012345678")), Micros::ZERO);
    }

    #[test]
    fn a_row_that_does_not_fit_is_named() {
        let refused = |rows: Vec<PriceRow>| PriceRows::new(rows).unwrap_err().to_string();
        let empty = PriceRow {
            segment: None,
            ..row("NL", None, 1)
        };
        for (rows, sentence) in [
            (
                vec![row("XX", None, 1)],
                "row 1: \"XX\" is no country: write its two capital letters by ISO 3166-1",
            ),
            (
                vec![row("nl", None, 1)],
                "row 1: \"nl\" is no country: write its two capital letters by ISO 3166-1",
            ),
            (
                vec![row("NL", None, 1), row("NL", None, 2)],
                "row 2: there is a row of this country and type already",
            ),
            (vec![row("NL", None, -1)], "row 1: a price must be positive"),
            (vec![row("NL", None, 0)], "row 1: a price must be positive"),
            (vec![empty], "row 1: it has no price"),
        ] {
            assert_eq!(refused(rows), sentence);
        }
        assert_eq!(
            PriceRows::new(vec![row("NL", None, 1); ROWS_MAX + 1]),
            Err(PriceRowsError::TooMany)
        );
    }

    #[test]
    fn a_peer_that_is_a_name_costs_the_default() {
        let name = crate::peer::PeerName::parse("NL.1234567890").expect("a user id");
        let list = list(vec![row("NL", None, 10_000)]);
        assert_eq!(list.segment(&Peer::Name(name)), Micros::new(8_000));
    }
}
