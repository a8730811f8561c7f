//! Composed mails, read back by another implementation: what they say, how they thread, and that no text
//! can become a header, a part or a tag.

use didfarm_core::abuse::stop::{StopCause, TrafficRange, TrafficStop};
use didfarm_core::channel::Channel;
use didfarm_core::e164::{E164, Validation};
use didfarm_core::ids::ConversationId;
use didfarm_core::money::Micros;
use didfarm_core::peer::Peer;
use didfarm_core::time::Timestamp;
use didfarm_mail::address::{Address, Mailbox};
use didfarm_mail::body::Body;
use didfarm_mail::compose::{
    ATTACHMENTS_BYTES_MAX, ATTACHMENTS_MAX, Attachment, ComposeError, Draft, Mail, MailId,
};
use didfarm_mail::forwarded::ForwardedMessage;
use didfarm_mail::notice::{self, DisabledBecause, Notice};
use didfarm_mail::reply;
use mail_parser::{Message, MessageParser, MimeHeaders};
use proptest::prelude::*;

/// Header fields that a mail without attachments, thread and reply address has, in lower case.
const FIELDS: [&str; 9] = [
    "auto-submitted",
    "content-type",
    "date",
    "from",
    "message-id",
    "mime-version",
    "subject",
    "to",
    "x-auto-response-suppress",
];

fn sender() -> Mailbox {
    let address = Address::parse("sms@didfarm.example").unwrap();
    Mailbox::new(Some("didfarm"), address)
}

fn recipient() -> Address {
    Address::parse("support@customer.example").unwrap()
}

fn received_at() -> Timestamp {
    Timestamp::parse_rfc3339("2026-04-05T14:22:08Z").unwrap()
}

fn forwarded(channel: Channel, id: &str, body: &str) -> Draft {
    ForwardedMessage {
        id: MailId::parse(id).unwrap(),
        sender: &sender(),
        to: &recipient(),
        reply_to: Some(Address::parse("reply+abc@in.didfarm.example").unwrap()),
        channel,
        peer: &Peer::parse("+31612345678").unwrap(),
        profile_name: Some("Ann\r\nBcc: x@y.example"),
        number: E164::parse("+31201234567", Validation::Syntax).unwrap(),
        body,
        media_urls: &["https://media.example/1"],
        received_at: received_at(),
        conversation: Some(ConversationId(77)),
        attachments: Vec::new(),
    }
    .draft()
}

fn plain(subject: &str, body: Body) -> Draft {
    Draft {
        id: MailId::parse("m1").unwrap(),
        from: sender(),
        to: recipient(),
        reply_to: None,
        subject: subject.to_owned(),
        body,
        thread: None,
        date: received_at(),
        attachments: Vec::new(),
    }
}

fn parsed(mail: &Mail) -> Message<'_> {
    assert!(mail.bytes.is_ascii());
    let text = std::str::from_utf8(&mail.bytes).unwrap();
    for line in text.split("\r\n") {
        assert!(
            line.len() <= 998 && !line.contains(['\r', '\n']),
            "{line:?}"
        );
    }
    MessageParser::default().parse(&mail.bytes).unwrap()
}

#[test]
fn a_forwarded_message_says_in_both_forms_who_wrote_what_and_when() {
    let body = "Hello <b>there</b> & goodbye — 👋\nsecond line";
    let mail = forwarded(Channel::Sms, "msg_1.f1", body).compose().unwrap();
    let message = parsed(&mail);
    assert_eq!(message.subject(), Some("SMS from +31612345678"));
    assert_eq!(message.date().unwrap().to_rfc3339(), "2026-04-05T14:22:08Z");
    let text = message.body_text(0).unwrap().replace("\r\n", "\n");
    assert!(text.contains(body), "{text}");
    for fact in [
        "From: +31612345678\n",
        "To: +31201234567\n",
        "Channel: SMS\n",
        "Received at: 2026-04-05T14:22:08Z\n",
        "Conversation: conv_0000000002d\n",
        "Media: https://media.example/1\n",
        "Name: Ann Bcc: x@y.example\n",
        "Reply above this line to answer by SMS",
    ] {
        assert!(text.contains(fact), "{fact}: {text}");
    }
    let html = message.body_html(0).unwrap();
    assert!(
        html.contains("Hello &lt;b&gt;there&lt;/b&gt; &amp; goodbye — 👋"),
        "{html}"
    );
    for remote in ["src=", "href=", "url(", "@import", "<link", "<script"] {
        assert!(!html.contains(remote), "{remote}");
    }
    let reply_to = message.reply_to().unwrap().first().unwrap();
    assert_eq!(reply_to.address(), Some("reply+abc@in.didfarm.example"));
}

