//! Groups of rows: what is known of them, what is handed in, what is noted of those that are refused.

use std::time::Duration;

use didfarm_core::batch::{PROBLEM_BYTES_MAX, RefusedRow, RowOutcome, RowPrint};
use didfarm_core::ids::MessageId;
use didfarm_core::refusal::Refusal;
use didfarm_core::time::Timestamp;
use didfarm_runtime::batches::{BatchDesk, BatchError, BatchRow, RowRequest};
use didfarm_runtime::read::ReadError;
use didfarm_runtime::send::{SendError, Unavailable};
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::rows::Row;
use crate::idempotency;
use crate::present::Seconds;
use crate::present::batches::RowView;
use crate::problem::{Asked, Code, Problem};

/// Rows that are handed in together.
pub(super) const ROWS_MAX: usize = 1_000;
/// How long to wait before rows are handed in again that the engine had no room for.
const PAUSE: Duration = Duration::from_millis(20);

/// What a row came to.
pub(super) struct RowResult {
    index: u64,
    outcome: Outcome,
    replayed: bool,
}

enum Outcome {
    Accepted {
        message: MessageId,
        send_at: Option<Timestamp>,
        goes_at: Option<Timestamp>,
    },
    Refused(Box<RawValue>),
    /// It was not decided, and may be handed in again.
    Failed(Box<RawValue>),
}

/// What results come to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) accepted: u64,
    pub(super) refused: u64,
    pub(super) failed: u64,
    pub(super) replayed: u64,
}

impl Tally {
    pub(super) fn add(&mut self, results: &[RowResult]) {
        for result in results {
            *match result.outcome {
                Outcome::Accepted { .. } => &mut self.accepted,
                Outcome::Refused(_) => &mut self.refused,
                Outcome::Failed(_) => &mut self.failed,
            } += 1;
            self.replayed += u64::from(result.replayed);
        }
    }
}

impl RowResult {
    pub(super) fn view(&self) -> RowView<'_> {
        let view = match &self.outcome {
            Outcome::Accepted {
                message,
                send_at,
                goes_at,
            } => RowView {
                estimated_send_at: goes_at.map(Seconds),
                ..RowView::accepted(self.index, *message, *send_at)
            },
            Outcome::Refused(problem) | Outcome::Failed(problem) => {
                RowView::refused(self.index, problem)
            }
        };
        RowView {
            replayed: self.replayed,
            ..view
        }
    }

    /// When its message is expected to go, of one that goes as soon as it can.
    pub(super) fn goes_at(&self) -> Option<Timestamp> {
        match self.outcome {
            Outcome::Accepted { goes_at, .. } => goes_at,
            Outcome::Refused(_) | Outcome::Failed(_) => None,
        }
    }

    /// A row as it was decided.
    pub(super) fn decided(index: u64, outcome: RowOutcome) -> RowResult {
        let outcome = match outcome {
            RowOutcome::Accepted(message, send_at) => Outcome::Accepted {
                message,
                send_at,
                goes_at: None,
            },
            RowOutcome::Refused(problem) => {
                let problem = RawValue::from_string(problem.into());
                Outcome::Refused(problem.unwrap_or_else(|_| RawValue::NULL.to_owned()))
            }
        };
        RowResult {
            index,
            outcome,
            replayed: false,
        }
    }

    /// A row that was not decided.
    pub(super) fn failed(index: u64, problem: &RawValue) -> RowResult {
        RowResult {
            index,
            outcome: Outcome::Failed(problem.to_owned()),
            replayed: false,
        }
    }

    fn refused(index: u64, problem: Problem) -> RowResult {
        RowResult {
            index,
            outcome: Outcome::Refused(problem.embedded(PROBLEM_BYTES_MAX)),
            replayed: false,
        }
    }
}

/// The order in which groups of one request are handed in: none before those ahead of it, and none behind
/// one that was not taken.
#[derive(Default)]
pub(super) struct Turns {
    is_over: tokio::sync::Mutex<bool>,
}

