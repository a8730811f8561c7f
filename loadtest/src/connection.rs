//! One keep-alive HTTP/1.1 connection with one request in flight, written for little CPU per request.

use std::pin::Pin;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

use crate::response::{Head, ResponseError, parse_head};
use crate::target::Target;

/// Room that a connection's buffer starts with, in bytes; an ordinary answer fits without growing it.
const BUFFER_BYTES_START: usize = 4 * 1024;
/// How long a plain [`get`] may take, in milliseconds.
const GET_TIMEOUT_MS: u64 = 10_000;

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// No connection could be opened: the request has not left.
    #[error("no connection to the server; check that it runs and listens")]
    Connect(#[source] std::io::Error),
    /// The connection broke with the request under way: the server may have acted on it.
    #[error("the connection broke before the answer; the request is in doubt")]
    Broken(#[source] std::io::Error),
    /// The answer did not come in time: the server may have acted on the request.
    #[error("no answer within {timeout_ms} ms; the request is in doubt")]
    Timeout {
        /// The limit that passed, in milliseconds.
        timeout_ms: u64,
    },
    /// The answer cannot be read.
    #[error("the answer cannot be read")]
    Response(#[from] ResponseError),
}

/// An answer, valid until the next exchange.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The status code.
    pub status: u16,
    /// `Retry-After` in seconds, when given as a number.
    pub retry_after_s: Option<u64>,
    /// The body.
    pub body: &'a [u8],
}

/// A connection that opens itself when needed and again after any failure.
pub struct Connection {
    target: Target,
    timeout: Duration,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
    // One timer for the connection's whole life, moved only when it fires: arming one per request costs more.
    watchdog: Pin<Box<Sleep>>,
}

impl Connection {
    /// Prepares a connection to `target`; every exchange may take `timeout`. Needs a running tokio runtime.
    pub fn new(target: Target, timeout: Duration) -> Self {
        let buffer = Vec::with_capacity(BUFFER_BYTES_START);
        Self {
            target,
            timeout,
            stream: None,
            buffer,
            watchdog: Box::pin(sleep(timeout)),
        }
    }

    /// Sends `request` as it is and reads the answer. Never sends the same request twice.
    ///
    /// # Errors
    /// [`ExchangeError`]; the next exchange starts on a new connection.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<Answer<'_>, ExchangeError> {
        let deadline = Instant::now() + self.timeout;
        let Self {
            target,
            timeout,
            stream,
            buffer,
            watchdog,
        } = self;
        let head = {
            let work = exchange_on(target, stream, buffer, request);
            tokio::pin!(work);
            loop {
                tokio::select! {
                    biased;
                    outcome = &mut work => break outcome,
                    () = watchdog.as_mut() => {
                        if Instant::now() >= deadline {
                            break Err(ExchangeError::Timeout { timeout_ms: timeout.as_millis() as u64 });
                        }
                        watchdog.as_mut().reset(deadline);
                    }
                }
            }
        };
        if !matches!(head, Ok(Head { closes: false, .. })) {
            self.stream = None;
        }
        let Head {
            status,
            retry_after_s,
            head_bytes,
            body_bytes,
            ..
        } = head?;
        let body = &self.buffer[head_bytes..head_bytes + body_bytes];
        Ok(Answer {
            status,
            retry_after_s,
            body,
        })
    }
}

async fn exchange_on(
    target: &Target,
    slot: &mut Option<TcpStream>,
    buffer: &mut Vec<u8>,
    request: &[u8],
) -> Result<Head, ExchangeError> {
    // A server may close an idle connection at any time; noticing it here keeps that out of the failures.
    if slot.as_ref().is_some_and(closed_by_peer) {
        *slot = None;
    }
    if slot.is_none() {
        let stream = TcpStream::connect(target.address)
            .await
            .map_err(ExchangeError::Connect)?;
        stream.set_nodelay(true).map_err(ExchangeError::Connect)?;
        *slot = Some(stream);
    }
    let stream = slot.as_mut().expect("the stream was opened just above");
    stream
        .write_all(request)
        .await
        .map_err(ExchangeError::Broken)?;
    read_answer(stream, buffer).await
}

/// Whether anything but silence waits on an idle connection; costs no system call while nothing does.
fn closed_by_peer(stream: &TcpStream) -> bool {
    match stream.try_read(&mut [0_u8; 1]) {
        Ok(_) => true,
        Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
    }
}

async fn read_answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<Head, ExchangeError> {
    buffer.clear();
    let mut head: Option<Head> = None;
    loop {
        if stream
            .read_buf(buffer)
            .await
            .map_err(ExchangeError::Broken)?
            == 0
        {
            return Err(ExchangeError::Broken(
                std::io::ErrorKind::UnexpectedEof.into(),
            ));
        }
        if head.is_none() {
            head = parse_head(buffer)?;
        }
        let Some(head) = head else { continue };
        let answer_bytes = head.head_bytes + head.body_bytes;
        match buffer.len().cmp(&answer_bytes) {
            std::cmp::Ordering::Less => buffer.reserve(answer_bytes - buffer.len()),
            std::cmp::Ordering::Equal => return Ok(head),
            std::cmp::Ordering::Greater => return Err(ResponseError::Surplus.into()),
        }
    }
}

/// Formats a GET request; `key` is the API key, if the path needs one.
pub fn get_request(target: &Target, path: &str, key: Option<&str>) -> Vec<u8> {
    let authorization = key
        .map(|key| format!("Authorization: Bearer {key}\r\n"))
        .unwrap_or_default();
    format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\n{authorization}\r\n",
        target.authority
    )
    .into_bytes()
}

/// Reads one path on a connection of its own and waits for it: the status and the body.
///
/// # Errors
/// [`ExchangeError`] when there is no readable answer within ten seconds.
pub fn get(
    target: &Target,
    path: &str,
    key: Option<&str>,
) -> Result<(u16, Vec<u8>), ExchangeError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ExchangeError::Connect)?;
    runtime.block_on(async {
        let mut connection = Connection::new(target.clone(), Duration::from_millis(GET_TIMEOUT_MS));
        let answer = connection.exchange(&get_request(target, path, key)).await?;
        Ok((answer.status, answer.body.to_vec()))
    })
}
