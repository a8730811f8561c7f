//! Replies by mail: each is sent once, however often it comes and whatever happens in between.

use std::net::SocketAddr;
use std::path::Path;

use didfarm_config::Settings;

use crate::farm::{Farm, eventually, field, mails_in, run, settings};
use crate::server::Client;

fn with_replies(dir: &Path) -> Settings {
    let mut settings = settings(dir);
    let replies = &mut settings.mail.replies;
    replies.domain = "in.example".to_owned();
    replies.listen = "127.0.0.1:0".to_owned();
    replies.maildir = dir.join("replies");
    settings
}

/// The address that the mail about an inbound message is answered at.
async fn reply_address(farm: &Farm, settings: &Settings) -> String {
    farm.forward_to(Some("ann@example.org")).await;
    farm.receive("Is it open?").await;
    let maildir = settings.maildir();
    let mails = eventually("the forwarded mail", async || {
        let mails = mails_in(&maildir, "new");
        (!mails.is_empty()).then_some(mails)
    })
    .await;
    field(&mails[0], "Reply-To").unwrap()
}

fn reply(id: &str, text: &str) -> String {
    format!(
        "From: Ann <ann@example.org>\r\nSubject: Re: SMS\r\nMessage-ID: <{id}@example.org>\r\n\r\n\
         {text}\r\n\r\n> — Reply above this line to answer by SMS —\r\n> Is it open?"
    )
}

async fn bring(address: SocketAddr, recipient: &str, mail: &str) -> String {
    Client::greet(address).await.bring(recipient, mail).await
}

#[test]
fn a_reply_is_sent_once_over_repeats_restarts_and_a_ledger_that_lost_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let settings = with_replies(dir.path());
    run(async {
        let farm = Farm::start(settings.clone()).await;
        let address = reply_address(&farm, &settings).await;
        let mail = reply("one", "Yes, until six.");
        for recipient in [&address, &address.to_uppercase()] {
            let said = bring(farm.replies_address(), recipient, &mail).await;
            assert!(said.starts_with("250"), "{said}");
        }
        assert_eq!(farm.sent().await, ["Yes, until six."]);
        let other = reply("two", "Yes, until six.");
        let said = bring(farm.replies_address(), &address, &other).await;
        assert!(said.starts_with("250"), "{said}");
        assert_eq!(farm.sent().await.len(), 2);
        farm.stop();

        lose_an_end_and_repeat(&settings, &address, &mail).await;
    });
}

/// Takes from the ledger what says that a reply was sent, as a crash behind the send does, and brings it
/// again.
async fn lose_an_end_and_repeat(settings: &Settings, address: &str, mail: &str) {
    let farm = Farm::start(settings.clone()).await;
    let third = reply("three", "See you.");
    let said = bring(farm.replies_address(), address, &third).await;
    assert!(said.starts_with("250"), "{said}");
    farm.stop();
    let ledger = settings.data_dir.join("replies.ledger");
    let lines = std::fs::read_to_string(&ledger).unwrap();
    let begun: Vec<&str> = lines
        .lines()
        .filter(|line| line.starts_with("begun"))
        .collect();
    let key = begun[0].split(' ').nth(1).unwrap();
    let kept: Vec<&str> = lines
        .lines()
        .filter(|line| !line.starts_with(&format!("sent {key}")))
        .collect();
    assert_eq!(kept.len() + 1, lines.lines().count());
    std::fs::write(&ledger, kept.join("\n") + "\n").unwrap();

    let farm = Farm::start(settings.clone()).await;
    for mail in [&third, mail] {
        let said = bring(farm.replies_address(), address, mail).await;
        assert!(said.starts_with("250"), "{said}");
    }
    let expected = ["Yes, until six.", "Yes, until six.", "See you."];
    assert_eq!(farm.sent().await, expected);
    farm.stop();
}

