//! Every problem is reported at once, with its path, its origin and what is allowed.

use std::path::Path;

use didfarm_config::{FILE_BYTES_MAX, Overrides, Settings};

/// Loads what must not load, and returns the text with the file's path replaced by `FILE`.
fn refused(file: &[u8], env: &[(&str, &str)], flags: Overrides) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("didfarm.toml");
    std::fs::write(&path, file).unwrap();
    let env = env
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let errors = Settings::load(Some(&path), env, flags).unwrap_err();
    let text = errors.to_string();
    assert_eq!(text.lines().count(), errors.problems().len());
    text.replace(&format!("{path:?}"), "FILE")
}

fn refused_file(file: &str) -> String {
    refused(file.as_bytes(), &[], Overrides::default())
}

#[test]
fn all_problems_of_all_layers_are_reported_at_once() {
    let file = r#"
        data_dir = ""
        colour = "blue"
        ops = 9090
        [http]
        listen = "localhost"
        body_bytes_max = 1000
        wrokers = 2
        [limits]
        rate_per_second = "fast"
        burst = 0
        [log]
        format = "xml"
        level = "inof"
        [simulator]
        loss = 1.5
    "#;
    let env = [
        ("DIDFARM__LIMITS__RETRY_AFTER_S", "soon"),
        ("DIDFARM__STORE__SEGMENT_SIZE", "1"),
        ("DIDFARM__HTTP__LISTEN__PORT", "80"),
    ];
    let flags = Overrides {
        ops_listen: Some("9090".to_owned()),
        ..Overrides::default()
    };
    let expected = "\
colour: is not a setting; at the top there may be data_dir, http, ops, log, limits, numbers, price, store, engine, delivery, circuit, callbacks, capture, webhooks, consent, abuse, pools, mail, simulator, carriers, routes, accounts (file FILE)
data_dir: must be a text of 1 to 4096 characters without control characters, not \"\" (file FILE)
http.body_bytes_max: must be a whole number of bytes from 1024 to 1048576, not 1000 (file FILE)
http.listen: must be an IP address with a port such as \"127.0.0.1:8080\", not \"localhost\" (file FILE)
http.wrokers: is not a setting; in http there may be listen, workers, body_bytes_max, head_timeout_ms, body_timeout_ms, keep_alive_ms, connections_max, shutdown_grace_ms (file FILE)
limits.burst: must be a whole number of messages from 1 to 1000000, not 0 (file FILE)
limits.rate_per_second: must be a whole number of messages a second from 1 to 1000000, not \"fast\" (file FILE)
log.format: must be one of \"human\", \"json\", not \"xml\" (file FILE)
log.level: must be a log filter such as \"info\" or \"info,didfarm_store=debug\", not \"inof\" (file FILE)
ops: must be a table, not a number (file FILE)
simulator.loss: must be a share, a number from 0 to 1, not 1.5 (file FILE)
http.listen: must be an IP address with a port such as \"127.0.0.1:8080\", not a table (environment variable DIDFARM__HTTP__LISTEN__PORT)
limits.retry_after_s: must be a whole number of seconds from 1 to 3600, not \"soon\" (environment variable DIDFARM__LIMITS__RETRY_AFTER_S)
store.segment_size: is not a setting; in store there may be segment_bytes, group_bytes_max, keep_bytes, free_bytes_min, checkpoint_interval_ms, sled_cache_bytes, records_lag_entries_max (environment variable DIDFARM__STORE__SEGMENT_SIZE)
ops.listen: must be an IP address with a port such as \"127.0.0.1:8080\", not \"9090\" (flag --ops-listen)";
    assert_eq!(refused(file.as_bytes(), &env, flags), expected);
}

