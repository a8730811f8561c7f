//! A small HTTP server that behaves like the daemon's messages resource, with faults on demand.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use didfarm_loadtest::{
    BodyText, Expectation, Fate, Pace, Peers, ReconcilePlan, SendPlan, Sender, Target,
    peers::parse_e164,
};
use serde_json::{Value, json};

pub const KEY: &str = "test-key";
pub const FROM: &str = "+31201234567";
pub const PEER_BASE: u64 = 31_610_000_000;

/// A request as the server sees it.
pub struct Request {
    pub method: String,
    pub path: String,
    pub authorization: String,
    /// Every header, its name in lower case.
    pub headers: Vec<(String, String)>,
    pub content: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// What the server answers.
pub struct Reply {
    pub status: u16,
    pub headers: String,
    pub content: String,
    pub close: bool,
}

impl Reply {
    pub fn json(status: u16, value: &Value) -> Self {
        Self {
            status,
            headers: String::new(),
            content: value.to_string(),
            close: false,
        }
    }

    pub fn with_header(mut self, line: &str) -> Self {
        self.headers.push_str(line);
        self.headers.push_str("\r\n");
        self
    }

    /// Closes the connection without saying so beforehand.
    pub fn then_close(mut self) -> Self {
        self.close = true;
        self
    }
}

/// Serves `answer` on a free port until the process ends; `None` closes without an answer.
pub fn serve(answer: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static) -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = Target::from(listener.local_addr().unwrap());
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let answer = Arc::clone(&answer);
            std::thread::spawn(move || serve_connection(stream.unwrap(), &*answer));
        }
    });
    target
}

fn serve_connection(mut stream: TcpStream, answer: &dyn Fn(&Request) -> Option<Reply>) {
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some(request) = read_request(&mut reader) {
        let Some(reply) = answer(&request) else {
            return;
        };
        let Reply {
            status,
            headers,
            content,
            close,
        } = reply;
        let length = if headers.contains("chunked") {
            String::new()
        } else {
            format!("content-length: {}\r\n", content.len())
        };
        let bytes = format!("HTTP/1.1 {status} Words\r\n{length}{headers}\r\n{content}");
        if stream.write_all(bytes.as_bytes()).is_err() || close {
            return;
        }
    }
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut words = line.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let (mut length, mut authorization) = (0, String::new());
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader
            .read_line(&mut header)
            .ok()
            .filter(|read| *read > 0)?;
        if let Some((name, value)) = header.trim_end().split_once(": ") {
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        match header.trim_end().split_once(": ") {
            Some(("Content-Length", value)) => length = value.parse().unwrap(),
            Some(("Authorization", value)) => authorization = value.to_owned(),
            Some(_) => {}
            None => break,
        }
    }
    let mut content = vec![0; length];
    reader.read_exact(&mut content).ok()?;
    Some(Request {
        method,
        path,
        authorization,
        headers,
        content,
    })
}

/// A message as the stand-in keeps it.
#[derive(Clone, Debug)]
pub struct Message {
    pub to: String,
    pub body: String,
    pub status: String,
}

/// The stand-in's messages; tests injure them between sending and reading back.
#[derive(Clone, Default)]
pub struct Messages(Arc<Mutex<HashMap<String, Message>>>);

impl Messages {
    pub fn lock(&self) -> MutexGuard<'_, HashMap<String, Message>> {
        self.0.lock().unwrap()
    }

    /// Takes a POST in, at rest at once, and answers like the daemon.
    pub fn accept(&self, request: &Request) -> Reply {
        assert_eq!(request.authorization, format!("Bearer {KEY}"));
        assert_eq!(
            (request.method.as_str(), request.path.as_str()),
            ("POST", "/api/v1/sms/messages")
        );
        let sent: Value = serde_json::from_slice(&request.content).unwrap();
        assert_eq!(sent["from"], FROM);
        let text = |name: &str| sent[name].as_str().unwrap().to_owned();
        let (to, body) = (text("to"), text("body"));
        let status = Fate::of(parse_e164(&to).unwrap())
            .resting_status()
            .to_owned();
        let mut messages = self.lock();
        let id = format!("msg_{:06}", messages.len());
        messages.insert(id.clone(), Message { to, body, status });
        Reply::json(201, &json!({"data": {"id": id, "status": "queued"}}))
    }

    /// Answers a GET like the daemon.
    pub fn read(&self, request: &Request) -> Reply {
        assert_eq!(request.authorization, format!("Bearer {KEY}"));
        let id = request.path.rsplit('/').next().unwrap();
        match self.lock().get(id) {
            Some(Message { to, body, status }) => Reply::json(
                200,
                &json!({"data": {"id": id, "to": to, "body": body, "status": status, "segments": 1}}),
            ),
            None => Reply::json(404, &json!({"error": {"code": "not_found"}})),
        }
    }

    /// Serves both.
    pub fn serve(&self) -> Target {
        let messages = self.clone();
        serve(move |request| {
            Some(if request.method == "POST" {
                messages.accept(request)
            } else {
                messages.read(request)
            })
        })
    }
}

pub fn sender() -> Sender {
    Sender {
        key: KEY.into(),
        from: FROM.into(),
    }
}

/// A plan of one thread that keeps what is accepted.
pub fn plan(target: Target, pace: Pace, duration_ms: u64, connections: usize) -> SendPlan {
    SendPlan {
        target,
        sender: sender(),
        peers: Peers::plain(PEER_BASE, 50).unwrap(),
        body: BodyText::new("hello {n}"),
        pace,
        duration: Duration::from_millis(duration_ms),
        connections,
        threads: 1,
        timeout: Duration::from_secs(10),
        keep_accepted: true,
        acked_out: None,
        progress: false,
    }
}

/// Reads back everything that `plan` has sent.
pub fn reconcile_plan(plan: &SendPlan) -> ReconcilePlan {
    ReconcilePlan {
        target: plan.target.clone(),
        key: KEY.into(),
        peers: plan.peers,
        body: plan.body.clone(),
        sample_max: None,
        expectation: Expectation::AtRest,
        drain_timeout: Duration::from_secs(20),
        connections: 4,
        threads: 1,
        timeout: Duration::from_secs(10),
    }
}
