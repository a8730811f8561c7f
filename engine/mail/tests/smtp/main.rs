//! Mails handed to a real SMTP server, which takes them, refuses them, breaks off or says nothing.

mod server;

use std::time::Duration;

use didfarm_core::time::Timestamp;
use didfarm_mail::address::{Address, Mailbox};
use didfarm_mail::body::Body;
use didfarm_mail::compose::{Draft, Mail, MailId};
use didfarm_mail::smtp::{Security, Sent, Smtp, SmtpSettings, SmtpSettingsError};
use tokio::time::timeout;

use self::server::{Act, Mode, Server};

const PATIENCE: Duration = Duration::from_secs(10);
const PASSWORD: &str = "correct horse";

fn mail(id: &str) -> Mail {
    let from = Mailbox::new(None, Address::parse("sms@didfarm.example").unwrap());
    Draft {
        id: MailId::parse(id).unwrap(),
        from,
        to: Address::parse("support@customer.example").unwrap(),
        reply_to: None,
        subject: "Hello".to_owned(),
        body: Body::new().quote(".\n.. dots\nen un café"),
        thread: None,
        date: Timestamp(1_700_000_000_000_000),
        attachments: Vec::new(),
    }
    .compose()
    .unwrap()
}

fn settings(server: &Server, security: Security) -> SmtpSettings {
    SmtpSettings {
        host: "localhost".to_owned(),
        port: server.port,
        security,
        credentials: None,
        ehlo_name: Some("didfarm.example".to_owned()),
        timeout: PATIENCE,
        extra_roots_pem: Some(server.root_pem.clone()),
        connections_max: 2,
    }
}

fn plain(server: &Server) -> Smtp {
    Smtp::new(settings(server, Security::None)).unwrap()
}

async fn send(smtp: &Smtp, id: &str) -> Sent {
    let mail = mail(id);
    timeout(PATIENCE * 2, smtp.send(&mail.envelope, &mail.bytes))
        .await
        .unwrap()
}

fn later(sent: &Sent) -> &str {
    match sent {
        Sent::Later(reason) => reason,
        other => panic!("{other:?}"),
    }
}

