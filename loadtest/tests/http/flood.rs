//! Floods of synthetic callbacks: what is sent, what is counted, and what is found wrong.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use didfarm_core::ids::MessageId;
use didfarm_loadtest::callbacks::{
    FloodPlan, FloodReport, InboundPlan, KnownError, Shares, StockError, flood, made_up, read_ids,
    stock,
};
use didfarm_loadtest::capture::Kind;
use didfarm_loadtest::form::Form;
use didfarm_loadtest::{Keys, Pace, Target};
use serde_json::{Value, json};

use crate::stand_in::{Reply, Request, serve};
use crate::webhook::is_genuine;

pub fn plan(target: &Target, kind: Kind) -> FloodPlan {
    FloodPlan {
        target: target.clone(),
        public_url: format!("http://{}", target.authority),
        carrier: "c".into(),
        kind,
        keys: Keys::default(),
        pace: Pace::Closed,
        duration: Duration::from_secs(20),
        connections: 4,
        threads: 1,
        timeout: Duration::from_secs(10),
        batch: 1,
        shares: Shares::default(),
        shuffle: Duration::ZERO,
        inbound: InboundPlan {
            to: "+31201234567".into(),
            phone_number_id: "101".into(),
            peer_base: 31_690_000_000,
            peers: 10,
        },
        seed: 1,
        retry_for: Duration::from_secs(20),
        progress: false,
    }
}

/// Statuses by the message that they name, inbound texts, and all that came.
#[derive(Default)]
pub struct Seen {
    pub statuses: HashMap<String, Vec<String>>,
    pub unnamed: u64,
    pub inbound: Vec<String>,
    pub forged: u64,
}

impl Seen {
    /// Takes a genuine request in; a forged one is only counted. Returns whether it was genuine.
    pub fn take(&mut self, request: &Request, base: &str) -> bool {
        if !is_genuine(request, base) {
            self.forged += 1;
            return false;
        }
        let named = request
            .path
            .rsplit_once("/status/")
            .map(|(_, message)| message.to_owned());
        if let Ok(event) = serde_json::from_slice::<Value>(&request.content) {
            match event["data"]["event_type"].as_str() {
                Some("message.received") => {
                    self.inbound.push(text(&event["data"]["payload"]["text"]))
                }
                Some(_) => self.note(named, text(&event["data"]["payload"]["to"][0]["status"])),
                None => self.take_whatsapp(&event),
            }
        } else {
            let form: BTreeMap<_, _> = Form::parse(&request.content)
                .unwrap()
                .0
                .into_iter()
                .collect();
            match form.get("MessageStatus") {
                Some(word) => self.note(named, word.clone()),
                None => self.inbound.push(form["Body"].clone()),
            }
        }
        true
    }

    fn take_whatsapp(&mut self, event: &Value) {
        for change in event["entry"][0]["changes"].as_array().unwrap() {
            for status in change["value"]["statuses"]
                .as_array()
                .unwrap_or(&Vec::new())
            {
                let named = status["biz_opaque_callback_data"]
                    .as_str()
                    .map(str::to_owned);
                self.note(named, text(&status["status"]));
            }
            for message in change["value"]["messages"]
                .as_array()
                .unwrap_or(&Vec::new())
            {
                self.inbound.push(text(&message["text"]["body"]));
            }
        }
    }

