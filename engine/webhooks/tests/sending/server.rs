//! A server over plain HTTP/1.1 that does as its script says, and remembers what it was sent.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::interval;

/// The pace of a dripping body.
const DRIP: Duration = Duration::from_millis(10);

/// What the server does with a request.
#[derive(Clone)]
pub enum Answer {
    /// Answers and keeps the connection.
    Reply(String),
    /// Answers and closes the connection, without having said so.
    ReplyAndClose(String),
    /// Sends the head and then one byte of a chunked body after the other.
    Drip(&'static str),
    /// Sends the head and then as much of a chunked body as the client takes.
    Flood(&'static str),
    /// Closes the connection.
    HangUp,
    /// Never answers.
    Silence,
}

/// What a request was.
#[derive(Debug, Clone)]
pub struct Received {
    pub line: String,
    pub headers: http::HeaderMap,
    pub body: Vec<u8>,
}

/// The server; it ends with its runtime.
pub struct Server {
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
    received: Arc<Mutex<Vec<Received>>>,
    cut: tokio::sync::Mutex<mpsc::UnboundedReceiver<()>>,
}

struct Script<F> {
    answer: F,
    received: Arc<Mutex<Vec<Received>>>,
    cut: mpsc::UnboundedSender<()>,
}

impl Server {
    /// Starts a server whose script answers the n-th request, from 0.
    pub async fn start(answer: impl Fn(usize) -> Answer + Send + Sync + 'static) -> Server {
        Server::start_on("127.0.0.1:0".parse().unwrap(), answer).await
    }

    pub async fn start_on(
        address: SocketAddr,
        answer: impl Fn(usize) -> Answer + Send + Sync + 'static,
    ) -> Server {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let received = Arc::new(Mutex::new(Vec::new()));
        let (cuts, cut) = mpsc::unbounded_channel();
        let script = Arc::new(Script {
            answer,
            received: received.clone(),
            cut: cuts,
        });
        let count = connections.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let script = script.clone();
                tokio::spawn(async move { serve(stream, &script).await });
            }
        });
        Server {
            address,
            connections,
            received,
            cut: tokio::sync::Mutex::new(cut),
        }
    }

    /// How many connections were made so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// The requests so far.
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// Waits until a client has closed a connection over which a body was still being sent.
    pub async fn cut(&self) {
        self.cut.lock().await.recv().await.unwrap();
    }
}

/// A response with a body of known length.
pub fn response(status: u16, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n{headers}\r\n{body}")
}

async fn serve<F: Fn(usize) -> Answer>(stream: TcpStream, script: &Script<F>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let received = read(&mut stream).await?;
        let nth = {
            let mut all = script.received.lock().unwrap();
            all.push(received);
            all.len() - 1
        };
        match (script.answer)(nth) {
            Answer::Reply(text) => stream.write_all(text.as_bytes()).await.ok()?,
            Answer::ReplyAndClose(text) => {
                stream.write_all(text.as_bytes()).await.ok()?;
                return None;
            }
            Answer::Drip(head) => {
                let mut pace = interval(DRIP);
                stream.write_all(head.as_bytes()).await.ok()?;
                while stream.write_all(b"1\r\nx\r\n").await.is_ok() {
                    pace.tick().await;
                }
                script.cut.send(()).ok()?;
                return None;
            }
            Answer::Flood(head) => {
                let chunk = [b"4000\r\n", &[b'x'; 0x4000][..], b"\r\n"].concat();
                stream.write_all(head.as_bytes()).await.ok()?;
                while stream.write_all(&chunk).await.is_ok() {}
                script.cut.send(()).ok()?;
                return None;
            }
            Answer::HangUp => return None,
            Answer::Silence => std::future::pending().await,
        }
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Received> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.trim_end().split("\r\n");
    let line = lines.next().unwrap().to_owned();
    let headers: http::HeaderMap = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .map(|pair: (http::HeaderName, http::HeaderValue)| pair)
        .collect();
    // A request for a file has no body.
    let length = headers.get("content-length");
    let length = length.map_or(0, |value| value.to_str().unwrap().parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Received {
        line,
        headers,
        body,
    })
}
