//! Carriers: what each may be, and what they owe the other settings.

mod secrets;

use std::path::Path;
use std::time::Duration;

use didfarm_config::{Overrides, ProtocolSettings, Settings, SettingsErrors};
use didfarm_core::channel::Channel;
use didfarm_core::ids::CarrierId;

const BASE: &str = "[callbacks]\npublic_base_url = \"https://sms.example.org\"\n";
const PUBLIC_KEY: &str = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
const SMPP: &str = "smpp = { address = \"localhost:2775\", system_id = \"me\", password = \"pw\" }";

fn load_in(dir: &Path, text: &str) -> Result<Settings, SettingsErrors> {
    let path = dir.join("didfarm.toml");
    std::fs::write(&path, text).unwrap();
    Settings::load(Some(&path), std::iter::empty(), Overrides::default())
}

fn load(text: &str) -> Result<Settings, SettingsErrors> {
    load_in(tempfile::tempdir().unwrap().path(), text)
}

/// The problems, each as its path and its sentence.
fn refused(text: &str) -> Vec<String> {
    let errors = load(text).unwrap_err();
    let lines = errors.problems().iter();
    lines
        .map(|p| format!("{}: {}", p.path, p.sentence))
        .collect()
}

/// A carrier, its protocol's table given, with a route to it.
fn carrier(protocol: &str) -> String {
    format!(
        "{BASE}[[carriers]]\nid = 2\nname = \"one\"\n{protocol}\n\
         [[routes]]\ntargets = [{{ carrier = \"one\" }}]"
    )
}

fn telnyx(more: &str) -> String {
    format!("telnyx = {{ api_key = \"k\", public_key = \"{PUBLIC_KEY}\"{more} }}")
}

fn whatsapp(numbers: &str) -> String {
    format!(
        "whatsapp = {{ access_token = \"a\", app_secret = \"b\", verify_token = \"c\", \
         numbers = [{numbers}] }}"
    )
}

#[test]
fn a_carrier_has_exactly_one_protocol() {
    let rule = "there must be exactly one of telnyx, twilio, whatsapp, smpp";
    assert_eq!(
        refused(&carrier("")),
        [format!("carriers[0].telnyx: is missing; {rule}")]
    );
    let two = format!("{SMPP}\n{}", telnyx(""));
    assert_eq!(
        refused(&carrier(&two)),
        [format!(
            "carriers[0].smpp: must not stand beside telnyx; {rule}"
        )]
    );
}

#[test]
fn every_protocol_is_taken_and_resolves_its_settings() {
    let settings = load(&carrier(&telnyx(""))).unwrap();
    let ProtocolSettings::Telnyx(telnyx) = settings.carriers[0].protocol() else {
        panic!("telnyx")
    };
    assert_eq!(telnyx.tolerance(), Duration::from_secs(300));
    assert_eq!(telnyx.timeout(), Duration::from_secs(9));
    assert_eq!(
        (telnyx.messaging_profile_id(), telnyx.ca_file()),
        (None, None)
    );

    let twilio = "twilio = { account_sid = \"AC1\", auth_token = \"t\", api_key_sid = \"SK1\", \
                  api_key_secret = \"s\", ca_file = \"ca.pem\" }";
    let settings = load(&carrier(twilio)).unwrap();
    let ProtocolSettings::Twilio(twilio) = settings.carriers[0].protocol() else {
        panic!("twilio")
    };
    let (sid, secret) = twilio.api_key().unwrap();
    assert_eq!((sid, secret.expose()), ("SK1", "s"));
    assert_eq!(twilio.ca_file(), Some(Path::new("ca.pem")));

    let number = "{ number = \"+493023125000\", phone_number_id = \"1\" }";
    let settings = load(&carrier(&whatsapp(number))).unwrap();
    let ProtocolSettings::WhatsApp(whatsapp) = settings.carriers[0].protocol() else {
        panic!("whatsapp")
    };
    assert_eq!(whatsapp.numbers[0].phone_number_id, "1");

    let settings = load(&carrier(SMPP)).unwrap();
    let ProtocolSettings::Smpp(smpp) = settings.carriers[0].protocol() else {
        panic!("smpp")
    };
    assert_eq!((smpp.host(), smpp.port()), ("localhost", 2775));
    assert_eq!(smpp.server_name(), "localhost");
    assert_eq!(smpp.reconnect_min(), Duration::from_millis(500));
    assert_eq!(smpp.reconnect_max(), Duration::from_secs(30));
}

