//! Batches as fast as they are taken: documents of rows over many connections, or streams of lines.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;

use crate::connection::Connection;
use crate::peers::Peers;
use crate::request::{BodyText, Sender};
use crate::send::PROGRESS_INTERVAL_MS;
use crate::target::Target;
use crate::workers::{Workers, WorkersError};

/// Where batches are sent to.
const BATCHES_PATH: &str = "/api/v1/sms/batches";
/// Bytes that are read of a stream's answer at once.
const READ_BYTES: usize = 64 * 1024;

/// What to send in batches.
#[derive(Debug, Clone)]
pub struct BatchesPlan {
    /// The daemon.
    pub target: Target,
    /// The key and the number to send from.
    pub sender: Sender,
    /// The peers; each gets one message.
    pub peers: Peers,
    /// What to send.
    pub body: BodyText,
    /// Rows of a document, or of one piece of a stream.
    pub rows: u64,
    /// Whether each connection is one stream of lines.
    pub stream: bool,
    /// Requests in flight at most.
    pub connections: usize,
    /// Threads that drive the connections.
    pub threads: usize,
    /// The longest wait for one answer, or for the next piece of one.
    pub timeout: Duration,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct BatchesReport {
    /// Rows to send.
    pub rows: u64,
    /// Rows that were accepted.
    pub accepted: u64,
    /// Documents or streams that were refused or not taken whole, by their status; 0 stands for no answer.
    pub failed: BTreeMap<u16, u64>,
    /// From start to end, in seconds.
    pub duration_s: f64,
    /// Accepted rows per second.
    pub accepted_per_second: f64,
}

impl BatchesReport {
    /// Whether every row was accepted.
    pub fn is_complete(&self) -> bool {
        self.accepted == self.rows
    }
}

impl fmt::Display for BatchesReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "accepted {} of {} rows in {:.2} s, {:.0}/s; failed {:?}",
            self.accepted, self.rows, self.duration_s, self.accepted_per_second, self.failed
        )
    }
}

struct Run {
    plan: BatchesPlan,
    next: AtomicU64,
    accepted: AtomicU64,
    failed: Mutex<BTreeMap<u16, u64>>,
}

/// Sends every row and waits for the end.
///
/// # Errors
/// [`WorkersError`] when no worker can start; every other trouble is in the report.
///
/// # Panics
/// When a worker panics.
pub fn batches(plan: &BatchesPlan) -> Result<BatchesReport, WorkersError> {
    let start = Instant::now();
    let run = Arc::new(Run {
        plan: plan.clone(),
        next: AtomicU64::new(0),
        accepted: AtomicU64::new(0),
        failed: Mutex::default(),
    });
    let workers = {
        let run = Arc::clone(&run);
        Workers::start(plan.threads, plan.connections, move |_| {
            drive(Arc::clone(&run))
        })?
    };
    workers.wait(Duration::from_millis(PROGRESS_INTERVAL_MS), || {
        let accepted = run.accepted.load(Ordering::Relaxed);
        eprintln!(
            "{:>6.1} s  accepted {accepted} of {}",
            start.elapsed().as_secs_f64(),
            plan.peers.count()
        );
    });
    let duration_s = start.elapsed().as_secs_f64();
    let accepted = run.accepted.load(Ordering::Relaxed);
    let failed = run.failed.lock().expect("no holder of this lock panics");
    Ok(BatchesReport {
        rows: plan.peers.count(),
        accepted,
        failed: failed.clone(),
        duration_s,
        accepted_per_second: accepted as f64 / duration_s,
    })
}

impl Run {
    /// The next rows that nobody has taken.
    fn take(&self) -> Option<std::ops::Range<u64>> {
        let (rows, count) = (self.plan.rows, self.plan.peers.count());
        let from = self.next.fetch_add(rows, Ordering::Relaxed);
        (from < count).then(|| from..count.min(from + rows))
    }

    fn fail(&self, status: u16) {
        let failed = self.failed.lock();
        *failed
            .expect("no holder of this lock panics")
            .entry(status)
            .or_default() += 1;
    }

    fn head(&self, media_type: &str, query: &str, length: &str) -> String {
        let BatchesPlan { target, sender, .. } = &self.plan;
        format!(
            "POST {BATCHES_PATH}{query} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: {media_type}\r\n{length}\r\n\r\n",
            target.authority, sender.key
        )
    }

