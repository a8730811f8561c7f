//! Auto-reply: a number answers by itself, once per peer and window, never a machine, never twice by a crash.

use didfarm_loadtest::carriers::Faults;
use didfarm_tests::customer::{Customer, NUMBER, NUMBER_2, text};
use didfarm_tests::daemon::Daemon;
use didfarm_tests::options::Options;
use didfarm_tests::peers::peer;
use didfarm_tests::program::Program;
use didfarm_tests::wait::eventually;
use didfarm_tests::webhooks::BOUND;
use didfarm_tests::world::World;
use hyper::Method;
use serde_json::{Value, json};

const PEER: &str = "+31612345678";
/// The texts of the product's own examples.
const THANKS: &str = "Thank you for contacting us! A support agent will reply shortly. For urgent matters, call +31 20 123 4567.";
const CLOSED: &str = "Thanks for your message. Our support team is available Mon–Fri 09:00–18:00 CET. We will reply on the next business day.";

fn program() -> Program {
    Program::at(env!("CARGO_BIN_EXE_didfarm-under-test"))
}

async fn start(rules: &Value) -> (Daemon, Customer) {
    let daemon = Daemon::start(&program(), Options::new()).await;
    let customer = daemon.customer();
    let set = customer
        .set_number(NUMBER, &json!({ "auto_reply": rules }))
        .await;
    assert!(set["auto_reply"].is_object(), "{set}");
    (daemon, customer)
}

/// Bodies of the messages that were sent to a peer, oldest first.
async fn replies(customer: &Customer, peer: &str) -> Vec<String> {
    let sent = customer
        .all("/api/v1/portal/sms?limit=100&direction=outbound")
        .await;
    let mut to_peer: Vec<_> = sent.iter().filter(|row| row["to"] == peer).collect();
    to_peer.sort_by_key(|row| row["id"].as_u64());
    to_peer.iter().map(|row| text(row, "body")).collect()
}

async fn outcomes(daemon: &Daemon, outcome: &str) -> f64 {
    let series = format!("didfarm_auto_replies_total{{outcome=\"{outcome}\"}}");
    daemon.operator().scrape().await.get(&series)
}

