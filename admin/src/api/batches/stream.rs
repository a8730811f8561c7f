//! A batch as a stream of lines: each a row, each answered by a line as its group becomes durable.
//!
//! Whoever sends need not wait for answers, and whoever reads them slowly is read slowly: a few groups are
//! under way at once, and no more of the stream is in memory. A stream that was cut goes on with the same
//! key from its first line: what was decided is told again.

use std::cell::Cell;
use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::web::{Bytes, BytesMut};
use didfarm_core::batch::{PROBLEM_BYTES_MAX, ROWS_MAX, RowPrint};
use didfarm_runtime::batches::{BatchDesk, BatchError};
use didfarm_runtime::idempotency::GuardedRoute;
use futures_util::future::Either;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::group::{self, RowResult, Tally, Turns, hand_in};
use super::rows::{Reader, Row};
use super::{begin, spread};
use crate::api::asked;
use crate::api::send::{SendBounds, SendDefaults, read_channel, sender};
use crate::body::BodyBounds;
use crate::exchange::Exchange;
use crate::fields::Spelled;
use crate::idempotency;
use crate::present::Named;
use crate::problem::{self, Problem};

/// Groups of one stream that are under way at once.
const GROUPS_UNDER_WAY_MAX: usize = 4;
/// Answers of one stream that wait to be taken.
const ANSWERS_MAX: usize = 4;
/// How long a stream's rows wait for room in the engine.
const PATIENCE: Duration = Duration::from_secs(60);
/// What stands before the parameters in the fingerprint of a stream's request: a row is known by its own.
const FINGERPRINT: &str = "ndjson?";
/// What stands for a line that is too long, wherever it was cut.
const TOO_LONG: RowPrint = RowPrint(u64::MAX);

const NDJSON: &str = "application/x-ndjson";

/// Whether a body is a stream of lines.
pub(super) fn is_ndjson(media_type: &[u8]) -> bool {
    let end = media_type.iter().position(|byte| *byte == b';');
    let media_type = media_type[..end.unwrap_or(media_type.len())].trim_ascii();
    media_type.eq_ignore_ascii_case(NDJSON.as_bytes())
}

/// The first line.
#[derive(Serialize)]
struct Opened {
    batch: Named,
    resumed: bool,
}

/// The last line.
#[derive(Serialize)]
struct Closed {
    batch: Named,
    /// Whether the stream was taken to its end and every row was decided.
    completed: bool,
    /// The row that a next request is to go on with, at the latest.
    next_index: u64,
    accepted: u64,
    refused: u64,
    failed: u64,
    replayed: u64,
    /// Why it was not taken to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Box<RawValue>>,
}

/// `POST /api/v1/sms/batches` of `application/x-ndjson`
pub(super) async fn create(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let account = exchange.account()?;
    crate::body::check_not_encoded(exchange.request().headers())?;
    let key = idempotency::key_of(exchange.request().headers())?;
    let mut query = exchange.query()?;
    let from = query.take("from");
    let id = query.take_as("from_number_id", "an id of a number", |text| {
        text.parse().ok()
    })?;
    let pool = query.take_as("from_pool", "an id of a pool", |text| text.parse().ok())?;
    let channel = query.take("channel");
    let whole = |text: &str| text.parse::<u32>().ok();
    let spread_over = query.take_as("spread_over", "whole seconds", whole)?;
    let rows = query.take_as("rows", "how many rows will come", whole)?;
    query.finish()?;
    let defaults = SendDefaults {
        from: match (from, id, pool) {
            (None, None, None) => None,
            (from, id, pool) => Some(sender(from.as_deref(), id.map(Spelled), pool.map(Spelled))?),
        },
        channel: channel.map(|word| read_channel(Some(&word))).transpose()?,
        ..SendDefaults::default()
    };
    let rows = match (spread_over, rows) {
        (Some(_), None) => {
            let fault =
                "is missing: a stream that is spread over a time says how many rows will come";
            return Err(Problem::invalid("rows", fault));
        }
        (_, rows) => rows.map(u64::from),
    };
    let spread = spread(spread_over, rows.unwrap_or(1))?;
    let scope = (account.id(), GuardedRoute::Batch);
    let fingerprint = format!("{FINGERPRINT}{}", exchange.request().query_string());
    let claimed = idempotency::claim(exchange, scope, key.as_ref(), fingerprint.as_bytes());
    let claimed = claimed.await?;
    // What will not fit is found out on the way: a stream is not refused for what it might hold.
    let (desk, resumed) = begin(exchange, &account, claimed, None, spread).await?;
    let reader = Reader {
        defaults,
        validation: exchange.front().validation,
        bounds: *exchange.state::<SendBounds>(),
        template: None,
        prints: key.is_some(),
    };
    let lines = Lines::new(exchange.take_payload(), exchange.front().bounds, reader);
    let (answers, taken) = mpsc::channel(ANSWERS_MAX);
    let asked = asked(exchange);
    actix_web::rt::spawn(run(desk, resumed, asked, lines, answers));
    let mut response = HttpResponse::build(StatusCode::ACCEPTED);
    response.insert_header((CONTENT_TYPE, HeaderValue::from_static(NDJSON)));
    let mut response = response.body(Answers {
        pieces: taken,
        rest: None,
    });
    if resumed {
        idempotency::mark_replayed(response.headers_mut());
    }
    Ok(response)
}

