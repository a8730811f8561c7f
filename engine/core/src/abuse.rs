//! Where an account may send to and how much of it to one range: what stops fraud before it costs.
//!
//! Countries and kinds of ranges are judged by the number alone. The amount is judged by counts that the
//! runtime keeps: a range that uses its limit up is stopped for the account until somebody releases it.

pub mod count;
pub mod country;
pub mod range;
pub mod stop;

use crate::e164::E164;

use self::country::Countries;

/// Returns the country of a number as the rules here see it: nothing for numbers of no country.
///
/// # Limits
/// Well below a microsecond once the country code was asked for; the first of each takes milliseconds.
pub fn country_of(number: E164) -> Option<&'static str> {
    number.sole_region().or_else(|| number.region())
}

/// Whether a number may be sent to: both lists allow its country, where there are lists. A number of no
/// country is in no list. `Err` has the country.
///
/// # Errors
/// The country that is not allowed.
pub fn judge_country(
    number: E164,
    lists: [Option<&Countries>; 2],
) -> Result<(), Option<&'static str>> {
    if lists.iter().all(Option::is_none) {
        return Ok(());
    }
    let country = country_of(number);
    let allowed = |list: &Countries| country.is_some_and(|country| list.holds(country));
    match lists.into_iter().flatten().all(allowed) {
        true => Ok(()),
        false => Err(country),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::e164::Validation;

    #[test]
    fn a_number_passes_every_list_that_there_is_or_none_at_all() {
        let number = |text| E164::parse(text, Validation::Syntax).unwrap();
        let list = |countries: &[&str]| Countries::new(countries.iter().copied()).unwrap();
        let (benelux, dutch, american) = (list(&["NL", "BE"]), list(&["NL"]), list(&["US"]));
        for (to, lists, verdict) in [
            ("+31612345678", [None, None], Ok(())),
            ("+881612345678", [None, None], Ok(())),
            ("+31612345678", [Some(&benelux), None], Ok(())),
            ("+31612345678", [Some(&benelux), Some(&dutch)], Ok(())),
            (
                "+32470123456",
                [Some(&benelux), Some(&dutch)],
                Err(Some("BE")),
            ),
            ("+32470123456", [None, Some(&dutch)], Err(Some("BE"))),
            ("+12125550123", [Some(&american), None], Ok(())),
            ("+14165550123", [Some(&american), None], Err(Some("CA"))),
            ("+881612345678", [Some(&benelux), None], Err(None)),
        ] {
            assert_eq!(judge_country(number(to), lists), verdict, "{to}");
        }
    }
}
