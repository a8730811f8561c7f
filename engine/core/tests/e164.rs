//! Claims about telephone numbers.

use didfarm_core::e164::{
    DigitsOutOfRange, E164, E164Error,
    NumberType::{self, *},
    Validation::{self, *},
    warm_up,
};
use proptest::prelude::*;

fn number(digits: u64) -> E164 {
    E164::from_digits(digits).unwrap()
}

#[test]
fn faults_of_syntax_are_named_under_every_validation() {
    let not_a_digit = |position, found| E164Error::NotADigit { position, found };
    let cases = [
        ("", E164Error::MissingPlus),
        ("491511234567", E164Error::MissingPlus),
        ("00491511234567", E164Error::MissingPlus),
        (" +491511234567", E164Error::MissingPlus),
        ("\u{ff0b}491511234567", E164Error::MissingPlus),
        ("tel:+491511234567", E164Error::MissingPlus),
        ("++491511234567", not_a_digit(1, '+')),
        ("+49 151 1234567", not_a_digit(3, ' ')),
        ("+49-1511234567", not_a_digit(3, '-')),
        ("+49.1511234567", not_a_digit(3, '.')),
        ("+1(555)1234567", not_a_digit(2, '(')),
        ("+491511234567 ", not_a_digit(13, ' ')),
        ("+491511234567\0", not_a_digit(13, '\0')),
        ("+123456789012345x", not_a_digit(16, 'x')),
        ("+٤٩1511234567", not_a_digit(1, '٤')),
        ("+4915é", not_a_digit(5, 'é')),
        ("+0491511234567", E164Error::LeadingZero),
        ("+", E164Error::TooShort { digits: 0 }),
        ("+491511", E164Error::TooShort { digits: 6 }),
        ("+1234567890123456", E164Error::TooLong),
        ("+1234567890123456x", E164Error::TooLong),
    ];
    for validation in [Syntax, Possible, Valid] {
        for (input, error) in cases {
            assert_eq!(
                E164::parse(input, validation),
                Err(error),
                "{input:?} {validation:?}"
            );
        }
    }
}

#[test]
fn each_validation_asks_for_more_than_the_one_before() {
    let no_such_length = |country_code| Err(E164Error::NotPossible { country_code });
    let no_such_range = |country_code| Err(E164Error::NotValid { country_code });
    let unknown = Err(E164Error::UnknownCountryCode);
    let cases = [
        // German mobile numbers of this range have one digit more.
        ("+491511234567", Ok(()), no_such_range(49)),
        ("+4915112345678", Ok(()), Ok(())),
        ("+12015550123", Ok(()), Ok(())),
        ("+15551234567", Ok(()), no_such_range(1)),
        ("+33612345678", Ok(()), Ok(())),
        ("+447911123456", Ok(()), Ok(())),
        // Italian fixed lines keep their 0 from abroad.
        ("+390612345678", Ok(()), Ok(())),
        ("+2250123456789", Ok(()), Ok(())),
        ("+80012345678", Ok(()), Ok(())),
        ("+78005553535", Ok(()), Ok(())),
        // Seven digits within a city of the United States, but none from abroad.
        ("+15551234", no_such_length(1), no_such_length(1)),
        ("+155512345678", no_such_length(1), no_such_length(1)),
        ("+3361234567", no_such_length(33), no_such_length(33)),
        ("+2101234567", unknown, unknown),
        ("+999123456789", unknown, unknown),
    ];
    for (input, possible, valid) in cases {
        let digits: u64 = input[1..].parse().unwrap();
        assert_eq!(E164::parse(input, Syntax), Ok(number(digits)), "{input}");
        assert_eq!(
            E164::parse(input, Possible).map(|_| ()),
            possible,
            "{input}"
        );
        assert_eq!(E164::parse(input, Valid).map(|_| ()), valid, "{input}");
    }
}

#[test]
fn a_national_prefix_is_refused_with_the_number_that_is_meant() {
    for (input, meant) in [
        ("+4901511234567", 491511234567),
        ("+4407911123456", 447911123456),
        ("+330612345678", 33612345678),
    ] {
        let error = E164Error::NationalPrefix {
            suggestion: number(meant),
        };
        assert_eq!(E164::parse(input, Possible), Err(error), "{input}");
        assert!(
            error.to_string().ends_with(&format!("write +{meant}")),
            "{error}"
        );
        assert!(E164::parse(input, Syntax).is_ok(), "{input}");
        assert!(
            E164::parse(&format!("+{meant}"), Possible).is_ok(),
            "{input}"
        );
    }
}

