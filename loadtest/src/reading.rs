//! Reads messages back by API until each is settled, and counts what is lost, doubled or misreported.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::connection::{Connection, get_request};
use crate::request::SEND_PATH;
use crate::send::{PROGRESS_INTERVAL_MS, RECONNECT_PAUSE_MS};
use crate::tally::sentence;
use crate::target::Target;
use crate::workers::{Workers, WorkersError};

/// Pause between two readings of messages that are not settled yet, in milliseconds.
const PASS_PAUSE_MS: u64 = 100;
/// The most faults that are told in words.
const FAULTS_TOLD_MAX: usize = 10;

/// Where to read and for how long.
#[derive(Debug, Clone)]
pub struct ReadPlan {
    /// The daemon.
    pub target: Target,
    /// The account's API key.
    pub key: String,
    /// How long a message may take to settle, from now. Every message is read at least once.
    pub drain_timeout: Duration,
    /// Requests in flight at most.
    pub connections: usize,
    /// Threads that drive the connections.
    pub threads: usize,
    /// The longest wait for one answer.
    pub timeout: Duration,
}

/// A message as the API shows it.
#[derive(Debug, Deserialize)]
pub struct ReadMessage {
    /// Its id.
    pub id: String,
    /// Who gets it.
    pub to: String,
    /// The text.
    pub body: String,
    /// Its public status.
    pub status: String,
    /// When it was read; absent when it was not.
    #[serde(default)]
    pub read_at: Option<serde::de::IgnoredAny>,
    /// Every status that it had, oldest first.
    #[serde(default)]
    pub status_history: Vec<ReadStep>,
}

/// One step of a message's status.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct ReadStep {
    /// The status from then on.
    pub status: String,
    /// Why, where there is a why.
    #[serde(default)]
    pub reason: Option<String>,
}

#[derive(Deserialize)]
struct ReadAnswer {
    data: ReadMessage,
}

/// What one reading of a message says.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is as it must be.
    Settled,
    /// It may still become so.
    NotYet(String),
    /// One thing was done to it twice.
    Doubled(String),
    /// It is otherwise, for good.
    Misreported(String),
}

enum Reading {
    Judged(Verdict),
    Unread { why: String, pause: Duration },
    Lost,
}

/// What came of reading back.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Findings {
    /// Messages looked for.
    pub sought: u64,
    /// Messages found as they must be.
    pub settled: u64,
    /// Messages that the daemon does not know.
    pub lost: u64,
    /// Messages to which one thing was done twice.
    pub doubled: u64,
    /// Messages that are otherwise than they must be.
    pub misreported: u64,
    /// Messages that had not come to rest when the time was over.
    pub unfinished: u64,
    /// Messages that could not be read when the time was over.
    pub unread: u64,
    /// Time until the last message was settled, in seconds.
    pub drain_s: f64,
    /// The first faults in words.
    pub faults: Vec<String>,
}

impl Findings {
    /// Whether every message was found as it must be.
    pub fn is_clean(&self) -> bool {
        self.settled == self.sought
    }

    /// Tells a fault in words, the first ones only.
    pub fn tell(&mut self, fault: String) {
        if self.faults.len() < FAULTS_TOLD_MAX {
            self.faults.push(fault);
        }
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "looked for {}, as they must be {}, lost {}, doubled {}, misreported {}, unfinished {}, unread {}, \
             drained in {:.2} s",
            self.sought,
            self.settled,
            self.lost,
            self.doubled,
            self.misreported,
            self.unfinished,
            self.unread,
            self.drain_s
        )?;
        self.faults
            .iter()
            .try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

/// A message to read, and how to tell whether it is as it must be.
pub trait Sought: Clone + Send + Sync + 'static {
    /// Its id.
    fn id(&self) -> &str;

    /// Judges one reading.
    fn judge(&self, read: &ReadMessage) -> Verdict;
}

/// Reads every message until it is settled or the time is over.
///
/// # Errors
/// [`WorkersError`] when no worker can start; every other trouble is in the findings.
///
/// # Panics
/// When a worker panics.
pub fn read_back<S: Sought>(
    plan: &ReadPlan,
    mut waiting: Vec<S>,
) -> Result<Findings, WorkersError> {
    let start = Instant::now();
    let mut findings = Findings {
        sought: waiting.len() as u64,
        ..Findings::default()
    };
    while !waiting.is_empty() {
        let over = start.elapsed() >= plan.drain_timeout;
        waiting = pass(plan, waiting, &mut findings, over)?;
        findings.drain_s = start.elapsed().as_secs_f64();
        if !waiting.is_empty() {
            std::thread::sleep(Duration::from_millis(PASS_PAUSE_MS));
        }
    }
    Ok(findings)
}

