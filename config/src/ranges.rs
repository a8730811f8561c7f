//! Lists of ranges that are blocked unless they are opened, as they stand in files.

use std::path::Path;

use didfarm_core::abuse::range::{RangeKind, Ranges};
use serde::Deserialize;

use crate::list_file;

/// The list that is built in.
const BUILT_IN: &str = include_str!("../ranges.toml");

/// The word for ranges that are not blocked, whatever the numbering plans say.
const ORDINARY: &str = "ordinary";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListFile {
    #[serde(default)]
    ranges: Vec<RowFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RowFile {
    kind: Box<str>,
    prefixes: Vec<Box<str>>,
}

/// The list that is built in.
pub(crate) fn built_in() -> Ranges {
    parse(BUILT_IN).expect("the list that is built in is sound")
}

/// Reads the list in a file; what is wrong is said with the place of the row at fault.
pub(crate) fn read(path: &Path) -> Result<Ranges, String> {
    list_file::read(path, "list of ranges", parse)
}

fn parse(text: &str) -> Result<Ranges, String> {
    let file: ListFile =
        toml::from_str(text).map_err(|error| error.message().replace('\n', " "))?;
    let mut ranges = Ranges::default();
    for (place, RowFile { kind, prefixes }) in file.ranges.into_iter().enumerate() {
        let row = place + 1;
        let kind = match &*kind {
            ORDINARY => None,
            word => Some(RangeKind::parse(word).ok_or_else(|| unknown(row, word))?),
        };
        for prefix in prefixes {
            ranges
                .add(&prefix, kind)
                .map_err(|fault| format!("row {row}: {fault}"))?;
        }
    }
    Ok(ranges)
}

fn unknown(row: usize, word: &str) -> String {
    let words: Vec<&str> = RangeKind::ALL.iter().map(|kind| kind.as_str()).collect();
    let words = words.join(", ");
    format!("row {row}: {word:?} is no kind: write one of {words}, {ORDINARY}")
}

#[cfg(test)]
mod tests {
    use didfarm_core::e164::{E164, Validation};

    use super::*;

    #[test]
    fn the_built_in_list_blocks_what_is_dear_and_nothing_that_people_have() {
        let ranges = built_in();
        for (number, kind) in [
            ("+319001234", Some(RangeKind::Premium)),
            ("+319061234", Some(RangeKind::Premium)),
            ("+319091234", Some(RangeKind::Premium)),
            ("+449012345678", Some(RangeKind::Premium)),
            ("+449112345678", Some(RangeKind::Premium)),
            ("+449812345678", Some(RangeKind::Premium)),
            ("+447012345678", Some(RangeKind::Personal)),
            ("+448701234567", Some(RangeKind::SharedCost)),
            ("+499001234567", Some(RangeKind::Premium)),
            ("+491801234567", Some(RangeKind::SharedCost)),
            ("+33891234567", Some(RangeKind::Premium)),
            ("+19005550123", Some(RangeKind::Premium)),
            ("+979123456789", Some(RangeKind::Premium)),
            ("+870773123456", Some(RangeKind::Satellite)),
            ("+881631234567", Some(RangeKind::Satellite)),
            ("+8821621234567", Some(RangeKind::Satellite)),
            ("+8823412345678", Some(RangeKind::InternationalNetworks)),
            ("+883510012345678", Some(RangeKind::InternationalNetworks)),
            ("+878101234567890", Some(RangeKind::Personal)),
            ("+80812345678", Some(RangeKind::SharedCost)),
            ("+31612345678", None),
            ("+31201234567", None),
            ("+447911123456", None),
            ("+442079460123", None),
            ("+4915112345678", None),
            ("+4930123456", None),
            ("+33612345678", None),
            ("+33123456789", None),
            ("+12125550123", None),
            ("+14165550123", None),
            ("+32470123456", None),
            ("+393123456789", None),
            ("+34612345678", None),
            ("+8613812345678", None),
            ("+919812345678", None),
        ] {
            let parsed = E164::parse(number, Validation::Syntax).unwrap();
            assert_eq!(ranges.kind_of(parsed), kind, "{number}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_row() {
        for (text, fault) in [
            (
                "[[ranges]]\nkind = \"dear\"\nprefixes = []",
                "row 1: \"dear\" is no kind: write one of premium, satellite,",
            ),
            (
                "[[ranges]]\nkind = \"premium\"\nprefixes = [\"0900\"]",
                "row 1: \"0900\" is no prefix",
            ),
            (
                "[[ranges]]\nkind = \"premium\"\nprefixes = [\"+31900\"]\n[[ranges]]\nkind = \"ordinary\"\nprefixes = [\"+31900\"]",
                "row 2: \"+31900\" is there already",
            ),
            ("[[ranges]]\nkind = \"premium\"", "missing field `prefixes`"),
            ("[[rows]]", "unknown field `rows`"),
        ] {
            let found = parse(text).unwrap_err();
            assert!(found.contains(fault) && !found.contains('\n'), "{found}");
        }
    }
}
