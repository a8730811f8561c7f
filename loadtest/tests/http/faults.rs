//! What goes wrong on purpose.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use didfarm_loadtest::carriers::{Carriers, CarriersPlan, Protocol};
use serde_json::json;

use crate::carriers::{plan, telnyx_message};
use crate::client::{call, send_json, wait_until};
use crate::stand_in::Reply;
use crate::webhook::{Told, Webhook};

fn with(change: impl FnOnce(&mut CarriersPlan)) -> Carriers {
    let mut plan = plan();
    change(&mut plan);
    Carriers::start(&plan).unwrap()
}

#[test]
fn every_receipt_comes_twice() {
    let webhook = Webhook::open();
    let carriers = with(|plan| plan.faults.duplicates = 1.0);
    send_json(carriers.http(), "/v2/messages", &telnyx_message(&webhook)).unwrap();
    let mut ids: Vec<String> = (0..4)
        .map(|_| webhook.next().json["data"]["id"].to_string())
        .collect();
    ids.sort();
    assert!(
        ids[0] == ids[1] && ids[2] == ids[3] && ids[0] != ids[2],
        "{ids:?}"
    );
}

#[test]
fn receipts_come_in_the_wrong_order() {
    let webhook = Webhook::open();
    let carriers = with(|plan| {
        plan.faults.disorder = 1.0;
        plan.faults.receipt_delay_ms = 100;
    });
    send_json(carriers.http(), "/v2/messages", &telnyx_message(&webhook)).unwrap();
    let types: Vec<_> = (0..2)
        .map(|_| webhook.next().json["data"]["event_type"].clone())
        .collect();
    assert_eq!(types, ["message.finalized", "message.sent"]);
}

#[test]
fn an_early_receipt_is_there_before_the_answer() {
    let told = Arc::new(AtomicBool::new(false));
    let webhook = {
        let told = Arc::clone(&told);
        Webhook::answering(move |callback| {
            if callback.json["data"]["event_type"] == "message.finalized" {
                told.store(true, Ordering::SeqCst);
            }
            Reply::json(200, &json!({}))
        })
    };
    let carriers = with(|plan| plan.faults.early = 1.0);
    let answer = send_json(carriers.http(), "/v2/messages", &telnyx_message(&webhook)).unwrap();
    assert!(told.load(Ordering::SeqCst));
    let early = webhook.next().json;
    assert_eq!(early["data"]["payload"]["id"], answer.1["data"]["id"]);
}

#[test]
fn lost_receipts_are_counted_and_throttled_submits_give_no_id() {
    let webhook = Webhook::open();
    let carriers = with(|plan| plan.faults.loss = 1.0);
    send_json(carriers.http(), "/v2/messages", &telnyx_message(&webhook)).unwrap();
    assert_eq!(carriers.snapshot().protocols[&Protocol::Telnyx].lost, 2);
    let change = json!({"throttle": 1.0, "loss": 0.0});
    let (status, snapshot) = send_json(carriers.http(), "/control", &change).unwrap();
    assert_eq!(
        (status, &snapshot["protocols"]["telnyx"]["ids"]),
        (200, &json!(1))
    );
    let throttled = send_json(carriers.http(), "/v2/messages", &telnyx_message(&webhook)).unwrap();
    assert_eq!(
        (throttled.0, &throttled.1["errors"][0]["code"]),
        (429, &json!("40011"))
    );
    let counts = &carriers.snapshot().protocols[&Protocol::Telnyx];
    assert_eq!((counts.submits, counts.ids, counts.throttled), (2, 1, 1));
    assert!(webhook.is_silent());
    let wrong = send_json(carriers.http(), "/control", &json!({"loss": 2.0})).unwrap();
    assert_eq!(wrong.0, 400);
}

#[test]
fn an_unanswered_submit_is_taken_all_the_same() {
    let webhook = Webhook::open();
    let carriers = with(|plan| plan.faults.unanswered = 1.0);
    let body = telnyx_message(&webhook).to_string();
    let mut stream = TcpStream::connect(carriers.http()).unwrap();
    let length = body.len();
    write!(stream, "POST /v2/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer K\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
    let [_, last] = webhook.sent_and_final();
    assert_eq!(last.json["data"]["event_type"], "message.finalized");
    stream
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    assert!(stream.read(&mut [0; 1]).is_err(), "there must be no answer");
}

#[test]
fn a_blackout_answers_nothing_but_the_control_and_ends_by_hanging_up() {
    let webhook = Webhook::open();
    let carriers = with(|plan| plan.faults.blackout = true);
    let http = carriers.http();
    let body = telnyx_message(&webhook);
    let submit = std::thread::spawn(move || send_json(http, "/v2/messages", &body));
    let (status, snapshot) = call(http, "GET", "/control", "", "").unwrap();
    assert_eq!((status, &snapshot["blackout"]), (200, &json!(true)));
    let unanswered = || carriers.snapshot().protocols[&Protocol::Telnyx].unanswered;
    wait_until("the submit is there", || unanswered() == 1);
    assert!(!submit.is_finished());
    send_json(http, "/control", &json!({"blackout": false})).unwrap();
    assert_eq!(submit.join().unwrap(), None);
    assert_eq!(carriers.snapshot().protocols[&Protocol::Telnyx].ids, 0);
    assert_eq!(
        send_json(http, "/v2/messages", &telnyx_message(&webhook))
            .unwrap()
            .0,
        200
    );
}

#[test]
fn fates_are_those_of_the_simulated_carrier() {
    let webhook = Webhook::open();
    let carriers = with(|plan| plan.faults.fates = true);
    let send = |to: &str| {
        let mut message = telnyx_message(&webhook);
        message["to"] = json!(to);
        send_json(carriers.http(), "/v2/messages", &message)
            .unwrap()
            .0
    };
    assert_eq!(send("+31610000001"), 400);
    assert_eq!((send("+31610000006"), send("+31610000006")), (429, 200));
    let [_, last] = webhook.sent_and_final();
    assert_eq!(last.json["data"]["event_type"], "message.finalized");
    assert_eq!(send("+31610000003"), 200);
    assert_eq!(send("+31610000002"), 200);
    let [_, Told { json: failed, .. }] = webhook.sent_and_final();
    assert_eq!(
        failed["data"]["payload"]["to"][0]["status"],
        "delivery_failed"
    );
    assert_eq!(failed["data"]["payload"]["errors"][0]["code"], "40008");
}
