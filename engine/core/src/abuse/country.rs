//! Countries by their two letters, and sets of them.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::e164;

/// The most countries of a set; there are fewer with numbers of their own.
pub const COUNTRIES_MAX: usize = 300;

/// A country by its two letters, as in ISO 3166-1 and as [`e164::E164::region`] has them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Country([u8; 2]);

/// Letters that are no country's.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{letters:?} is no country with numbers of its own: write two capital letters by ISO 3166-1"
)]
pub struct CountryUnknown {
    /// As they were given.
    pub letters: Box<str>,
}

/// Why countries make no set.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CountriesError {
    /// One of them is none.
    #[error(transparent)]
    Unknown(#[from] CountryUnknown),
    /// There are none.
    #[error("a list names at least one country")]
    Empty,
    /// There are too many.
    #[error("a list names {COUNTRIES_MAX} countries at most")]
    TooMany,
}

impl Country {
    /// Reads two capital letters that numbers belong to.
    ///
    /// # Errors
    /// [`CountryUnknown`].
    pub fn parse(text: &str) -> Result<Country, CountryUnknown> {
        let unknown = || CountryUnknown {
            letters: text.chars().take(10).collect(),
        };
        e164::country_code_of(text).ok_or_else(unknown)?;
        Country::of_letters(text).ok_or_else(unknown)
    }

    /// Takes the letters that a numbering plan gave.
    pub fn of_region(region: &'static str) -> Option<Country> {
        Country::of_letters(region)
    }

    fn of_letters(text: &str) -> Option<Country> {
        match *text.as_bytes() {
            [first @ b'A'..=b'Z', second @ b'A'..=b'Z'] => Some(Country([first, second])),
            _ => None,
        }
    }

    /// The two letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a country is two ASCII letters")
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Country> for String {
    fn from(country: Country) -> String {
        country.as_str().to_owned()
    }
}

/// What was stored stays readable when numbering plans change: only the form is looked at.
impl TryFrom<String> for Country {
    type Error = CountryUnknown;

    fn try_from(text: String) -> Result<Country, CountryUnknown> {
        let country = Country::of_letters(&text);
        country.ok_or_else(|| CountryUnknown {
            letters: text.into(),
        })
    }
}

/// A set of countries, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Countries(Box<[Country]>);

impl Countries {
    /// Takes a set in; one that is named twice is there once.
    ///
    /// # Errors
    /// See [`CountriesError`].
    pub fn new<'a>(
        letters: impl IntoIterator<Item = &'a str>,
    ) -> Result<Countries, CountriesError> {
        let mut countries = Vec::new();
        for text in letters {
            if countries.len() == COUNTRIES_MAX {
                return Err(CountriesError::TooMany);
            }
            countries.push(Country::parse(text)?);
        }
        if countries.is_empty() {
            return Err(CountriesError::Empty);
        }
        countries.sort_unstable();
        countries.dedup();
        Ok(Countries(countries.into()))
    }

    /// Whether the set has this country.
    pub fn holds(&self, letters: &str) -> bool {
        let found = self.0.binary_search_by(|one| one.as_str().cmp(letters));
        found.is_ok()
    }

    /// The countries, in order.
    pub fn iter(&self) -> impl Iterator<Item = Country> + '_ {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_sorted_and_whole_and_nothing_else_is_a_country() {
        let set = Countries::new(["NL", "BE", "NL", "US"]).unwrap();
        let letters: Vec<String> = set.iter().map(String::from).collect();
        assert_eq!(letters, ["BE", "NL", "US"]);
        assert!(set.holds("NL") && !set.holds("DE"));
        assert_eq!(Countries::new([]), Err(CountriesError::Empty));
        for unknown in ["nl", "XX", "NLD", "", "+3", "é"] {
            let refused = Countries::new(["NL", unknown]);
            assert!(
                matches!(refused, Err(CountriesError::Unknown(_))),
                "{unknown}"
            );
        }
        let many = Countries::new(std::iter::repeat_n("NL", COUNTRIES_MAX + 1));
        assert_eq!(many, Err(CountriesError::TooMany));
    }

    #[test]
    fn a_set_is_stored_as_its_letters() {
        let set = Countries::new(["NL", "BE"]).unwrap();
        let stored = serde_json::to_string(&set).unwrap();
        assert_eq!(stored, r#"["BE","NL"]"#);
        assert_eq!(serde_json::from_str::<Countries>(&stored).unwrap(), set);
        assert!(serde_json::from_str::<Countries>(r#"["nl"]"#).is_err());
    }
}
