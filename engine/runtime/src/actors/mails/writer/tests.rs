//! What is written: the same mail every time, in its conversation's thread, answerable where it may be.

use std::sync::Arc;

use didfarm_core::e164::E164;
use didfarm_core::ids::{
    AccountId, CarrierId, ConversationId, EndpointId, EventId, MessageId, NumberId,
};
use didfarm_core::mail::Mail;
use didfarm_core::message::{Message, Received};
use didfarm_core::money::Micros;
use didfarm_core::segments::Encoding;
use didfarm_core::time::Timestamp;

use super::*;

fn writer(dir: &std::path::Path, replies: bool) -> Writer {
    let secret = MailSecret::open(dir).unwrap();
    let replies =
        replies.then(|| Arc::new(ReplyAddresses::new(secret.tokens(), "in.example").unwrap()));
    Writer::new(&Settings::default(), &secret, replies).unwrap()
}

fn enclosed() -> Enclosed {
    Enclosed {
        said: vec!["https://media.example/1".to_owned()],
        ..Enclosed::default()
    }
}

fn waiting(id: u64, to: &str, kind: MailKind) -> Waiting {
    let mail = Mail {
        id: MailId(id),
        account: AccountId(3),
        to: to.into(),
        kind,
    };
    Waiting::fresh(Arc::new(mail), Timestamp(1_700_000_000_000_000))
}

fn inbound(is_answerable: bool) -> Facts {
    let number = E164::from_digits(31_201_234_567).unwrap();
    let received = Received {
        message: MessageId((9 << 16) | 1),
        conversation: ConversationId(9),
        account: AccountId(3),
        number: NumberId(1),
        from: E164::from_digits(31_612_345_678).unwrap().into(),
        to: number,
        channel: Channel::Sms,
        body: "Is it open?".into(),
        encoding: Encoding::Gsm7,
        segments: 1,
        carrier: CarrierId::SIMULATOR,
        carrier_message_id: None,
        content: None,
        alias: None,
    };
    Facts::Message(Box::new(MessageFacts {
        message: Message::received(&received, Timestamp(1_700_000_000_000_000)),
        number,
        is_answerable,
        files: Vec::new(),
        guard: Arc::default(),
    }))
}

fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let lines = text.split("\r\n").take_while(|line| !line.is_empty());
    let mut named = lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    named.next()
}

#[test]
fn an_inbound_message_is_the_same_mail_whenever_it_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let kind = MailKind::Inbound(MessageId((9 << 16) | 1));
    let waits = waiting(7, "ann@example.org", kind.clone());
    let first = writer(dir.path(), true)
        .write(&waits, &inbound(true), enclosed())
        .unwrap();
    let again = writer(dir.path(), true)
        .write(&waits, &inbound(true), enclosed())
        .unwrap();
    assert_eq!(first.bytes, again.bytes);
    let text = String::from_utf8(first.bytes).unwrap();
    assert!(text.contains("Is it open?") && text.contains("https://media.example/1"));
    assert_eq!(field(&text, "Subject"), Some("SMS from +31612345678"));

    let next = waiting(8, "ann@example.org", kind);
    let next = writer(dir.path(), true)
        .write(&next, &inbound(true), enclosed())
        .unwrap();
    let next = String::from_utf8(next.bytes).unwrap();
    assert_ne!(field(&text, "Message-ID"), field(&next, "Message-ID"));
    assert!(field(&text, "References").is_some());
    assert_eq!(field(&text, "References"), field(&next, "References"));

    let elsewhere = tempfile::tempdir().unwrap();
    let other = writer(elsewhere.path(), true)
        .write(&waits, &inbound(true), enclosed())
        .unwrap();
    let other = String::from_utf8(other.bytes).unwrap();
    for name in ["Message-ID", "References", "Reply-To"] {
        assert_ne!(field(&text, name), field(&other, name), "{name}");
    }
}

#[test]
fn only_what_can_be_answered_has_a_reply_address_and_it_leads_back() {
    let dir = tempfile::tempdir().unwrap();
    let waits = waiting(7, "ann@example.org", MailKind::Inbound(MessageId(1)));
    let reply_to = |replies: bool, is_answerable: bool| {
        let writer = writer(dir.path(), replies);
        let mail = writer
            .write(&waits, &inbound(is_answerable), enclosed())
            .unwrap();
        field(&String::from_utf8(mail.bytes).unwrap(), "Reply-To").map(str::to_owned)
    };
    assert_eq!(reply_to(false, true), None);
    assert_eq!(reply_to(true, false), None);
    let address = reply_to(true, true).unwrap();
    let writer = writer(dir.path(), true);
    let addresses = writer.replies.as_ref().unwrap();
    let target = ReplyTarget {
        conversation: ConversationId(9),
        account: AccountId(3),
        channel: Channel::Sms,
    };
    assert_eq!(addresses.read(&address), Ok(target));
    assert_eq!(addresses.read(&address.to_uppercase()), Ok(target));
    let text = format!("Ann <{address}>, \"B\" <b@in.example>,\n {address}");
    assert_eq!(addresses.find(&text), [target]);
    assert!(
        addresses
            .read(&address.replace("in.example", "out.example"))
            .is_err()
    );
}

#[test]
fn notices_name_what_they_are_about_even_when_it_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let writer = writer(dir.path(), true);
    let write = |kind, facts: &Facts| {
        let mail = writer
            .write(&waiting(7, "ann@example.org", kind), facts, enclosed())
            .unwrap();
        String::from_utf8(mail.bytes).unwrap()
    };
    let exhausted = |status| MailKind::Exhausted {
        endpoint: EndpointId(5),
        event: EventId(1),
        class: AttemptClass::Timeout,
        status,
    };
    let url = Facts::Endpoint(Some("https://hooks.example/in?key=s3cret".into()));
    let text = write(exhausted(None), &url);
    assert!(text.contains("https://hooks.example/in") && text.contains("timeout"));
    assert!(!text.contains("s3cret") && field(&text, "Reply-To").is_none());
    assert!(write(exhausted(Some(503)), &url).contains("HTTP 503"));
    let gone = write(exhausted(Some(503)), &Facts::Endpoint(None));
    assert!(gone.contains(DELETED_ENDPOINT));
    let status = write(exhausted(Some(503)), &Facts::Endpoint(Some("".into())));
    assert!(status.contains(STATUS_ENDPOINT));
    let disabled = MailKind::EndpointDisabled {
        endpoint: EndpointId(5),
        cause: DisableCause::Failing,
    };
    assert!(write(disabled, &url).contains("5 days"));
    let low = MailKind::WalletLow {
        balance: Micros::new(4_990_000),
        threshold: Micros::new(5_000_000),
    };
    assert!(write(low, &Facts::None).contains("4.99"));
}

#[test]
fn what_cannot_be_written_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let writer = writer(dir.path(), false);
    let kind = MailKind::Inbound(MessageId(1));
    let no_address = waiting(7, "ann", kind.clone());
    let refused = writer
        .write(&no_address, &inbound(true), enclosed())
        .unwrap_err();
    assert!(matches!(refused, Unwritable::Address(_)));
    assert!(!refused.to_string().contains("ann"));
    let missing = waiting(7, "ann@example.org", kind);
    let refused = writer
        .write(&missing, &Facts::Missing, enclosed())
        .unwrap_err();
    assert!(matches!(refused, Unwritable::Missing));
}
