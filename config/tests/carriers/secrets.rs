//! The secrets of carriers: in the settings or in files of their own, and never shown.

use super::{PUBLIC_KEY, SMPP, carrier, load, load_in, refused, telnyx};

#[test]
fn a_secret_is_read_from_its_file_without_the_last_line_break() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    let text = carrier(&format!(
        "telnyx = {{ api_key_file = {file:?}, public_key = \"{PUBLIC_KEY}\" }}"
    ));
    for (held, read) in [("KEY1", "KEY1"), ("KEY2\n", "KEY2"), ("KEY3\r\n", "KEY3")] {
        std::fs::write(&file, held).unwrap();
        let settings = load_in(dir.path(), &text).unwrap();
        let telnyx = settings.carriers[0].telnyx.as_ref().unwrap();
        assert_eq!(telnyx.api_key.expose(), read);

        let printed = settings.to_toml().unwrap();
        assert!(
            !printed.contains(read) && !printed.contains("redacted"),
            "{printed}"
        );
        assert_eq!(load_in(dir.path(), &printed).unwrap(), settings);
    }
}

#[test]
fn a_secrets_file_that_holds_none_is_refused_without_showing_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    let text = carrier(&format!(
        "smpp = {{ address = \"localhost:1\", system_id = \"me\", password_file = {file:?} }}"
    ));
    let problem = || load_in(dir.path(), &text).unwrap_err().to_string();
    assert!(
        problem().starts_with(
            "carriers[0].smpp.password_file: must be a file that can be read; reading it failed: "
        ),
        "{}",
        problem()
    );
    for held in ["", "\n", "two\nlines", "far-too-long", " x", "(redacted)"] {
        std::fs::write(&file, held).unwrap();
        let expected = "carriers[0].smpp.password_file: must be a file that holds a secret of 1 to \
                        8 printable ASCII characters, no space first or last (file ";
        assert!(problem().starts_with(expected), "{held:?}: {}", problem());
        assert_eq!(problem().lines().count(), 1);
    }
    std::fs::write(&file, [0xff, 0xfe]).unwrap();
    assert!(
        problem().contains("must be a file that can be read"),
        "{}",
        problem()
    );
}

#[test]
fn a_secret_stands_in_one_place() {
    let rule = "there must be exactly one of api_key, api_key_file";
    assert_eq!(
        refused(&carrier(&telnyx(", api_key_file = \"k\""))),
        [format!(
            "carriers[0].telnyx.api_key_file: must not stand beside api_key; {rule}"
        )]
    );
}

#[test]
fn printed_secrets_of_carriers_are_refused_until_they_are_filled_in() {
    let printed = load(&carrier(SMPP)).unwrap().to_toml().unwrap();
    assert!(printed.contains("password = \"(redacted)\""), "{printed}");
    let expected = "carriers[0].smpp.password: must be a secret of 1 to 8 printable ASCII \
                    characters, no space first or last";
    assert_eq!(refused(&printed), [expected]);
    let filled = printed.replace("(redacted)", "pw");
    assert_eq!(load(&filled).unwrap(), load(&carrier(SMPP)).unwrap());
}

#[test]
fn an_api_key_of_twilio_has_an_id_and_a_secret() {
    let twilio = |more: &str| {
        carrier(&format!(
            "twilio = {{ account_sid = \"AC1\", auth_token = \"t\", {more} }}"
        ))
    };
    assert_eq!(
        refused(&twilio("api_key_sid = \"SK1\"")),
        [
            "carriers[0].twilio.api_key_secret: must be set, or api_key_secret_file, because \
          carriers[0].twilio.api_key_sid is"
        ]
    );
    assert_eq!(
        refused(&twilio("api_key_secret = \"s\"")),
        ["carriers[0].twilio.api_key_sid: must be set, because \
          carriers[0].twilio.api_key_secret is"]
    );
}