#[test]
fn a_reply_that_was_begun_and_refused_is_sent_when_it_comes_again_and_may() {
    let dir = tempfile::tempdir().unwrap();
    let settings = with_replies(dir.path());
    run(async {
        let farm = Farm::start(settings.clone()).await;
        let address = reply_address(&farm, &settings).await;
        farm.set_sms(false).await;
        let mail = reply("one", "Yes.");
        let said = bring(farm.replies_address(), &address, &mail).await;
        assert!(
            said.starts_with("550") && said.contains("not enabled"),
            "{said}"
        );
        farm.set_sms(true).await;
        farm.stop();

        let farm = Farm::start(settings.clone()).await;
        assert_eq!(farm.sent().await, Vec::<String>::new());
        for _ in 0..2 {
            let said = bring(farm.replies_address(), &address, &mail).await;
            assert!(said.starts_with("250"), "{said}");
        }
        assert_eq!(farm.sent().await, ["Yes."]);
        farm.stop();
    });
}

#[test]
fn a_reply_over_the_accounts_limit_is_to_come_again_and_is_then_sent_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = with_replies(dir.path());
    (settings.limits.rate_per_second, settings.limits.burst) = (1, 1);
    run(async {
        let farm = Farm::start(settings.clone()).await;
        let address = reply_address(&farm, &settings).await;
        let mut client = Client::greet(farm.replies_address()).await;
        let said = client.bring(&address, &reply("one", "First.")).await;
        assert!(said.starts_with("250"), "{said}");
        let second = reply("two", "Second.");
        let said = client.bring(&address, &second).await;
        assert!(said.starts_with("450"), "{said}");
        eventually("the second is taken", async || {
            let said = client.bring(&address, &second).await;
            said.starts_with("250").then_some(())
        })
        .await;
        assert_eq!(farm.sent().await, ["First.", "Second."]);
        farm.stop();
    });
}

#[test]
fn machines_strangers_and_empty_or_endless_replies_send_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let settings = with_replies(dir.path());
    run(async {
        let farm = Farm::start(settings.clone()).await;
        let address = reply_address(&farm, &settings).await;
        let mut client = Client::greet(farm.replies_address()).await;
        let away = format!(
            "Auto-Submitted: auto-replied\r\n{}",
            reply("one", "I am away")
        );
        let said = client.bring(&address, &away).await;
        assert!(said.starts_with("250"), "{said}");
        let forged = match address.strip_prefix("reply+0") {
            Some(rest) => format!("reply+1{rest}"),
            None => format!("reply+0{}", &address["reply+0".len()..]),
        };
        let elsewhere = address.replace("in.example", "out.example");
        for stranger in [&forged, &elsewhere, "postmaster@in.example"] {
            let said = client.bring(stranger, &reply("two", "Hello")).await;
            assert!(said.starts_with("550"), "{stranger}: {said}");
        }
        for text in ["", &"a".repeat(1_601)] {
            let said = client.bring(&address, &reply("three", text)).await;
            assert!(said.starts_with("550"), "{said}");
        }
        assert_eq!(farm.sent().await, Vec::<String>::new());
        farm.stop();
    });
}

#[test]
fn a_reply_in_the_maildir_is_sent_and_moved_and_known_to_the_listener() {
    let dir = tempfile::tempdir().unwrap();
    let settings = with_replies(dir.path());
    let maildir = dir.path().join("replies");
    run(async {
        let farm = Farm::start(settings.clone()).await;
        let address = reply_address(&farm, &settings).await;
        let conversation = farm.conversation().await;
        let put = |name: &str, mail: &str| {
            let written = maildir.join("tmp").join(name);
            std::fs::write(&written, mail).unwrap();
            std::fs::rename(&written, maildir.join("new").join(name)).unwrap();
        };
        let mail = reply("one", "Yes.");
        put(
            "1",
            &format!("Delivered-To: {address}\r\nTo: sms@example.org\r\n{mail}"),
        );
        put(
            "2",
            &format!("To: \"SMS\"\r\n <{address}>\r\n{}", reply("two", "No.")),
        );
        put("3", &reply("three", "To nobody"));
        eventually("all three are dealt with", async || {
            let left = mails_in(&maildir, "new").len();
            (left == 0 && mails_in(&maildir, "cur").len() == 3).then_some(())
        })
        .await;
        let said = bring(farm.replies_address(), &address, &mail).await;
        assert!(said.starts_with("250"), "{said}");
        assert_eq!(farm.sent().await, ["Yes.", "No."]);
        assert_eq!(farm.conversation().await, conversation);
        farm.stop();
    });
}
