//! Bounds, faults, slow sinks and the end of a carrier by HTTP.

use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Condvar, Mutex};
use std::time::{Duration, Instant};

use didfarm_carriers::http::{HttpCarrier, HttpStartError};
use didfarm_carriers::{Carrier, CarrierEvent, CarrierSink, Query, Receipt, Submit, SubmitAnswer};
use didfarm_core::delivery::receipt::Claim;
use didfarm_core::e164::E164;
use didfarm_core::ids::{CarrierId, CarrierMessageId, MessageId};
use didfarm_core::reason::Reason;

use crate::kit::{
    PATIENCE, Plain, Recorder, accepted, answer_all, read_request, respond, serve, settings, sms,
    start,
};

fn with_body(id: u64, body: &str) -> Submit {
    Submit {
        body: body.into(),
        ..sms(id)
    }
}

#[test]
fn as_many_requests_are_under_way_as_the_settings_say() {
    const MAX: usize = 3;
    let (now, most) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let together = Barrier::new(MAX);
    let seen_most = Arc::clone(&most);
    let address = serve(move |_, stream| {
        answer_all(stream, |seen| {
            seen_most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            together.wait();
            now.fetch_sub(1, Ordering::SeqCst);
            (200, seen.body.clone())
        });
    });
    let sink = Arc::new(Recorder::default());
    let mut settings = settings("http", address);
    settings.in_flight_max = MAX;
    let carrier = start(&settings, &sink);
    carrier.submit((1..=12).map(sms).collect());
    for id in 1..=12 {
        assert_eq!(sink.answer_of(12, id), accepted(&id.to_string()));
    }
    assert_eq!(most.load(Ordering::SeqCst), MAX);
}

#[test]
fn what_waits_too_long_for_its_turn_is_not_taken() {
    let arrived = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&arrived);
    let address = serve(move |_, mut stream| {
        read_request(&mut stream);
        count.fetch_add(1, Ordering::SeqCst);
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let sink = Arc::new(Recorder::default());
    let mut settings = settings("http", address);
    settings.in_flight_max = 1;
    settings.timeout = Duration::from_secs(2);
    let carrier = start(&settings, &sink);
    carrier.submit((1..=3).map(sms).collect());
    assert_eq!(sink.answer_of(3, 1), SubmitAnswer::NoAnswer);
    for id in [2, 3] {
        let answer = sink.answer_of(3, id);
        assert_eq!(answer, SubmitAnswer::NotTaken(Reason::CarrierError));
    }
    assert_eq!(arrived.load(Ordering::SeqCst), 1);
}

#[test]
fn a_carrier_that_said_when_to_come_again_is_left_alone_until_then() {
    let arrived = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&arrived);
    let address = serve(move |_, mut stream| {
        while read_request(&mut stream).is_some() {
            count.fetch_add(1, Ordering::SeqCst);
            respond(&mut stream, 429, "retry-after: 60\r\n", "");
        }
    });
    let sink = Arc::new(Recorder::default());
    let carrier = start(&settings("http", address), &sink);
    for id in 1..=2 {
        carrier.submit(vec![sms(id)]);
        let answer = sink.answer_of(usize::try_from(id).unwrap(), id);
        assert_eq!(answer, SubmitAnswer::NotTaken(Reason::Throttled));
    }
    assert_eq!(arrived.load(Ordering::SeqCst), 1);
}

#[test]
fn a_panic_leaves_its_message_in_doubt_and_the_others_alone() {
    let address = serve(|_, stream| answer_all(stream, |seen| (200, seen.body.clone())));
    let sink = Arc::new(Recorder::default());
    let carrier = start(&settings("http", address), &sink);
    carrier.submit(vec![
        with_body(1, "panic"),
        sms(2),
        with_body(3, "panic late"),
        with_body(4, "refuse"),
    ]);
    assert_eq!(sink.answer_of(4, 1), SubmitAnswer::NoAnswer);
    assert_eq!(sink.answer_of(4, 2), accepted("2"));
    assert_eq!(sink.answer_of(4, 3), SubmitAnswer::NoAnswer);
    assert_eq!(
        sink.answer_of(4, 4),
        SubmitAnswer::Refused(Reason::Rejected)
    );
    carrier.submit(vec![sms(5)]);
    assert_eq!(sink.answer_of(5, 5), accepted("5"));
}

/// Holds its first group until it is let go.
#[derive(Default)]
struct SlowSink {
    inner: Recorder,
    open: Mutex<bool>,
    opened: Condvar,
}

impl CarrierSink for SlowSink {
    fn deliver(&self, carrier: CarrierId, group: Vec<CarrierEvent>) {
        let open = self.open.lock().unwrap();
        let waited = self
            .opened
            .wait_timeout_while(open, PATIENCE, |open| !*open)
            .unwrap();
        assert!(!waited.1.timed_out());
        drop(waited);
        self.inner.deliver(carrier, group);
    }
}