/// Takes a stream in, and answers it.
async fn run(
    desk: BatchDesk,
    resumed: bool,
    asked: problem::Asked,
    mut lines: Lines,
    answers: mpsc::Sender<Piece>,
) {
    let batch = Named(desk.id().spelled());
    let mut out = Vec::new();
    write_line(&mut out, &Opened { batch, resumed });
    let (mut tally, mut next_index, mut error) = (Tally::default(), 0, None);
    let (turns, is_over) = (Turns::default(), Cell::new(false));
    {
        let groups = stream::unfold(&mut lines, async |lines| {
            // Behind a group that was not taken nothing is read any more.
            if is_over.get() {
                return None;
            }
            let group = lines.group().await?;
            Some((group, lines))
        });
        let handed_in = groups.map(|group| match group {
            Ok(rows) => Either::Left(
                hand_in((&desk, &turns), asked, rows, PATIENCE)
                    .map(|done| done.map_err(|error| error.map_or(Fault::Behind, Fault::Batch))),
            ),
            Err(problem) => Either::Right(std::future::ready(Err(Fault::Stream(problem)))),
        });
        let mut handed_in = std::pin::pin!(handed_in.buffered(GROUPS_UNDER_WAY_MAX));
        while let Some(group) = handed_in.next().await {
            match group {
                Ok(results) => {
                    tally.add(&results);
                    if error.is_none() {
                        next_index += results.len() as u64;
                    }
                    results
                        .iter()
                        .for_each(|row: &RowResult| write_line(&mut out, &row.view()));
                }
                // What was handed in of the groups behind it is still told.
                Err(fault) => {
                    is_over.set(true);
                    error.get_or_insert(fault);
                }
            }
            // An empty piece would end the answer.
            if out.is_empty() {
                continue;
            }
            // Whoever does not take the answers is not read on: that the connection fell ends it.
            if answers.send(Piece::of(&mut out)).await.is_err() {
                return;
            }
        }
    }
    let mut completed = error.is_none() && tally.failed == 0;
    if completed
        && !desk.is_completed()
        && let Err(fault) = desk.complete().await
    {
        completed = false;
        error = Some(Fault::Batch(fault));
    }
    let problem = error.map(|fault| match fault {
        Fault::Batch(error) => asked.batch(error),
        Fault::Stream(problem) => problem,
        Fault::Behind => Problem::internal("a group is behind one that did not fail".into()),
    });
    let closed = Closed {
        batch,
        completed,
        next_index,
        accepted: tally.accepted,
        refused: tally.refused,
        failed: tally.failed,
        replayed: tally.replayed,
        error: problem.map(|problem| problem.embedded(PROBLEM_BYTES_MAX)),
    };
    write_line(&mut out, &closed);
    // The connection may have fallen.
    let last = Piece {
        rest: Some(lines.payload),
        ..Piece::of(&mut out)
    };
    let _ = answers.send(last).await;
}

enum Fault {
    /// It stands behind a group that was not taken, whose own fault comes first.
    Behind,
    Batch(BatchError),
    Stream(Problem),
}

fn write_line(out: &mut Vec<u8>, line: &impl Serialize) {
    serde_json::to_writer(&mut *out, line).expect("answers have string keys only");
    out.push(b'\n');
}

/// A piece of the answer.
struct Piece {
    bytes: Bytes,
    /// The rest of the request, with the last piece: a connection whose request was not read to its end is
    /// closed, and not before its answer was taken as long as this lives.
    rest: Option<Payload>,
}