#[test]
fn mails_of_one_conversation_share_a_root_and_a_repeat_is_the_same_mail() {
    let first = forwarded(Channel::Sms, "msg_1.f1", "one")
        .compose()
        .unwrap();
    let again = forwarded(Channel::Sms, "msg_1.f1", "one")
        .compose()
        .unwrap();
    let next = forwarded(Channel::WhatsApp, "msg_2.f1", "")
        .compose()
        .unwrap();
    assert_eq!(first.bytes, again.bytes);
    let (first, next) = (parsed(&first), parsed(&next));
    assert_eq!(first.message_id(), Some("msg_1.f1@didfarm.example"));
    assert_eq!(next.message_id(), Some("msg_2.f1@didfarm.example"));
    let root = Some("conv_0000000002d@didfarm.example");
    for message in [&first, &next] {
        assert_eq!(message.references().as_text(), root);
        assert_eq!(message.in_reply_to().as_text(), root);
    }
    assert_eq!(next.subject(), Some("WhatsApp from +31612345678"));
    assert!(
        next.body_text(0)
            .unwrap()
            .contains("(This message has no text.)")
    );
}

#[test]
fn our_own_mail_is_known_as_automatic_when_it_comes_back() {
    let mail = forwarded(Channel::Sms, "msg_1.f1", "one")
        .compose()
        .unwrap();
    assert!(reply::read(&mail.bytes, false).unwrap().automatic);
    let text = String::from_utf8(mail.bytes).unwrap();
    let loop_header = text
        .replace("Auto-Submitted: auto-generated\r\n", "")
        .replace("X-Auto-Response-Suppress: All\r\n", "");
    assert!(
        reply::read(loop_header.as_bytes(), false)
            .unwrap()
            .automatic
    );
}

#[test]
fn attachments_arrive_whole_and_within_their_bounds() {
    let file = |name: &str, media_type: &str, bytes: &[u8]| Attachment {
        name: name.to_owned(),
        media_type: media_type.to_owned(),
        bytes: bytes.to_vec(),
    };
    let bytes: Vec<u8> = (0..=255).cycle().take(5_000).collect();
    let mut draft = forwarded(Channel::WhatsApp, "msg_1.f1", "look");
    draft.attachments = vec![
        file("φωτο \"1\".jpg", "image/jpeg; x=y", &bytes),
        file(
            "../../etc/passwd\r\nX: y",
            "text/html\r\nBcc: x@y.example",
            b"--=_didfarm_mixed--",
        ),
        file("", "message/rfc822", b"From: x@y.example\r\n\r\n"),
    ];
    let mail = draft.compose().unwrap();
    let message = parsed(&mail);
    assert!(message.body_text(0).unwrap().contains("look"));
    let got: Vec<_> = message
        .attachments()
        .map(|part| {
            let kind = part.content_type().unwrap();
            let kind = format!("{}/{}", kind.ctype(), kind.subtype().unwrap());
            (part.attachment_name().unwrap(), kind, part.contents())
        })
        .collect();
    let octets = || "application/octet-stream".to_owned();
    assert_eq!(
        got,
        [
            ("φωτο _1_.jpg", "image/jpeg".to_owned(), &bytes[..]),
            (
                ".._.._etc_passwd X: y",
                octets(),
                &b"--=_didfarm_mixed--"[..]
            ),
            ("attachment", octets(), &b"From: x@y.example\r\n\r\n"[..]),
        ]
    );

    draft.attachments = vec![file("a", "a/b", &vec![0; ATTACHMENTS_BYTES_MAX / 2]); 2];
    assert!(draft.compose().is_ok());
    draft.attachments.push(file("b", "a/b", b"1"));
    let bytes = ATTACHMENTS_BYTES_MAX + 1;
    assert_eq!(
        draft.compose().unwrap_err(),
        ComposeError::AttachmentsTooLarge { bytes }
    );
    draft.attachments = vec![file("a", "a/b", b"1"); ATTACHMENTS_MAX + 1];
    let count = ATTACHMENTS_MAX + 1;
    assert_eq!(
        draft.compose().unwrap_err(),
        ComposeError::TooManyAttachments { count }
    );
}

