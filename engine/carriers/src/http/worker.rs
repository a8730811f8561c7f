//! The worker: makes the requests of one carrier, and gives every message its answer.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use didfarm_core::ids::CarrierId;
use didfarm_core::reason::Reason;
use futures_util::future::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::sleep_until;

use super::client::{Failure, HttpClient, chain};
use super::{HttpAnswer, HttpProtocol, HttpSettings, HttpStartError, SINK_GROUP_MAX};
use crate::{CarrierEvent, CarrierSink, Query, Submit, SubmitAnswer};

/// The longest that a carrier's `Retry-After` is heeded: after that it is asked again.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);
/// What part of the time for an answer may be spent waiting for a request to end.
const WAIT_SHARE: u32 = 2;

/// How far apart two warnings of failed requests are at least: the log does not grow with traffic.
const WARNING_SPACING: Duration = Duration::from_secs(60);

/// What is handed in at once.
pub(super) struct Job {
    pub(super) came_at: Instant,
    pub(super) work: Vec<Work>,
}

/// One thing to do.
pub(super) enum Work {
    Submit(Submit),
    Query(Query),
}

type Running = FuturesUnordered<Pin<Box<dyn Future<Output = ()> + Send>>>;

/// Makes the requests. Lives on the carrier's thread.
pub(super) struct Worker {
    shared: Arc<Shared>,
    in_flight_max: usize,
    waiting: VecDeque<(Instant, Work)>,
    running: Running,
}

/// What every request needs.
struct Shared {
    name: String,
    protocol: Arc<dyn HttpProtocol>,
    client: HttpClient,
    timeout: Duration,
    answers: UnboundedSender<CarrierEvent>,
    /// Until when the carrier wants to be left alone.
    quiet_until: Mutex<Option<Instant>>,
    /// When a failure was last logged as a warning.
    warned_at: Mutex<Option<Instant>>,
}

impl Worker {
    pub(super) fn new(
        settings: &HttpSettings,
        protocol: Arc<dyn HttpProtocol>,
        answers: UnboundedSender<CarrierEvent>,
    ) -> Result<Worker, HttpStartError> {
        let shared = Shared {
            name: settings.name.clone(),
            protocol,
            client: HttpClient::new(settings)?,
            timeout: settings.timeout,
            answers,
            quiet_until: Mutex::new(None),
            warned_at: Mutex::new(None),
        };
        Ok(Worker {
            shared: Arc::new(shared),
            in_flight_max: settings.in_flight_max.max(1),
            waiting: VecDeque::new(),
            running: FuturesUnordered::new(),
        })
    }

    /// Works until the carrier is dropped.
    pub(super) async fn run(mut self, mut inbox: UnboundedReceiver<Job>) {
        loop {
            self.give_back_late();
            self.begin();
            let first_late = self.waiting.front().map(|(came, _)| self.late_at(*came));
            tokio::select! {
                Some(()) = self.running.next(), if !self.running.is_empty() => {}
                job = inbox.recv() => match job {
                    Some(Job { came_at, work }) => {
                        self.waiting.extend(work.into_iter().map(|work| (came_at, work)));
                    }
                    None => return,
                },
                () = sleep_until(first_late.unwrap_or_else(Instant::now).into()),
                    if first_late.is_some() => {}
            }
        }
    }

    /// Begins what there is room for.
    fn begin(&mut self) {
        while self.running.len() < self.in_flight_max
            && let Some((came_at, work)) = self.waiting.pop_front()
        {
            let deadline = came_at + self.shared.timeout;
            let shared = Arc::clone(&self.shared);
            self.running.push(match work {
                Work::Submit(submit) => Box::pin(shared.submit(submit, deadline)),
                Work::Query(query) => Box::pin(shared.query(query, deadline)),
            });
        }
    }

    fn late_at(&self, came_at: Instant) -> Instant {
        came_at + self.shared.timeout / WAIT_SHARE
    }

    /// Gives back what has waited too long to be answered in time: it was never sent.
    fn give_back_late(&mut self) {
        let now = Instant::now();
        while let Some((came_at, _)) = self.waiting.front()
            && self.late_at(*came_at) <= now
        {
            if let Some((_, Work::Submit(submit))) = self.waiting.pop_front() {
                let answer = SubmitAnswer::NotTaken(Reason::CarrierError);
                self.shared
                    .tell(CarrierEvent::Answer(submit.message, answer));
            }
        }
    }
}