impl Piece {
    /// Takes what is written.
    fn of(out: &mut Vec<u8>) -> Piece {
        Piece {
            bytes: Bytes::from(std::mem::take(out)),
            rest: None,
        }
    }
}

/// The body of the answer.
struct Answers {
    pieces: mpsc::Receiver<Piece>,
    rest: Option<Payload>,
}

impl MessageBody for Answers {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        let piece = ready!(self.pieces.poll_recv(context));
        Poll::Ready(piece.map(|piece| {
            self.rest = piece.rest;
            Ok(piece.bytes)
        }))
    }
}

/// The rows of a stream, by groups. A line has as many bytes as a request of its own may have; the sender
/// has as long for the next piece as for a request's body.
struct Lines {
    payload: Payload,
    bounds: BodyBounds,
    reader: Rc<Reader>,
    /// What came and is no whole line yet.
    rest: BytesMut,
    /// How much of it has no end of a line.
    looked_at: usize,
    index: u64,
    /// Whether the line that is coming is longer than it may be, and is left out.
    too_long: bool,
    ended: bool,
    /// Why the stream ended before its end.
    failed: Option<Problem>,
}

impl Lines {
    fn new(payload: Payload, bounds: BodyBounds, reader: Reader) -> Lines {
        Lines {
            payload,
            bounds,
            reader: Rc::new(reader),
            rest: BytesMut::new(),
            looked_at: 0,
            index: 0,
            too_long: false,
            ended: false,
            failed: None,
        }
    }

    /// The next rows: as many as are here, one at least; `None` behind the last.
    async fn group(&mut self) -> Option<Result<Vec<Row>, Problem>> {
        let mut rows = Vec::new();
        loop {
            while rows.len() < group::ROWS_MAX
                && let Some(row) = self.next_row()
            {
                rows.push(row);
            }
            let is_full = rows.len() == group::ROWS_MAX;
            if is_full || (self.ended && !rows.is_empty()) {
                return Some(Ok(rows));
            }
            if self.ended {
                return self.failed.take().map(Err);
            }
            if self.index >= ROWS_MAX {
                self.ended = true;
                let detail = "a batch may have 100,000,000 rows";
                return Some(Err(Problem::invalid_request(detail)));
            }
            // Rows that are here do not wait for those that are not.
            let chunk = match rows.is_empty() {
                true => self.chunk().await,
                false => match self.payload.next().now_or_never() {
                    Some(chunk) => chunk.map(|chunk| chunk.map_err(incomplete)),
                    None => return Some(Ok(rows)),
                },
            };
            match chunk {
                Some(Ok(chunk)) => self.rest.extend_from_slice(&chunk),
                None => self.end(),
                // The rows that came before are handed in first; what came of the next one is no row.
                Some(Err(problem)) => {
                    self.ended = true;
                    self.failed = Some(problem);
                }
            }
        }
    }

    async fn chunk(&mut self) -> Option<Result<Bytes, Problem>> {
        match tokio::time::timeout(self.bounds.timeout, self.payload.next()).await {
            Ok(chunk) => chunk.map(|chunk| chunk.map_err(incomplete)),
            Err(_) => Some(Err(Problem::request_timeout(self.bounds.timeout))),
        }
    }

    /// The last line need not end with a line feed.
    fn end(&mut self) {
        self.ended = true;
        if !self.rest.is_empty() || self.too_long {
            self.rest.extend_from_slice(b"\n");
        }
    }

    fn next_row(&mut self) -> Option<Row> {
        loop {
            let end = self.rest[self.looked_at..]
                .iter()
                .position(|byte| *byte == b'\n');
            let Some(end) = end else {
                if self.rest.len() > self.bounds.bytes_max {
                    self.too_long = true;
                    self.rest.clear();
                }
                self.looked_at = self.rest.len();
                return None;
            };
            let line = self.rest.split_to(self.looked_at + end + 1);
            self.looked_at = 0;
            let is_too_long =
                std::mem::take(&mut self.too_long) || line.len() > self.bounds.bytes_max;
            let line = line.trim_ascii();
            // An empty line is no row.
            if line.is_empty() && !is_too_long {
                continue;
            }
            let index = self.index;
            self.index += 1;
            if is_too_long {
                let read = Err(Problem::payload_too_large(self.bounds.bytes_max));
                let print = TOO_LONG;
                return Some(Row { index, print, read });
            }
            return Some(self.reader.read(index, line));
        }
    }
}

fn incomplete(error: actix_web::error::PayloadError) -> Problem {
    Problem::body_incomplete(error.to_string())
}
