//! What carriers and routes may be.

use didfarm_core::route::{RULES_MAX, TARGETS_MAX, WEIGHT_MAX};

use super::rule::{
    list, milliseconds, required, rule, text, text_or_nothing, whole, whole_or_zero, with,
};
use super::{DAY_MS, HOUR_MS, MINUTE_MS, MONTH_MS, Presence, Rule, WINDOW_MAX};
use crate::allowed::{Allowed, TEXT_CHARS_MAX};

/// The most carriers.
const CARRIERS_MAX: usize = 16;
/// The most of our numbers in one rule, which are gone through one by one.
const ROUTE_NUMBERS_MAX: usize = 10_000;
/// The most of our numbers at one carrier of the WhatsApp Cloud API.
const WHATSAPP_NUMBERS_MAX: usize = 10_000;
/// The most HTTP requests to one carrier at once.
const REQUESTS_MAX: i64 = 10_000;
/// The most binds to one SMSC.
const BINDS_MAX: i64 = 32;
/// The most unanswered submits of one bind.
const SMPP_WINDOW_MAX: i64 = 10_000;
/// The most characters of an id that a carrier gave: an account, a profile, a number.
const ID_CHARS_MAX: usize = 64;
/// The most characters of a secret that a carrier gave.
const SECRET_CHARS_MAX: usize = 4_096;

/// A secret that a carrier gave.
pub(crate) const SECRET: Allowed = Allowed::Secret {
    chars_max: SECRET_CHARS_MAX,
};
/// 9 octets, the last one zero (SMPP 3.4, 5.2.2).
pub(crate) const SMPP_PASSWORD: Allowed = Allowed::Secret { chars_max: 8 };

/// `[[carriers]]`.
pub(super) const CARRIERS: Allowed = list(CARRIER, 0, CARRIERS_MAX);
/// `[[routes]]`.
pub(super) const ROUTES: Allowed = list(ROUTE, 0, RULES_MAX);

const PROTOCOLS: &[&str] = &["telnyx", "twilio", "whatsapp", "smpp"];

const CARRIER: &[Rule] = &[
    required(
        "id",
        Allowed::Whole {
            min: 2,
            max: 65_535,
            unit: "",
            zero: None,
        },
    ),
    required("name", Allowed::Carrier { simulator: false }),
    whole("window", "messages", 1, WINDOW_MAX),
    whole_or_zero(
        "segments_per_second",
        "segments a second",
        super::RATE_PER_SECOND_MAX,
        "no limit",
    ),
    whole_or_zero(
        "receipt_deadline_ms",
        "milliseconds",
        MONTH_MS,
        "delivery.receipt_deadline_ms",
    ),
    protocol("telnyx", TELNYX),
    protocol("twilio", TWILIO),
    protocol("whatsapp", WHATSAPP),
    protocol("smpp", SMPP),
];

const TELNYX: &[Rule] = &[
    BASE_URL,
    one_of("api_key", SECRET, API_KEY),
    one_of("api_key_file", FILE, API_KEY),
    required("public_key", Allowed::PublicKey),
    rule("messaging_profile_id", id_or_nothing()),
    whole("tolerance_s", "seconds", 1, 3_600),
    IN_FLIGHT_MAX,
    TIMEOUT_MS,
    CA_FILE,
];
const API_KEY: &[&str] = &["api_key", "api_key_file"];

const TWILIO: &[Rule] = &[
    BASE_URL,
    required("account_sid", id()),
    one_of("auth_token", SECRET, AUTH_TOKEN),
    one_of("auth_token_file", FILE, AUTH_TOKEN),
    rule("api_key_sid", id_or_nothing()),
    at_most_one_of("api_key_secret", SECRET, API_KEY_SECRET),
    at_most_one_of("api_key_secret_file", FILE, API_KEY_SECRET),
    rule("messaging_service_sid", id_or_nothing()),
    IN_FLIGHT_MAX,
    TIMEOUT_MS,
    CA_FILE,
];
const AUTH_TOKEN: &[&str] = &["auth_token", "auth_token_file"];
const API_KEY_SECRET: &[&str] = &["api_key_secret", "api_key_secret_file"];

const WHATSAPP: &[Rule] = &[
    BASE_URL,
    rule("version", Allowed::GraphVersion),
    one_of("access_token", SECRET, ACCESS_TOKEN),
    one_of("access_token_file", FILE, ACCESS_TOKEN),
    one_of("app_secret", SECRET, APP_SECRET),
    one_of("app_secret_file", FILE, APP_SECRET),
    one_of("verify_token", SECRET, VERIFY_TOKEN),
    one_of("verify_token_file", FILE, VERIFY_TOKEN),
    IN_FLIGHT_MAX,
    TIMEOUT_MS,
    CA_FILE,
    required("numbers", list(WHATSAPP_NUMBERS, 1, WHATSAPP_NUMBERS_MAX)),
];
const ACCESS_TOKEN: &[&str] = &["access_token", "access_token_file"];
const APP_SECRET: &[&str] = &["app_secret", "app_secret_file"];
const VERIFY_TOKEN: &[&str] = &["verify_token", "verify_token_file"];

