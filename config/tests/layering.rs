//! Later layers win over earlier ones, and the environment is read as TOML or as text.

use std::path::PathBuf;

use didfarm_config::{LogFormat, NumberValidation, Origin, Overrides, Settings, SettingsErrors};
use proptest::prelude::*;

const DAY_S: u64 = 24 * 3_600;

fn load(file: &str, env: &[(&str, &str)], flags: Overrides) -> Result<Settings, SettingsErrors> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("didfarm.toml");
    std::fs::write(&path, file).unwrap();
    let env = env
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Settings::load(Some(&path), env, flags)
}

#[test]
fn the_file_wins_over_defaults_the_environment_over_the_file_and_flags_over_all() {
    let file = r#"
        data_dir = "from-file"
        [http]
        listen = "127.0.0.1:1"
        workers = 3
        connections_max = 7
        [ops]
        listen = "127.0.0.1:2"
    "#;
    let env = [
        ("DIDFARM__HTTP__LISTEN", "127.0.0.1:3"),
        ("DIDFARM__HTTP__WORKERS", "4"),
        ("DIDFARM__DATA_DIR", "from-environment"),
    ];
    let flags = Overrides {
        listen: Some("[::1]:5".to_owned()),
        ..Overrides::default()
    };
    let settings = load(file, &env, flags).unwrap();
    assert_eq!(settings.http.listen, "[::1]:5".parse().unwrap());
    assert_eq!(settings.data_dir, PathBuf::from("from-environment"));
    assert_eq!(settings.http.workers, 4);
    assert_eq!(settings.http.connections_max, 7);
    assert_eq!(settings.ops.listen, "127.0.0.1:2".parse().unwrap());
    assert_eq!(settings.http.keep_alive_ms, 75_000);
}

#[test]
fn every_flag_sets_its_setting() {
    let flags = Overrides {
        data_dir: Some(PathBuf::from("/somewhere/else")),
        listen: Some("0.0.0.0:0".to_owned()),
        ops_listen: Some("0.0.0.0:0".to_owned()),
    };
    let settings = load("", &[], flags).unwrap();
    assert_eq!(settings.data_dir, PathBuf::from("/somewhere/else"));
    assert_eq!(settings.http.listen, "0.0.0.0:0".parse().unwrap());
    assert_eq!(settings.ops.listen, "0.0.0.0:0".parse().unwrap());
}

#[test]
fn environment_values_are_toml_or_else_text() {
    let env = [
        ("DIDFARM__STORE__SEGMENT_BYTES", "134_217_728"),
        ("DIDFARM__SIMULATOR__LOSS", "0.25"),
        ("DIDFARM__SIMULATOR__THROTTLING", "1"),
        ("DIDFARM__LOG__FORMAT", "json"),
        ("DIDFARM__LOG__LEVEL", "\"warn,didfarm=debug\""),
        ("DIDFARM__NUMBERS__VALIDATION", "valid"),
        (
            "DIDFARM__ACCOUNTS",
            r#"[{name="A", numbers=[{e164="+4915112345678"}]}]"#,
        ),
        ("DIDFARM_CONFIG", "not a setting of ours"),
        ("PATH", "/bin"),
    ];
    let settings = load("", &env, Overrides::default()).unwrap();
    assert_eq!(settings.store.segment_bytes, 134_217_728);
    assert_eq!(settings.simulator.loss, 0.25);
    assert_eq!(settings.simulator.throttling, 1.0);
    assert_eq!(settings.log.format, LogFormat::Json);
    assert_eq!(settings.log.level, "warn,didfarm=debug");
    assert_eq!(settings.numbers.validation, NumberValidation::Valid);
    assert_eq!(settings.accounts[0].numbers[0].e164, "+4915112345678");
    assert!(settings.accounts[0].numbers[0].sms);
}

#[test]
fn a_text_setting_takes_a_text_that_looks_like_a_number() {
    let settings = load("", &[("DIDFARM__DATA_DIR", "2026")], Overrides::default()).unwrap();
    assert_eq!(settings.data_dir, PathBuf::from("2026"));
}

#[test]
fn a_variable_for_a_section_gives_way_to_one_for_a_key_of_it() {
    let env = [
        ("DIDFARM__LIMITS__BURST", "3"),
        ("DIDFARM__LIMITS", "{ burst = 2, rate_per_second = 2 }"),
    ];
    let settings = load("[limits]\nretry_after_s = 9", &env, Overrides::default()).unwrap();
    assert_eq!(settings.limits.burst, 3);
    assert_eq!(settings.limits.rate_per_second, 2);
    assert_eq!(settings.limits.retry_after_s, 9);
}

