//! A sink that keeps what it was given, a scripted server on loopback, and a protocol to talk to it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use didfarm_carriers::callback::CallbackDoor;
use didfarm_carriers::http::{
    HttpAnswer, HttpCarrier, HttpProtocol, HttpRequest, HttpSettings, SINK_GROUP_MAX,
    verdict_of_status,
};
use didfarm_carriers::{
    Abilities, Carrier, CarrierEvent, CarrierSink, Query, Receipt, Submit, SubmitAnswer,
};
use didfarm_core::channel::Channel;
use didfarm_core::delivery::receipt::Claim;
use didfarm_core::e164::E164;
use didfarm_core::ids::{CarrierId, CarrierMessageId, MessageId};
use didfarm_core::reason::Reason;
use didfarm_core::time::Timestamp;
use http_body_util::Full;

/// How long a condition may take to come true.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub const CARRIER: CarrierId = CarrierId(7);

/// Keeps every event.
#[derive(Default)]
pub struct Recorder {
    seen: Mutex<Vec<CarrierEvent>>,
    changed: Condvar,
}

impl CarrierSink for Recorder {
    fn deliver(&self, carrier: CarrierId, group: Vec<CarrierEvent>) {
        assert_eq!(carrier, CARRIER);
        assert!((1..=SINK_GROUP_MAX).contains(&group.len()));
        self.seen.lock().unwrap().extend(group);
        self.changed.notify_all();
    }
}

impl Recorder {
    pub fn seen(&self) -> Vec<CarrierEvent> {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until so many events came.
    pub fn wait_for(&self, count: usize) -> Vec<CarrierEvent> {
        let seen = self.seen.lock().unwrap();
        let (seen, waited) = self
            .changed
            .wait_timeout_while(seen, PATIENCE, |seen| seen.len() < count)
            .unwrap();
        assert!(!waited.timed_out(), "{} of {count} events came", seen.len());
        seen.clone()
    }

    /// Waits until so many events came, and returns the answer to one message: exactly one.
    pub fn answer_of(&self, count: usize, message: u64) -> SubmitAnswer {
        let seen = self.wait_for(count);
        let answers: Vec<_> = seen
            .into_iter()
            .filter_map(|event| match event {
                CarrierEvent::Answer(id, answer) if id.0 == message => Some(answer),
                _ => None,
            })
            .collect();
        assert_eq!(answers.len(), 1, "message {message}: {answers:?}");
        answers.into_iter().next().unwrap()
    }
}

/// A request as the server saw it.
#[derive(Debug, Clone)]
pub struct Seen {
    pub head: String,
    pub body: String,
}

impl Seen {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (known, value) = line.split_once(": ")?;
            known.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// The first line.
    pub fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }
}

/// Reads one request; nothing when the connection ends before it is whole.
pub fn read_request(stream: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        read_some(stream, &mut bytes)?;
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let mut seen = Seen {
        head,
        body: String::new(),
    };
    let length: usize = seen
        .header("content-length")
        .map_or(0, |length| length.parse().unwrap());
    while bytes.len() < head_end + 4 + length {
        read_some(stream, &mut bytes)?;
    }
    seen.body = String::from_utf8(bytes[head_end + 4..].to_vec()).unwrap();
    Some(seen)
}

fn read_some(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<()> {
    let mut some = [0; 4_096];
    let count = stream.read(&mut some).ok().filter(|count| *count > 0)?;
    bytes.extend_from_slice(&some[..count]);
    Some(())
}

/// Answers with a status, more header lines and a body.
pub fn respond(stream: &mut TcpStream, status: u16, headers: &str, body: &str) {
    let length = body.len();
    let text = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n{headers}\r\n{body}");
    // The client may have gone.
    let _ = stream.write_all(text.as_bytes());
}

/// Answers every request of a connection with what `answer` makes of it.
pub fn answer_all(mut stream: TcpStream, answer: impl Fn(&Seen) -> (u16, String)) {
    while let Some(seen) = read_request(&mut stream) {
        let (status, body) = answer(&seen);
        respond(&mut stream, status, "", &body);
    }
}

/// Serves each connection on a thread of its own, with its number from 0; ends with the process.
pub fn serve(script: impl Fn(usize, TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let script = Arc::new(script);
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let stream = stream.unwrap();
            stream.set_nodelay(true).unwrap();
            let script = Arc::clone(&script);
            thread::spawn(move || script(number, stream));
        }
    });
    address
}

/// A protocol whose requests hold the message's id and whose answers are told by their status alone.
pub struct Plain {
    pub url: String,
}

impl HttpProtocol for Plain {
    fn request(&self, submit: &Submit) -> Result<HttpRequest, Reason> {
        match &*submit.body {
            "refuse" => return Err(Reason::Rejected),
            "panic" => panic!("as the test wants"),
            _ => {}
        }
        let body = Full::new(Bytes::from(submit.message.0.to_string()));
        Ok(http::Request::post(&self.url).body(body).unwrap())
    }

    fn answer(&self, submit: &Submit, answer: &HttpAnswer) -> SubmitAnswer {
        assert!(&*submit.body != "panic late", "as the test wants");
        if answer.status != 200 {
            return verdict_of_status(answer.status);
        }
        let id = String::from_utf8(answer.body.to_vec()).unwrap();
        SubmitAnswer::Accepted(vec![CarrierMessageId(id.into())])
    }

    fn door(&self) -> Option<Arc<dyn CallbackDoor>> {
        None
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            names_messages: true,
            one_id: true,
            queries: true,
        }
    }

    fn question(&self, query: &Query) -> Option<HttpRequest> {
        let url = format!("{}{}", self.url, query.id);
        Some(http::Request::get(url).body(Full::default()).unwrap())
    }

    fn learned(&self, query: &Query, answer: &HttpAnswer) -> Option<Receipt> {
        (answer.status == 200).then(|| Receipt {
            message: Some(query.message),
            id: query.id.clone(),
            claim: Claim::Delivered,
            reason: None,
        })
    }
}

/// Settings for a server, with a short patience where a test waits it out.
pub fn settings(scheme: &str, address: SocketAddr) -> HttpSettings {
    HttpSettings::new(CARRIER, "test", &format!("{scheme}://{address}"))
}

/// Starts the plain protocol.
pub fn start(settings: &HttpSettings, sink: &Arc<Recorder>) -> HttpCarrier {
    let url = format!("{}/", settings.base_url);
    HttpCarrier::start(settings, Arc::new(Plain { url }), Arc::clone(sink) as _).unwrap()
}

/// Submits one message to a server and returns the one answer.
pub fn submit_one(settings: &HttpSettings) -> SubmitAnswer {
    let sink = Arc::new(Recorder::default());
    let carrier = start(settings, &sink);
    carrier.submit(vec![sms(1)]);
    sink.answer_of(1, 1)
}

/// An SMS.
pub fn sms(id: u64) -> Submit {
    Submit {
        message: MessageId(id),
        from: E164::from_digits(31_970_000_000).unwrap(),
        to: E164::from_digits(31_612_345_678).unwrap().into(),
        channel: Channel::Sms,
        body: "hello".into(),
        segments: 1,
        content: None,
        valid_until: Timestamp(i64::MAX),
        submit: 1,
    }
}

/// An acceptance under this id.
pub fn accepted(id: &str) -> SubmitAnswer {
    SubmitAnswer::Accepted(vec![CarrierMessageId(id.into())])
}