#[test]
fn countries_and_types_are_told() {
    let cases: [(u64, Option<&str>, NumberType); 15] = [
        (4915112345678, Some("DE"), Mobile),
        (493012345678, Some("DE"), FixedLine),
        (12015550123, Some("US"), FixedLineOrMobile),
        (14165550123, Some("CA"), FixedLineOrMobile),
        (18002345678, Some("US"), TollFree),
        (33612345678, Some("FR"), Mobile),
        (447400123456, Some("GB"), Mobile),
        (447911123456, Some("GG"), Mobile),
        (445612345678, Some("GB"), Voip),
        (447012345678, Some("GB"), Other),
        (499001234567, Some("DE"), PremiumRate),
        (80012345678, None, TollFree),
        (15551234567, None, Unknown),
        (999123456789, None, Unknown),
        (1, None, Unknown),
    ];
    for (digits, region, number_type) in cases {
        assert_eq!(number(digits).region(), region, "{digits}");
        assert_eq!(number(digits).number_type(), number_type, "{digits}");
    }
}

#[test]
fn possible_is_the_default_validation() {
    assert_eq!(Validation::default(), Possible);
    assert_eq!(
        serde_json::from_str::<Validation>(r#""syntax""#).unwrap(),
        Syntax
    );
}

#[test]
fn a_number_is_stored_as_an_integer_within_range() {
    let one = number(491511234567);
    assert_eq!(serde_json::to_string(&one).unwrap(), "491511234567");
    assert_eq!(serde_json::from_str::<E164>("491511234567").unwrap(), one);
    assert_eq!(serde_json::from_str::<E164>("1").unwrap(), number(1));
    assert_eq!(
        serde_json::from_str::<E164>("999999999999999")
            .unwrap()
            .digits(),
        999_999_999_999_999
    );
    for refused in [
        "0",
        "-1",
        "1000000000000000",
        "18446744073709551616",
        "1.5",
        r#""+49""#,
    ] {
        assert!(serde_json::from_str::<E164>(refused).is_err(), "{refused}");
    }
    let digits = 1_000_000_000_000_000;
    assert_eq!(E164::from_digits(digits), Err(DigitsOutOfRange { digits }));
}

#[test]
fn a_number_takes_eight_bytes_and_so_does_an_absent_one() {
    assert_eq!(size_of::<E164>(), 8);
    assert_eq!(size_of::<Option<E164>>(), 8);
}

#[test]
fn error_sentences_say_what_to_do() {
    let error = E164::parse("+49 151", Possible).unwrap_err();
    assert_eq!(
        error.to_string(),
        "character ' ' at position 3 (from 0) is no digit: write + and 7 to 15 digits, without \
         spaces or punctuation"
    );
}

/// Texts near to numbers, the likeliest to reach deep code.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "\\+?[0-9]{0,20}",
        "\\+[1-9][0-9]{6,14}",
        "\\+[1-9][0-9]{0,2}0{0,13}[0-9]{0,3}",
        "\\+[0-9 .()x-]{0,20}",
    ]
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in texts()) {
        warm_up();
        let by_syntax = E164::parse(&text, Syntax);
        let possible = E164::parse(&text, Possible);
        let valid = E164::parse(&text, Valid);
        prop_assert!(by_syntax.is_ok() || possible.is_err());
        prop_assert!(possible.is_ok() || valid.is_err());
        if let Err(E164Error::NationalPrefix { suggestion }) = possible {
            prop_assert_ne!(by_syntax, Ok(suggestion));
        }
    }

    #[test]
    fn a_number_reads_back_as_written(digits in 1_000_000..=999_999_999_999_999_u64) {
        let number = number(digits);
        prop_assert_eq!(number.to_string(), format!("+{digits}"));
        prop_assert_eq!(E164::parse(&number.to_string(), Syntax), Ok(number));
        let json = serde_json::to_string(&number).unwrap();
        prop_assert_eq!(serde_json::from_str::<E164>(&json).unwrap(), number);
    }

    #[test]
    fn every_number_has_a_type_and_at_most_one_country(digits in 1..=999_999_999_999_999_u64) {
        let number = number(digits);
        let region = number.region();
        prop_assert!(region.is_none_or(|letters| letters.len() == 2));
        let valid = E164::parse(&number.to_string(), Valid).is_ok();
        prop_assert!(!valid || number.number_type() != Unknown);
    }
}
