//! The mail supervisor: every mail until a server has it, or it is given up.
//!
//! Owns: which mail is tried when, and what follows a try. Never does: I/O; a loader reads what a mail
//! tells, the courier's thread writes it and hands it over. Messages: [`Drain`], [`Durable`]. Restart:
//! the root supervisor starts it anew, and it finds its mails in the records; tries that are under way
//! are known by [`Trying`]. Limits: those below, `mail.smtp.connections_max` tries at once.
//!
//! A try whose end is not durable when the process ends is made again with the same `Message-ID`.

pub(crate) mod courier;
mod desk;
mod facts;
mod media;
pub(crate) mod trying;
pub(crate) mod writer;

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::{Actor, Addr, AsyncContext, Context, Handler};
use didfarm_core::event::{Entry, Event};
use didfarm_core::idempotency::GuardedAnswer;
use didfarm_core::ids::MailId;
use didfarm_core::mail::{AfterTry, Mail, MailTry};
use didfarm_core::time::Timestamp;
use didfarm_store::records::Records;
use tokio::sync::oneshot;

use self::courier::{Courier, Job};
use self::desk::{Desk, DeskLimits};
pub(crate) use self::desk::{End, Waiting};
use self::facts::Facts;
use self::trying::Answer;
use super::root::{Exited, RootSupervisor};
use crate::admission::Permit;
use crate::idempotency::Guard;
use crate::inbox::Drain;
use crate::mails::MailError;
use crate::meters::Kind;
use crate::meters::mails::{MailMeter, MailOutcome};
use crate::outbox::{Durable, DurableBell, Outbox};
use crate::send::Unavailable;
use crate::shared::Shared;

/// Mails in memory that are not under way, each of some 10 KiB at most.
const MAILS_QUEUE_MAX: usize = 1_000;
/// Mails that may wait before customers may queue no more; inbound messages and notices always may.
const MAILS_WAITING_MAX: u64 = 100_000;
/// How often due times are looked at.
const TICK: Duration = Duration::from_millis(200);
/// How long ends gather before they are taken on.
const LINGER: Duration = Duration::from_millis(2);
/// How long after a page could not be read the next is asked for, in milliseconds.
const LOAD_RETRY_MS: u64 = 5_000;

/// A message that a customer wants forwarded.
pub(crate) struct Forward {
    pub(crate) mail: Mail,
    /// Its idempotency key, if it has one.
    pub(crate) guard: Option<Box<Guard>>,
    pub(crate) reply: oneshot::Sender<Result<MailId, MailError>>,
    pub(crate) permit: Permit,
}

/// A page of the records.
pub(crate) struct Page {
    rows: Vec<Waiting>,
    limit: usize,
    total: u64,
}

/// What comes to the mail supervisor from other threads.
pub(crate) enum MailInput {
    /// A mail is durable, queued at this time: it is to be sent.
    Queued(Arc<Mail>, Timestamp),
    /// A customer asks for a mail.
    Forward(Box<Forward>),
    /// A try ended.
    Tried(Waiting, End),
    /// The first rows of the records, or what is wrong with them.
    Loaded(Result<Page, String>),
}

/// What is done once its cause is durable.
pub(crate) enum MailEffect {
    /// A customer is answered, and the mail is in line.
    Taken(Box<Forward>, Timestamp),
    /// A try is counted.
    Tried(MailId, &'static str, MailOutcome),
}

/// The actor.
pub(crate) struct MailSupervisor {
    engine: Arc<Shared>,
    outbox: Rc<Outbox<MailEffect>>,
    bell: Arc<DurableBell>,
    root: Addr<RootSupervisor>,
    courier: Arc<dyn Courier>,
    meter: MailMeter,
    desk: Desk,
    events: Vec<Event>,
    effects: Vec<MailEffect>,
    /// When a page may be asked for again, on the monotonic clock.
    load_from: Timestamp,
}

impl MailSupervisor {
    pub(crate) fn new(
        engine: Arc<Shared>,
        outbox: Rc<Outbox<MailEffect>>,
        bell: Arc<DurableBell>,
        root: Addr<RootSupervisor>,
        courier: Arc<dyn Courier>,
    ) -> MailSupervisor {
        engine.meters.born(Kind::Mails);
        let limits = DeskLimits {
            queue_max: MAILS_QUEUE_MAX,
            under_way_max: engine.settings.mail.smtp.connections_max,
        };
        MailSupervisor {
            desk: Desk::new(limits, engine.mails_trying.list()),
            meter: MailMeter::new(),
            engine,
            outbox,
            bell,
            root,
            courier,
            events: Vec::new(),
            effects: Vec::new(),
            load_from: Timestamp::ZERO,
        }
    }

    fn input(&mut self, input: MailInput, now: Timestamp) {
        match input {
            MailInput::Queued(mail, at) => self.desk.take(Waiting::fresh(mail, at)),
            MailInput::Forward(forward) => self.forward(forward, now),
            MailInput::Tried(waiting, end) => self.tried(waiting, end, now),
            MailInput::Loaded(Ok(page)) => self.desk.load(page.rows, page.limit, page.total),
            MailInput::Loaded(Err(error)) => {
                tracing::error!(%error, "the mails that wait cannot be read");
                self.desk.load_failed();
                self.load_from = self.engine.mono().plus_ms(LOAD_RETRY_MS);
            }
        }
    }