#[test]
fn endpoints_lie_in_networks_and_their_bounds_agree() {
    let file = r#"
        [webhooks]
        allowed_networks = ["127.0.0.0/8", "localhost", "::1/129"]
        connect_timeout_ms = 20000
        endpoint_in_flight_max = 2000
        client_threads = 0
    "#;
    let expected = "\
webhooks.allowed_networks[1]: must be a network such as \"10.20.0.0/16\" or \"fd00:1::/64\", not \"localhost\" (file FILE)
webhooks.allowed_networks[2]: must be a network such as \"10.20.0.0/16\" or \"fd00:1::/64\", not \"::1/129\" (file FILE)
webhooks.client_threads: must be a whole number of threads from 1 to 1024, not 0 (file FILE)
webhooks.connect_timeout_ms: must not be above webhooks.timeout_ms, 20000 is above 10000; webhooks.timeout_ms comes from default (file FILE)
webhooks.endpoint_in_flight_max: must not be above webhooks.in_flight_max, 2000 is above 1024; webhooks.in_flight_max comes from default (file FILE)";
    assert_eq!(refused_file(file), expected);
    let networks = "[webhooks]\nallowed_networks = [\"127.0.0.0/8\", \"::1/128\"]";
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("didfarm.toml");
    std::fs::write(&path, networks).unwrap();
    let settings = Settings::load(Some(&path), std::iter::empty(), Overrides::default()).unwrap();
    let loopback: std::net::IpAddr = "127.9.9.9".parse().unwrap();
    let networks = settings.webhooks.networks();
    assert_eq!(networks.len(), 2);
    assert!(networks[0].contains(&loopback) && !networks[1].contains(&loopback));
}

#[test]
fn mail_has_an_address_a_whole_login_and_replies_that_reach_somebody() {
    let file = r#"
        [http]
        listen = "127.0.0.1:2424"
        [mail]
        from = "didfarm"
        maildir = "mails"
        smtp = { security = "ssl", port = 0, username = "me" }
        [mail.replies]
        listen = "127.0.0.1:2424"
        maildir = "mails"
    "#;
    let expected = "\
mail.from: must be a mail address such as \"sms@example.org\", not \"didfarm\" (file FILE)
mail.smtp.port: must be a whole number from 1 to 65535, not 0 (file FILE)
mail.smtp.security: must be one of \"starttls\", \"tls\", \"none\", not \"ssl\" (file FILE)
mail.smtp.password: must be set, or password_file, because mail.smtp.username is; mail.smtp.username comes from file FILE (default)
mail.replies.domain: must be set, because mail.replies.listen is; mail.replies.listen comes from file FILE (default)
mail.replies.listen: must differ from http.listen, which is 127.0.0.1:2424 too (file FILE)
mail.replies.maildir: must differ from mail.maildir, which mails are written to (file FILE)";
    assert_eq!(refused_file(file), expected);
    let twice = r#"
        [mail]
        smtp = { username = "me", password = "s3cret", password_file = "nowhere" }
        replies = { domain = "example.org" }
    "#;
    let found = refused_file(twice);
    assert!(found.contains("mail.smtp.password_file: must not stand beside"));
    assert!(found.contains("mail.replies.listen: must be set, or maildir"));
    assert!(!found.contains("s3cret"), "{found}");
}

#[test]
fn problems_of_accounts_name_the_entry_and_show_neither_keys_nor_numbers() {
    let file = r#"
        [[accounts]]
        rate_per_second = 0
        api_key = "tooshort"
        numbers = [{ e164 = "+0151", sms = "yes" }, 7, { sms = false }]
        [[accounts]]
        name = "B"
        api_key = "with a space 0123456789"
        numbers = [{ e164 = "+4915112345678", sms = false }]
        tarif = "M"
    "#;
    let expected = "\
accounts[0].name: is missing; it must be a text of 1 to 200 characters without control characters (file FILE)
accounts[0].api_key: must be a key of 20 to 200 visible ASCII characters without spaces (file FILE)
accounts[0].numbers[0].e164: must be an E.164 number, \"+\" and 7 to 15 digits, the first not 0 (file FILE)
accounts[0].numbers[0].sms: must be true or false, not \"yes\" (file FILE)
accounts[0].numbers[1]: must be a table, not a number (file FILE)
accounts[0].numbers[2].e164: is missing; it must be an E.164 number, \"+\" and 7 to 15 digits, the first not 0 (file FILE)
accounts[0].rate_per_second: must be a whole number of messages a second from 1 to 1000000, not 0 (file FILE)
accounts[1].api_key: must be a key of 20 to 200 visible ASCII characters without spaces (file FILE)
accounts[1].tarif: is not a setting; in accounts[1] there may be name, rate_per_second, burst, wallet_micros, api_key, numbers (file FILE)
accounts[1].numbers[0]: must have a channel; set sms or whatsapp to true (file FILE)";
    assert_eq!(refused_file(file), expected);
}

