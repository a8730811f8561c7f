//! Replies as mail programs write them.

use didfarm_mail::reply::{self, ReplyError};
use proptest::prelude::*;

fn mail(headers: &str, body: &str) -> Vec<u8> {
    let text = format!(
        "From: Ann Lee <Ann@Customer.example>\nTo: reply+x@in.example\nSubject: Re: SMS from +31612345678\n\
         Message-ID: <abc@customer.example>\n{headers}\n{body}"
    );
    text.replace('\n', "\r\n").into_bytes()
}

fn plain(body: &str) -> Vec<u8> {
    mail(
        "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n",
        body,
    )
}

fn html(body: &str) -> Vec<u8> {
    mail(
        "Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: 8bit\n",
        body,
    )
}

fn text(bytes: &[u8]) -> String {
    reply::read(bytes, false).unwrap().text
}

#[test]
fn plain_replies_lose_their_history_and_signature() {
    for (program, body, expected) in [
        ("nothing quoted", "Yes, at three.\n\n", "Yes, at three."),
        (
            "Gmail, wrapped",
            "Yes.\n\nOn Sun, 5 Apr 2026 at 16:22, didfarm\n<sms@didfarm.example> wrote:\n\n> Hello\n> there\n",
            "Yes.",
        ),
        (
            "Apple Mail on a telephone",
            "On my way\n\nSent from my iPhone\n\n> On 5 Apr 2026, at 16:22, didfarm <sms@didfarm.example> wrote:\n> \n> Hello\n",
            "On my way",
        ),
        (
            "Thunderbird, answer below",
            "On 05/04/2026 16:22, didfarm wrote:\n> Can you come?\n> When?\n\nYes, at three.\n\n-- \nAnn Lee\nCustomer Inc.\n",
            "Yes, at three.",
        ),
        (
            "Thunderbird, answers between",
            "On 05/04/2026 16:22, didfarm wrote:\n> Can you come?\nYes.\n> When?\nAt three.\n",
            "Yes.\nAt three.",
        ),
        (
            "Outlook",
            "Fine with me.\n\n________________________________\nFrom: didfarm <sms@didfarm.example>\nSent: Sunday, April 5, 2026 4:22 PM\nTo: Ann Lee\nSubject: SMS from +31612345678\n\nHello\n",
            "Fine with me.",
        ),
        (
            "Outlook, old",
            "Fine.\n\n-----Original Message-----\nFrom: didfarm\nHello\n",
            "Fine.",
        ),
        (
            "Outlook in German",
            "Passt.\n\nVon: didfarm <sms@didfarm.example>\nGesendet: Sonntag, 5. April 2026 16:22\nAn: Ann Lee\nBetreff: SMS\n\nHallo\n",
            "Passt.",
        ),
        (
            "Outlook in Dutch",
            "Prima.\n\nVan: didfarm <sms@didfarm.example>\nVerzonden: zondag 5 april 2026 16:22\nAan: Ann Lee\n\nHallo\n",
            "Prima.",
        ),
        (
            "Outlook in French",
            "D'accord.\n\nDe : didfarm <sms@didfarm.example>\nEnvoyé : dimanche 5 avril 2026 16:22\nÀ : Ann Lee\n\nBonjour\n",
            "D'accord.",
        ),
        (
            "Gmail in German",
            "Ja.\n\nAm So., 5. Apr. 2026 um 16:22 Uhr schrieb didfarm <\nsms@didfarm.example>:\n\n> Hallo\n",
            "Ja.",
        ),
        (
            "Gmail in Dutch",
            "Ja.\n\nOp zo 5 apr 2026 om 16:22 schreef didfarm <sms@didfarm.example>:\n\n> Hallo\n",
            "Ja.",
        ),
        (
            "Gmail in French",
            "Oui.\n\nLe dim. 5 avr. 2026 à 16:22, didfarm <sms@didfarm.example> a écrit\u{a0}:\n\n> Bonjour\n",
            "Oui.",
        ),
        (
            "an attribution without quotation marks",
            "Yes.\n\nOn Sun, 5 Apr 2026 at 16:22, didfarm wrote:\n\nHello there\n",
            "Yes.",
        ),
        (
            "a language that is not known, by our marker",
            "Ja.\n\nDen 5 april 2026 skrev didfarm <sms@didfarm.example>:\n\n— Reply above this line to answer by SMS —\n\nHello\n",
            "Ja.",
        ),
        (
            "a language that is not known, with the answer below",
            "Den 5 april 2026 skrev didfarm <sms@didfarm.example>:\n> — Reply above this line to answer by SMS —\n> \n> Hello\n\nJa.\n",
            "Ja.",
        ),
        (
            "an answer that ends like an introduction",
            "Call 112:\n\nOn 5 Apr 2026, didfarm wrote:\n> — Reply above this line to answer by SMS —\n",
            "Call 112:",
        ),
        ("history alone", "> Hello\n> there\n", ""),
        (
            "paragraphs",
            "One.\n\n\n\nTwo.\n  three\n",
            "One.\n\nTwo.\n  three",
        ),
        (
            "prices and dates are no history",
            "On 5 May: 3 boxes\nFrom: depot\n",
            "On 5 May: 3 boxes\nFrom: depot",
        ),
    ] {
        assert_eq!(text(&plain(body)), expected, "{program}");
    }
}