const WHATSAPP_NUMBERS: &[Rule] = &[
    required("number", Allowed::E164),
    required("phone_number_id", id()),
];

const SMPP: &[Rule] = &[
    required("address", Allowed::HostPort),
    rule("tls", Allowed::YesOrNo),
    rule("server_name", Allowed::HostOrNothing),
    CA_FILE,
    required("system_id", ascii(1, 15)),
    one_of("password", SMPP_PASSWORD, PASSWORD),
    one_of("password_file", FILE, PASSWORD),
    rule("system_type", ascii(0, 12)),
    rule("bind", Allowed::OneOf(&["transceiver", "separate"])),
    whole("binds", "binds", 1, BINDS_MAX),
    whole("window", "submits", 1, SMPP_WINDOW_MAX),
    milliseconds("enquire_link_ms", 10, HOUR_MS),
    milliseconds("answer_timeout_ms", 10, MINUTE_MS),
    milliseconds("connect_timeout_ms", 10, MINUTE_MS),
    milliseconds("reconnect_ms_min", 1, HOUR_MS),
    milliseconds("reconnect_ms_max", 1, DAY_MS),
    octet("source_ton"),
    octet("source_npi"),
    octet("destination_ton"),
    octet("destination_npi"),
    rule(
        "default_coding",
        Allowed::OneOf(&["gsm7", "latin1", "ascii"]),
    ),
    rule("concatenation", Allowed::OneOf(&["udh8", "udh16"])),
    rule("service_type", ascii(0, 5)),
    rule("answer_ids", SPELLINGS),
    rule("receipt_ids", SPELLINGS),
    rule("fold_case", Allowed::YesOrNo),
    rule("strip_zeros", Allowed::YesOrNo),
];
const PASSWORD: &[&str] = &["password", "password_file"];
const SPELLINGS: Allowed = Allowed::OneOf(&["text", "decimal", "hexadecimal"]);

const ROUTE: &[Rule] = &[
    rule(
        "numbers",
        Allowed::Texts {
            each: &Allowed::E164,
            entries_max: ROUTE_NUMBERS_MAX,
        },
    ),
    rule("prefix", Allowed::Prefix),
    rule("channel", Allowed::OneOf(&["", "sms", "whatsapp"])),
    required("targets", list(TARGET, 1, TARGETS_MAX)),
];

const TARGET: &[Rule] = &[
    required("carrier", Allowed::Carrier { simulator: true }),
    whole("tier", "", 0, 65_535),
    whole("weight", "", 1, WEIGHT_MAX as i64),
];

const BASE_URL: Rule = rule("base_url", Allowed::BaseUrl { or_nothing: false });
const IN_FLIGHT_MAX: Rule = whole("in_flight_max", "requests", 1, REQUESTS_MAX);
const TIMEOUT_MS: Rule = milliseconds("timeout_ms", 10, MINUTE_MS);
const CA_FILE: Rule = rule("ca_file", text_or_nothing(TEXT_CHARS_MAX));
const FILE: Allowed = text(TEXT_CHARS_MAX);

const fn protocol(key: &'static str, rules: &'static [Rule]) -> Rule {
    with(key, Allowed::Section(rules), Presence::OneOf(PROTOCOLS))
}

const fn one_of(key: &'static str, allowed: Allowed, keys: &'static [&'static str]) -> Rule {
    with(key, allowed, Presence::OneOf(keys))
}

const fn at_most_one_of(
    key: &'static str,
    allowed: Allowed,
    keys: &'static [&'static str],
) -> Rule {
    with(key, allowed, Presence::AtMostOneOf(keys))
}

const fn id() -> Allowed {
    word(1)
}

const fn id_or_nothing() -> Allowed {
    word(0)
}

const fn word(chars_min: usize) -> Allowed {
    let chars_max = ID_CHARS_MAX;
    Allowed::Word {
        chars_min,
        chars_max,
    }
}

/// A C-octet string, whose terminating zero is not counted here.
const fn ascii(chars_min: usize, chars_max: usize) -> Allowed {
    Allowed::Ascii {
        chars_min,
        chars_max,
    }
}

const fn octet(key: &'static str) -> Rule {
    whole(key, "", 0, 255)
}
