//! Mails that leave: by the maildir, by a server, over restarts.

use std::sync::Arc;

use didfarm_core::ids::MailId;
use didfarm_core::time::Timestamp;
use didfarm_runtime::mails::{ForwardRequest, MailError};
use didfarm_runtime::send::Sender;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::farm::{Farm, eventually, field, mails_in, ours, peer, run, settings};
use crate::server::{Mood, Server};

fn request(to: &str) -> ForwardRequest {
    ForwardRequest {
        number: Sender::Number(ours()),
        to: to.to_owned(),
        from: peer(),
        body: Arc::from("Forward me"),
        received_at: Timestamp(1_700_000_000_000_000),
    }
}

async fn forward(farm: &Farm, to: &str) -> MailId {
    let forwarded = farm
        .handle
        .forward_to_email(&farm.account, request(to), None);
    forwarded.await.unwrap()
}

#[test]
fn without_a_server_mails_lie_in_the_maildir_once_and_restarts_double_none() {
    let dir = tempfile::tempdir().unwrap();
    let settings = settings(dir.path());
    let maildir = settings.maildir();
    run(async {
        let farm = Farm::start(settings.clone()).await;
        farm.receive("before it forwards").await;
        farm.forward_to(Some("ann@example.org")).await;
        farm.receive("first").await;
        farm.receive("second").await;
        let id = forward(&farm, "bob@example.org").await;
        eventually("three mails", async || {
            (mails_in(&maildir, "new").len() == 3).then_some(())
        })
        .await;
        eventually("nothing waits", async || {
            (farm.waiting().await == 0).then_some(())
        })
        .await;
        let mails = mails_in(&maildir, "new");
        let to = |address: &str| {
            let of = |mail: &&String| field(mail, "To").as_deref() == Some(address);
            mails.iter().filter(of).collect::<Vec<_>>()
        };
        let inbound = to("ann@example.org");
        assert_eq!(inbound.len(), 2);
        let thread = |mail: &str| field(mail, "References").unwrap();
        assert_eq!(thread(inbound[0]), thread(inbound[1]));
        let asked = to("bob@example.org")[0];
        assert!(asked.contains("Forward me") && asked.contains("2023-11-14T22:13:20Z"));
        assert_eq!(thread(asked), thread(inbound[0]));
        assert!(
            field(asked, "Message-ID")
                .unwrap()
                .contains(&id.to_string())
        );
        farm.stop();

        let farm = Farm::start(settings).await;
        assert!(forward(&farm, "bob@example.org").await > id);
        eventually("the fourth mail", async || {
            (mails_in(&maildir, "new").len() == 4).then_some(())
        })
        .await;
        farm.stop();
    });
}

#[test]
fn a_file_goes_with_the_mail_and_one_that_cannot_be_had_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = settings(dir.path());
    settings.webhooks.allowed_networks = vec!["127.0.0.0/8".to_owned()];
    let maildir = settings.maildir();
    run(async {
        let picture = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = picture.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = picture.accept().await {
                let mut head = [0; 4_096];
                let read = stream.read(&mut head).await.unwrap();
                let answer = match head[..read].starts_with(b"GET /picture ") {
                    true => "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\npicture",
                    false => "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
                };
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let farm = Farm::start(settings).await;
        farm.forward_to(Some("ann@example.org")).await;
        for path in ["picture", "gone"] {
            let link = format!("http://{address}/{path}");
            farm.receive_with(path, Some(&link)).await;
        }
        let mails = eventually("two mails", async || {
            let mails = mails_in(&maildir, "new");
            (mails.len() == 2).then_some(mails)
        })
        .await;
        // "picture" in base 64.
        let has_file = |mail: &&String| mail.contains("photo.png") && mail.contains("cGljdHVyZQ==");
        let with_file: Vec<_> = mails.iter().filter(has_file).collect();
        assert_eq!(with_file.len(), 1);
        assert!(!with_file[0].contains("Media"));
        let other = mails.iter().find(|mail| !has_file(mail)).unwrap();
        assert!(other.contains(&format!("{address}/gone")), "{other}");
        farm.stop();
    });
}

