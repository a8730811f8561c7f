//! The full circle against a small daemon: submits, receipts, and what the API says in the end.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use didfarm_core::ids::{CarrierMessageId, MessageId};
use didfarm_loadtest::callbacks::{CirclePlan, CircleReport, Shares, circle};
use didfarm_loadtest::capture::Kind;
use didfarm_loadtest::outcome::Outcome;
use didfarm_loadtest::{Peers, Target};
use serde_json::{Value, json};

use crate::client::send_json;
use crate::flood::{Seen, plan as flood_plan};
use crate::stand_in::{PEER_BASE, Reply, Request, sender, serve};

/// What a faulty daemon does wrong.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    LosesAMessage,
    LosesReceipts,
    BelievesForgeries,
    StoresInboundTwice,
    SubmitsTwice,
}

struct Daemon {
    seen: Mutex<Seen>,
    messages: Mutex<HashMap<String, (String, String)>>,
    carrier: SocketAddr,
    fault: Fault,
}

impl Daemon {
    fn answer(&self, request: &Request) -> Reply {
        match (request.method.as_str(), request.path.as_str()) {
            ("POST", "/api/v1/sms/messages") => self.send(request),
            ("POST", _) => self.callback(request),
            (_, path) if path.starts_with("/api/v1/sms/conversations") => self.conversations(path),
            (_, path) => self.read(path.rsplit('/').next().unwrap()),
        }
    }

    fn send(&self, request: &Request) -> Reply {
        let sent: Value = serde_json::from_slice(&request.content).unwrap();
        assert_eq!(sent["channel"], "whatsapp");
        let text = |name: &str| sent[name].as_str().unwrap().to_owned();
        let id = {
            let mut messages = self.messages.lock().unwrap();
            let id = MessageId(65_537 + messages.len() as u64).to_string();
            messages.insert(id.clone(), (text("to"), text("body")));
            id
        };
        let body = json!({
            "messaging_product": "whatsapp", "to": text("to").trim_start_matches('+'), "type": "text",
            "text": {"body": text("body")}, "biz_opaque_callback_data": id,
        });
        let times = 1 + u32::from(self.fault == Fault::SubmitsTwice && id.ends_with('1'));
        for _ in 0..times {
            assert_eq!(
                send_json(self.carrier, "/v23.0/101/messages", &body)
                    .unwrap()
                    .0,
                200
            );
        }
        Reply::json(201, &json!({"data": {"id": id, "status": "queued"}}))
    }

    fn callback(&self, request: &Request) -> Reply {
        let base = format!("http://{}", request.header("host").unwrap());
        let genuine = self.seen.lock().unwrap().take(request, &base);
        let believed = genuine || self.fault == Fault::BelievesForgeries;
        Reply::json(if believed { 200 } else { 403 }, &json!({}))
    }

    fn read(&self, id: &str) -> Reply {
        let messages = self.messages.lock().unwrap();
        let known = messages
            .get(id)
            .filter(|_| self.fault != Fault::LosesAMessage || !id.ends_with('1'));
        let Some((to, body)) = known else {
            return Reply::json(404, &json!({}));
        };
        let seen = self.seen.lock().unwrap();
        let words = seen.statuses.get(id).cloned().unwrap_or_default();
        let lost = self.fault == Fault::LosesReceipts && id.ends_with('1');
        let claims: Vec<_> = words
            .iter()
            .filter(|_| !lost)
            .map(|word| (CarrierMessageId("c".into()), claim(word)))
            .collect();
        let outcome = Outcome::of(id.to_owned(), &claims);
        Reply::json(
            200,
            &json!({"data": {
                "id": id, "to": to, "body": body, "status": outcome.status.as_str(),
                "read_at": outcome.read.then_some("2026-04-05T14:22:08Z"), "status_history": [],
            }}),
        )
    }

    fn conversations(&self, path: &str) -> Reply {
        assert!(path.contains("limit=100"), "{path}");
        let list = path.starts_with("/api/v1/sms/conversations?");
        if list && path.contains("cursor=two") {
            return Reply::json(
                200,
                &json!({"data": [{"id": "conv_2", "peer": "+31690000001"}], "next_cursor": null}),
            );
        }
        if list {
            let strangers = json!([{"id": "conv_1", "peer": "+31610000010"}]);
            return Reply::json(200, &json!({"data": strangers, "next_cursor": "two"}));
        }
        assert!(path.contains("/conv_2/messages"), "{path}");
        // A daemon knows a repeat by the carrier's id; the texts of this flood are as good.
        let mut texts = self.seen.lock().unwrap().inbound.clone();
        texts.sort();
        if self.fault != Fault::StoresInboundTwice {
            texts.dedup();
        }
        let row = |text: &String| json!({"direction": "inbound", "body": text});
        Reply::json(
            200,
            &json!({"data": texts.iter().map(row).collect::<Vec<_>>(), "next_cursor": null}),
        )
    }
}

fn claim(word: &str) -> didfarm_core::delivery::receipt::Claim {
    use didfarm_core::delivery::receipt::Claim;
    match word {
        "sent" => Claim::EnRoute,
        "delivered" => Claim::Delivered,
        "read" => Claim::Read,
        "failed" => Claim::Failed,
        other => panic!("an unknown status: {other}"),
    }
}

fn go_round(fault: Fault) -> CircleReport {
    // The daemon has to know where the carrier will listen.
    let carrier = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let daemon = Arc::new(Daemon {
        seen: Mutex::default(),
        messages: Mutex::default(),
        carrier,
        fault,
    });
    let target: Target = serve(move |request| Some(daemon.answer(request)));
    let mut flood = flood_plan(&target, Kind::WhatsApp);
    flood.shares = Shares {
        duplicates: 0.3,
        unknown: 0.1,
        bad_signature: 0.2,
        inbound: 0.3,
        read: 0.5,
    };
    flood.shuffle = Duration::from_millis(10);
    flood.batch = 3;
    let quick = fault == Fault::LosesReceipts;
    circle(&CirclePlan {
        flood,
        sender: sender(),
        peers: Peers::plain(PEER_BASE, 40).unwrap(),
        listen: carrier,
        early: 0.3,
        drain_timeout: Duration::from_secs(if quick { 2 } else { 20 }),
    })
    .unwrap()
}

#[test]
fn a_sound_daemon_closes_the_circle() {
    let report = go_round(Fault::None);
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.sends.accepted, report.messages.settled), (40, 40));
    assert!(report.flood.forbidden > 0 && report.inbound.unwrap().settled > 0);
}

#[test]
fn every_fault_of_a_daemon_is_found() {
    let lost = go_round(Fault::LosesAMessage);
    assert!(lost.messages.lost > 0 && !lost.is_clean(), "{lost}");
    let late = go_round(Fault::LosesReceipts);
    assert!(late.messages.unfinished > 0 && !late.is_clean(), "{late}");
    let gullible = go_round(Fault::BelievesForgeries);
    assert!(
        gullible.flood.wrongly_taken > 0 && !gullible.is_clean(),
        "{gullible}"
    );
    let doubled = go_round(Fault::StoresInboundTwice);
    assert!(
        doubled.inbound.as_ref().unwrap().doubled > 0 && !doubled.is_clean(),
        "{doubled}"
    );
    let twice = go_round(Fault::SubmitsTwice);
    assert!(twice.doubled_submits > 0 && !twice.is_clean(), "{twice}");
}
