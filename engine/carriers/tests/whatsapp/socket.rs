//! The carrier as it runs: a real socket, and an answer for every message.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use didfarm_carriers::whatsapp::{self, WhatsAppSettings};
use didfarm_carriers::{Carrier, CarrierEvent, CarrierSink, Submit, SubmitAnswer};
use didfarm_core::ids::{CarrierId, CarrierMessageId, Extent};
use didfarm_core::reason::Reason;
use serde_json::{Value, json};

use crate::farm::{OURS_ID, WAMID, settings};
use crate::requests::submit;

/// How long a condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(30);

struct Recorder(Mutex<Sender<CarrierEvent>>);

impl CarrierSink for Recorder {
    fn deliver(&self, carrier: CarrierId, group: Vec<CarrierEvent>) {
        assert_eq!(carrier, CarrierId(7));
        let events = self.0.lock().unwrap();
        for event in group {
            events.send(event).unwrap();
        }
    }
}

/// A server that answers one request a connection with what `respond` makes of its body; `None` hangs up.
fn serve(
    respond: impl Fn(&Value) -> Option<(&'static str, Value)> + Send + 'static,
) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (heads, seen) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
            let length = head.lines().find_map(|line| {
                line.to_ascii_lowercase()
                    .strip_prefix("content-length: ")?
                    .parse()
                    .ok()
            });
            let mut body = vec![0; length.unwrap_or(0)];
            reader.read_exact(&mut body).unwrap();
            if heads.send(head).is_err() {
                return;
            }
            if let Some((status, answer)) = respond(&serde_json::from_slice(&body).unwrap()) {
                let answer = answer.to_string();
                let length = answer.len();
                let head = format!(
                    "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
                );
                reader
                    .get_mut()
                    .write_all(format!("{head}{answer}").as_bytes())
                    .unwrap();
            }
        }
    });
    (address, seen)
}

fn settings_for(address: &str) -> WhatsAppSettings {
    let mut settings = settings();
    settings.http.base_url = address.into();
    settings
}

#[test]
fn every_message_gets_the_answer_that_meta_gave_it() {
    let (address, heads) = serve(|sent| {
        let refusal = |code: u32| json!({ "error": { "code": code, "message": "m" } });
        match sent["text"]["body"].as_str().unwrap() {
            "take" => Some(("200 OK", json!({ "messages": [{ "id": WAMID }] }))),
            "window" => Some(("400 Bad Request", refusal(131_047))),
            "pace" => Some(("429 Too Many Requests", refusal(130_429))),
            "gateway" => Some(("502 Bad Gateway", json!("<html>"))),
            _ => None,
        }
    });
    let (events, told) = channel();
    let sink = Arc::new(Recorder(Mutex::new(events)));
    let carrier = whatsapp::start(&settings_for(&address), sink).unwrap();
    assert_eq!((carrier.id(), carrier.name()), (CarrierId(7), "meta"));
    let abilities = carrier.abilities();
    assert!(abilities.names_messages && abilities.one_id && !abilities.queries);
    assert!(carrier.door().is_some());

    let expected = [
        (
            "take",
            SubmitAnswer::Accepted(vec![CarrierMessageId(WAMID.into())]),
        ),
        ("window", SubmitAnswer::Refused(Reason::WindowClosed)),
        ("pace", SubmitAnswer::NotTaken(Reason::Throttled)),
        ("gateway", SubmitAnswer::NoAnswer),
        ("hang up", SubmitAnswer::NoAnswer),
    ];
    for (at, (body, answer)) in expected.into_iter().enumerate() {
        let message = Extent(9).message(u16::try_from(at + 1).unwrap());
        carrier.submit(vec![Submit {
            message,
            ..submit(body, None)
        }]);
        let event = told.recv_timeout(PATIENCE).unwrap();
        assert_eq!(event, CarrierEvent::Answer(message, answer), "{body}");
        let head = heads.recv_timeout(PATIENCE).unwrap();
        assert!(head.starts_with(&format!("POST /v23.0/{OURS_ID}/messages HTTP/1.1\r\n")));
        assert!(
            head.to_ascii_lowercase()
                .contains("\r\nauthorization: bearer token\r\n")
        );
    }
    drop(carrier);
    assert!(heads.try_recv().is_err(), "a request was sent again");
}

#[test]
fn a_carrier_that_cannot_be_reached_has_not_taken_the_message() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let (events, told) = channel();
    let sink = Arc::new(Recorder(Mutex::new(events)));
    let carrier = whatsapp::start(&settings_for(&address), sink).unwrap();
    carrier.submit(vec![submit("hi", None)]);
    let answer = SubmitAnswer::NotTaken(Reason::CarrierError);
    let expected = CarrierEvent::Answer(submit("hi", None).message, answer);
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), expected);
}