#[test]
fn what_carriers_need_is_named_all_at_once() {
    let text = "\
        [[carriers]]\nid = 1\nname = \"simulator\"\n\
        telnyx = { base_url = \"http://api.example.org\", public_key = \"short\", tolerance = 1 }\n\
        [[carriers]]\ntwilio = { auth_token = \"\" }\n\
        [[carriers]]\nid = 3\nname = \"three\"\nwhatsapp = { numbers = [] }\n\
        [[carriers]]\nid = 4\nname = \"four\"\n\
        smpp = { address = \"localhost\", system_id = \"me\", password = \"ninechars\", binds = 0 }";
    let problems = refused(text);
    let paths: Vec<&str> = problems
        .iter()
        .map(|line| line.split_once(": ").unwrap().0)
        .collect();
    let expected = [
        "carriers[0].id",
        "carriers[0].name",
        "carriers[0].telnyx.api_key",
        "carriers[0].telnyx.base_url",
        "carriers[0].telnyx.public_key",
        "carriers[0].telnyx.tolerance",
        "carriers[1].id",
        "carriers[1].name",
        "carriers[1].twilio.account_sid",
        "carriers[1].twilio.auth_token",
        "carriers[2].whatsapp.access_token",
        "carriers[2].whatsapp.app_secret",
        "carriers[2].whatsapp.verify_token",
        "carriers[2].whatsapp.numbers",
        "carriers[3].smpp.address",
        "carriers[3].smpp.binds",
        "carriers[3].smpp.password",
        "callbacks.public_base_url",
        "carriers[2].name",
        "carriers[3].name",
    ];
    assert_eq!(paths, expected);
    assert!(!problems.concat().contains("ninechars"), "{problems:?}");
    assert!(!problems.concat().contains("short"), "{problems:?}");
}

#[test]
fn ids_and_names_are_there_once() {
    let text = format!(
        "[[carriers]]\nid = 2\nname = \"one\"\n{SMPP}\n[[carriers]]\nid = 2\nname = \"one\"\n{SMPP}\n\
         [[routes]]\ntargets = [{{ carrier = \"one\" }}]"
    );
    let expected = [
        "carriers[1].id: must differ from carriers[0].id",
        "carriers[1].name: must differ from carriers[0].name",
    ];
    assert_eq!(refused(&text), expected);
}

#[test]
fn there_are_at_most_16_carriers() {
    let one = |id: u32| format!("[[carriers]]\nid = {id}\nname = \"c{id}\"\n{SMPP}\n");
    let targets = |n: u32| {
        let names = (2..2 + n.min(16)).map(|id| format!("{{ carrier = \"c{id}\" }}"));
        format!(
            "[[routes]]\ntargets = [{}]",
            names.collect::<Vec<_>>().join(", ")
        )
    };
    let text = |n: u32| (2..2 + n).map(one).collect::<String>() + &targets(n);
    assert!(load(&text(16)).is_ok());
    assert_eq!(
        refused(&text(17)),
        ["carriers: must be a list of at most 16 tables, not of 17"]
    );
}

#[test]
fn a_carrier_that_is_told_where_receipts_go_needs_a_public_address() {
    let protocols = [
        (telnyx(""), "telnyx"),
        (
            "twilio = { account_sid = \"AC1\", auth_token = \"t\" }".to_owned(),
            "twilio",
        ),
    ];
    for (protocol, word) in protocols {
        let text = carrier(&protocol);
        assert!(load(&text).is_ok(), "{word}");
        let expected = format!(
            "callbacks.public_base_url: must be set for carriers[0]: {word} is told where receipts go"
        );
        assert_eq!(refused(text.strip_prefix(BASE).unwrap()), [expected]);
    }
    assert!(load(carrier(SMPP).strip_prefix(BASE).unwrap()).is_ok());
}

#[test]
fn callback_addresses_stand_below_the_public_one() {
    let callbacks = load(BASE).unwrap().callbacks;
    assert_eq!(
        callbacks.callback_url("nl-wa").as_deref(),
        Some("https://sms.example.org/carriers/nl-wa")
    );
    assert_eq!(Settings::default().callbacks.callback_url("nl-wa"), None);
}

