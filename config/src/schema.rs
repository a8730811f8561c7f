//! The one table of what is allowed: every setting, its shape and its bounds.
//!
//! The structs in `sections` say what a setting is for; this table says what it may be. A test
//! holds the two against each other, so that neither can gain a key without the other.

use crate::allowed::{Allowed, TEXT_CHARS_MAX};

const KIB: i64 = 1024;
const MIB: i64 = 1024 * KIB;
const GIB: i64 = 1024 * MIB;
const TIB: i64 = 1024 * GIB;
const PIB: i64 = 1024 * TIB;

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
const MONTH_MS: i64 = 30 * DAY_MS;

/// The most threads or partitions; far more than cores, and still few enough to start.
const THREADS_MAX: i64 = 1_024;
/// The most messages a second, in any limit.
const RATE_PER_SECOND_MAX: i64 = 1_000_000;
/// The most entries of any bounded memory, so that a typing error does not promise all of it.
const ENTRIES_MAX: i64 = 1_000_000_000;
/// The most commands or callbacks in flight.
const IN_FLIGHT_MAX: i64 = 16_777_216;
/// A billion euro: sums of that size still leave room to add up.
const MICROS_MAX: i64 = 1_000_000_000_000_000;
/// The most characters of a name.
const NAME_CHARS_MAX: usize = 200;
/// One setting and what it may be.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) key: &'static str,
    pub(crate) allowed: Allowed,
    /// Whether it has no default, which only entries of lists may say.
    pub(crate) required: bool,
}

const fn rule(key: &'static str, allowed: Allowed) -> Rule {
    Rule {
        key,
        allowed,
        required: false,
    }
}

const fn required(key: &'static str, allowed: Allowed) -> Rule {
    Rule {
        key,
        allowed,
        required: true,
    }
}

