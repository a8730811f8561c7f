//! The example file holds every setting with its default, and its commented account loads.

use std::path::{Path, PathBuf};

use didfarm_config::{HostedNumber, Overrides, Settings};

const KEY: &str = "0123456789abcdefghij";

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

fn load(text: &str) -> Result<Settings, String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("didfarm.toml");
    std::fs::write(&file, text).unwrap();
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
        let is_setting = pair[1].contains(" = ") && !pair[1].starts_with('#');
        assert!(!is_setting || pair[0].starts_with("# "), "{}", pair[1]);
    }
}

#[test]
fn the_account_of_the_example_loads_once_it_has_a_key_of_its_own() {
    let text = uncommented();
    let refused = load(&text).unwrap_err();
    assert!(
        refused.starts_with("accounts[0].api_key: must be a key of 20 to 200"),
        "{refused}"
    );
    assert!(!refused.contains('\n'), "{refused}");

    let settings = load(&text.replace("choose-your-own", KEY)).unwrap();
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
    let settings = load(&uncommented().replace("choose-your-own", KEY)).unwrap();
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