#[tokio::test]
async fn a_peer_is_answered_once_per_window_and_by_keyword_besides() {
    let rules = json!({
        "immediate": THANKS,
        "keywords": [{ "words": ["price", "prices"], "text": "See example.com/prices." }],
    });
    let (daemon, customer) = start(&rules).await;
    for (from, body) in [
        (PEER, "hello?"),
        (PEER, "anybody there?"),
        (PEER, "  Price! "),
        (PEER, "price"),
        ("+31612345679", "prices"),
    ] {
        customer.wrote(from, NUMBER, body).await;
    }
    // Each answer stands in the same entry as what it answers: it is there with the 200.
    assert_eq!(
        replies(&customer, PEER).await,
        [THANKS, "See example.com/prices."]
    );
    assert_eq!(
        replies(&customer, "+31612345679").await,
        ["See example.com/prices."]
    );
    // The number without rules answers nobody.
    customer.wrote(PEER, NUMBER_2, "hello?").await;
    let sent = customer.all("/api/v1/portal/sms?direction=outbound").await;
    assert_eq!(sent.len(), 3);
    for row in sent {
        assert_eq!(row["from"], NUMBER);
        let id = customer.conversations().await;
        assert!(id.iter().any(|one| one["peer"] == row["to"]));
    }
    // They are messages like any other: delivered, and paid for.
    let segments: i64 = customer
        .all("/api/v1/portal/sms?direction=outbound")
        .await
        .iter()
        .map(|row| row["segments"].as_i64().unwrap())
        .sum();
    let spent = 100_000_000 - daemon.operator().demo_balance_micros().await;
    assert_eq!(spent, segments * 8_000);
    eventually("they are delivered", BOUND, async || {
        let rows = customer.all("/api/v1/portal/sms?direction=outbound").await;
        rows.iter()
            .all(|row| row["status"] == "delivered")
            .then_some(())
    })
    .await;
    assert_eq!(
        (
            outcomes(&daemon, "sent").await,
            outcomes(&daemon, "answered").await
        ),
        (3.0, 2.0)
    );
    // Without rules again it is silent.
    customer
        .set_number(NUMBER, &json!({ "auto_reply": null }))
        .await;
    customer.wrote("+31612345680", NUMBER, "hello?").await;
    assert_eq!(
        replies(&customer, "+31612345680").await,
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn after_hours_the_other_text_goes_on_the_channel_that_was_used() {
    let closed = json!({ "zone": "Europe/Amsterdam", "weekly": {} });
    let rules = json!({
        "immediate": THANKS,
        "after_hours": { "text": CLOSED, "hours": closed },
    });
    let (_daemon, customer) = start(&rules).await;
    customer.wrote(PEER, NUMBER, "hello?").await;
    assert_eq!(replies(&customer, PEER).await, [CLOSED]);
    let by_whatsapp =
        json!({ "from": "+31612345679", "to": NUMBER, "body": "hello?", "channel": "whatsapp" });
    customer.inbound(&by_whatsapp).await.expect(200);
    let sent = customer
        .all("/api/v1/portal/sms?direction=outbound&channel=whatsapp")
        .await;
    assert_eq!(sent.len(), 1);
    assert_eq!(
        (&sent[0]["to"], &sent[0]["body"]),
        (&json!("+31612345679"), &json!(CLOSED))
    );
    // Open all week, the immediate one goes.
    let all_day = json!(["00:00-24:00"]);
    let open = json!({
        "mon": all_day, "tue": all_day, "wed": all_day, "thu": all_day, "fri": all_day,
        "sat": all_day, "sun": all_day,
    });
    let hours = json!({ "zone": "Asia/Kathmandu", "weekly": open });
    let rules = json!({ "immediate": THANKS, "after_hours": { "text": CLOSED, "hours": hours } });
    customer
        .set_number(NUMBER, &json!({ "auto_reply": rules }))
        .await;
    customer.wrote("+31612345681", NUMBER, "hello?").await;
    assert_eq!(replies(&customer, "+31612345681").await, [THANKS]);
}

#[tokio::test]
async fn machines_are_not_answered() {
    let world = World::new(Faults::default());
    let routes = "[[routes]]\ntargets = [{ carrier = \"simulator\" }, { carrier = \"tx\" }, { carrier = \"tw\" }, { carrier = \"wa\" }, { carrier = \"sm\" }]\n";
    let daemon = world.daemon(&program(), Options::new(), routes).await;
    let customer = daemon.customer();
    customer
        .set_number(NUMBER, &json!({ "auto_reply": { "immediate": THANKS } }))
        .await;
    // An alphanumeric sender, a short code, one of our own texts, and a receipt in the form of a message.
    world
        .inbound("twilio", "MyBank", NUMBER, "Your code is 123456", 1)
        .await;
    world.settled().await;
    let receipt = "id:0123456789 sub:001 dlvrd:001 submit date:2604031015 done date:2604031016 stat:DELIVRD err:000 text:Hi";
    for (from, body) in [
        ("+12345", "You won!"),
        (PEER, THANKS),
        ("+31612345679", receipt),
    ] {
        customer.wrote(from, NUMBER, body).await;
    }
    let stored = customer.all("/api/v1/portal/sms?direction=inbound").await;
    assert_eq!(stored.len(), 4);
    assert!(
        stored.iter().any(|row| row["from"] == "MyBank"),
        "{stored:?}"
    );
    assert_eq!(
        customer.all("/api/v1/portal/sms?direction=outbound").await,
        Vec::<Value>::new()
    );
    for (outcome, count) in [
        ("nobody_reads", 2.0),
        ("echo", 1.0),
        ("automatic", 1.0),
        ("sent", 0.0),
    ] {
        assert_eq!(outcomes(&daemon, outcome).await, count, "{outcome}");
    }
}

#[tokio::test]
async fn without_money_the_message_is_stored_and_not_answered() {
    const HOSTED: &str = "+31203333333";
    let daemon = Daemon::start(&program(), Options::new()).await;
    let made = daemon.operator().make_account("Acme", HOSTED, None).await;
    let acme = daemon.customer().with_key(&made.key);
    acme.set_number(HOSTED, &json!({ "auto_reply": { "immediate": THANKS } }))
        .await;
    let told = acme.wrote(PEER, HOSTED, "hello?").await;
    assert_eq!(acme.message(&text(&told, "id")).await["body"], "hello?");
    assert_eq!(replies(&acme, PEER).await, Vec::<String>::new());
    assert_eq!(outcomes(&daemon, "refused").await, 1.0);
    // Nothing was answered, so the window has not begun.
    let path = format!("/ops/accounts/{}/top-up", made.account);
    daemon
        .operator()
        .post(&path, &json!({ "amount": "1" }))
        .await
        .expect(200);
    acme.wrote(PEER, HOSTED, "hello??").await;
    assert_eq!(replies(&acme, PEER).await, [THANKS]);
}

#[tokio::test]
async fn kill_9_behind_the_200_leaves_exactly_one_answer() {
    const PEERS: u32 = 20;
    let (mut daemon, customer) = start(&json!({ "immediate": THANKS })).await;
    let wrote = |n: u32| {
        let id = format!("c-{n}");
        json!({ "from": peer(n), "to": NUMBER, "body": "hello?", "id": id })
    };
    for n in 0..PEERS {
        customer.inbound(&wrote(n)).await.expect(200);
    }
    daemon.kill9();
    daemon.restart().await;
    let customer = daemon.customer();
    for n in 0..PEERS {
        // The carrier brings it again, and the peer writes again: the window is known behind the restart.
        assert_eq!(
            customer.inbound(&wrote(n)).await.expect(200)["duplicate"],
            true
        );
        customer.wrote(&peer(n), NUMBER, "still there?").await;
        assert_eq!(replies(&customer, &peer(n)).await, [THANKS], "{}", peer(n));
    }
    assert!(daemon.terminate().await.success());
    daemon.verify(None);
}

#[tokio::test]
async fn rules_that_cannot_be_are_refused_by_their_field() {
    let (_daemon, customer) = start(&json!({ "immediate": THANKS })).await;
    let path = customer.number_path(NUMBER).await;
    let hours = |zone: &str, monday: &str| json!({ "after_hours": { "text": CLOSED, "hours": { "zone": zone, "weekly": { "mon": [monday] } } } });
    for (rules, field) in [
        (json!({ "immediate": " " }), "auto_reply.immediate"),
        (
            json!({ "immediate": "x".repeat(1_601) }),
            "auto_reply.immediate",
        ),
        (
            json!({ "once_per_seconds": 59 }),
            "auto_reply.once_per_seconds",
        ),
        (
            json!({ "keywords": [{ "words": [], "text": "x" }] }),
            "auto_reply.keywords[0].words",
        ),
        (
            hours("Mars/Olympus", "09:00-18:00"),
            "auto_reply.after_hours.hours.zone",
        ),
        (
            hours("Europe/Amsterdam", "18:00-09:00"),
            "auto_reply.after_hours.hours.weekly.mon[0]",
        ),
    ] {
        let change = json!({ "auto_reply": rules });
        let answer = customer.ask(Method::PATCH, &path, Some(&change)).await;
        let problem = answer.refused(422, "auto_reply_invalid");
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
    }
    // The rules before them still hold.
    customer.wrote(PEER, NUMBER, "hello?").await;
    assert_eq!(replies(&customer, PEER).await, [THANKS]);
}
