//! One row of the table: a setting, what it may be, whether it has to be there.

use crate::allowed::Allowed;

/// One setting and what it may be.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) key: &'static str,
    pub(crate) allowed: Allowed,
    pub(crate) presence: Presence,
}

/// Whether a setting has to be there.
///
/// Only entries of lists, and tables inside them, may ask for anything: all of an entry stands in
/// one layer.
#[derive(Debug)]
pub(crate) enum Presence {
    /// It has a default.
    Optional,
    /// It has none.
    Required,
    /// Exactly one of these keys is there.
    OneOf(&'static [&'static str]),
    /// At most one of these keys is there.
    AtMostOneOf(&'static [&'static str]),
}

pub(super) const fn with(key: &'static str, allowed: Allowed, presence: Presence) -> Rule {
    Rule {
        key,
        allowed,
        presence,
    }
}

pub(super) const fn rule(key: &'static str, allowed: Allowed) -> Rule {
    with(key, allowed, Presence::Optional)
}

pub(super) const fn required(key: &'static str, allowed: Allowed) -> Rule {
    with(key, allowed, Presence::Required)
}

pub(super) const fn text(chars_max: usize) -> Allowed {
    let chars_min = 1;
    Allowed::Text {
        chars_min,
        chars_max,
    }
}

pub(super) const fn text_or_nothing(chars_max: usize) -> Allowed {
    let chars_min = 0;
    Allowed::Text {
        chars_min,
        chars_max,
    }
}

pub(super) const fn list(
    rules: &'static [Rule],
    entries_min: usize,
    entries_max: usize,
) -> Allowed {
    Allowed::List {
        rules,
        entries_min,
        entries_max,
    }
}

pub(super) const fn whole(key: &'static str, unit: &'static str, min: i64, max: i64) -> Rule {
    let zero = None;
    rule(
        key,
        Allowed::Whole {
            min,
            max,
            unit,
            zero,
        },
    )
}

pub(super) const fn whole_or_zero(
    key: &'static str,
    unit: &'static str,
    max: i64,
    zero: &'static str,
) -> Rule {
    let (min, zero) = (0, Some(zero));
    rule(
        key,
        Allowed::Whole {
            min,
            max,
            unit,
            zero,
        },
    )
}

pub(super) const fn milliseconds(key: &'static str, min: i64, max: i64) -> Rule {
    whole(key, "milliseconds", min, max)
}

pub(super) const fn bytes(key: &'static str, min: i64, max: i64) -> Rule {
    whole(key, "bytes", min, max)
}