#[test]
fn notices_say_what_happened_and_what_to_do_without_the_endpoints_secrets() {
    let endpoint = "https://hooks.example/in?token=secret";
    for (told, subject, parts) in [
        (
            Notice::WebhookExhausted {
                endpoint,
                last_error: "HTTP 503",
                last_attempt_at: received_at(),
            },
            "Webhook failed: events are not delivered",
            vec![
                "this mail speaks for them",
                "Last error: HTTP 503",
                "Nothing is lost",
            ],
        ),
        (
            Notice::EndpointDisabled {
                endpoint,
                because: DisabledBecause::Failing { days: 5 },
                disabled_at: received_at(),
            },
            "Webhook endpoint disabled",
            vec![
                "last 5 days has failed",
                "Endpoint: https://hooks.example/in?…",
            ],
        ),
        (
            Notice::EndpointDisabled {
                endpoint,
                because: DisabledBecause::Gone,
                disabled_at: received_at(),
            },
            "Webhook endpoint disabled",
            vec!["410 Gone", "Disabled at: 2026-04-05T14:22:08Z"],
        ),
        (
            Notice::WalletLow {
                balance: Micros::new(4_200_000),
                threshold: Micros::new(5_000_000),
            },
            "Your wallet balance is low",
            vec!["Balance: €4.20", "You are told below: €5.00", "top up"],
        ),
        (
            Notice::TrafficStopped(TrafficStop {
                range: TrafficRange::Prefix(3_161_234),
                cause: StopCause::Day,
                messages: 5_000,
                since: received_at(),
                ends_at: None,
            }),
            "Messages to a range of numbers are stopped",
            vec![
                "Range: +3161234",
                "Limit: daily cap",
                "Messages: 5000",
                "Ends: when it is released",
                "only we release",
            ],
        ),
    ] {
        let id = MailId::parse("notice.1").unwrap();
        let draft = notice::draft(&told, id, &sender(), &recipient(), None, received_at());
        let mail = draft.compose().unwrap();
        let message = parsed(&mail);
        assert_eq!(message.subject(), Some(subject));
        let (text, html) = (message.body_text(0).unwrap(), message.body_html(0).unwrap());
        for part in parts {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("secret") && !html.contains("secret"));
    }
}

fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<String>(),
        Just("\r\nBcc: victim@y.example\r\n".to_owned()),
        Just("\n\n--=_didfarm_alternative\r\nContent-Type: text/html\r\n\r\n<script>".to_owned()),
        Just("=?utf-8?B?DQpCY2M6IHhAeQ==?=".to_owned()),
        Just("\u{2028}.\r\n.\r\nQUIT\r\n".to_owned()),
        Just("\"><img src=http://x.example/>".to_owned()),
        Just("x".repeat(1_200)),
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_text_becomes_a_header_a_part_or_a_tag(
        subject in hostile(), name in hostile(), body in hostile(), fact in hostile(), file in hostile(),
    ) {
        let page = Body::new().quote(&body).facts([("Fact", fact)]);
        let mut draft = plain(&subject, page);
        draft.from = Mailbox::new(Some(&name), sender().address().clone());
        let mail = draft.compose().unwrap();
        let message = parsed(&mail);
        let mut fields: Vec<String> =
            message.headers().iter().map(|field| field.name().to_ascii_lowercase()).collect();
        fields.retain(|field| field != "x-loop");
        fields.sort();
        prop_assert_eq!(fields, FIELDS);
        prop_assert_eq!(message.parts.len(), 3);
        prop_assert_eq!(message.to().unwrap().iter().count(), 1);
        prop_assert_eq!(message.from().unwrap().first().unwrap().address(), Some("sms@didfarm.example"));
        let html = message.body_html(0).unwrap();
        prop_assert!(!html.contains("<img") && !html.contains("<script"));

        draft.attachments = vec![Attachment { name: file.clone(), media_type: file, bytes: body.into_bytes() }];
        let mail = draft.compose().unwrap();
        let message = parsed(&mail);
        prop_assert_eq!(message.attachment_count(), 1);
        prop_assert_eq!(message.attachments().next().unwrap().contents(), &draft.attachments[0].bytes[..]);
    }
}
