//! Whether every inbound message of a flood is stored, and stored once: read from the conversations by API.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::connection::{Connection, ExchangeError, get_request};
use crate::reading::{Findings, ReadPlan};
use crate::tally::sentence;

/// The most conversations that are looked through.
pub const CONVERSATIONS_MAX: usize = 200_000;
/// Rows on a page.
const PAGE_ROWS: usize = 100;
/// Pause before a page is asked for again, in milliseconds.
const PAUSE_MS: u64 = 200;

/// Why the inbox cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum InboxError {
    /// No runtime could be made.
    #[error("no event queue could be had; free some resources of the operating system")]
    Runtime(#[source] std::io::Error),
    /// A page was not answered as it must be, until the time was over.
    #[error("{path} could not be read: {why}")]
    Page {
        /// The path.
        path: String,
        /// What was wrong.
        why: String,
    },
    /// There are too many conversations to look through.
    #[error(
        "there are more than {CONVERSATIONS_MAX} conversations to look through; use a fresh account"
    )]
    TooMany,
}

#[derive(Deserialize)]
struct Page<T> {
    data: Vec<T>,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct Conversation {
    id: String,
    peer: String,
}

#[derive(Deserialize)]
struct Row {
    direction: String,
    body: String,
}

/// Looks for every text among the inbound messages of the peers that `writes` names.
///
/// # Errors
/// [`InboxError`] when a page cannot be read before the time is over, or there are too many conversations.
pub fn look_through(
    plan: &ReadPlan,
    texts: &[String],
    writes: impl Fn(&str) -> bool,
) -> Result<Findings, InboxError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(InboxError::Runtime)?;
    let start = Instant::now();
    let found = runtime.block_on(async {
        let mut reader = Reader {
            connection: Connection::new(plan.target.clone(), plan.timeout),
            plan,
            deadline: start + plan.drain_timeout,
        };
        reader.all(&writes).await
    })?;
    let mut findings = Findings {
        sought: texts.len() as u64,
        drain_s: start.elapsed().as_secs_f64(),
        ..Findings::default()
    };
    for text in texts {
        match found.get(text).copied().unwrap_or(0) {
            1 => findings.settled += 1,
            0 => {
                findings.lost += 1;
                findings.tell(format!("the inbound message {text:?} is not stored"));
            }
            times => {
                findings.doubled += 1;
                findings.tell(format!(
                    "the inbound message {text:?} is stored {times} times"
                ));
            }
        }
    }
    Ok(findings)
}

struct Reader<'a> {
    connection: Connection,
    plan: &'a ReadPlan,
    deadline: Instant,
}

impl Reader<'_> {
    /// How often each text came in.
    async fn all(
        &mut self,
        writes: &impl Fn(&str) -> bool,
    ) -> Result<HashMap<String, u64>, InboxError> {
        let mut found = HashMap::new();
        let mut seen = 0;
        let mut cursor = None;
        loop {
            let list = "/api/v1/sms/conversations";
            let page: Page<Conversation> = self.page(list, cursor.as_deref()).await?;
            seen += page.data.len();
            if seen > CONVERSATIONS_MAX {
                return Err(InboxError::TooMany);
            }
            for conversation in page
                .data
                .iter()
                .filter(|conversation| writes(&conversation.peer))
            {
                self.one(&conversation.id, &mut found).await?;
            }
            match page.next_cursor {
                Some(next) => cursor = Some(next),
                None => return Ok(found),
            }
        }
    }

    async fn one(&mut self, id: &str, found: &mut HashMap<String, u64>) -> Result<(), InboxError> {
        let path = format!("/api/v1/sms/conversations/{id}/messages");
        let mut cursor = None;
        loop {
            let page: Page<Row> = self.page(&path, cursor.as_deref()).await?;
            for row in page
                .data
                .into_iter()
                .filter(|row| row.direction == "inbound")
            {
                *found.entry(row.body).or_default() += 1;
            }
            match page.next_cursor {
                Some(next) => cursor = Some(next),
                None => return Ok(()),
            }
        }
    }

    async fn page<T: DeserializeOwned>(
        &mut self,
        path: &str,
        cursor: Option<&str>,
    ) -> Result<Page<T>, InboxError> {
        let cursor = cursor
            .map(|cursor| format!("&cursor={cursor}"))
            .unwrap_or_default();
        let path = format!("{path}?limit={PAGE_ROWS}{cursor}");
        let request = get_request(&self.plan.target, &path, Some(&self.plan.key));
        loop {
            let answer = self.connection.exchange(&request).await;
            let why = match read_page(answer) {
                Ok(page) => return Ok(page),
                Err(why) => why,
            };
            if Instant::now() >= self.deadline {
                return Err(InboxError::Page { path, why });
            }
            tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await;
        }
    }
}

fn read_page<T: DeserializeOwned>(
    answer: Result<crate::connection::Answer<'_>, ExchangeError>,
) -> Result<Page<T>, String> {
    let answer = answer.map_err(|error| sentence(&error))?;
    match answer.status {
        200 => serde_json::from_slice(answer.body).map_err(|error| error.to_string()),
        status => Err(format!("it is answered with {status}")),
    }
}
