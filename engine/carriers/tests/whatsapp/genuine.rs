//! The door: signatures, made by OpenSSL and Python, and the check of the address.

use crate::farm::Knock;
use didfarm_carriers::callback::NotGenuine;
use didfarm_carriers::whatsapp::CHALLENGE_BYTES_MAX;

const VECTORS: [(&str, &str); 3] = [
    (
        r#"{"object":"whatsapp_business_account","entry":[]}"#,
        "d3e4f9da0ce6c71ab3dba55929b8eeeee2455349e534924ead19f98d143e904f",
    ),
    (
        "",
        "f685db4c946698bf105ff5b62e30bc1f78216f3914b12bb750f8992aa6748824",
    ),
    (
        r#"{"entry":[],"object":"whatsapp_business_account","note":"\u00e9 é\/"}"#,
        "672920153b7de994325a869aa7f7bdcb29d6c49af500fc1fddfb0cb41d4941c1",
    ),
];

fn verify(signature: Option<&str>, body: &str) -> Result<(), NotGenuine> {
    Knock {
        method: "POST",
        path_and_query: "/carriers/meta",
        signature,
        body: body.as_bytes(),
    }
    .verify()
}

#[test]
fn a_signature_of_another_implementation_is_taken() {
    for (body, digits) in VECTORS {
        assert_eq!(verify(Some(&format!("sha256={digits}")), body), Ok(()));
        let upper = digits.to_ascii_uppercase();
        assert_eq!(verify(Some(&format!("sha256={upper}")), body), Ok(()));
    }
}

#[test]
fn every_other_signature_is_refused() {
    let (body, digits) = VECTORS[0];
    let mut wrong: Vec<String> = (0..digits.len())
        .map(|at| {
            let flipped = if &digits[at..=at] == "0" { "1" } else { "0" };
            format!("sha256={}{flipped}{}", &digits[..at], &digits[at + 1..])
        })
        .collect();
    wrong.extend([
        String::new(),
        "sha256=".into(),
        digits.into(),
        format!("sha1={digits}"),
        format!("SHA256={digits}"),
        format!("sha256={}", &digits[1..]),
        format!("sha256={digits}0"),
        format!("sha256= {}", &digits[1..]),
        format!("sha256=g{}", &digits[1..]),
        format!("sha256=é{}", &digits[2..]),
    ]);
    for signature in wrong {
        assert_eq!(
            verify(Some(&signature), body),
            Err(NotGenuine),
            "{signature}"
        );
    }
    assert_eq!(verify(None, body), Err(NotGenuine));
}

#[test]
fn a_body_that_was_changed_by_one_byte_is_refused() {
    let (body, digits) = VECTORS[0];
    let signature = format!("sha256={digits}");
    for changed in [
        format!("{body} "),
        body.replace("[]", "[ ]"),
        body.replace('w', "W"),
    ] {
        assert_eq!(verify(Some(&signature), &changed), Err(NotGenuine));
    }
}

fn challenge(method: &str, query: &str) -> Result<Option<String>, NotGenuine> {
    Knock {
        method,
        path_and_query: &format!("/carriers/meta{query}"),
        signature: None,
        body: b"",
    }
    .challenge()
}

#[test]
fn who_knows_the_verify_token_gets_the_challenge_back() {
    for query in [
        "?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=verify%20me",
        "?hub.verify_token=verify+me&hub.mode=subscribe&hub.challenge=1158201444&more=%",
        "?hub%2Everify_token=verify%20me&hub.mode=subscribe&hub.challenge=11582%3014%344",
    ] {
        assert_eq!(
            challenge("GET", query),
            Ok(Some("1158201444".into())),
            "{query}"
        );
    }
}

#[test]
fn every_other_check_is_refused() {
    let long = "1".repeat(CHALLENGE_BYTES_MAX + 1);
    for (mode, token, challenged) in [
        ("subscribe", "verify me", ""),
        ("subscribe", "verify me", "%3Cscript%3E"),
        ("subscribe", "verify me", "1%0A2"),
        ("subscribe", "verify me", "%C3%A9"),
        ("subscribe", "verify me", "%FF"),
        ("subscribe", "verify me", "1%2"),
        ("subscribe", "verify me", &long),
        ("subscribe", "verify  me", "1"),
        ("subscribe", "verify", "1"),
        ("subscribe", "", "1"),
        ("unsubscribe", "verify me", "1"),
        ("", "verify me", "1"),
    ] {
        let query = format!("?hub.mode={mode}&hub.verify_token={token}&hub.challenge={challenged}");
        assert_eq!(challenge("GET", &query), Err(NotGenuine), "{query}");
    }
    assert_eq!(challenge("GET", ""), Err(NotGenuine));
    assert_eq!(
        challenge("GET", "?hub.mode=subscribe&hub.verify_token=verify%20me"),
        Err(NotGenuine)
    );
}

#[test]
fn a_callback_is_no_check_of_the_address() {
    let query = "?hub.mode=subscribe&hub.challenge=1&hub.verify_token=verify%20me";
    assert_eq!(challenge("POST", query), Ok(None));
}