fn never(sent: &Sent) -> &str {
    match sent {
        Sent::Never(reason) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn several_mails_arrive_whole_over_one_connection() {
    let server = Server::start(Mode::Plain, "localhost").await;
    let smtp = plain(&server);
    for id in ["m1", "m2", "m3"] {
        assert_eq!(
            send(&smtp, id).await,
            Sent::Accepted("250 2.0.0 Ok: queued as 4711".into())
        );
    }
    smtp.close().await;
    let seen = server.seen.lock().unwrap();
    assert_eq!((seen.connections, seen.mails.len()), (1, 3));
    assert_eq!(
        seen.mails[1].trim_end().as_bytes(),
        mail("m2").bytes.trim_ascii_end()
    );
    assert_eq!(seen.commands[0], "EHLO didfarm.example");
    assert_eq!(seen.commands[1], "MAIL FROM:<sms@didfarm.example>");
    assert_eq!(seen.commands[2], "RCPT TO:<support@customer.example>");
    assert_eq!(
        seen.commands.iter().filter(|line| *line == "QUIT").count(),
        1
    );
}

#[tokio::test]
async fn both_kinds_of_tls_and_the_login_work_and_the_certificate_counts() {
    for (mode, security) in [
        (Mode::StartTls, Security::StartTls),
        (Mode::Tls, Security::Tls),
    ] {
        let server = Server::start(mode, "localhost").await;
        let mut wanted = settings(&server, security);
        wanted.credentials = Some(("ann".to_owned(), PASSWORD.to_owned()));
        let smtp = Smtp::new(wanted.clone()).unwrap();
        for id in ["m1", "m2"] {
            assert!(
                matches!(send(&smtp, id).await, Sent::Accepted(_)),
                "{mode:?}"
            );
        }
        {
            let seen = server.seen.lock().unwrap();
            assert_eq!((seen.connections, seen.mails.len()), (1, 2));
            assert!(
                seen.commands
                    .iter()
                    .any(|line| line.starts_with("AUTH PLAIN"))
            );
        }
        // A stranger's certificate: nothing is said to such a server.
        wanted.extra_roots_pem = None;
        let reason = send(&Smtp::new(wanted).unwrap(), "m3").await;
        assert!(later(&reason).contains("certificate"), "{reason:?}");
        assert_eq!(server.seen.lock().unwrap().mails.len(), 2);

        let elsewhere = Server::start(mode, "mx.example").await;
        let smtp = Smtp::new(settings(&elsewhere, security)).unwrap();
        later(&send(&smtp, "m4").await);
    }
}

#[tokio::test]
async fn without_starttls_on_offer_no_mail_goes_in_clear() {
    let server = Server::start(Mode::Plain, "localhost").await;
    let mut wanted = settings(&server, Security::StartTls);
    wanted.credentials = Some(("ann".to_owned(), PASSWORD.to_owned()));
    later(&send(&Smtp::new(wanted).unwrap(), "m1").await);
    let seen = server.seen.lock().unwrap();
    assert!(
        seen.commands
            .iter()
            .all(|line| line.starts_with("EHLO") || line == "QUIT"),
        "{seen:?}"
    );
}

#[tokio::test]
async fn answers_put_behind_starttls_by_an_attacker_are_no_answers() {
    let server = Server::start(Mode::StartTls, "localhost").await;
    let forged = "220 Go ahead\r\n250 Ok\r\n250 Ok\r\n250 Ok\r\n354 Go ahead\r\n250 Queued";
    server.script("STARTTLS", &[Act::Say(forged)]);
    let smtp = Smtp::new(settings(&server, Security::StartTls)).unwrap();
    later(&send(&smtp, "m1").await);
    assert!(server.seen.lock().unwrap().mails.is_empty());
    assert!(matches!(send(&smtp, "m1").await, Sent::Accepted(_)));
}

#[tokio::test]
async fn an_answer_of_the_wrong_kind_is_no_yes() {
    let server = Server::start(Mode::Plain, "localhost").await;
    for (verb, answer) in [
        ("RCPT", "354 What?"),
        ("DATA", "250 Ok"),
        (".", "354 Go on"),
    ] {
        server.script(verb, &[Act::Say(answer)]);
        assert!(
            later(&send(&plain(&server), "m1").await).contains("out of place"),
            "{verb}"
        );
    }
}

#[tokio::test]
async fn a_refusal_is_for_now_or_for_ever_and_the_connection_goes_on() {
    let server = Server::start(Mode::Plain, "localhost").await;
    let smtp = plain(&server);
    for (verb, answer, for_ever) in [
        ("MAIL", "451 4.3.0 Try later", false),
        ("RCPT", "450 4.2.1 Greylisted", false),
        (".", "452 4.3.1 Disk full", false),
        ("MAIL", "530 5.7.0 Authentication required", false),
        ("MAIL", "550 5.7.1 No such sender", false),
        ("RCPT", "550 5.1.1 No such user", true),
        (".", "554 5.6.0 Spam", true),
    ] {
        server.script(verb, &[Act::Say(answer)]);
        let sent = send(&smtp, "m1").await;
        let reason = if for_ever { never(&sent) } else { later(&sent) };
        assert!(
            reason.contains(answer.split_once(' ').unwrap().1),
            "{reason}"
        );
        assert!(matches!(send(&smtp, "m2").await, Sent::Accepted(_)));
    }
    assert_eq!(server.seen.lock().unwrap().connections, 1);
}

#[tokio::test]
async fn a_lost_connection_is_repeated_later_and_never_reported_as_taken() {
    let server = Server::start(Mode::Plain, "localhost").await;
    for verb in ["EHLO", "MAIL", "RCPT", "DATA", "."] {
        let smtp = plain(&server);
        server.script(verb, &[Act::Drop]);
        later(&send(&smtp, "m1").await);
        assert!(
            matches!(send(&smtp, "m1").await, Sent::Accepted(_)),
            "{verb}"
        );
    }
    // The one whose answer was lost came twice, with one Message-ID.
    let seen = server.seen.lock().unwrap();
    assert_eq!(seen.mails.len(), 6);
    assert!(
        seen.mails
            .iter()
            .all(|mail| mail.contains("Message-ID: <m1@didfarm.example>"))
    );
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_does_not_fail_a_mail() {
    for act in [Act::Drop, Act::Say("421 4.4.2 Timeout")] {
        let server = Server::start(Mode::Plain, "localhost").await;
        let smtp = plain(&server);
        assert!(matches!(send(&smtp, "m1").await, Sent::Accepted(_)));
        server.script("MAIL", &[act]);
        assert!(matches!(send(&smtp, "m2").await, Sent::Accepted(_)));
        let seen = server.seen.lock().unwrap();
        assert_eq!((seen.connections, seen.mails.len()), (2, 2));
    }
}

#[tokio::test]
async fn silence_ends_in_time_and_a_dropped_send_leaves_no_answer_behind() {
    let server = Server::start(Mode::Plain, "localhost").await;
    let mut wanted = settings(&server, Security::None);
    wanted.timeout = Duration::from_millis(200);
    let smtp = Smtp::new(wanted).unwrap();
    server.script("RCPT", &[Act::Hang]);
    assert!(later(&send(&smtp, "m1").await).contains("in time"));
    // Given up while the server holds the answer to the mail: its connection is not used again.
    server.script(".", &[Act::Hang]);
    let given_up = mail("m2");
    let arrived = async {
        while server.seen.lock().unwrap().mails.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        sent = smtp.send(&given_up.envelope, &given_up.bytes) => panic!("{sent:?}"),
        () = arrived => {}
    }
    assert!(matches!(send(&smtp, "m3").await, Sent::Accepted(_)));
    assert_eq!(server.seen.lock().unwrap().connections, 3);
}

#[tokio::test]
async fn a_refused_login_loses_no_mail_and_tells_no_secret() {
    let server = Server::start(Mode::Plain, "localhost").await;
    let mut wanted = settings(&server, Security::None);
    wanted.credentials = Some(("ann".to_owned(), PASSWORD.to_owned()));
    let smtp = Smtp::new(wanted.clone()).unwrap();
    server.script(
        "AUTH",
        &[Act::Say("535 5.7.8 ann / correct horse is wrong")],
    );
    let sent = send(&smtp, "m1").await;
    assert_eq!(later(&sent), "the server refused our login (535)");
    server.script(
        "RCPT",
        &[Act::Say("550-5.7.1 correct horse\r\n550 5.7.1 second line")],
    );
    let sent = send(&smtp, "m1").await;
    assert!(!never(&sent).contains(PASSWORD) && !never(&sent).contains(['\r', '\n']));
    for text in [format!("{wanted:?}"), format!("{smtp:?}")] {
        assert!(!text.contains(PASSWORD), "{text}");
    }
}

#[tokio::test]
async fn no_more_connections_are_open_than_allowed() {
    let server = Server::start(Mode::Plain, "localhost").await;
    let smtp = plain(&server);
    let mails: Vec<Mail> = (0..8).map(|n| mail(&format!("m{n}"))).collect();
    let sends = async {
        tokio::join!(
            async {
                for mail in &mails[..4] {
                    assert!(matches!(
                        smtp.send(&mail.envelope, &mail.bytes).await,
                        Sent::Accepted(_)
                    ));
                }
            },
            async {
                for mail in &mails[4..6] {
                    assert!(matches!(
                        smtp.send(&mail.envelope, &mail.bytes).await,
                        Sent::Accepted(_)
                    ));
                }
            },
            async {
                for mail in &mails[6..] {
                    assert!(matches!(
                        smtp.send(&mail.envelope, &mail.bytes).await,
                        Sent::Accepted(_)
                    ));
                }
            },
        )
    };
    timeout(PATIENCE, sends).await.unwrap();
    let seen = server.seen.lock().unwrap();
    assert_eq!(seen.mails.len(), 8);
    assert!(seen.connections <= 2, "{}", seen.connections);
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused() {
    let server = Server::start(Mode::Plain, "localhost").await;
    let good = settings(&server, Security::None);
    let with = |change: fn(&mut SmtpSettings)| {
        let mut settings = good.clone();
        change(&mut settings);
        Smtp::new(settings).unwrap_err()
    };
    assert!(matches!(
        with(|settings| {
            settings.host = "mx.example".to_owned();
            settings.credentials = Some(("a".to_owned(), "b".to_owned()));
        }),
        SmtpSettingsError::CredentialsInClear
    ));
    assert!(matches!(
        with(|settings| settings.ehlo_name = Some("a b".to_owned())),
        SmtpSettingsError::Name(_)
    ));
    assert!(matches!(
        with(|settings| settings.host = "a\r\nb".to_owned()),
        SmtpSettingsError::Name(_)
    ));
    assert!(matches!(
        with(|settings| {
            settings.security = Security::Tls;
            settings.extra_roots_pem =
                Some(b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n".to_vec());
        }),
        SmtpSettingsError::Roots
    ));
}
