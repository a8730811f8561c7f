//! Which operator a mobile range was given to, from a table of facts.

use std::sync::LazyLock;

use super::E164;

/// The table: a name, a tab, and the first digits of its ranges on each line; `#` begins a remark.
const TABLE: &str = include_str!("operators.txt");

/// The first digits of a range, as an integer and how many they are, with the place of the name.
struct Range {
    start: u32,
    digits: u32,
    name: &'static str,
}

static RANGES: LazyLock<Vec<Range>> = LazyLock::new(|| {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    let mut ranges: Vec<Range> = lines
        .filter_map(|line| line.split_once('\t'))
        .flat_map(|(name, starts)| starts.split(' ').map(move |start| (name, start)))
        .filter_map(|(name, start)| {
            Some(Range {
                start: start.parse().ok()?,
                digits: u32::try_from(start.len()).ok()?,
                name,
            })
        })
        .collect();
    ranges.sort_unstable_by_key(|range| (range.digits, range.start));
    ranges
});

/// The most and the fewest digits that a range is named by.
const RANGE_DIGITS: std::ops::RangeInclusive<u32> = 3..=9;

/// Reads the table, so that the first look-up need not.
pub(super) fn warm_up() {
    LazyLock::force(&RANGES);
}

/// The operator whose range is the longest that the number begins with.
pub(super) fn operator(number: E164) -> Option<&'static str> {
    let value = number.digits();
    let all = value.ilog10() + 1;
    RANGE_DIGITS
        .rev()
        .filter(|digits| *digits <= all)
        .find_map(|digits| {
            let start = u32::try_from(value / 10_u64.pow(all - digits)).ok()?;
            let place = RANGES
                .binary_search_by_key(&(digits, start), |range| (range.digits, range.start))
                .ok()?;
            Some(RANGES[place].name)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_range_names_the_operator() {
        let of = |digits| operator(E164::from_digits(digits).unwrap());
        assert_eq!(of(31_612_345_678), Some("KPN"));
        assert_eq!(of(31_611_345_678), Some("Vodafone Libertel B.V."));
        assert_eq!(of(31_635_245_678), Some("Lancelot"));
        assert_eq!(of(31_201_234_567), None);
        assert_eq!(of(15), None);
    }

    #[test]
    fn every_line_of_the_table_is_read() {
        let named: usize = TABLE
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split('\t').nth(1).unwrap().split(' ').count())
            .sum();
        assert_eq!(RANGES.len(), named);
        assert!(
            RANGES
                .iter()
                .all(|range| RANGE_DIGITS.contains(&range.digits))
        );
        assert!(named > 20_000);
    }
}
