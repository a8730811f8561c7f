//! Mail: inbound messages are forwarded whole and once, notices go to the owner, and a reply answers the peer.

use std::collections::BTreeSet;
use std::time::Duration;

use didfarm_tests::customer::{Customer, NUMBER, NUMBER_2, text};
use didfarm_tests::daemon::Daemon;
use didfarm_tests::mail::{Mail, MailServer, bring, maildir, reply};
use didfarm_tests::options::Options;
use didfarm_tests::program::Program;
use didfarm_tests::wait::eventually;
use didfarm_tests::webhooks::{Endpoint, LOOPBACK, delivered, payload, sink};
use hyper::Method;
use serde_json::{Value, json};

const PEER: &str = "+31612345678";
const OTHER: &str = "+31687654321";
const OWNER: &str = "owner@example.org";
const BOUND: Duration = Duration::from_secs(30);
/// The settings of replies by mail, on any port.
const REPLIES: &str =
    "[mail.replies]\nlisten = \"127.0.0.1:0\"\ndomain = \"reply.didfarm.example\"\n";

async fn start(config: &str) -> (Daemon, Customer) {
    let program = Program::at(env!("CARGO_BIN_EXE_didfarm-under-test"));
    let daemon = Daemon::start(&program, Options::new().config(config)).await;
    let customer = daemon.customer();
    (daemon, customer)
}

fn through(server: &MailServer) -> String {
    let port = server.port;
    format!("[mail]\nsmtp = {{ host = \"127.0.0.1\", port = {port}, security = \"none\" }}\n")
}

/// Waits until so many mails lie in the daemon's own maildir and none waits to.
async fn mailed(daemon: &Daemon, count: usize) -> Vec<Mail> {
    let (path, operator) = (daemon.data_dir().join("mail"), daemon.operator());
    eventually(
        &format!("{count} mails are in the maildir"),
        BOUND,
        async || {
            let mails = operator.get("/ops/mails").await.expect(200);
            let is_idle = mails["waiting"]["total"] == 0 && mails["given_up"]["total"] == 0;
            Some(maildir(&path)).filter(|mails| is_idle && mails.len() >= count)
        },
    )
    .await
}

fn with_text<'a>(mails: &'a [Mail], text: &str) -> &'a Mail {
    let found = mails.iter().find(|mail| mail.text().contains(text));
    found.unwrap_or_else(|| panic!("no mail has {text}"))
}

/// Bodies of the messages that were sent to a peer.
async fn outbound_to(customer: &Customer, peer: &str) -> Vec<String> {
    let conversations = customer.conversations().await;
    let found = conversations.iter().find(|one| one["peer"] == peer);
    let history = customer
        .history(&text(found.expect("there is a conversation"), "id"))
        .await;
    let outbound = history.iter().filter(|row| row["direction"] == "outbound");
    outbound.map(|row| text(row, "body")).collect()
}

#[tokio::test]
async fn without_a_server_forwarded_messages_lie_whole_and_once_in_the_maildir() {
    const TEXT: &str = "Één bericht & 1 € <b>👋</b>\r\nBcc: thief@example.org";
    let (mut daemon, customer) = start("").await;
    let set = customer
        .set_number(NUMBER, &json!({ "forward_to_email": OWNER }))
        .await;
    assert_eq!(set["forward_to_email"], OWNER);
    customer.wrote(PEER, NUMBER, TEXT).await;
    customer.wrote(OTHER, NUMBER, "somebody else").await;
    // The other number forwards nothing.
    customer.wrote(PEER, NUMBER_2, "to the other number").await;
    let by_whatsapp =
        json!({ "from": PEER, "to": NUMBER, "body": "the second", "channel": "whatsapp" });
    customer.inbound(&by_whatsapp).await.expect(200);
    // Whatever the kill interrupts is done at the next start, and nothing twice.
    daemon.kill9();
    daemon.restart().await;
    let mails = mailed(&daemon, 3).await;
    assert_eq!(mails.len(), 3);

    let (first, second) = (with_text(&mails, "1 €"), with_text(&mails, "the second"));
    let other = with_text(&mails, "somebody else");
    for (mail, subject) in [
        (first, "SMS from +31612345678"),
        (second, "WhatsApp from +31612345678"),
        (other, "SMS from +31687654321"),
    ] {
        assert_eq!(mail.header("Subject"), subject);
        assert_eq!(
            (mail.address("From"), mail.address("To")),
            ("didfarm@localhost".into(), OWNER.into())
        );
        assert_eq!(mail.header("Auto-Submitted"), "auto-generated");
        for absent in ["Bcc", "Reply-To"] {
            assert_eq!(mail.header(absent), "", "{absent}");
        }
        assert!(!mail.header("Date").is_empty() && mail.text().contains(NUMBER));
    }
    // All of it in both parts, and in HTML as text.
    assert!(
        first.text().contains("Bcc: thief@example.org"),
        "{}",
        first.text()
    );
    let html = first.html();
    assert!(
        html.contains("Één bericht &amp; 1 € &lt;b&gt;👋&lt;/b&gt;"),
        "{html}"
    );
    // One conversation is one thread, whatever its channels.
    let ids: BTreeSet<_> = mails.iter().map(|mail| mail.header("Message-ID")).collect();
    assert_eq!(ids.len(), 3);
    assert!(!first.references().is_empty());
    assert_eq!(first.references(), second.references());
    assert!(first.references().is_disjoint(&other.references()));
    assert!(daemon.terminate().await.success());
    daemon.verify(None);
}