#[test]
fn names_keys_and_numbers_of_accounts_are_there_once() {
    let file = r#"
        [[accounts]]
        name = "A"
        api_key = "0123456789abcdefghij"
        numbers = [{ e164 = "+4915112345678" }]
        [[accounts]]
        name = "A"
        api_key = "0123456789abcdefghij"
        numbers = [{ e164 = "+4915112345679" }, { e164 = "+4915112345678" }]
    "#;
    let expected = "\
accounts[1].name: must differ from accounts[0].name (file FILE)
accounts[1].api_key: must differ from accounts[0].api_key (file FILE)
accounts[1].numbers[1].e164: must differ from accounts[0].numbers[0].e164 (file FILE)";
    assert_eq!(refused_file(file), expected);
}

#[test]
fn settings_that_contradict_each_other_name_both_origins() {
    let env = [("DIDFARM__STORE__SEGMENT_BYTES", "1048576")];
    let flags = Overrides {
        listen: Some("127.0.0.1:9090".to_owned()),
        ..Overrides::default()
    };
    let expected = "\
ops.listen: must differ from http.listen, which is 127.0.0.1:9090 too; http.listen comes from flag --listen (default)
store.group_bytes_max: must not be above store.segment_bytes, 8388608 is above 1048576; store.segment_bytes comes from environment variable DIDFARM__STORE__SEGMENT_BYTES (default)";
    assert_eq!(refused(b"", &env, flags), expected);
}

#[test]
fn a_refused_value_is_not_held_against_others() {
    let file = "[store]\nsegment_bytes = \"big\"\ngroup_bytes_max = 134217728";
    let expected = "store.segment_bytes: must be a whole number of bytes from 65536 to 4294967296, not \"big\" (file FILE)";
    assert_eq!(refused_file(file), expected);
}

#[test]
fn a_bad_value_is_reported_although_a_later_layer_replaces_it() {
    let env = [("DIDFARM__LIMITS__BURST", "5")];
    let expected =
        "limits.burst: must be a whole number of messages from 1 to 1000000, not -1 (file FILE)";
    assert_eq!(
        refused(b"[limits]\nburst = -1", &env, Overrides::default()),
        expected
    );
}

#[test]
fn zero_is_explained_where_it_stands_for_something() {
    let expected = "engine.partitions: must be a whole number of partitions from 0 to 1024 (0: half the cores, at least one), not -2 (file FILE)";
    assert_eq!(refused_file("[engine]\npartitions = -2"), expected);
}

#[test]
fn a_number_without_a_unit_is_just_a_number() {
    let expected = "simulator.seed: must be a whole number from 0 to 9223372036854775807 (0: taken from the clock), not \"x\" (file FILE)";
    assert_eq!(refused_file("[simulator]\nseed = \"x\""), expected);
}

#[test]
fn a_file_that_is_no_toml_is_named_with_its_place_and_hides_no_other_problem() {
    let file = b"[limits]\nburst = 3\nburst = 4\n";
    let env = [("DIDFARM__LIMITS__BURST", "0")];
    let expected = "\
settings file: must be TOML, and is not in line 3, column 1: duplicate key (file FILE)
limits.burst: must be a whole number of messages from 1 to 1000000, not 0 (environment variable DIDFARM__LIMITS__BURST)";
    assert_eq!(refused(file, &env, Overrides::default()), expected);
}

#[test]
fn a_syntax_error_beside_a_secret_does_not_show_it() {
    let text = refused_file("[[accounts]]\nname = \"A\"\napi_key = \"0123456789abcdefghij");
    assert!(
        text.starts_with("settings file: must be TOML, and is not in line 3"),
        "{text}"
    );
    assert!(!text.contains("0123456789"), "{text}");
}

#[test]
fn a_file_that_is_missing_or_no_text_or_too_long_is_refused() {
    let missing = Path::new("no/such/didfarm.toml");
    let errors =
        Settings::load(Some(missing), std::iter::empty(), Overrides::default()).unwrap_err();
    let text = errors.to_string();
    assert!(
        text.starts_with("settings file: must be a file that can be read; reading it failed: "),
        "{text}"
    );
    assert!(text.ends_with("(file \"no/such/didfarm.toml\")"), "{text}");

    let text = refused(b"# \xff", &[], Overrides::default());
    assert_eq!(
        text,
        "settings file: must be UTF-8, and is not after byte 2 (file FILE)"
    );

    let long = vec![b'#'; FILE_BYTES_MAX as usize + 1];
    let text = refused(&long, &[], Overrides::default());
    assert_eq!(
        text,
        "settings file: must be at most 16777216 bytes long (file FILE)"
    );
}