    fn forward(&mut self, mut forward: Box<Forward>, now: Timestamp) {
        if self.desk.waiting() >= MAILS_WAITING_MAX {
            drop(forward.guard);
            // Who has gone need not be told.
            let _ = forward.reply.send(Err(Unavailable::Busy.into()));
            return;
        }
        self.events
            .push(Event::MailQueued(Box::new(forward.mail.clone())));
        let answer = GuardedAnswer::Mail(forward.mail.id);
        let guard = forward.guard.as_mut();
        self.events
            .extend(guard.map(|guard| guard.event(answer, now)));
        self.effects.push(MailEffect::Taken(forward, now));
    }

    fn tried(&mut self, waiting: Waiting, end: End, now: Timestamp) {
        let kind = waiting.mail.kind.as_str();
        let tried: MailTry = self.desk.ended(waiting, end, now);
        let outcome = match &tried.next {
            AfterTry::Sent => MailOutcome::Sent,
            AfterTry::Later { due, why } => {
                tracing::debug!(mail = %tried.mail, kind, %due, why, "a mail will be tried again");
                MailOutcome::Retried
            }
            AfterTry::GivenUp { why } => {
                tracing::debug!(mail = %tried.mail, why, "why a mail is given up");
                MailOutcome::GivenUp
            }
        };
        self.effects
            .push(MailEffect::Tried(tried.mail, kind, outcome));
        self.events.push(Event::MailTried(tried));
    }

    /// Takes what came, and does what is due. Everything of one turn is one entry.
    fn turn(&mut self) {
        let now = self.engine.now();
        for input in self.engine.clone().mails.take() {
            self.input(input, now);
        }
        if !self.events.is_empty() {
            let events = std::mem::take(&mut self.events);
            let effects = std::mem::take(&mut self.effects);
            self.outbox.append(Entry { at: now, events }, effects);
        }
        self.load();
        self.start_due(now);
        let oldest = self.desk.oldest().map_or(0, |oldest| now.ms_since(oldest));
        self.meter
            .waiting(self.desk.waiting(), Duration::from_millis(oldest));
    }

    /// Has the next page read, where one is wanted. It holds everything that was decided so far.
    fn load(&mut self) {
        if self.engine.mono() < self.load_from {
            return;
        }
        let Some(limit) = self.desk.ask_page() else {
            return;
        };
        let engine = Arc::clone(&self.engine);
        self.engine.read_after(
            &self.engine.loaders,
            self.engine.journal.appended(),
            move |records| read_page(records, limit),
            move |page| engine.mails.push(MailInput::Loaded(page)),
        );
    }

    fn start_due(&mut self, now: Timestamp) {
        if self.engine.draining.load(Ordering::Acquire) {
            return;
        }
        for waiting in self.desk.start_due(now) {
            self.hand_out(waiting);
        }
    }

    fn hand_out(&self, waiting: Waiting) {
        let mail = Arc::clone(&waiting.mail);
        let answer = Answer::awaited(&self.engine, waiting);
        let courier = Arc::clone(&self.courier);
        if let Some(facts) = Facts::at_hand(&mail) {
            return courier.take(Job { answer, facts });
        }
        let engine = Arc::clone(&self.engine);
        self.engine.read_after(
            &self.engine.loaders,
            self.engine.journal.durable(),
            move |records| Facts::read(&engine, records, &mail),
            move |facts| match facts {
                Ok(facts) => courier.take(Job { answer, facts }),
                Err(error) => {
                    tracing::error!(%error, "what a mail tells cannot be read");
                    answer.give(End::Later("what it tells cannot be read".into()));
                }
            },
        );
    }

    fn perform(&mut self, effect: MailEffect) {
        match effect {
            MailEffect::Taken(forward, at) => {
                let Forward {
                    mail,
                    guard,
                    reply,
                    permit,
                } = *forward;
                let id = mail.id;
                self.desk.take(Waiting::fresh(Arc::new(mail), at));
                if let Some(guard) = guard {
                    guard.made_durable(at);
                }
                // It is durable: that nobody waits for the answer changes nothing.
                let _ = reply.send(Ok(id));
                drop(permit);
            }
            MailEffect::Tried(mail, kind, outcome) => {
                self.meter.tried(kind, outcome);
                if outcome == MailOutcome::GivenUp {
                    tracing::error!(%mail, kind, "a mail was given up; operators' list of mails says why");
                }
            }
        }
    }
}

fn read_page(records: &Records, limit: usize) -> Result<Page, String> {
    let read = || {
        let total = records.meta()?.counts.mails;
        let rows = records.mails_due(None, Timestamp(i64::MAX), limit)?;
        Ok((total, rows))
    };
    let (total, rows) =
        read().map_err(|error: didfarm_store::records::RecordsError| error.to_string())?;
    let rows = rows.into_iter();
    Ok(Page {
        rows: rows.map(|(due, row)| Waiting::stored(due, row)).collect(),
        limit,
        total,
    })
}

impl Actor for MailSupervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.bell.heard_by(ctx.address().recipient());
        self.engine.mails.read_by(ctx.address().recipient());
        ctx.run_interval(TICK, |supervisor, _| supervisor.turn());
    }
}

impl Handler<Drain> for MailSupervisor {
    type Result = ();

    fn handle(&mut self, _: Drain, ctx: &mut Context<Self>) {
        ctx.run_later(LINGER, |supervisor, _| supervisor.turn());
    }
}

impl Handler<Durable> for MailSupervisor {
    type Result = ();

    fn handle(&mut self, _: Durable, _: &mut Context<Self>) {
        while let Some(effect) = self.outbox.next_due() {
            self.perform(effect);
        }
        self.turn();
    }
}

impl Drop for MailSupervisor {
    fn drop(&mut self) {
        self.engine.meters.gone(Kind::Mails);
        self.root.do_send(Exited::Mails);
    }
}
