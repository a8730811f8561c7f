//! The example file holds every setting with its default, and what is commented out loads once
//! the secrets are there.

use std::path::{Path, PathBuf};

use didfarm_config::{
    CarrierSettings, HostedNumber, Overrides, Settings, SmppSettings, TelnyxSettings,
    TwilioSettings, WhatsAppSettings,
};
use toml::{Table, Value};

const KEY: &str = "0123456789abcdefghij";
/// The public key of RFC 8032, 7.1, test 1.
const PUBLIC_KEY: &str = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
const SECRET_FILES: [&str; 7] = [
    "telnyx-api-key",
    "twilio-auth-token",
    "whatsapp-access-token",
    "whatsapp-app-secret",
    "whatsapp-verify-token",
    "smsc-password",
    "smtp-password",
];

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("didfarm.toml")
}

/// Takes the `#` from the lines that it stands before without a space: settings, not prose.
fn uncommented() -> String {
    let text = std::fs::read_to_string(example()).unwrap();
    let lines = text.lines().map(|line| match line.strip_prefix('#') {
        Some(setting) if !setting.is_empty() && !setting.starts_with(' ') => setting,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Fills in what the example leaves to the operator.
fn completed() -> String {
    uncommented()
        .replace("choose-your-own", KEY)
        .replace("as-the-portal-shows-it", PUBLIC_KEY)
        .replace("username = \"\"", "username = \"didfarm\"")
        .replace(
            "public_base_url = \"\"",
            "public_base_url = \"https://sms.example.org\"",
        )
}

/// Loads a text, `secrets/` in it being a directory of secrets that are all `s3cret`.
fn load(text: &str) -> Result<Settings, String> {
    let dir = tempfile::tempdir().unwrap();
    for name in SECRET_FILES {
        std::fs::write(dir.path().join(name), "s3cret\n").unwrap();
    }
    let file = dir.path().join("didfarm.toml");
    let secrets = format!("{}/", dir.path().display());
    std::fs::write(&file, text.replace("secrets/", &secrets)).unwrap();
    Settings::load(Some(&file), std::iter::empty(), Overrides::default())
        .map_err(|errors| errors.to_string())
}

#[test]
fn the_defaults_load_without_any_layer() {
    let settings = Settings::load(None, std::iter::empty(), Overrides::default()).unwrap();
    assert_eq!(settings, Settings::default());
}

#[test]
fn the_example_file_holds_the_defaults() {
    let settings =
        Settings::load(Some(&example()), std::iter::empty(), Overrides::default()).unwrap();
    assert_eq!(settings, Settings::default());
}

#[test]
fn the_example_file_writes_every_setting_out() {
    let text = std::fs::read_to_string(example()).unwrap();
    let written: toml::Table = text.parse().unwrap();
    let defaults = toml::Table::try_from(Settings::default()).unwrap();
    assert_eq!(written, defaults);
}

#[test]
fn every_setting_of_the_example_file_stands_below_a_comment() {
    let text = std::fs::read_to_string(example()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    for pair in lines.windows(2) {
        let is_setting = pair[1].contains(" = ") && !pair[1].starts_with(['#', ' ']);
        let is_commented = pair[1].contains(" = ")
            && pair[1].starts_with('#')
            && !pair[1].starts_with("# ")
            && !pair[1].starts_with("#{")
            && !pair[1].starts_with("#   ");
        let is_explained = pair[0].starts_with("# ");
        assert!(is_explained || !(is_setting || is_commented), "{}", pair[1]);
    }
}

#[test]
fn what_the_example_leaves_to_the_operator_is_refused_until_it_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("didfarm.toml");
    std::fs::write(&file, uncommented()).unwrap();
    let refused =
        Settings::load(Some(&file), std::iter::empty(), Overrides::default()).unwrap_err();
    let paths: Vec<&str> = refused.problems().iter().map(|p| p.path.as_str()).collect();
    let expected = [
        "accounts[0].api_key",
        "carriers[0].telnyx.public_key",
        "carriers[0].telnyx.api_key_file",
        "carriers[1].twilio.auth_token_file",
        "carriers[2].whatsapp.access_token_file",
        "carriers[2].whatsapp.app_secret_file",
        "carriers[2].whatsapp.verify_token_file",
        "carriers[3].smpp.password_file",
        "mail.smtp.password_file",
        "callbacks.public_base_url",
        "mail.smtp.username",
    ];
    assert_eq!(paths, expected);
}

#[test]
fn the_carriers_of_the_example_have_the_defaults() {
    let settings = load(&completed()).unwrap();
    let [telnyx, twilio, whatsapp, smpp] = settings.carriers.as_slice() else {
        panic!("four carriers")
    };
    for (carrier, id) in settings.carriers.iter().zip(2..) {
        let CarrierSettings {
            window,
            receipt_deadline_ms,
            ..
        } = CarrierSettings::default();
        assert_eq!((carrier.id, carrier.window), (id, window));
        assert_eq!(carrier.receipt_deadline_ms, receipt_deadline_ms);
    }
    let telnyx = telnyx.telnyx.clone().unwrap();
    let own = TelnyxSettings {
        api_key: telnyx.api_key.clone(),
        api_key_file: telnyx.api_key_file.clone(),
        public_key: PUBLIC_KEY.to_owned(),
        ..TelnyxSettings::default()
    };
    assert_eq!(telnyx, own);
    let twilio = twilio.twilio.clone().unwrap();
    let own = TwilioSettings {
        account_sid: twilio.account_sid.clone(),
        auth_token: twilio.auth_token.clone(),
        auth_token_file: twilio.auth_token_file.clone(),
        ..TwilioSettings::default()
    };
    assert_eq!(twilio, own);
    let whatsapp = whatsapp.whatsapp.clone().unwrap();
    let own = WhatsAppSettings {
        base_url: WhatsAppSettings::default().base_url,
        version: WhatsAppSettings::default().version,
        in_flight_max: WhatsAppSettings::default().in_flight_max,
        timeout_ms: WhatsAppSettings::default().timeout_ms,
        ca_file: PathBuf::new(),
        ..whatsapp.clone()
    };
    assert_eq!(whatsapp, own);
    let smpp = smpp.smpp.clone().unwrap();
    let own = SmppSettings {
        address: "smsc.example.org:2775".to_owned(),
        system_id: "didfarm".to_owned(),
        password: smpp.password.clone(),
        password_file: smpp.password_file.clone(),
        ..SmppSettings::default()
    };
    assert_eq!(smpp, own);
    assert_eq!(smpp.password.expose(), "s3cret");
}

#[test]
fn the_carriers_and_routes_of_the_example_write_every_setting_out() {
    let written: Table = completed().parse().unwrap();
    let used: Table = load(&completed())
        .unwrap()
        .to_toml()
        .unwrap()
        .parse()
        .unwrap();
    for list in ["carriers", "routes", "accounts"] {
        assert_eq!(keys(&written[list]), keys(&used[list]), "{list}");
    }
}

/// The paths of all values in a value.
fn keys(value: &Value) -> Vec<String> {
    let below = |key: String, value: &Value| {
        let inner = keys(value).into_iter();
        let inner: Vec<String> = inner.map(|path| format!("{key}.{path}")).collect();
        if inner.is_empty() { vec![key] } else { inner }
    };
    match value {
        Value::Table(table) => table
            .iter()
            .flat_map(|(key, value)| below(key.clone(), value))
            .collect(),
        Value::Array(entries) => (0..)
            .zip(entries)
            .flat_map(|(index, value): (usize, _)| below(index.to_string(), value))
            .collect(),
        _ => Vec::new(),
    }
}

#[test]
fn the_account_of_the_example_loads_once_it_has_a_key_of_its_own() {
    let settings = load(&completed()).unwrap();
    let [account] = settings.accounts.as_slice() else {
        panic!("one account")
    };
    assert_eq!(account.name, "Example Ltd");
    assert_eq!(account.rate_per_second, Some(10));
    assert_eq!(account.burst, Some(10));
    assert_eq!(account.wallet_micros, Some(100_000_000));
    assert_eq!(account.api_key.as_ref().unwrap().expose(), KEY);
    let number = HostedNumber {
        e164: "+493023125000".to_owned(),
        sms: true,
        whatsapp: false,
    };
    assert_eq!(account.numbers, [number]);
}

#[test]
fn printed_settings_load_again_as_the_same() {
    let settings = Settings::default();
    assert_eq!(load(&settings.to_toml().unwrap()).unwrap(), settings);
}

#[test]
fn printed_settings_hide_the_api_key_and_are_refused_until_it_is_filled_in() {
    let own = "[[accounts]]\nname = \"A\"\napi_key = \"0123456789abcdefghij\"";
    let settings = load(own).unwrap();
    let printed = settings.to_toml().unwrap();
    assert!(!printed.contains(KEY), "{printed}");
    assert!(printed.contains("api_key = \"(redacted)\""), "{printed}");
    assert!(
        load(&printed)
            .unwrap_err()
            .starts_with("accounts[0].api_key:")
    );
    assert_eq!(load(&printed.replace("(redacted)", KEY)).unwrap(), settings);
}
