//! Tests of what a send must hold.

use super::*;
use crate::problem::document_of;

const BOUNDS: SendBounds = SendBounds {
    validity_s_max: 3_600,
};

fn accepted(body: &str) -> SendRequest {
    read(body.as_bytes(), Validation::Possible, BOUNDS).unwrap()
}

fn refused(body: &str) -> (Code, String) {
    let problem = read(body.as_bytes(), Validation::Possible, BOUNDS).unwrap_err();
    let code = problem.code();
    let document = document_of(problem);
    (
        code,
        document["errors"][0]["field"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
    )
}

#[test]
fn a_request_names_its_sender_in_one_of_two_ways() {
    let by_number = r#"{"from":"+31201234567","to":"+31612345678","body":"hi"}"#;
    let request = accepted(by_number);
    assert_eq!(
        request.from,
        Sender::Number(E164::from_digits(31_201_234_567).unwrap())
    );
    assert_eq!((request.channel, &*request.body), (Channel::Sms, "hi"));
    let by_id =
        r#"{"from_number_id":"num_1","to":"+31612345678","body":"hi","channel":"whatsapp"}"#;
    let request = accepted(by_id);
    assert_eq!(
        (request.from, request.channel),
        (Sender::Id(NumberId(1)), Channel::WhatsApp)
    );
}

#[test]
fn each_fault_has_its_code_and_field() {
    for (body, code, field) in [
        (
            r#"{"to":"+31612345678","body":"hi"}"#,
            Code::SenderNotSingle,
            "from",
        ),
        (
            r#"{"from":"+31201234567","from_number_id":1,"to":"+31612345678","body":"a"}"#,
            Code::SenderNotSingle,
            "from",
        ),
        (
            r#"{"from_number_id":1,"body":"hi"}"#,
            Code::ValidationFailed,
            "to",
        ),
        (
            r#"{"from_number_id":1,"to":"+31612345678"}"#,
            Code::ValidationFailed,
            "body",
        ),
        (
            r#"{"from_number_id":1,"to":"0612345678","body":"hi"}"#,
            Code::InvalidNumber,
            "to",
        ),
        (
            r#"{"from":"x","to":"+31612345678","body":"hi"}"#,
            Code::InvalidNumber,
            "from",
        ),
        (
            r#"{"from_number_id":1,"to":"+31612345678","body":""}"#,
            Code::BodyEmpty,
            "body",
        ),
        (
            r#"{"from_number_id":1,"to":"+31612345678","body":"a","channel":"fax"}"#,
            Code::ValidationFailed,
            "channel",
        ),
        (
            r#"{"from_number_id":1,"to":"US.1349120865","body":"a"}"#,
            Code::InvalidNumber,
            "to",
        ),
        (
            r#"{"from_number_id":1,"to":"MyBank","body":"a","channel":"whatsapp"}"#,
            Code::InvalidNumber,
            "to",
        ),
        (
            r#"{"from_number_id":1,"to":"+31612345678","body":"a","validity_period":0}"#,
            Code::ValidationFailed,
            "validity_period",
        ),
        (
            r#"{"from_number_id":1,"to":"+31612345678","body":"a","validity_period":3601}"#,
            Code::ValidationFailed,
            "validity_period",
        ),
        (
            r#"{"from_number_id":1,"to":"+31612345678","body":"a","validity_period":1.5}"#,
            Code::ValidationFailed,
            "validity_period",
        ),
        (
            r#"{"from_number_id":1,"to":"+31612345678","body":"a","tags":[]}"#,
            Code::UnknownField,
            "tags",
        ),
    ] {
        assert_eq!(refused(body), (code, field.to_owned()), "{body}");
    }
}

#[test]
fn the_bound_of_a_body_counts_characters() {
    let longest = "€".repeat(BODY_CHARS_MAX);
    assert!(text(Some(&longest)).is_ok());
    let document = document_of(text(Some(&format!("{longest}€"))).unwrap_err());
    assert_eq!(document["code"], "body_too_long");
    let detail = document["detail"].as_str().unwrap();
    assert!(
        detail.contains("1601") && detail.contains("1600"),
        "{detail}"
    );
}

/// A send over WhatsApp with these fields besides.
fn whatsapp(fields: &str) -> String {
    format!(r#"{{"from_number_id":1,"to":"+31612345678","channel":"whatsapp",{fields}}}"#)
}

#[test]
fn a_whatsapp_user_is_written_to_by_name() {
    let request =
        accepted(r#"{"from_number_id":1,"to":"US.1349120865","body":"a","channel":"whatsapp"}"#);
    assert_eq!(request.to, Peer::parse("US.1349120865").unwrap());
}

#[test]
fn a_validity_period_is_whole_seconds() {
    let request =
        accepted(r#"{"from_number_id":1,"to":"+31612345678","body":"a","validity_period":3600}"#);
    assert_eq!(request.validity, Some(Duration::from_secs(3_600)));
    let request = accepted(r#"{"from_number_id":1,"to":"+31612345678","body":"a"}"#);
    assert_eq!(request.validity, None);
    assert_eq!(SendBounds::new(Duration::from_millis(10)).validity_s_max, 1);
}

#[test]
fn a_template_has_a_text_for_the_history_and_its_components_as_they_were_written() {
    let request = accepted(&whatsapp(
        r#""template":{"name":"order_shipped","language":"en_US","components":[ {"type":"body"} ]}"#,
    ));
    assert_eq!(&*request.body, "[template order_shipped]");
    let content = request.content.unwrap();
    assert_eq!(content.kind, didfarm_core::content::ContentKind::Template);
    let template = content.template.unwrap();
    assert_eq!(
        (&*template.name, &*template.language),
        ("order_shipped", "en_US")
    );
    assert_eq!(&*template.components, r#"[ {"type":"body"} ]"#);
    let bare = accepted(&whatsapp(r#""template":{"name":"a","language":"nl"}"#));
    assert_eq!(&*bare.content.unwrap().template.unwrap().components, "[]");
}

#[test]
fn media_needs_no_text_and_takes_one_for_its_caption() {
    let request = accepted(&whatsapp(
        r#""body":"see","media":{"type":"document","url":"https://example.com/a.pdf","filename":"a.pdf"}"#,
    ));
    let content = request.content.unwrap();
    assert_eq!((&*request.body, content.kind.as_str()), ("see", "document"));
    assert_eq!(
        content.media[0].url.as_deref(),
        Some("https://example.com/a.pdf")
    );
    assert_eq!(content.media[0].filename.as_deref(), Some("a.pdf"));
    for body in ["", r#""body":"","#] {
        let fields = format!(r#"{body}"media":{{"type":"sticker","url":"HTTPS://example.com/a"}}"#);
        assert_eq!(&*accepted(&whatsapp(&fields)).body, "");
    }
}

#[test]
fn each_fault_of_a_template_or_of_media_names_its_field() {
    let long_name = format!(
        r#""template":{{"name":"{}","language":"nl"}}"#,
        "a".repeat(513)
    );
    let long_components = format!(
        r#""template":{{"name":"a","language":"nl","components":[{{"a":"{}"}}]}}"#,
        "a".repeat(4_096)
    );
    let long_url = format!(
        r#""media":{{"type":"image","url":"https://example.com/{}"}}"#,
        "a".repeat(2_048)
    );
    for (fields, field) in [
        (r#""template":{"language":"nl"}"#, "template.name"),
        (
            r#""template":{"name":"a\nb","language":"nl"}"#,
            "template.name",
        ),
        (&long_name, "template.name"),
        (r#""template":{"name":"a"}"#, "template.language"),
        (
            r#""template":{"name":"a","language":""}"#,
            "template.language",
        ),
        (
            r#""template":{"name":"a","language":"nl","components":{}}"#,
            "template.components",
        ),
        (
            r#""template":{"name":"a","language":"nl","components":[1]}"#,
            "template.components",
        ),
        (&long_components, "template.components"),
        (
            r#""body":"a","template":{"name":"a","language":"nl"}"#,
            "body",
        ),
        (
            r#""media":{"type":"image","url":"https://a"},"template":{"name":"a","language":"nl"}"#,
            "media",
        ),
        (r#""media":{"url":"https://a"}"#, "media.type"),
        (
            r#""media":{"type":"location","url":"https://a"}"#,
            "media.type",
        ),
        (r#""media":{"type":"image"}"#, "media.url"),
        (r#""media":{"type":"image","url":"http://a"}"#, "media.url"),
        (r#""media":{"type":"image","url":"https://"}"#, "media.url"),
        (
            r#""media":{"type":"image","url":"https:///a"}"#,
            "media.url",
        ),
        (
            r#""media":{"type":"image","url":"https://a b"}"#,
            "media.url",
        ),
        (r#""media":{"type":"image","url":"https://é"}"#, "media.url"),
        (&long_url, "media.url"),
        (
            r#""media":{"type":"image","url":"https://a","filename":"b"}"#,
            "media.filename",
        ),
        (
            r#""body":"a","media":{"type":"audio","url":"https://a"}"#,
            "body",
        ),
    ] {
        let body = whatsapp(fields);
        assert_eq!(
            refused(&body),
            (Code::ValidationFailed, field.to_owned()),
            "{body}"
        );
    }
    let unknown = whatsapp(r#""media":{"type":"image","url":"https://a","size":1}"#);
    assert_eq!(refused(&unknown).0, Code::UnknownField);
    assert!(refused(&unknown).1.ends_with("size"));
    let caption = format!(
        r#""body":"{}","media":{{"type":"image","url":"https://a"}}"#,
        "a".repeat(1_025)
    );
    assert_eq!(
        refused(&whatsapp(&caption)),
        (Code::BodyTooLong, "body".to_owned())
    );
}