#[test]
fn a_later_list_of_accounts_replaces_the_earlier_one() {
    let file = "[[accounts]]\nname = \"A\"\n[[accounts]]\nname = \"B\"";
    let env = [("DIDFARM__ACCOUNTS", "[{ name = \"C\" }]")];
    let settings = load(file, &env, Overrides::default()).unwrap();
    let names: Vec<&str> = settings.accounts.iter().map(|a| a.name.as_str()).collect();
    assert_eq!(names, ["C"]);
}

#[test]
fn the_environment_sets_carriers_and_routes_as_whole_lists() {
    let smpp = r#"smpp = { address = "localhost:2775", system_id = "a", password = "b" }"#;
    let carriers = format!(r#"[{{ id = 2, name = "one", {smpp} }}]"#);
    let env = [
        ("DIDFARM__CARRIERS", carriers.as_str()),
        (
            "DIDFARM__ROUTES",
            r#"[{ targets = [{ carrier = "one" }] }]"#,
        ),
        ("DIDFARM__CALLBACKS__PUBLIC_BASE_URL", ""),
    ];
    let settings = load("", &env, Overrides::default()).unwrap();
    assert_eq!(settings.carriers[0].name, "one");
    assert_eq!(settings.routes[0].targets[0].carrier, "one");

    let entry = [("DIDFARM__CARRIERS__0__NAME", "two")];
    let refused = load("", &entry, Overrides::default()).unwrap_err();
    let expected = "carriers: must be a list of at most 16 tables, not a table \
        (environment variable DIDFARM__CARRIERS__0__NAME)";
    assert_eq!(refused.to_string(), expected);
}

#[test]
fn zero_threads_resolve_to_at_least_one() {
    let settings = Settings::default();
    assert!(settings.http.worker_count() >= 1);
    assert!(settings.engine.partition_count() >= 1);
    let fixed = load(
        "[http]\nworkers = 3\n[engine]\npartitions = 5",
        &[],
        Overrides::default(),
    )
    .unwrap();
    assert_eq!(fixed.http.worker_count(), 3);
    assert_eq!(fixed.engine.partition_count(), 5);
}

#[test]
fn durations_have_the_unit_of_their_names() {
    let settings = Settings::default();
    assert_eq!(settings.http.head_timeout().as_millis(), 5_000);
    assert_eq!(settings.limits.retry_after().as_secs(), 1);
    assert_eq!(settings.engine.retry().as_millis(), 200);
    assert_eq!(settings.delivery.queued_alarm().as_secs(), 60);
    assert_eq!(settings.delivery.validity().as_secs(), 2 * DAY_S);
    assert_eq!(settings.delivery.validity_max().as_secs(), 2 * DAY_S);
    assert_eq!(settings.delivery.in_doubt_deadline().as_secs(), 3 * DAY_S);
    assert_eq!(settings.delivery.receipt_deadline().as_secs(), 3 * DAY_S);
    assert_eq!(settings.circuit.silence().as_secs(), 5);
    assert_eq!(settings.circuit.open().as_secs(), 2);
    assert_eq!(settings.circuit.open_max().as_secs(), 60);
    assert_eq!(settings.store.checkpoint_interval().as_secs(), 5);
    assert_eq!(settings.simulator.receipt_jitter().as_millis(), 50);
}

proptest! {
    #[test]
    fn no_environment_panics_and_every_problem_is_one_line_that_names_its_variable(
        keys in "[A-Z_]{0,12}",
        value in "\\PC{0,40}|[\\n\\[\\]{}=\",0-9a-z]{0,20}",
    ) {
        let name = format!("DIDFARM__{keys}");
        let env = [(name.clone(), value)];
        if let Err(errors) = Settings::load(None, env.into_iter(), Overrides::default()) {
            for problem in errors.problems() {
                prop_assert_eq!(&problem.origin, &Origin::Environment(name.clone()));
            }
            prop_assert_eq!(errors.to_string().lines().count(), errors.problems().len());
        }
    }

    #[test]
    fn no_file_panics(text in "([a-z_\\[\\]{}=\"0-9.,# ]|\\n){0,200}") {
        let _ = load(&text, &[], Overrides::default());
    }
}