#[tokio::test]
async fn a_server_gets_each_mail_once_and_what_it_puts_off_waits_in_sight() {
    let server = MailServer::start().await;
    let (mut daemon, customer) = start(&through(&server)).await;
    customer
        .set_number(NUMBER, &json!({ "forward_to_email": OWNER }))
        .await;
    customer.wrote(PEER, NUMBER, "taken at once").await;
    let mail = eventually("the server has it", BOUND, async || server.mails().pop()).await;
    assert_eq!(mail.recipients, [OWNER]);
    assert!(mail.text().contains("taken at once"));

    server.set_busy(true);
    customer.wrote(PEER, NUMBER, "put off").await;
    let waiting = async |daemon: &Daemon| {
        let operator = daemon.operator();
        eventually("a mail that was put off is shown", BOUND, async || {
            let waiting = operator.get("/ops/mails").await.expect(200)["waiting"].clone();
            let is_tried = waiting["data"][0]["tries"]
                .as_u64()
                .is_some_and(|tries| tries > 0);
            is_tried.then_some(waiting)
        })
        .await
    };
    let shown = waiting(&daemon).await;
    assert_eq!(
        (&shown["total"], &shown["data"][0]["kind"]),
        (&json!(1), &json!("inbound"))
    );
    assert!(text(&shown["data"][0], "why").contains("451"), "{shown}");
    // Operators see the domain: whose mail it is is no business of theirs.
    assert_eq!(shown["data"][0]["domain"], "example.org");
    assert!(!shown.to_string().contains(OWNER), "{shown}");
    assert_eq!(server.refused(), 1);

    // It waits over a restart until it is due; others are not held up by it.
    server.set_busy(false);
    daemon.kill9();
    daemon.restart().await;
    let again = waiting(&daemon).await;
    assert_eq!(again["data"][0]["due_at"], shown["data"][0]["due_at"]);
    daemon.customer().wrote(PEER, NUMBER, "taken again").await;
    let taken = eventually("the server has the next one", BOUND, async || {
        Some(server.mails()).filter(|mails| mails.len() >= 2)
    })
    .await;
    let [first, next] = &taken[..] else {
        panic!("a mail came twice")
    };
    assert!(next.text().contains("taken again"));
    assert_eq!(first.references(), next.references());
    // That the next one is done is durable a moment after the server has it.
    eventually("one mail waits", BOUND, async || {
        let scrape = daemon.operator().scrape().await;
        (scrape.get("didfarm_mails_waiting") == 1.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_message_can_be_forwarded_by_request() {
    let (daemon, customer) = start("").await;
    let message =
        json!({ "from": PEER, "body": "By request", "received_at": "2026-04-05T14:22:08Z" });
    let request = json!({ "number": NUMBER, "email": "desk@example.org", "message": message });
    let path = "/api/v1/sms/forward-to-email";
    let answer = customer.post(path, &request).await.expect(202);
    assert_eq!(answer["success"], true);
    assert!(text(&answer, "id").starts_with("mail_"));
    for (at, value, status, code, field) in [
        ("/email", json!("no address"), 422, "email_invalid", "email"),
        (
            "/email",
            json!("a@b.example\r\nBcc: c@d.example"),
            422,
            "email_invalid",
            "email",
        ),
        ("/email", Value::Null, 400, "validation_failed", "email"),
        (
            "/number",
            json!("+31209999999"),
            404,
            "number_unknown",
            "number",
        ),
        ("/number", json!("x"), 400, "validation_failed", "number"),
        (
            "/message/from",
            json!("+x"),
            400,
            "validation_failed",
            "message.from",
        ),
        (
            "/message/received_at",
            json!("today"),
            400,
            "validation_failed",
            "message.received_at",
        ),
        (
            "/message/body",
            json!("x".repeat(8_193)),
            422,
            "body_too_long",
            "message.body",
        ),
    ] {
        let mut bad = request.clone();
        *bad.pointer_mut(at).unwrap() = value;
        let problem = customer.post(path, &bad).await.refused(status, code);
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
    }
    let mails = mailed(&daemon, 1).await;
    let [mail] = &mails[..] else {
        panic!("what was refused is mailed")
    };
    assert_eq!(
        (mail.address("To"), mail.header("Subject")),
        ("desk@example.org".into(), "SMS from +31612345678".into())
    );
    assert!(mail.text().contains("By request") && mail.text().contains("2026-04-05T14:22:08Z"));
    // It tells of nothing that we stored: there is no conversation.
    assert_eq!(customer.conversations().await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_wallet_that_runs_low_is_told_of_once() {
    let (daemon, customer) = start(LOOPBACK).await;
    let sink = sink();
    let only = json!({ "event_types": ["wallet.low"] });
    let endpoint = Endpoint::create(&customer, &sink.url("/ok"), only).await;
    // The wallet holds 100, a message costs 0.008: the second one crosses the threshold.
    let change = json!({ "email": OWNER, "low_balance": 99.99 });
    let account = customer
        .ask(Method::PATCH, "/api/v1/account", Some(&change))
        .await
        .expect(200);
    assert_eq!(
        (&account["data"]["email"], &account["data"]["low_balance"]),
        (&json!(OWNER), &json!(99.99))
    );
    for _ in 0..4 {
        customer.sent(PEER, "hello").await;
    }
    let came = delivered(&sink, "/ok", 1).await;
    endpoint.idle().await;
    let told = payload(&came[0]);
    assert_eq!(
        (&told["balance"], &told["threshold"], &told["currency"]),
        (&json!("99.984"), &json!("99.99"), &json!("EUR"))
    );
    let mails = mailed(&daemon, 1).await;
    assert_eq!((mails.len(), customer.events("").await.len()), (1, 1));
    assert_eq!(
        (mails[0].address("To"), mails[0].header("Subject")),
        (OWNER.into(), "Your wallet balance is low".into())
    );
    assert!(mails[0].text().contains("€99.984"), "{}", mails[0].text());
}

#[tokio::test]
async fn a_reply_by_mail_answers_the_peer_once() {
    let (mut daemon, customer) = start(REPLIES).await;
    customer
        .set_number(NUMBER, &json!({ "forward_to_email": OWNER }))
        .await;
    customer.wrote(PEER, NUMBER, "May I come by?").await;
    let mails = mailed(&daemon, 1).await;
    let address = mails[0].address("Reply-To");
    assert!(address.starts_with("reply+") && address.ends_with("@reply.didfarm.example"));
    let lmtp = text(daemon.started(), "mail_replies");
    let first = reply(&address, "1", "Yes, at ten.", "");
    let said = bring(&lmtp, &address, &first).await;
    assert!(said.starts_with("250"), "{said}");
    // A 250 is durable. The server that did not see it brings the same mail again.
    daemon.kill9();
    daemon.restart().await;
    let (customer, lmtp) = (daemon.customer(), text(daemon.started(), "mail_replies"));
    assert_eq!(outbound_to(&customer, PEER).await, ["Yes, at ten."]);
    for _ in 0..2 {
        let said = bring(&lmtp, &address, &first).await;
        assert!(said.starts_with("250"), "{said}");
    }

    // What a machine wrote is answered to nobody, and a wrong token is refused.
    for more in ["Auto-Submitted: auto-replied\r\n", "Precedence: bulk\r\n"] {
        bring(&lmtp, &address, &reply(&address, "2", "I am away", more)).await;
    }
    let (local, domain) = address.split_once('@').unwrap();
    let last = if local.ends_with('0') { "1" } else { "0" };
    let forged = format!("{}{last}@{domain}", &local[..local.len() - 1]);
    for wrong in [
        &*forged,
        &format!("reply@{domain}"),
        &format!("{local}@example.net"),
    ] {
        let said = bring(&lmtp, wrong, &reply(wrong, "3", "Let me in", "")).await;
        assert!(said.starts_with('5'), "{wrong}: {said}");
    }
    // Mail systems change the case of addresses. A further reply of a person goes, so all before it is done.
    let loud = address.to_uppercase();
    let said = bring(&lmtp, &loud, &reply(&loud, "4", ".dots stay", "")).await;
    assert!(said.starts_with("250"), "{said}");
    let mut outbound = outbound_to(&customer, PEER).await;
    outbound.sort();
    assert_eq!(outbound, [".dots stay", "Yes, at ten."]);
    let sent = customer.all("/api/v1/portal/sms?direction=outbound").await;
    assert!(
        sent.iter()
            .all(|row| row["from"] == NUMBER && row["to"] == PEER)
    );
    assert!(daemon.terminate().await.success());
    daemon.verify(None);
}