impl Shared {
    /// Gives a message its one answer; a fault of ours leaves it in doubt.
    async fn submit(self: Arc<Shared>, submit: Submit, deadline: Instant) {
        let answer = AssertUnwindSafe(self.try_submit(&submit, deadline))
            .catch_unwind()
            .await
            .unwrap_or_else(|_| {
                tracing::error!(
                    carrier = self.name,
                    "a request panicked: its message is in doubt"
                );
                SubmitAnswer::NoAnswer
            });
        self.tell(CarrierEvent::Answer(submit.message, answer));
    }

    async fn try_submit(&self, submit: &Submit, deadline: Instant) -> SubmitAnswer {
        if self.is_quiet() {
            return SubmitAnswer::NotTaken(Reason::Throttled);
        }
        let request = match self.protocol.request(submit) {
            Ok(request) => request,
            Err(reason) => return SubmitAnswer::Refused(reason),
        };
        match self.client.exchange(request, deadline.into()).await {
            Ok(response) => {
                let answer = self.protocol.answer(submit, &response);
                self.heed(&answer, &response);
                answer
            }
            Err(Failure::NotSent(error)) => {
                self.note_trouble("a message was not sent", &*error);
                SubmitAnswer::NotTaken(Reason::CarrierError)
            }
            Err(Failure::Unanswered(error)) => {
                self.note_trouble("a message has no answer", &*error);
                SubmitAnswer::NoAnswer
            }
        }
    }

    /// Asks once; what is not learned now is asked again by whoever asked.
    async fn query(self: Arc<Shared>, query: Query, deadline: Instant) {
        let asking = AssertUnwindSafe(self.try_query(&query, deadline)).catch_unwind();
        let Ok(receipt) = asking.await else {
            tracing::error!(carrier = self.name, "a query panicked");
            return;
        };
        if let Some(receipt) = receipt {
            self.tell(CarrierEvent::Receipt(receipt));
        }
    }

    async fn try_query(&self, query: &Query, deadline: Instant) -> Option<crate::Receipt> {
        if self.is_quiet() {
            return None;
        }
        let request = self.protocol.question(query)?;
        match self.client.exchange(request, deadline.into()).await {
            Ok(response) => self.protocol.learned(query, &response),
            Err(Failure::NotSent(error) | Failure::Unanswered(error)) => {
                self.note_trouble("a query has no answer", &*error);
                None
            }
        }
    }

    fn tell(&self, event: CarrierEvent) {
        // Without a receiver the carrier is being dropped: nobody waits for the answer.
        let _ = self.answers.send(event);
    }

    fn is_quiet(&self) -> bool {
        let until = self
            .quiet_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    fn heed(&self, answer: &SubmitAnswer, response: &HttpAnswer) {
        if let (SubmitAnswer::NotTaken(Reason::Throttled), Some(span)) =
            (answer, response.retry_after)
        {
            let until = Instant::now() + span.min(RETRY_AFTER_MAX);
            let mut quiet = self
                .quiet_until
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *quiet = (*quiet).max(Some(until));
        }
    }

    fn note_trouble(&self, what: &'static str, error: &(dyn std::error::Error + 'static)) {
        let causes: Vec<String> = chain(error).map(ToString::to_string).collect();
        let error = causes.join(": ");
        let mut warned_at = self
            .warned_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if warned_at.is_some_and(|at| at.elapsed() < WARNING_SPACING) {
            tracing::debug!(carrier = self.name, error, "{what}");
        } else {
            *warned_at = Some(Instant::now());
            tracing::warn!(
                carrier = self.name,
                error,
                "{what}; more of the next minute are not logged"
            );
        }
    }
}

/// Hands answers to the sink as they come, until the worker is gone.
pub(super) fn hand_over(
    carrier: CarrierId,
    mut outbox: UnboundedReceiver<CarrierEvent>,
    sink: &dyn CarrierSink,
) {
    let mut group = Vec::new();
    while let Some(first) = outbox.blocking_recv() {
        group.push(first);
        while group.len() < SINK_GROUP_MAX
            && let Ok(event) = outbox.try_recv()
        {
            group.push(event);
        }
        let ready = std::mem::take(&mut group);
        if catch_unwind(AssertUnwindSafe(|| sink.deliver(carrier, ready))).is_err() {
            tracing::error!(
                carrier = carrier.0,
                "the sink panicked: a group of answers is lost"
            );
        }
    }
}