    fn note(&mut self, message: Option<String>, word: String) {
        match message {
            Some(message) => self.statuses.entry(message).or_default().push(word),
            None => self.unnamed += 1,
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// A daemon that takes genuine callbacks, but for the ones that `overload` answers.
fn daemon(
    overload: impl Fn(u64) -> Option<Reply> + Send + Sync + 'static,
) -> (Target, Arc<Mutex<Seen>>) {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let (own, calls) = (Arc::clone(&seen), AtomicU64::new(0));
    let target = serve(move |request| {
        let base = format!("http://{}", request.header("host").unwrap());
        if let Some(reply) = overload(calls.fetch_add(1, Ordering::Relaxed)) {
            return Some(reply);
        }
        let genuine = own.lock().unwrap().take(request, &base);
        Some(Reply::json(if genuine { 200 } else { 403 }, &json!({})))
    });
    (target, seen)
}

fn ids_file(count: usize) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    let line = |nth: u64| format!("{} carrier-{nth}\n", MessageId(65_536 + nth));
    let lines: String = (1..=count as u64).map(line).collect();
    std::fs::write(file.path(), lines).unwrap();
    file
}

fn run(plan: &FloodPlan, ids: usize) -> FloodReport {
    let file = ids_file(ids);
    let records = read_ids(plan, file.path()).unwrap();
    flood(plan, stock::make(plan, &records).unwrap())
        .unwrap()
        .report
}

#[test]
fn every_kind_is_signed_named_repeated_and_forged_in_its_own_way() {
    for kind in [Kind::Telnyx, Kind::Twilio, Kind::WhatsApp] {
        let (target, seen) = daemon(|_| None);
        let mut plan = plan(&target, kind);
        plan.shares = Shares {
            duplicates: 0.2,
            unknown: 0.1,
            bad_signature: 0.1,
            inbound: 0.1,
            read: 0.5,
        };
        plan.shuffle = Duration::from_millis(5);
        let report = run(&plan, 7);
        let seen = seen.lock().unwrap();
        assert!(report.is_sound(), "{kind:?}: {report}");
        assert_eq!(report.forbidden, seen.forged);
        let statuses: usize = seen.statuses.values().map(Vec::len).sum();
        assert_eq!(
            report.items,
            statuses as u64 + seen.unnamed + seen.inbound.len() as u64
        );
        assert_eq!(seen.statuses.len(), 7);
        for words in seen.statuses.values() {
            assert!(words.iter().any(|word| word == "sent"), "{words:?}");
            assert!(words.iter().any(|word| word == "delivered"), "{words:?}");
            assert!(words.iter().all(|word| word != "failed"), "{words:?}");
        }
    }
}

#[test]
fn shares_are_about_what_was_asked_for() {
    let (target, seen) = daemon(|_| None);
    let mut plan = plan(&target, Kind::WhatsApp);
    plan.shares = Shares {
        duplicates: 0.2,
        unknown: 0.1,
        bad_signature: 0.1,
        inbound: 0.1,
        read: 0.0,
    };
    let records = made_up(&plan, 1000).unwrap();
    let report = flood(&plan, stock::make(&plan, &records).unwrap())
        .unwrap()
        .report;
    let seen = seen.lock().unwrap();
    let about =
        |share: f64, of: u64| (of as f64 * share * 0.7) as u64..(of as f64 * share * 1.3) as u64;
    assert!(
        about(0.1, report.sent).contains(&report.forbidden),
        "{report}"
    );
    assert!(
        about(0.1, report.sent).contains(&(seen.inbound.len() as u64)),
        "{report}"
    );
    // 2,000 statuses, a ninth of that about nobody, and a fifth of all twice.
    assert!((2_500..2_850).contains(&seen.unnamed), "{}", seen.unnamed);
}

#[test]
fn a_batch_holds_as_many_statuses_as_it_may() {
    let (target, seen) = daemon(|_| None);
    let mut plan = plan(&target, Kind::WhatsApp);
    plan.batch = 100;
    let records = made_up(&plan, 500).unwrap();
    let report = flood(&plan, stock::make(&plan, &records).unwrap())
        .unwrap()
        .report;
    assert_eq!((report.taken, report.items), (10, 1000), "{report}");
    assert_eq!(seen.lock().unwrap().unnamed, 1000);
}

#[test]
fn an_open_loop_keeps_its_schedule_and_ends_with_its_stock() {
    let (target, _) = daemon(|_| None);
    let mut plan = plan(&target, Kind::Twilio);
    plan.pace = Pace::Open {
        rate_per_second: 500.0,
    };
    plan.duration = Duration::from_millis(400);
    let report = run(&plan, 200);
    assert_eq!((report.taken, report.cut), (200, false), "{report}");
    assert!(report.duration_s >= 0.39, "{report}");
    let short = run(&plan, 7);
    assert_eq!((short.taken, short.cut), (14, true), "{short}");
}

#[test]
fn what_is_refused_for_now_is_sent_again_until_it_is_taken() {
    let busy = |call| call % 3 != 2;
    let (target, seen) = daemon(move |call| {
        busy(call).then(|| Reply::json(503, &json!({})).with_header("retry-after: 0"))
    });
    let report = run(&plan(&target, Kind::WhatsApp), 7);
    assert!(report.is_sound(), "{report}");
    assert_eq!(
        (report.overloaded + report.taken, report.retried),
        (14, report.overloaded)
    );
    let statuses: usize = seen.lock().unwrap().statuses.values().map(Vec::len).sum();
    assert_eq!(statuses, 14);
}

#[test]
fn answers_that_must_not_be_are_found() {
    let (target, _) = daemon(|_| Some(Reply::json(200, &json!({}))));
    let mut forged = plan(&target, Kind::WhatsApp);
    forged.shares.bad_signature = 0.5;
    let report = run(&forged, 7);
    assert!(report.wrongly_taken > 0 && !report.is_sound(), "{report}");

    let (target, _) = daemon(|_| Some(Reply::json(503, &json!({}))));
    let mut impatient = plan(&target, Kind::WhatsApp);
    impatient.retry_for = Duration::ZERO;
    let report = run(&impatient, 7);
    assert_eq!(
        (report.without_retry_after, report.untaken, report.taken),
        (14, 14, 0)
    );

    let (target, _) = daemon(|call| (call == 3).then(|| Reply::json(403, &json!({}))));
    let report = run(&plan(&target, Kind::WhatsApp), 7);
    assert_eq!((report.wrongly_refused, report.untaken), (1, 0), "{report}");
    assert!(!report.is_sound());
}

#[test]
fn plans_that_cannot_run_are_refused() {
    let (target, _) = daemon(|_| None);
    let mut plan = plan(&target, Kind::Telnyx);
    assert!(matches!(made_up(&plan, 0), Err(KnownError::Count)));
    let records = made_up(&plan, 1).unwrap();
    plan.batch = 2;
    assert_eq!(stock::make(&plan, &records).unwrap_err(), StockError::Batch);
    plan.batch = 1;
    plan.duration = Duration::from_secs(301);
    assert_eq!(
        stock::make(&plan, &records).unwrap_err(),
        StockError::TelnyxDuration
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "msg_00000000001 a\nmsg_00000000002\n").unwrap();
    assert!(matches!(
        read_ids(&plan, file.path()),
        Err(KnownError::Line { line: 2 })
    ));
}