const fn whole(key: &'static str, unit: &'static str, min: i64, max: i64) -> Rule {
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

const fn whole_or_zero(
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

const fn milliseconds(key: &'static str, min: i64, max: i64) -> Rule {
    whole(key, "milliseconds", min, max)
}

const fn bytes(key: &'static str, min: i64, max: i64) -> Rule {
    whole(key, "bytes", min, max)
}

const fn micros(key: &'static str) -> Rule {
    whole(key, "millionths of a euro", 0, MICROS_MAX)
}

const fn entries(key: &'static str, unit: &'static str, min: i64) -> Rule {
    whole(key, unit, min, ENTRIES_MAX)
}

/// Every setting.
pub(crate) const ROOT: &[Rule] = &[
    rule(
        "data_dir",
        Allowed::Text {
            chars_max: TEXT_CHARS_MAX,
        },
    ),
    rule("http", Allowed::Section(HTTP)),
    rule("ops", Allowed::Section(OPS)),
    rule("log", Allowed::Section(LOG)),
    rule("limits", Allowed::Section(LIMITS)),
    rule("numbers", Allowed::Section(NUMBERS)),
    rule("price", Allowed::Section(PRICE)),
    rule("store", Allowed::Section(STORE)),
    rule("engine", Allowed::Section(ENGINE)),
    rule("simulator", Allowed::Section(SIMULATOR)),
    rule("accounts", Allowed::List(ACCOUNTS)),
];

const HTTP: &[Rule] = &[
    rule("listen", Allowed::Address),
    whole_or_zero("workers", "threads", THREADS_MAX, "one per core"),
    bytes("body_bytes_max", KIB, MIB),
    milliseconds("head_timeout_ms", 10, MINUTE_MS),
    milliseconds("body_timeout_ms", 10, 10 * MINUTE_MS),
    milliseconds("keep_alive_ms", 10, HOUR_MS),
    whole("connections_max", "connections", 1, 1_000_000),
    whole_or_zero(
        "shutdown_grace_ms",
        "milliseconds",
        10 * MINUTE_MS,
        "at once",
    ),
];

const OPS: &[Rule] = &[rule("listen", Allowed::Address)];

const LOG: &[Rule] = &[
    rule("format", Allowed::OneOf(&["human", "json"])),
    rule("level", Allowed::Filter),
];

const LIMITS: &[Rule] = &[
    whole(
        "rate_per_second",
        "messages a second",
        1,
        RATE_PER_SECOND_MAX,
    ),
    whole("burst", "messages", 1, RATE_PER_SECOND_MAX),
    whole("commands_in_flight_max", "commands", 1, IN_FLIGHT_MAX),
    whole("callbacks_in_flight_max", "callbacks", 1, IN_FLIGHT_MAX),
    whole("retry_after_s", "seconds", 1, 3_600),
];

const NUMBERS: &[Rule] = &[rule(
    "validation",
    Allowed::OneOf(&["syntax", "possible", "valid"]),
)];

const PRICE: &[Rule] = &[micros("segment_micros"), micros("demo_wallet_micros")];

const STORE: &[Rule] = &[
    bytes("segment_bytes", 64 * KIB, 4 * GIB),
    bytes("group_bytes_max", 64 * KIB, GIB),
    bytes("keep_bytes", 0, PIB),
    bytes("free_bytes_min", MIB, PIB),
    milliseconds("checkpoint_interval_ms", 10, 10 * MINUTE_MS),
    bytes("sled_cache_bytes", MIB, TIB),
    entries("records_lag_entries_max", "entries", 1),
];

const ENGINE: &[Rule] = &[
    whole_or_zero(
        "partitions",
        "partitions",
        THREADS_MAX,
        "half the cores, at least one",
    ),
    milliseconds("conversation_idle_ms", 10, DAY_MS),
    milliseconds("passivate_scan_ms", 10, HOUR_MS),
    whole_or_zero(
        "restarts_max",
        "restarts",
        1_000,
        "the first death is final",
    ),
    milliseconds("restart_window_ms", 10, DAY_MS),
    whole("submit_window", "messages", 1, 1_048_576),
    entries("recent_finished_max", "messages", 0),
    entries("parked_receipts_max", "receipts", 1),
    milliseconds("parked_receipt_age_max_ms", 1, MONTH_MS),
    milliseconds("receipt_deadline_ms", 1, MONTH_MS),
    milliseconds("throttle_retry_ms", 1, HOUR_MS),
];

const SIMULATOR: &[Rule] = &[
    milliseconds("submit_delay_ms", 0, DAY_MS),
    milliseconds("receipt_delay_ms", 0, DAY_MS),
    milliseconds("receipt_jitter_ms", 0, DAY_MS),
    rule("loss", Allowed::Share),
    rule("duplication", Allowed::Share),
    rule("reordering", Allowed::Share),
    rule("throttling", Allowed::Share),
    whole_or_zero(
        "rate_max",
        "submits a second",
        RATE_PER_SECOND_MAX,
        "unlimited",
    ),
    whole_or_zero("seed", "", i64::MAX, "taken from the clock"),
];

const ACCOUNTS: &[Rule] = &[
    required(
        "name",
        Allowed::Text {
            chars_max: NAME_CHARS_MAX,
        },
    ),
    whole(
        "rate_per_second",
        "messages a second",
        1,
        RATE_PER_SECOND_MAX,
    ),
    whole("burst", "messages", 1, RATE_PER_SECOND_MAX),
    micros("wallet_micros"),
    rule("api_key", Allowed::ApiKey),
    rule("numbers", Allowed::List(HOSTED_NUMBERS)),
];

const HOSTED_NUMBERS: &[Rule] = &[
    required("e164", Allowed::E164),
    rule("sms", Allowed::YesOrNo),
    rule("whatsapp", Allowed::YesOrNo),
];

/// Finds what is allowed at a path of keys through sections.
pub(crate) fn find(keys: &[String]) -> Option<&'static Allowed> {
    let (last, sections) = keys.split_last()?;
    let mut rules = ROOT;
    for key in sections {
        match &rules.iter().find(|rule| rule.key == key)?.allowed {
            Allowed::Section(inner) => rules = inner,
            _ => return None,
        }
    }
    let rule = rules.iter().find(|rule| rule.key == last)?;
    Some(&rule.allowed)
}

#[cfg(test)]
mod tests {
    use toml::{Table, Value};

    use super::*;
    use crate::sections::{AccountSettings, HostedNumber};
    use crate::settings::Settings;

    /// Settings in which every key is present, also those that may be left out.
    fn complete() -> Table {
        let account = AccountSettings {
            name: "Example Ltd".to_owned(),
            rate_per_second: Some(1),
            burst: Some(1),
            wallet_micros: Some(1),
            api_key: Some(crate::Secret::new("0123456789abcdefghij")),
            numbers: vec![HostedNumber::default()],
        };
        let accounts = vec![account];
        let settings = Settings {
            accounts,
            ..Settings::default()
        };
        Table::try_from(settings).unwrap()
    }

    /// Calls `visit` with every leaf rule and its path, descending the first entry of lists.
    fn leaves(rules: &'static [Rule], path: &str, visit: &mut dyn FnMut(String, &'static Allowed)) {
        for rule in rules {
            let path = format!("{path}/{}", rule.key);
            match &rule.allowed {
                Allowed::Section(inner) => leaves(inner, &path, visit),
                Allowed::List(inner) => leaves(inner, &format!("{path}/0"), visit),
                leaf => visit(path, leaf),
            }
        }
    }

    fn at<'t>(table: &'t mut Value, path: &str) -> Option<&'t mut Value> {
        path.split('/')
            .skip(1)
            .try_fold(table, |value, key| match key.parse::<usize>() {
                Ok(index) => value.get_mut(index),
                Err(_) => value.get_mut(key),
            })
    }

    fn count_leaves(value: &Value) -> usize {
        match value {
            Value::Table(table) => table.values().map(count_leaves).sum(),
            Value::Array(entries) => entries.iter().map(count_leaves).sum(),
            _ => 1,
        }
    }

    #[test]
    fn every_setting_has_a_rule_and_every_rule_a_setting() {
        let mut settings = Value::Table(complete());
        let mut rules = 0;
        leaves(ROOT, "", &mut |path, _| {
            rules += 1;
            assert!(
                at(&mut settings, &path).is_some(),
                "{path} is in no settings"
            );
        });
        assert_eq!(rules, count_leaves(&settings));
    }

    #[test]
    fn every_bound_fits_the_type_of_its_setting() {
        leaves(ROOT, "", &mut |path, allowed| {
            let candidates = match allowed {
                Allowed::Whole { min, max, .. } => vec![Value::from(*min), Value::from(*max)],
                Allowed::OneOf(words) => words.iter().map(|word| Value::from(*word)).collect(),
                _ => Vec::new(),
            };
            for candidate in candidates {
                let mut settings = Value::Table(complete());
                *at(&mut settings, &path).unwrap() = candidate.clone();
                let taken = settings.try_into::<Settings>();
                assert!(taken.is_ok(), "{path} = {candidate}: {taken:?}");
            }
        });
    }
}
