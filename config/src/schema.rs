//! The one table of what is allowed: every setting, its shape and its bounds.
//!
//! The structs in `sections` say what a setting is for; this table says what it may be. A test
//! holds the two against each other, so that neither can gain a key without the other.

pub(crate) mod carriers;
pub(crate) mod mail;
mod rule;
#[cfg(test)]
mod tests;
mod webhooks;

pub(crate) use rule::{Presence, Rule};

use didfarm_core::abuse::country::COUNTRIES_MAX;

use crate::allowed::{Allowed, TEXT_CHARS_MAX};
use rule::{
    bytes, list, milliseconds, required, rule, text, text_or_nothing, whole, whole_or_zero,
};

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
const WEEK_S: i64 = 7 * DAY_MS / SECOND_MS;

/// The most threads or partitions; far more than cores, and still few enough to start.
const THREADS_MAX: i64 = 1_024;
/// The most messages a second, in any limit.
const RATE_PER_SECOND_MAX: i64 = 1_000_000;
/// The most entries of any bounded memory, so that a typing error does not promise all of it.
const ENTRIES_MAX: i64 = 1_000_000_000;
/// The most messages handed to a carrier and not answered yet.
const WINDOW_MAX: i64 = 1_048_576;
/// The most commands or callbacks in flight.
const IN_FLIGHT_MAX: i64 = 16_777_216;
/// A billion euro: sums of that size still leave room to add up.
pub(crate) const MICROS_MAX: i64 = 1_000_000_000_000_000;
/// The most characters of a name.
const NAME_CHARS_MAX: usize = 200;
/// The most characters of an answer to STOP, START or HELP: three segments of UCS-2.
const ANSWER_CHARS_MAX: usize = 201;
/// The most accounts, or numbers of one: more do not fit into a settings file.
const ACCOUNTS_MAX: usize = 1_000_000;

const fn micros(key: &'static str) -> Rule {
    whole(key, "millionths of a euro", 0, MICROS_MAX)
}

const fn entries(key: &'static str, unit: &'static str, min: i64) -> Rule {
    whole(key, unit, min, ENTRIES_MAX)
}

/// Every setting.
pub(crate) const ROOT: &[Rule] = &[
    rule("data_dir", text(TEXT_CHARS_MAX)),
    rule("http", Allowed::Section(HTTP)),
    rule("ops", Allowed::Section(OPS)),
    rule("log", Allowed::Section(LOG)),
    rule("limits", Allowed::Section(LIMITS)),
    rule("numbers", Allowed::Section(NUMBERS)),
    rule("price", Allowed::Section(PRICE)),
    rule("store", Allowed::Section(STORE)),
    rule("engine", Allowed::Section(ENGINE)),
    rule("delivery", Allowed::Section(DELIVERY)),
    rule("circuit", Allowed::Section(CIRCUIT)),
    rule("callbacks", Allowed::Section(CALLBACKS)),
    rule("capture", Allowed::Section(CAPTURE)),
    rule("webhooks", Allowed::Section(webhooks::WEBHOOKS)),
    rule("consent", Allowed::Section(CONSENT)),
    rule("abuse", Allowed::Section(ABUSE)),
    rule("pools", Allowed::Section(POOLS)),
    rule("mail", Allowed::Section(mail::MAIL)),
    rule("simulator", Allowed::Section(SIMULATOR)),
    rule("carriers", carriers::CARRIERS),
    rule("routes", carriers::ROUTES),
    rule("accounts", list(ACCOUNTS, 0, ACCOUNTS_MAX)),
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
    whole("idempotency_s", "seconds", 1, WEEK_S),
    whole("reply_share_percent", "percent", 1, 99),
    whole("backlog_s", "seconds", 1, WEEK_S),
    whole("backlog_max", "messages", 1, 100_000_000),
    whole_or_zero(
        "number_segments_per_second",
        "segments a second",
        RATE_PER_SECOND_MAX,
        "no limit",
    ),
    whole_or_zero(
        "whatsapp_per_second",
        "messages a second",
        RATE_PER_SECOND_MAX,
        "no limit",
    ),
    whole_or_zero("pair_interval_ms", "milliseconds", HOUR_MS, "no limit"),
    whole("pair_burst", "messages", 1, 1_000_000),
    bytes("batch_body_bytes_max", KIB, 256 * MIB),
];

const NUMBERS: &[Rule] = &[rule(
    "validation",
    Allowed::OneOf(&["syntax", "possible", "valid"]),
)];

