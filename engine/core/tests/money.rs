//! Claims about amounts of money.

use didfarm_core::money::{Micros, MoneyError, SEGMENT_PRICE_DEFAULT};
use proptest::prelude::*;

#[test]
fn amounts_are_written_exactly_and_without_superfluous_zeros() {
    let cases = [
        (0, "0"),
        (8_000, "0.008"),
        (750_000, "0.75"),
        (12_000_000, "12"),
        (10_500_000, "10.5"),
        (100_000_010, "100.00001"),
        (1, "0.000001"),
        (-1, "-0.000001"),
        (-12_000_000, "-12"),
        (-1_250_000, "-1.25"),
        (i64::MAX, "9223372036854.775807"),
        (i64::MIN, "-9223372036854.775808"),
    ];
    for (micros, text) in cases {
        assert_eq!(Micros::new(micros).to_string(), text);
        assert_eq!(Micros::parse_decimal(text), Ok(Micros::new(micros)));
    }
}

#[test]
fn other_ways_to_write_an_amount_parse_to_the_same() {
    for (text, micros) in [
        ("10.50", 10_500_000),
        ("0.008000", 8_000),
        ("-0", 0),
        ("007.5", 7_500_000),
        ("00000000000000000000000000001", 1_000_000),
    ] {
        assert_eq!(
            Micros::parse_decimal(text),
            Ok(Micros::new(micros)),
            "{text}"
        );
    }
}

#[test]
fn what_is_no_amount_is_refused_with_the_reason() {
    for text in [
        "", "-", ".", "1.", ".5", "-.5", "+1", "--1", "1,5", "1.2.3", "1e3", " 1", "1 ", "€1",
        "0x1", "١", "1.-5", "NaN", "1.+5", "1_000",
    ] {
        assert_eq!(
            Micros::parse_decimal(text),
            Err(MoneyError::NotADecimal),
            "{text:?}"
        );
    }
    let too_many = MoneyError::TooManyDecimals { decimals: 7 };
    assert_eq!(Micros::parse_decimal("0.0000000"), Err(too_many));
    for text in [
        "9223372036854.775808",
        "-9223372036854.775809",
        "18446744073709.551616",
        "99999999999999999999999999999999",
    ] {
        assert_eq!(
            Micros::parse_decimal(text),
            Err(MoneyError::Overflow),
            "{text}"
        );
    }
}

#[test]
fn arithmetic_never_wraps() {
    let (max, min, one) = (Micros::new(i64::MAX), Micros::new(i64::MIN), Micros::new(1));
    assert_eq!(max.checked_add(one), None);
    assert_eq!(min.checked_sub(one), None);
    assert_eq!(Micros::ZERO.checked_sub(one), Some(Micros::new(-1)));
    assert_eq!(max.checked_mul(2), None);
    assert_eq!(max.checked_mul(u64::MAX), None);
    assert_eq!(min.checked_mul(1), Some(min));
    assert_eq!(Micros::new(-1).checked_mul(1 << 63), Some(min));
    assert_eq!(Micros::ZERO.checked_mul(u64::MAX), Some(Micros::ZERO));
    assert_eq!(
        SEGMENT_PRICE_DEFAULT.checked_mul(3),
        Some(Micros::new(24_000))
    );
}

#[test]
fn an_amount_is_stored_as_its_integer() {
    assert_eq!(
        serde_json::to_string(&SEGMENT_PRICE_DEFAULT).unwrap(),
        "8000"
    );
    assert_eq!(
        serde_json::from_str::<Micros>("-5").unwrap(),
        Micros::new(-5)
    );
    assert!(serde_json::from_str::<Micros>("0.5").is_err());
}

proptest! {
    #[test]
    fn every_amount_reads_back_as_written(micros: i64) {
        let text = Micros::new(micros).to_string();
        prop_assert_eq!(Micros::parse_decimal(&text), Ok(Micros::new(micros)));
        prop_assert!(!text.contains('.') || !text.ends_with('0'));
    }

    #[test]
    fn small_amounts_read_back_as_written(micros in -3_000_000..3_000_000_i64) {
        let text = Micros::new(micros).to_string();
        prop_assert_eq!(Micros::parse_decimal(&text), Ok(Micros::new(micros)));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>(), near in "-?[0-9]{0,22}(\\.[0-9]{0,8})?") {
        let _ = Micros::parse_decimal(&text);
        let _ = Micros::parse_decimal(&near);
    }

    #[test]
    fn adding_then_subtracting_returns_the_amount(a: i64, b: i64) {
        let (a, b) = (Micros::new(a), Micros::new(b));
        if let Some(sum) = a.checked_add(b) {
            prop_assert_eq!(sum.checked_sub(b), Some(a));
        }
    }

    #[test]
    fn multiplying_is_adding_again_and_again(micros: i64, count in 0..20_u64) {
        let amount = Micros::new(micros);
        let sum = (0..count).try_fold(Micros::ZERO, |sum, _| sum.checked_add(amount));
        prop_assert_eq!(amount.checked_mul(count), sum);
    }
}
