//! A batch as a stream of lines over a raw connection, which can be left open or cut.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::options::DEMO_KEY;

/// The longest that a line may take.
const LINE_BOUND: Duration = Duration::from_secs(30);

/// The sending side of a stream.
pub struct LineSender(OwnedWriteHalf);

/// The answering side.
pub struct LineReader {
    from: BufReader<OwnedReadHalf>,
    /// Bytes of a chunk that were not read yet, as text.
    rest: Vec<u8>,
}

/// Begins to send a batch of the demo account; `query` stands behind the `?`.
pub async fn open(address: &str, query: &str, key: Option<&str>) -> (LineSender, LineReader) {
    let stream = TcpStream::connect(address)
        .await
        .expect("the daemon listens");
    let (from, mut to) = stream.into_split();
    let key = key.map(|key| format!("Idempotency-Key: {key}\r\n"));
    let head = format!(
        "POST /api/v1/sms/batches?{query} HTTP/1.1\r\nHost: didfarm\r\nAuthorization: Bearer {DEMO_KEY}\r\n\
         Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n{}\r\n",
        key.unwrap_or_default()
    );
    to.write_all(head.as_bytes())
        .await
        .expect("the head is taken");
    let from = BufReader::new(from);
    (
        LineSender(to),
        LineReader {
            from,
            rest: Vec::new(),
        },
    )
}

impl LineSender {
    /// Sends text as one chunk; says whether the connection stands.
    pub async fn send(&mut self, text: &str) -> bool {
        let chunk = format!("{:x}\r\n{text}\r\n", text.len());
        self.0.write_all(chunk.as_bytes()).await.is_ok()
    }

    /// Ends the stream.
    pub async fn end(mut self) -> LineSender {
        self.0
            .write_all(b"0\r\n\r\n")
            .await
            .expect("the end is taken");
        self
    }
}

impl LineReader {
    /// Reads the head of the answer; gives its status.
    pub async fn status(&mut self) -> u16 {
        let mut status = None;
        loop {
            let line = self.raw_line().await.expect("the head is whole");
            let line = line.trim_end();
            if line.is_empty() {
                return status.expect("a head begins with its status");
            }
            let first = || line.split(' ').nth(1)?.parse().ok();
            status = status.or_else(first);
        }
    }

    /// The next line of the answer; `None` when the answer or the connection ended.
    pub async fn line(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).expect("a line is JSON"));
            }
            let size = self.raw_line().await?;
            let size = usize::from_str_radix(size.trim_end(), 16).ok()?;
            if size == 0 {
                return None;
            }
            let mut chunk = vec![0; size + 2];
            let read = tokio::io::AsyncReadExt::read_exact(&mut self.from, &mut chunk);
            tokio::time::timeout(LINE_BOUND, read).await.ok()?.ok()?;
            self.rest.extend_from_slice(&chunk[..size]);
        }
    }

    /// Every line until the end.
    pub async fn lines(&mut self) -> Vec<Value> {
        let mut lines = Vec::new();
        while let Some(line) = self.line().await {
            lines.push(line);
        }
        lines
    }

    async fn raw_line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.from.read_line(&mut line);
        let read = tokio::time::timeout(LINE_BOUND, read).await.ok()?.ok()?;
        (read > 0).then_some(line)
    }
}
