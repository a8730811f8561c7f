//! Messages from peers by Twilio: SMS, MMS and WhatsApp.

use didfarm_carriers::callback::{BODY_BYTES_MAX, Callback, Inbound, Reply};
use didfarm_core::channel::Channel;
use didfarm_core::content::{Content, ContentKind, Location, MEDIA_MAX, Media};
use didfarm_core::e164::E164;
use didfarm_core::ids::CarrierMessageId;
use didfarm_core::peer::Peer;
use didfarm_core::reason::Reason;

use crate::twilio_door::{SID, URL, call, door_at, read_at};

const INBOUND: [(&str, &str); 9] = [
    ("MessageSid", SID),
    ("SmsSid", SID),
    ("SmsStatus", "received"),
    ("AccountSid", "AC123"),
    ("From", "+31612345678"),
    ("To", "+31970000000"),
    ("Body", "Hëllo & + =%"),
    ("NumMedia", "0"),
    ("FromCountry", "NL"),
];

fn hello() -> Inbound {
    Inbound {
        id: Some(CarrierMessageId(SID.into())),
        from: Peer::parse("+31612345678").unwrap(),
        alias: None,
        to: E164::from_digits(31_970_000_000).unwrap(),
        channel: Channel::Sms,
        body: "Hëllo & + =%".into(),
        content: None,
    }
}

/// The inbound parameters with some replaced or added.
fn inbound(changes: &[(&'static str, &'static str)]) -> Callback {
    let mut pairs: Vec<(&str, &str)> = INBOUND.to_vec();
    pairs.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    pairs.extend(changes);
    read_at("", &pairs)
}

#[test]
fn an_inbound_sms_is_read_and_answered_in_xml() {
    let callback = inbound(&[]);
    assert_eq!(callback.inbound, [hello()]);
    assert_eq!((callback.malformed, callback.ignored), (0, 0));
    let reply = Reply {
        content_type: "text/xml",
        body: "<Response/>",
    };
    assert_eq!(door_at(URL).reply(), reply);
}

#[test]
fn the_media_of_an_mms_are_kept() {
    let callback = inbound(&[
        ("Body", ""),
        ("NumMedia", "3"),
        ("MediaUrl0", "https://m.example/0"),
        ("MediaContentType0", "image/jpeg"),
        ("MediaUrl2", "https://m.example/2"),
    ]);
    let media = |url: &str, kind: Option<&str>| Media {
        url: Some(url.into()),
        content_type: kind.map(Into::into),
        ..Media::default()
    };
    let content = Content {
        media: vec![
            media("https://m.example/0", Some("image/jpeg")),
            media("https://m.example/2", None),
        ],
        ..Content::of(ContentKind::Text)
    };
    let expected = Inbound {
        body: "".into(),
        content: Some(Box::new(content)),
        ..hello()
    };
    assert_eq!(callback.inbound, [expected]);
    assert_eq!(callback.malformed, 1);
    assert_eq!(
        inbound(&[("NumMedia", "4000000000")]).malformed,
        u32::try_from(MEDIA_MAX).unwrap() + 1
    );
}

#[test]
fn a_whatsapp_message_keeps_name_place_and_kind() {
    let whatsapp = [
        ("From", "whatsapp:+31612345678"),
        ("To", "whatsapp:+31970000000"),
        ("ProfileName", "Jo"),
        ("WaId", "31612345678"),
    ];
    let with = |more: &[(&'static str, &'static str)]| {
        let mut callback = inbound(&[&whatsapp, more].concat());
        assert_eq!(callback.malformed, 0);
        callback.inbound.remove(0)
    };
    let plain = with(&[("MessageType", "text")]);
    assert_eq!(
        (plain.channel, &plain.from),
        (Channel::WhatsApp, &hello().from)
    );
    let content = plain.content.unwrap();
    assert_eq!(content.profile_name.as_deref(), Some("Jo"));
    assert_eq!(content.kind, ContentKind::Text);

    let place = with(&[
        ("Body", ""),
        ("MessageType", "location"),
        ("Latitude", "52.370216"),
        ("Longitude", "4.895168"),
        ("Label", "Dam"),
        ("Address", "Dam 1"),
    ]);
    let location = Location {
        latitude: "52.370216".into(),
        longitude: "4.895168".into(),
        name: Some("Dam".into()),
        address: Some("Dam 1".into()),
    };
    let content = place.content.unwrap();
    assert_eq!(
        (content.kind, content.location),
        (ContentKind::Location, Some(location))
    );

    let button = with(&[("Body", ""), ("ButtonText", "Yes"), ("ButtonPayload", "y1")]);
    assert_eq!(&*button.body, "Yes");
    assert_eq!(button.content.unwrap().kind, ContentKind::Interactive);
    for (word, kind) in [
        ("button", ContentKind::Interactive),
        ("image", ContentKind::Image),
        ("audio", ContentKind::Audio),
        ("reaction", ContentKind::Reaction),
        ("hologram", ContentKind::Unsupported),
    ] {
        assert_eq!(
            with(&[("MessageType", word)]).content.unwrap().kind,
            kind,
            "{word}"
        );
    }
}

#[test]
fn a_whatsapp_user_without_a_number_is_known_by_the_name_and_by_both_when_both_are_told() {
    let from_user = [
        ("From", "whatsapp:US.13491208655302741918"),
        ("To", "whatsapp:+31970000000"),
    ];
    let user = Peer::parse("US.13491208655302741918").unwrap();
    let alone = inbound(&from_user).inbound.remove(0);
    assert_eq!((alone.from, alone.alias), (user.clone(), None));
    let known = inbound(&[&from_user[..], &[("WaId", "31612345678")]].concat());
    let known = known.inbound.into_iter().next().unwrap();
    assert_eq!((known.from, known.alias), (hello().from, Some(user)));
}

#[test]
fn an_inbound_message_without_what_it_needs_is_counted() {
    for broken in [
        ("From", ""),
        ("From", "+"),
        ("From", "messenger:123"),
        ("To", "MyBank"),
        ("To", ""),
    ] {
        let callback = inbound(&[broken]);
        assert_eq!(
            (callback.inbound.len(), callback.malformed),
            (0, 1),
            "{broken:?}"
        );
    }
    let without_id = read_at("", &INBOUND[2..]);
    assert_eq!((without_id.inbound.len(), without_id.malformed), (0, 1));
    let neither = read_at("", &[("EventType", "NEW"), ("AccountSid", "AC123")]);
    assert_eq!((neither.ignored, neither.malformed), (1, 0));
}

#[test]
fn a_text_that_is_too_long_is_cut_and_counted() {
    let long: &'static str = "x".repeat(BODY_BYTES_MAX + 1).leak();
    let callback = inbound(&[("Body", long)]);
    assert_eq!(
        (callback.inbound[0].body.len(), callback.malformed),
        (BODY_BYTES_MAX, 1)
    );
}

#[test]
fn a_json_callback_is_read_by_the_same_names() {
    let mut call = call("/carriers/w", "", String::new(), "");
    call.set_header("content-type", "application/json");
    call.body = format!(
        r#"{{"MessageSid": "{SID}", "MessageStatus": "failed", "ErrorCode": 30007, "Extra": {{"a": []}}}}"#
    )
    .into_bytes();
    let callback = call.read(&*door_at(URL)).unwrap();
    assert_eq!(callback.receipts[0].reason, Some(Reason::Spam));
    for body in ["", "[", "[]", "\"x\"", "MessageSid=1"] {
        call.body = body.as_bytes().to_vec();
        assert!(call.read(&*door_at(URL)).is_err(), "{body}");
    }
}