    fn row(&self, to: &mut Vec<u8>, sequence: u64) {
        let BatchesPlan { peers, body, .. } = &self.plan;
        let text = serde_json::Value::from(body.text(sequence));
        write!(
            to,
            "{{\"to\":\"+{}\",\"body\":{text}}}",
            peers.number(sequence)
        )
        .expect("writing to a vector does not fail");
    }
}

async fn drive(run: Arc<Run>) {
    match run.plan.stream {
        true => stream(&run).await,
        false => documents(&run).await,
    }
}

async fn documents(run: &Run) {
    let mut connection = Connection::new(run.plan.target.clone(), run.plan.timeout);
    while let Some(rows) = run.take() {
        let mut content =
            format!("{{\"from\":\"{}\",\"messages\":[", run.plan.sender.from).into_bytes();
        for sequence in rows.clone() {
            if sequence > rows.start {
                content.push(b',');
            }
            run.row(&mut content, sequence);
        }
        content.extend_from_slice(b"]}");
        let length = format!("Content-Length: {}", content.len());
        let mut request = run.head("application/json", "", &length).into_bytes();
        request.append(&mut content);
        match connection.exchange(&request).await {
            Ok(answer) if answer.status == 202 => {
                let accepted = count_after(answer.body, b"\"accepted\":");
                run.accepted.fetch_add(accepted, Ordering::Relaxed);
            }
            Ok(answer) => run.fail(answer.status),
            Err(_) => run.fail(0),
        }
    }
}

/// The number behind the first of such a word.
fn count_after(text: &[u8], word: &[u8]) -> u64 {
    let at = text.windows(word.len()).position(|window| window == word);
    let digits = at.map_or(&[][..], |at| &text[at + word.len()..]);
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |count, digit| count * 10 + u64::from(digit - b'0'))
}

async fn stream(run: &Arc<Run>) {
    let Ok(connection) = TcpStream::connect(run.plan.target.address).await else {
        return run.fail(0);
    };
    let _ = connection.set_nodelay(true);
    let (from, mut to) = connection.into_split();
    let query = format!("?from=%2B{}", run.plan.sender.from.trim_start_matches('+'));
    let head = run.head("application/x-ndjson", &query, "Transfer-Encoding: chunked");
    let reader = tokio::spawn(read_answers(Arc::clone(run), from));
    let mut piece = head.into_bytes();
    let mut lines = Vec::new();
    while let Some(rows) = run.take() {
        lines.clear();
        for sequence in rows {
            run.row(&mut lines, sequence);
            lines.push(b'\n');
        }
        piece.extend_from_slice(format!("{:x}\r\n", lines.len()).as_bytes());
        piece.extend_from_slice(&lines);
        piece.extend_from_slice(b"\r\n");
        if to.write_all(&piece).await.is_err() {
            break;
        }
        piece.clear();
    }
    // The answers tell of it if the connection fell.
    let _ = to.write_all(b"0\r\n\r\n").await;
    let _ = reader.await;
}

/// Reads a stream's answers and counts the rows that were accepted.
async fn read_answers(run: Arc<Run>, mut from: OwnedReadHalf) {
    let mut buffer = vec![0; READ_BYTES];
    let (mut rest, mut ended) = (Vec::new(), false);
    loop {
        let read = tokio::time::timeout(run.plan.timeout, from.read(&mut buffer)).await;
        let Ok(Ok(count @ 1..)) = read else { break };
        rest.extend_from_slice(&buffer[..count]);
        // Whole lines; what is between them belongs to the chunks.
        let upto = rest
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let accepted = rest[..upto].split(|byte| *byte == b'\n');
        let accepted = accepted.filter(|line| is_accepted_row(line)).count();
        run.accepted.fetch_add(accepted as u64, Ordering::Relaxed);
        ended = rest[..upto].ends_with(b"\r\n0\r\n\r\n");
        rest.drain(..upto);
        if ended {
            break;
        }
    }
    if !ended {
        run.fail(0);
    }
}

fn is_accepted_row(line: &[u8]) -> bool {
    line.starts_with(b"{\"index\":") && line.windows(6).any(|window| window == b"\"id\":\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_rows_are_told_from_others() {
        assert!(is_accepted_row(b"{\"index\":7,\"id\":\"msg_1\"}"));
        assert!(!is_accepted_row(b"{\"index\":7,\"error\":{}}"));
        assert!(!is_accepted_row(b"{\"batch\":\"batch_1\",\"accepted\":7}"));
        assert_eq!(
            count_after(b"{\"x\":1,\"accepted\":420,", b"\"accepted\":"),
            420
        );
    }
}
