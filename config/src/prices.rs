//! Price lists as they stand in files.

use std::path::Path;

use didfarm_core::e164::NumberType;
use didfarm_core::money::Micros;
use didfarm_core::price::{PriceRow, PriceRows};
use serde::Deserialize;

use crate::list_file;
use crate::schema::MICROS_MAX;

/// The list that is built in.
const BUILT_IN: &str = include_str!("../prices.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListFile {
    #[serde(default)]
    rows: Vec<RowFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RowFile {
    country: Box<str>,
    r#type: Option<NumberType>,
    segment_micros: Option<i64>,
    sms_monthly_micros: Option<i64>,
}

/// The list that is built in.
pub(crate) fn built_in() -> PriceRows {
    parse(BUILT_IN).expect("the list that is built in is sound")
}

/// Reads the list in a file; what is wrong is said with the place of the row at fault.
pub(crate) fn read(path: &Path) -> Result<PriceRows, String> {
    list_file::read(path, "price list", parse)
}

fn parse(text: &str) -> Result<PriceRows, String> {
    let file: ListFile = toml::from_str(text).map_err(|error| one_line(&error))?;
    let rows = file.rows.into_iter().enumerate();
    let rows: Result<Vec<PriceRow>, String> = rows
        .map(|(place, row)| {
            row.read()
                .map_err(|fault| format!("row {}: {fault}", place + 1))
        })
        .collect();
    PriceRows::new(rows?).map_err(|error| error.to_string())
}

impl RowFile {
    fn read(self) -> Result<PriceRow, String> {
        Ok(PriceRow {
            country: self.country,
            number_type: self.r#type,
            segment: amount("segment_micros", 1, self.segment_micros)?,
            sms_monthly: amount("sms_monthly_micros", 0, self.sms_monthly_micros)?,
        })
    }
}

fn amount(key: &str, min: i64, value: Option<i64>) -> Result<Option<Micros>, String> {
    match value {
        Some(value) if !(min..=MICROS_MAX).contains(&value) => Err(format!(
            "{key} must be a whole number of millionths of a euro from {min} to {MICROS_MAX}, not {value}"
        )),
        Some(value) => Ok(Some(Micros::new(value))),
        None => Ok(None),
    }
}

/// The parser's words on one line, with the line that they are about.
fn one_line(error: &toml::de::Error) -> String {
    let words = error.message().replace('\n', " ");
    match error.span() {
        Some(span) => format!("at byte {}: {words}", span.start),
        None => words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_list_is_sound_and_so_is_what_it_shows() {
        assert_eq!(built_in(), PriceRows::default());
        let shown: String = BUILT_IN
            .lines()
            .skip_while(|line| *line != "# [[rows]]")
            .map(|line| {
                line.trim_start_matches("# ")
                    .trim_start_matches('#')
                    .to_owned()
                    + "\n"
            })
            .filter(|line| line.starts_with("[[") || line.contains('='))
            .collect();
        assert_ne!(parse(&shown).unwrap(), PriceRows::default(), "{shown}");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_row() {
        for (text, fault) in [
            (
                "[[rows]]\ncountry = \"NL\"\nsegment_micros = -5",
                "row 1: segment_micros must be a whole number of millionths of a euro from 1 to 1000000000000000, not -5",
            ),
            (
                "[[rows]]\ncountry = \"ZZ\"\nsegment_micros = 5",
                "row 1: \"ZZ\" is no country",
            ),
            (
                "[[rows]]\ncountry = \"NL\"\nsegment_micros = 5\n[[rows]]\ncountry = \"NL\"\nsegment_micros = 6",
                "row 2: there is a row of this country and type already",
            ),
            ("[[rows]]\ncountry = \"NL\"", "row 1: it has no price"),
            (
                "[[rows]]\ncountry = \"NL\"\ntype = \"pigeon\"\nsegment_micros = 5",
                "unknown variant `pigeon`",
            ),
            (
                "[[rows]]\ncountry = \"NL\"\nsegment = 5",
                "unknown field `segment`",
            ),
            ("[[rows]]\nsegment_micros = 5", "missing field `country`"),
            ("rows = 5", "invalid type"),
        ] {
            let found = parse(text).unwrap_err();
            assert!(found.contains(fault) && !found.contains('\n'), "{found}");
        }
    }
}