#[test]
fn a_slow_sink_holds_up_no_request() {
    let (served, was_served) = channel();
    let address = serve(move |_, stream| {
        answer_all(stream, |seen| {
            served.send(()).unwrap();
            (200, seen.body.clone())
        });
    });
    let sink = Arc::new(SlowSink::default());
    let settings = settings("http", address);
    let url = format!("{}/", settings.base_url);
    let carrier =
        HttpCarrier::start(&settings, Arc::new(Plain { url }), Arc::clone(&sink) as _).unwrap();
    carrier.submit((1..=300).map(sms).collect());
    for _ in 0..300 {
        was_served.recv_timeout(PATIENCE).unwrap();
    }
    assert!(sink.inner.seen().is_empty());
    *sink.open.lock().unwrap() = true;
    sink.opened.notify_all();
    for id in 1..=300 {
        assert_eq!(sink.inner.answer_of(300, id), accepted(&id.to_string()));
    }
}

/// Panics at its first group.
#[derive(Default)]
struct FaultySink {
    inner: Recorder,
    calls: AtomicUsize,
}

impl CarrierSink for FaultySink {
    fn deliver(&self, carrier: CarrierId, group: Vec<CarrierEvent>) {
        let first = self.calls.fetch_add(1, Ordering::SeqCst) == 0;
        assert!(!first, "as the test wants");
        self.inner.deliver(carrier, group);
    }
}

#[test]
fn a_sink_that_panics_once_is_called_again() {
    let address = serve(|_, stream| answer_all(stream, |seen| (200, seen.body.clone())));
    let sink = Arc::new(FaultySink::default());
    let settings = settings("http", address);
    let url = format!("{}/", settings.base_url);
    let carrier =
        HttpCarrier::start(&settings, Arc::new(Plain { url }), Arc::clone(&sink) as _).unwrap();
    carrier.submit(vec![sms(1)]);
    let started = Instant::now();
    while sink.calls.load(Ordering::SeqCst) == 0 {
        assert!(started.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
    carrier.submit(vec![sms(2)]);
    assert_eq!(sink.inner.answer_of(1, 2), accepted("2"));
}

#[test]
fn dropping_a_carrier_waits_for_no_request_and_no_answer_comes_after() {
    let (arrived, has_arrived) = channel();
    let address = serve(move |_, mut stream| {
        read_request(&mut stream);
        arrived.send(()).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let sink = Arc::new(Recorder::default());
    let carrier = start(&settings("http", address), &sink);
    carrier.submit(vec![sms(1)]);
    has_arrived.recv_timeout(PATIENCE).unwrap();
    let started = Instant::now();
    drop(carrier);
    assert!(started.elapsed() < didfarm_carriers::http::TIMEOUT / 2);
    assert_eq!(Arc::strong_count(&sink), 1, "a thread still holds the sink");
    assert_eq!(sink.seen(), []);
}

#[test]
fn a_query_brings_what_the_carrier_knows_and_nothing_when_it_knows_nothing() {
    let address = serve(|_, stream| {
        answer_all(stream, |seen| match seen.line() {
            "GET /known HTTP/1.1" => (200, String::new()),
            _ => (404, String::new()),
        });
    });
    let sink = Arc::new(Recorder::default());
    let mut settings = settings("http", address);
    settings.in_flight_max = 1;
    let carrier = start(&settings, &sink);
    let query = |message, id: &str| Query {
        message: MessageId(message),
        id: CarrierMessageId(id.into()),
        from: E164::from_digits(31_970_000_000).unwrap(),
    };
    carrier.query(vec![query(1, "unknown"), query(2, "known")]);
    let receipt = Receipt {
        message: Some(MessageId(2)),
        id: CarrierMessageId("known".into()),
        claim: Claim::Delivered,
        reason: None,
    };
    // One request at a time: the first was answered before the second.
    assert_eq!(sink.wait_for(1), [CarrierEvent::Receipt(receipt)]);
}

#[test]
fn settings_that_cannot_work_are_refused_at_the_start() {
    let start = |settings| {
        let plain = Plain { url: String::new() };
        HttpCarrier::start(&settings, Arc::new(plain), Arc::new(Recorder::default()))
    };
    let address = "127.0.0.1:1".parse().unwrap();
    for url in [
        "",
        "ftp://a",
        "https://",
        "not a url",
        "/path",
        "https://a?b",
    ] {
        let mut settings = settings("https", address);
        settings.base_url = url.to_owned();
        assert!(
            matches!(start(settings), Err(HttpStartError::BaseUrl)),
            "{url}"
        );
    }
    let empty = tempfile::NamedTempFile::new().unwrap();
    for path in [empty.path().to_owned(), "/nowhere/ca.pem".into()] {
        let mut settings = settings("https", address);
        settings.ca_file = Some(path);
        assert!(matches!(
            start(settings),
            Err(HttpStartError::Authorities { .. })
        ));
    }
}