const PRICE: &[Rule] = &[
    micros("segment_micros"),
    micros("sms_monthly_micros"),
    rule("list_file", text_or_nothing(TEXT_CHARS_MAX)),
    whole_or_zero(
        "spend_daily_max_micros",
        "millionths of a euro",
        MICROS_MAX,
        "no cap",
    ),
    micros("demo_wallet_micros"),
    micros("low_balance_micros"),
];

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
    entries("recent_finished_max", "messages", 0),
    entries("parked_receipts_max", "receipts", 1),
    milliseconds("retry_ms", 1, HOUR_MS),
];

const DELIVERY: &[Rule] = &[
    milliseconds("queued_alarm_ms", 1, DAY_MS),
    milliseconds("validity_ms", 1, MONTH_MS),
    milliseconds("validity_max_ms", 1, MONTH_MS),
    whole("scheduled_max", "messages", 1, 100_000_000),
    whole("scheduled_account_max", "messages", 1, 100_000_000),
    milliseconds("in_doubt_deadline_ms", 1, MONTH_MS),
    milliseconds("parked_receipt_age_max_ms", 1, MONTH_MS),
    milliseconds("parked_receipt_age_max_whatsapp_ms", 1, MONTH_MS),
    milliseconds("receipt_deadline_ms", 1, MONTH_MS),
];

const CIRCUIT: &[Rule] = &[
    whole("failures_max", "failures", 1, 1_000_000),
    milliseconds("silence_ms", 1, HOUR_MS),
    milliseconds("open_ms", 1, HOUR_MS),
    milliseconds("open_ms_max", 1, DAY_MS),
    whole("probes", "messages", 1, 1_000),
];

const CALLBACKS: &[Rule] = &[
    rule("public_base_url", Allowed::BaseUrl { or_nothing: true }),
    bytes("body_bytes_max", KIB, 64 * MIB),
];

const CAPTURE: &[Rule] = &[
    rule("enabled", Allowed::YesOrNo),
    rule("dir", text_or_nothing(TEXT_CHARS_MAX)),
    bytes("file_bytes_max", 64 * KIB, 4 * GIB),
    whole("files_max", "files", 1, 10_000),
    bytes("queue_bytes_max", 64 * KIB, GIB),
];

const CONSENT: &[Rule] = &[
    rule("confirm", Allowed::YesOrNo),
    rule("opted_out_text", text_or_nothing(ANSWER_CHARS_MAX)),
    rule("opted_in_text", text_or_nothing(ANSWER_CHARS_MAX)),
    rule("help_text", text_or_nothing(ANSWER_CHARS_MAX)),
];

const POOLS: &[Rule] = &[
    whole_or_zero(
        "delivered_share_min",
        "percent",
        100,
        "every number healthy",
    ),
    whole("messages_min", "messages", 1, 1_000_000),
    whole("window_s", "seconds", 10, DAY_MS / SECOND_MS),
    whole("probe_interval_s", "seconds", 1, DAY_MS / SECOND_MS),
];

const ABUSE: &[Rule] = &[
    rule(
        "destinations",
        Allowed::Texts {
            each: &Allowed::Word {
                chars_min: 2,
                chars_max: 2,
            },
            entries_max: COUNTRIES_MAX,
        },
    ),
    rule("ranges_file", text_or_nothing(TEXT_CHARS_MAX)),
    whole_or_zero("prefix_digits_cut", "digits", 10, "every number by itself"),
    whole("window_s", "seconds", 60, DAY_MS / SECOND_MS),
    whole_or_zero(
        "prefix_window_max",
        "messages",
        ENTRIES_MAX,
        "what the account's rate limit lets pass in 100 seconds",
    ),
    whole_or_zero(
        "prefix_daily_max",
        "messages",
        ENTRIES_MAX,
        "what the account's rate limit lets pass in 500 seconds",
    ),
    whole_or_zero("country_daily_max", "messages", ENTRIES_MAX, "no cap"),
    whole_or_zero(
        "stop_s",
        "seconds",
        MONTH_MS / SECOND_MS,
        "until it is released",
    ),
];

const SIMULATOR: &[Rule] = &[
    whole("window", "messages", 1, WINDOW_MAX),
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
    required("name", text(NAME_CHARS_MAX)),
    whole(
        "rate_per_second",
        "messages a second",
        1,
        RATE_PER_SECOND_MAX,
    ),
    whole("burst", "messages", 1, RATE_PER_SECOND_MAX),
    micros("wallet_micros"),
    rule("api_key", Allowed::ApiKey),
    rule("numbers", list(HOSTED_NUMBERS, 0, ACCOUNTS_MAX)),
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