#[test]
fn replies_of_html_alone_become_text() {
    for (program, body, expected) in [
        (
            "Gmail",
            "<div dir=\"ltr\">Yes &amp; no<div><br></div><div>at three</div></div><br><div class=\"gmail_quote gmail_quote_container\"><div class=\"gmail_attr\">On Sun wrote:<br></div><blockquote>Hello</blockquote></div>",
            "Yes & no\n\nat three",
        ),
        (
            "Outlook on the web",
            "<html><head><style>p {}</style></head><body><div>Fine.</div><div id=\"appendonsend\"></div><hr><div id=\"divRplyFwdMsg\">From: x</div></body></html>",
            "Fine.",
        ),
        (
            "Apple Mail",
            "<html><body>On my way<br><div dir=\"ltr\">Sent from my iPhone</div><div><br><blockquote type=\"cite\">On 5 Apr 2026, at 16:22, didfarm wrote:<br></blockquote></div></body></html>",
            "On my way",
        ),
        (
            "Thunderbird",
            "<div class=\"moz-cite-prefix\">On 5 Apr, x wrote:</div>",
            "",
        ),
    ] {
        assert_eq!(text(&html(body)), expected, "{program}");
    }
}

#[test]
fn encodings_and_alternatives_are_seen_through() {
    let alternative = mail(
        "MIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=b\n",
        "--b\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\n\
         caf=E9 =\nau lait\n--b\nContent-Type: text/html\n\n<p>no</p>\n--b--\n",
    );
    assert_eq!(text(&alternative), "café au lait");
    let flowed = mail(
        "Content-Type: text/plain; charset=utf-8; format=flowed\n",
        "This is one line \nthat was wrapped.\n\n> old \n> older\n",
    );
    assert_eq!(text(&flowed), "This is one line that was wrapped.");
    let base64 = mail(
        "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n",
        "4oKsIDUK\n",
    );
    assert_eq!(text(&base64), "€ 5");
    let picture = mail(
        "Content-Type: image/png\nContent-Transfer-Encoding: base64\n",
        "AAAA\n",
    );
    assert_eq!(text(&picture), "");
}

#[test]
fn mails_of_machines_are_known() {
    for (headers, automatic) in [
        ("", false),
        ("Auto-Submitted: no\n", false),
        ("Auto-Submitted: No (person)\n", false),
        ("Precedence: normal\n", false),
        ("X-Auto-Response-Suppress: None\n", false),
        ("Return-Path: <ann@customer.example>\n", false),
        ("Auto-Submitted: auto-replied\n", true),
        ("auto-submitted: auto-generated; x=y\n", true),
        ("Precedence: Bulk\n", true),
        ("Precedence: list\n", true),
        ("X-Auto-Response-Suppress: DR, OOF\n", true),
        ("Return-Path: <>\n", true),
        ("List-Id: <a.b.example>\n", true),
        ("X-Loop: sms@didfarm.example\n", true),
        ("X-Autoreply: yes\n", true),
        (
            "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n",
            true,
        ),
    ] {
        let reply = reply::read(&mail(headers, "Hello\n"), false).unwrap();
        assert_eq!(reply.automatic, automatic, "{headers}");
    }
    assert!(reply::read(&plain("Hello"), true).unwrap().automatic);
    let bounce = b"From: Mailer-Daemon@mx.example\r\nSubject: failed\r\n\r\nno";
    assert!(reply::read(bounce, false).unwrap().automatic);
}

#[test]
fn a_reply_names_its_writer_and_itself() {
    let reply = reply::read(&plain("Hello 0612345678"), false).unwrap();
    assert_eq!(
        reply.from.as_ref().unwrap().as_str(),
        "Ann@customer.example"
    );
    assert_eq!(reply.message_id.as_deref(), Some("abc@customer.example"));
    assert!(!format!("{reply:?}").contains("0612345678"));
    assert_eq!(reply::read(b"", false), Err(ReplyError::NoMessage));
    assert_eq!(
        reply::read(b"\x00\xff\xfe", false),
        Err(ReplyError::NoMessage)
    );
}

proptest! {
    #[test]
    fn any_mail_is_read_without_a_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = mail(
            "MIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=b\nAuto-Submitted: no\n",
            "--b\nContent-Type: text/plain; format=flowed\nContent-Transfer-Encoding: quoted-printable\n\n\
             caf=E9 =\nau lait \n> old\n--b\nContent-Type: text/html\n\n<p>a &amp; b</p>\n--b--\n",
        );
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        bytes.truncate(cut.index(bytes.len()) + 1);
        if let Ok(reply) = reply::read(&bytes, false) {
            prop_assert!(reply.text.len() <= 3 * bytes.len());
        }
    }
}