/// Hands rows in, whose indexes follow each other: when this returns `Ok`, what it says of them is durable.
/// Rows that an earlier request handed in are told again. While the engine has no room it waits, for as
/// long as `patience`.
///
/// # Errors
/// See [`BatchError`]; `None` for a group behind one that was not taken. The rows may be handed in again.
pub(super) async fn hand_in(
    (desk, turns): (&BatchDesk, &Turns),
    asked: Asked,
    rows: Vec<Row>,
    patience: Duration,
) -> Result<Vec<RowResult>, Option<BatchError>> {
    let Some(first) = rows.first().map(|row| row.index) else {
        return Ok(Vec::new());
    };
    let mut is_over = turns.is_over.lock().await;
    if *is_over {
        return Err(None);
    }
    *is_over = true;
    let count = rows.len();
    let known = patiently(patience, async || desk.known(first, count).await).await?;
    let mut known = known.into_iter().peekable();
    let mut results = Vec::with_capacity(rows.len());
    let mut noted = Vec::new();
    let (mut requests, mut places) = (Vec::new(), Vec::new());
    for row in rows {
        let Row { index, print, read } = row;
        if let Some((_, before)) = known.next_if(|(known, _)| *known == index) {
            results.push(again(index, before, print));
            continue;
        }
        match read {
            Ok(request) => {
                places.push(results.len());
                requests.push(RowRequest {
                    index,
                    print,
                    request,
                });
                // Its answer takes this one's place.
                let pending = Outcome::Failed(RawValue::NULL.to_owned());
                results.push(RowResult {
                    index,
                    outcome: pending,
                    replayed: false,
                });
            }
            Err(problem) => {
                let refused = RowResult::refused(index, problem);
                noted.extend(note(&refused, print));
                results.push(refused);
            }
        }
    }
    let prints: Vec<_> = requests.iter().map(|row| row.print).collect();
    let submitted = match requests.is_empty() {
        true => None,
        false => Some(patiently(patience, async || desk.submit(&mut requests).await).await?),
    };
    *is_over = false;
    drop(is_over);
    if let Some(submitted) = submitted {
        let first_goes_at = submitted.first_goes_at;
        let answers = submitted.answer().await?;
        let mut waiting = 0;
        for ((place, print), answer) in places.into_iter().zip(prints).zip(answers) {
            let result = &mut results[place];
            result.outcome = match answer {
                Ok(row) => Outcome::Accepted {
                    message: row.message,
                    send_at: row.send_at,
                    goes_at: row.send_at.is_none().then(|| {
                        waiting += 1;
                        first_goes_at.plus_us(desk.wait_us(waiting - 1))
                    }),
                },
                Err(
                    error @ (SendError::Unavailable(_)
                    | SendError::RateLimited { .. }
                    | SendError::PrefixBusy { .. }
                    // Nothing is wrong with the row: there is room for it later.
                    | SendError::Refused(Refusal::TooManyScheduled { .. })),
                ) => Outcome::Failed(asked.send(error).embedded(PROBLEM_BYTES_MAX)),
                Err(error @ SendError::Refused(_)) => {
                    Outcome::Refused(asked.send(error).embedded(PROBLEM_BYTES_MAX))
                }
            };
            noted.extend(note(result, print));
        }
    }
    let refused: Vec<u64> = noted.iter().map(|row| row.index).collect();
    if let Err(error) = patiently(patience, async || desk.refuse(&mut noted).await).await {
        // What was accepted beside them is told all the same; these were not decided.
        let problem = asked.batch(error).embedded(PROBLEM_BYTES_MAX);
        let undecided = |result: &&mut RowResult| refused.contains(&result.index);
        for result in results.iter_mut().filter(undecided) {
            result.outcome = Outcome::Failed(problem.clone());
        }
    }
    Ok(results)
}

/// What an earlier request made of a row.
fn again(index: u64, before: BatchRow, print: RowPrint) -> RowResult {
    if before.print != print {
        let detail = "an earlier request with this key had another row at this index";
        let problem = Problem::of_field(Code::IdempotencyKeyReused, idempotency::FIELD, detail);
        return RowResult::refused(index, problem);
    }
    RowResult {
        replayed: true,
        ..RowResult::decided(index, before.outcome)
    }
}

fn note(result: &RowResult, print: RowPrint) -> Option<RefusedRow> {
    match &result.outcome {
        Outcome::Refused(problem) => Some(RefusedRow {
            index: result.index,
            print,
            problem: problem.get().into(),
        }),
        Outcome::Accepted { .. } | Outcome::Failed(_) => None,
    }
}

/// Asks until the engine has room, for as long as `patience`.
async fn patiently<T>(
    patience: Duration,
    mut ask: impl AsyncFnMut() -> Result<T, BatchError>,
) -> Result<T, BatchError> {
    let until = Instant::now() + patience;
    loop {
        match ask().await {
            Err(error) if is_full(&error) && Instant::now() < until => {
                tokio::time::sleep(PAUSE).await;
            }
            done => return done,
        }
    }
}

fn is_full(error: &BatchError) -> bool {
    matches!(
        error,
        BatchError::Unavailable(Unavailable::Busy | Unavailable::RecordsBehind)
            | BatchError::Read(ReadError::Unavailable(Unavailable::Busy))
    )
}