#[test]
fn what_may_not_be_forwarded_is_refused_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    run(async {
        let farm = Farm::start(settings(dir.path())).await;
        let mut foreign = request("bob@example.org");
        foreign.number = Sender::Number(peer().number().unwrap());
        let mut long = request("bob@example.org");
        long.body = "a".repeat(8_193).into();
        let asked = |request| farm.handle.forward_to_email(&farm.account, request, None);
        assert!(matches!(asked(foreign).await, Err(MailError::Refused(_))));
        let long = asked(long).await;
        assert!(matches!(long, Err(MailError::TextTooLong { bytes: 8_193 })));
        let address = asked(request("bob")).await;
        assert!(matches!(address, Err(MailError::AddressUnfit(_))));
        // The account's limit of 10 a second holds for mails as for messages.
        let mut refused = None;
        for _ in 0..50 {
            refused = refused.or(asked(request("bob@example.org")).await.err());
        }
        assert!(matches!(refused, Some(MailError::RateLimited { .. })));
        farm.stop();
    });
}

#[test]
fn a_busy_server_is_asked_again_and_a_mail_that_it_refuses_is_shown_as_given_up() {
    let dir = tempfile::tempdir().unwrap();
    run(async {
        let server = Server::start(Mood::Busy).await;
        let mut settings = settings(dir.path());
        server.serves(&mut settings);
        let farm = Farm::start(settings.clone()).await;
        let busy = forward(&farm, "ann@example.org").await;
        let tried = async |farm: &Farm| {
            let (rows, total) = farm.handle.waiting_mails(10).await.unwrap();
            let row = rows.into_iter().find(|row| row.waiting.tries > 0);
            row.filter(|_| total == 1)
        };
        let first = eventually("a try", async || tried(&farm).await).await;
        assert_eq!(first.waiting.mail.id, busy);
        assert!(first.waiting.why.as_deref().unwrap().contains("come again"));
        assert!(first.due >= first.waiting.queued_at.plus_ms(60_000));
        farm.stop();

        server.becomes(Mood::Refuses);
        let farm = Farm::start(settings).await;
        let again = tried(&farm).await.unwrap();
        assert_eq!((again.due, again.waiting), (first.due, first.waiting));
        let refused = forward(&farm, "ann@example.org").await;
        let given_up = eventually("a mail is given up", async || {
            let (mails, total) = farm.handle.given_up_mails(10).await.unwrap();
            (total == 1).then_some(mails)
        })
        .await;
        assert_eq!(given_up[0].waiting.mail.id, refused);
        let why = given_up[0].waiting.why.as_deref().unwrap();
        assert!(why.contains("no such mailbox"), "{why}");
        assert_eq!(farm.waiting().await, 1);
        farm.stop();
        server.stop();
    });
}

#[test]
fn a_try_that_a_stop_cuts_off_is_made_again_as_the_same_mail() {
    let dir = tempfile::tempdir().unwrap();
    run(async {
        let server = Server::start(Mood::Hangs).await;
        let mut settings = settings(dir.path());
        server.serves(&mut settings);
        let farm = Farm::start(settings.clone()).await;
        let ids = [
            forward(&farm, "ann@example.org").await,
            forward(&farm, "ann@example.org").await,
        ];
        eventually("both are shown", async || {
            (server.shown().len() == 2).then_some(())
        })
        .await;
        farm.stop();
        let before = server.shown();

        server.becomes(Mood::Takes);
        let farm = Farm::start(settings).await;
        eventually("nothing waits", async || {
            (farm.waiting().await == 0).then_some(())
        })
        .await;
        let sorted = |mut mails: Vec<String>| {
            mails.sort();
            mails
        };
        let after = server.shown().split_off(2);
        assert_eq!(sorted(after.clone()), sorted(before));
        for id in ids {
            let names =
                |mail: &&String| field(mail, "Message-ID").unwrap().contains(&id.to_string());
            assert_eq!(after.iter().filter(names).count(), 1);
        }
        farm.stop();
        server.stop();
    });
}