#[test]
fn numbers_of_a_whatsapp_carrier_are_there_once() {
    let numbers = "{ number = \"+493023125000\", phone_number_id = \"1\" }, \
                   { number = \"+493023125000\", phone_number_id = \"1\" }";
    let first = "carriers[0].whatsapp.numbers[0]";
    let expected = [
        format!("carriers[0].whatsapp.numbers[1].number: must differ from {first}.number"),
        format!(
            "carriers[0].whatsapp.numbers[1].phone_number_id: must differ from {first}.phone_number_id"
        ),
    ];
    assert_eq!(refused(&carrier(&whatsapp(numbers))), expected);
}

#[test]
fn a_certificate_is_of_use_with_tls_only() {
    let smpp = |more: &str| carrier(&SMPP.replace(" }", &format!(", {more} }}")));
    let named = "server_name = \"smsc.example.org\"";
    assert_eq!(
        refused(&smpp(named)),
        ["carriers[0].smpp.tls: must be true, because server_name is set"]
    );
    let settings = load(&smpp(&format!("tls = true, {named}"))).unwrap();
    let smpp = settings.carriers[0].smpp.as_ref().unwrap();
    assert_eq!(smpp.server_name(), "smsc.example.org");
}

#[test]
fn bounds_hold_against_each_other() {
    let text = "[delivery]\nvalidity_ms = 2\nvalidity_max_ms = 1\n[circuit]\nopen_ms = 60001\n";
    let reconnect = ", reconnect_ms_min = 40000 }";
    let carriers = carrier(&SMPP.replace(" }", reconnect));
    let expected = [
        "delivery.validity_ms: must not be above delivery.validity_max_ms, 2 is above 1",
        "circuit.open_ms: must not be above circuit.open_ms_max, 60001 is above 60000; \
         circuit.open_ms_max comes from default",
        "carriers[0].smpp.reconnect_ms_min: must not be above carriers[0].smpp.reconnect_ms_max, \
         40000 is above 30000",
    ];
    assert_eq!(refused(&(text.to_owned() + &carriers)), expected);
}

#[test]
fn the_engine_finds_a_carrier_by_its_id_and_by_its_name() {
    let one = format!("window = 7\nreceipt_deadline_ms = 9\n{SMPP}");
    let number = "{ number = \"+493023125000\", phone_number_id = \"1\" }";
    let text = format!(
        "{}, {{ carrier = \"two\" }}]\n[[carriers]]\nid = 3\nname = \"two\"\n{}",
        carrier(&one).trim_end_matches(']'),
        whatsapp(number)
    );
    let settings = load(&text).unwrap();
    let (one, two) = (CarrierId(2), CarrierId(3));
    assert_eq!(settings.carrier(one).unwrap().name, "one");
    assert_eq!(settings.carrier(CarrierId::SIMULATOR), None);
    assert_eq!(settings.carrier_id("two"), Some(two));
    assert_eq!(settings.carrier_id("simulator"), Some(CarrierId::SIMULATOR));
    assert_eq!(settings.carrier_id("three"), None);
    assert_eq!((settings.window(one), settings.window(two)), (7, 1_000));
    assert_eq!(settings.window(CarrierId::SIMULATOR), 4_096);
    let deadline = |id| settings.receipt_deadline(id);
    assert_eq!(deadline(one), Duration::from_millis(9));
    assert_eq!(deadline(two), settings.delivery.receipt_deadline());
    let age_days = |id| settings.parked_receipt_age_max(id).as_secs() / (24 * 3_600);
    assert_eq!((age_days(one), age_days(two)), (3, 7));
    assert!(settings.carriers[0].protocol().carries(Channel::Sms));
    assert!(!settings.carriers[1].protocol().carries(Channel::Sms));
}

#[test]
fn captures_go_into_the_data_directory_unless_told_otherwise() {
    let dir = |text| load(text).unwrap().capture_dir();
    assert_eq!(dir("data_dir = \"d\""), Path::new("d/capture"));
    assert_eq!(dir("[capture]\ndir = \"c\""), Path::new("c"));
}