struct Pass<S> {
    plan: ReadPlan,
    messages: Vec<S>,
    next: AtomicUsize,
    readings: Mutex<Vec<(usize, Reading)>>,
}

impl<S> Pass<S> {
    fn readings(&self) -> MutexGuard<'_, Vec<(usize, Reading)>> {
        self.readings
            .lock()
            .expect("no holder of the readings panics")
    }
}

/// Reads every message once and returns those to be read again; none when this was the `last` time.
fn pass<S: Sought>(
    plan: &ReadPlan,
    messages: Vec<S>,
    findings: &mut Findings,
    last: bool,
) -> Result<Vec<S>, WorkersError> {
    let connections = plan.connections.min(messages.len());
    let pass = Arc::new(Pass {
        plan: plan.clone(),
        messages,
        next: AtomicUsize::new(0),
        readings: Mutex::default(),
    });
    let workers = {
        let pass = Arc::clone(&pass);
        Workers::start(plan.threads, connections, move |_| {
            read_in_turn(Arc::clone(&pass))
        })?
    };
    workers.wait(Duration::from_millis(PROGRESS_INTERVAL_MS), || ());
    let mut again = Vec::new();
    for (index, reading) in pass.readings().drain(..) {
        let message = &pass.messages[index];
        let (count, why) = match reading {
            Reading::Judged(Verdict::Settled) => {
                findings.settled += 1;
                continue;
            }
            Reading::Judged(Verdict::NotYet(_)) | Reading::Unread { .. } if !last => {
                again.push(message.clone());
                continue;
            }
            Reading::Judged(Verdict::NotYet(why)) => (&mut findings.unfinished, why),
            Reading::Unread { why, .. } => (&mut findings.unread, why),
            Reading::Lost => (&mut findings.lost, "the daemon does not know it".to_owned()),
            Reading::Judged(Verdict::Doubled(why)) => (&mut findings.doubled, why),
            Reading::Judged(Verdict::Misreported(why)) => (&mut findings.misreported, why),
        };
        *count += 1;
        findings.tell(format!("{}: {why}", message.id()));
    }
    Ok(again)
}

async fn read_in_turn<S: Sought>(pass: Arc<Pass<S>>) {
    let mut connection = Connection::new(pass.plan.target.clone(), pass.plan.timeout);
    loop {
        let index = pass.next.fetch_add(1, Ordering::Relaxed);
        let Some(message) = pass.messages.get(index) else {
            return;
        };
        let reading = read(&mut connection, &pass.plan, message).await;
        let pause = match &reading {
            Reading::Unread { pause, .. } => Some(*pause),
            _ => None,
        };
        pass.readings().push((index, reading));
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
        }
    }
}

async fn read<S: Sought>(connection: &mut Connection, plan: &ReadPlan, message: &S) -> Reading {
    let path = format!("{SEND_PATH}/{}", message.id());
    let reconnect_pause = Duration::from_millis(RECONNECT_PAUSE_MS);
    match connection
        .exchange(&get_request(&plan.target, &path, Some(&plan.key)))
        .await
    {
        Err(error) => Reading::Unread {
            why: sentence(&error),
            pause: reconnect_pause,
        },
        Ok(answer) => match answer.status {
            200 => Reading::Judged(match serde_json::from_slice::<ReadAnswer>(answer.body) {
                Ok(read) if read.data.id == message.id() => message.judge(&read.data),
                Ok(read) => differs("id", message.id(), &read.data.id),
                Err(error) => Verdict::Misreported(format!("the answer is no message: {error}")),
            }),
            404 | 410 => Reading::Lost,
            status => Reading::Unread {
                why: format!("reading it is answered with {status}"),
                pause: answer
                    .retry_after_s
                    .map_or(reconnect_pause, Duration::from_secs)
                    .min(plan.timeout),
            },
        },
    }
}

/// The verdict on something that is otherwise than it must be.
pub fn differs(what: &str, expected: &str, actual: &str) -> Verdict {
    Verdict::Misreported(format!("its {what} must be {expected:?} and is {actual:?}"))
}
