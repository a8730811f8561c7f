//! A hub between records in memory and clients that do as a test says, with a clock that the test moves.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use didfarm_core::account::{Account, AccountEvent};
use didfarm_core::e164::E164;
use didfarm_core::event::{Entry, Event};
use didfarm_core::ids::{AccountId, ConversationId, EndpointId, EventId, MailId, NumberId};
use didfarm_core::mail::{Mail, MailKind};
use didfarm_core::money::Micros;
use didfarm_core::time::Timestamp;
use didfarm_core::webhook::attempt::{Attempt, AttemptClass};
use didfarm_core::webhook::endpoint::{EndpointSettings, EventFilter, PayloadForm};
use didfarm_core::webhook::schedule::RetrySchedule;
use didfarm_core::webhook::{Fact, Target, WebhookEvent};
use didfarm_store::records::Records;
use didfarm_store::records::round::Round;
use didfarm_store::shelf::memory::MemoryShelf;
use didfarm_webhooks::{EndpointUrl, Policy, UrlError};
use tokio::sync::oneshot;

use crate::actors::webhooks::batch::HubEffect;
use crate::actors::webhooks::command::{Asked, Command, Reply};
use crate::actors::webhooks::hub::{Hub, Resting};
use crate::actors::webhooks::job::{Ended, Job, Ticket};
use crate::actors::webhooks::moment::Moment;
use crate::actors::webhooks::rebuild::Endpoints;
use crate::actors::webhooks::recovery::ids_ahead_ms;
use crate::actors::webhooks::turn::{Limits, Outside};
use crate::admission::Admission;
use crate::offers::{Offer, Tell};
use crate::restarts::RestartBudget;
use crate::webhooks::{EndpointView, EventRow, NewEndpoint, WebhookError};

pub(crate) const ACCOUNT: AccountId = AccountId(1);
/// Some day in 2026.
const START: Timestamp = Timestamp(1_775_000_000_000_000);
const SECOND_US: i64 = 1_000_000;

/// How an attempt ends: how, after how many milliseconds, and what it asks for.
pub(crate) type End = (AttemptClass, u64, Option<u64>);

/// An attempt that was started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Started {
    pub(crate) at_ms: u64,
    pub(crate) ticket: Ticket,
}

#[derive(Default)]
struct Around {
    event_last: Cell<u64>,
    mail_next: Cell<u64>,
    has_address: Cell<bool>,
    panics: Cell<bool>,
}

impl Outside for Rc<Around> {
    fn event_id(&self, now: Timestamp) -> EventId {
        let id = EventId::next(EventId(self.event_last.get()), now);
        self.event_last.set(id.0);
        id
    }

    fn ids_ahead_ms(&self, now: Timestamp) -> u64 {
        ids_ahead_ms(EventId(self.event_last.get()), now)
    }

    fn mail(&self, at: Timestamp, account: AccountId, kind: MailKind) -> Option<Offer> {
        self.mail_next.set(self.mail_next.get() + 1);
        let mail = Mail {
            id: MailId(self.mail_next.get()),
            account,
            to: "owner@example.com".into(),
            kind,
        };
        self.has_address.get().then(|| Offer {
            event: Event::MailQueued(Box::new(mail.clone())),
            tell: Tell::Mail {
                mail: Arc::new(mail),
                at,
            },
        })
    }

    fn number(&self, _: NumberId) -> Option<E164> {
        None
    }

    fn url(&self, text: &str) -> Result<EndpointUrl, UrlError> {
        assert!(!self.panics.get(), "the test has it so");
        EndpointUrl::parse(text, &Policy::default())
    }
}

/// Says how an attempt ends, from what was sent and how many there were before.
type Fate = Box<dyn FnMut(&Ticket, u64) -> End>;

/// The world of one test.
pub(crate) struct World {
    shelf: Arc<MemoryShelf>,
    records: Records,
    pub(crate) hub: Hub,
    around: Rc<Around>,
    limits: Limits,
    admission: Arc<Admission>,
    now_us: i64,
    /// Attempts under way, by when they end.
    under_way: BTreeMap<(i64, u64), (Job, End)>,
    count: u64,
    /// Decides how attempts end.
    pub(crate) fate: Fate,
    pub(crate) started: Vec<Started>,
    /// Attempts that ended and are durable.
    pub(crate) ended: Vec<Attempt>,
    /// What the mailbox was told.
    pub(crate) mails: Vec<MailKind>,
    /// Whom the account's events are for, as everyone knows.
    pub(crate) known: Vec<EndpointId>,
    /// Events that are durable and not yet heard of.
    offered: VecDeque<(Arc<WebhookEvent>, Timestamp)>,
}

impl World {
    pub(crate) fn new(queue_max: usize) -> World {
        World::within(World::limits(queue_max))
    }

    /// The bounds of the default settings, but for memory.
    pub(crate) fn limits(queue_max: usize) -> Limits {
        Limits {
            in_flight_max: 1_024,
            endpoint_in_flight_max: 64,
            queue_max,
            failing_ms_max: 120 * 3_600_000,
            event_age_ms: 30 * 24 * 3_600_000,
            overlap_ms: 24 * 3_600_000,
        }
    }

    pub(crate) fn within(limits: Limits) -> World {
        let shelf = Arc::new(MemoryShelf::new());
        let records = Records::new(Arc::clone(&shelf) as _);
        let around = Rc::new(Around::default());
        let mut world = World {
            hub: hub(&limits, &around, &records, 0),
            shelf,
            records,
            around,
            limits,
            admission: Admission::new(1_000),
            now_us: 0,
            under_way: BTreeMap::new(),
            count: 0,
            fate: Box::new(|_, _| (AttemptClass::Succeeded, 5, None)),
            started: Vec::new(),
            ended: Vec::new(),
            mails: Vec::new(),
            known: Vec::new(),
            offered: VecDeque::new(),
        };
        let created = Account::decide_create("Acme", None).unwrap();
        assert!(matches!(created, AccountEvent::Created { .. }));
        world.journal(vec![Event::Account(ACCOUNT, created)]);
        world
    }

    pub(crate) fn now(&self) -> Moment {
        moment(self.now_us)
    }

    pub(crate) fn ms(&self) -> u64 {
        (self.now_us / 1_000) as u64
    }

    /// The actor of whoever starts its first attempt now fails.
    pub(crate) fn let_fail(&mut self, fails: bool) {
        self.around.panics.set(fails);
    }

    pub(crate) fn with_address(&mut self) {
        self.around.has_address.set(true);
    }

    /// Applies an entry to the records.
    fn journal(&mut self, events: Vec<Event>) {
        for event in &events {
            if let Event::Attempted(attempt) = event {
                self.ended.push((**attempt).clone());
            }
        }
        let meta = self.records.meta().unwrap();
        let seq = meta.seq.next();
        let entry = Entry {
            at: self.now().wall,
            events,
        };
        let mut round = Round::begin(&*self.shelf, meta);
        round.apply(seq, &entry).unwrap();
        round.commit().unwrap();
    }

    /// Makes an endpoint.
    pub(crate) fn endpoint(&mut self, change: impl FnOnce(&mut EndpointSettings)) -> EndpointId {
        let mut settings = EndpointSettings {
            url: "https://a.example/hook".into(),
            description: "".into(),
            filter: EventFilter::default(),
            form: PayloadForm::Message,
            schedule: RetrySchedule::Product,
            is_ordered: false,
            rate_per_second: None,
        };
        change(&mut settings);
        let new = NewEndpoint {
            settings,
            number: None,
            is_asymmetric: false,
            is_status: false,
        };
        let created = self.ask(|reply| Command::Create(Box::new(new), None, reply));
        created.unwrap().view.endpoint.id
    }

    /// Asks, and carries on until there is an answer.
    pub(crate) fn ask<T>(
        &mut self,
        command: impl FnOnce(Reply<T>) -> Command,
    ) -> Result<T, WebhookError> {
        let (reply, mut answer) = oneshot::channel();
        let asked = Asked {
            account: ACCOUNT,
            command: command(reply),
            permit: self.admission.admit().unwrap(),
        };
        let now = self.now();
        self.hub.asked(asked, now);
        self.settle();
        answer.try_recv().expect("it is answered at once")
    }

    pub(crate) fn view(&mut self, endpoint: EndpointId) -> EndpointView {
        self.ask(|reply| Command::View(endpoint, reply)).unwrap()
    }

    pub(crate) fn row(&self, event: EventId) -> EventRow {
        self.records.event(ACCOUNT, event).unwrap().unwrap()
    }

    /// What is stored of an event, if it is.
    pub(crate) fn stored(&self, event: EventId) -> Option<EventRow> {
        self.records.event(ACCOUNT, event).unwrap()
    }

    /// Lets an event happen that these endpoints are told of.
    pub(crate) fn offer(&mut self, to: &[EndpointId], conversation: Option<u64>) -> EventId {
        let targets = to.iter().map(|endpoint| Target {
            endpoint: *endpoint,
            is_missed: false,
        });
        self.offer_to(targets.collect(), conversation)
    }

    pub(crate) fn offer_to(&mut self, to: Vec<Target>, conversation: Option<u64>) -> EventId {
        let now = self.now();
        let event = WebhookEvent {
            id: self.around.event_id(now.wall),
            account: ACCOUNT,
            number: None,
            channel: None,
            conversation: conversation.map(ConversationId),
            fact: Fact::WalletLow {
                balance: Micros::ZERO,
                threshold: Micros::ZERO,
            },
            to: to.into_iter().collect(),
        };
        self.journal(vec![Event::Offered(Box::new(event.clone()))]);
        let id = event.id;
        self.offered.push_back((Arc::new(event), now.wall));
        id
    }

    /// Does everything that can be done now.
    pub(crate) fn settle(&mut self) {
        loop {
            let now = self.now();
            let mut idle = true;
            while let Some((event, at)) = self.offered.pop_front() {
                self.hub.offered(&event, at, None, now);
                idle = false;
            }
            let work = self.hub.turn(true, now);
            let all = !work.questions.is_empty();
            if let Some((events, effects)) = self.hub.take_batch(all, now) {
                idle = false;
                if !events.is_empty() {
                    self.journal(events);
                }
                for effect in effects {
                    self.perform(effect);
                }
            }
            for job in work.jobs {
                idle = false;
                self.begin(job);
            }
            for question in work.loose.into_iter().chain(work.questions) {
                idle = false;
                let found = question.ask(&self.records);
                self.hub.found(found, now);
            }
            if idle {
                return;
            }
        }
    }

    fn perform(&mut self, effect: HubEffect) {
        let now = self.now();
        match effect {
            HubEffect::Reply(answer) => answer(),
            HubEffect::Release(endpoint, event) => self.hub.release(endpoint, event, now),
            HubEffect::Tell(Tell::Event { event, at, .. }) => self.offered.push_back((event, at)),
            HubEffect::Tell(Tell::Mail { mail, .. }) => self.mails.push(mail.kind.clone()),
            HubEffect::Publish(_, list) => {
                self.known = list.iter().map(|one| one.endpoint).collect();
                self.known.sort_unstable();
            }
            HubEffect::Attempts(_)
            | HubEffect::Exhausted
            | HubEffect::Disabled(_)
            | HubEffect::Recovered(_) => {}
        }
    }

    fn begin(&mut self, job: Job) {
        assert!(job.face.is_some(), "the endpoint's URL and keys are sound");
        let body = job.material.payload(PayloadForm::Message);
        assert!(body.starts_with(b"{"));
        let ms = self.ms();
        let end = (self.fate)(&job.ticket, ms);
        self.started.push(Started {
            at_ms: self.ms(),
            ticket: job.ticket,
        });
        self.count += 1;
        let at = self.now_us + end.1 as i64 * 1_000;
        self.under_way.insert((at, self.count), (job, end));
    }

    /// Lets so much time pass, and happen what happens in it.
    pub(crate) fn pass(&mut self, ms: u64) {
        let until = self.now_us + ms as i64 * 1_000;
        self.settle();
        loop {
            let hub = self.hub.next_at().map(|at| at.0 - SECOND_US);
            let hub = hub.map(|at| at.max(self.now_us + 1));
            let end = self.under_way.keys().next().map(|(at, _)| *at);
            let next = hub.into_iter().chain(end).min().unwrap_or(until);
            self.now_us = next.min(until);
            self.bring_ends();
            self.settle();
            if self.now_us >= until {
                return;
            }
        }
    }

    fn bring_ends(&mut self) {
        let later = self.under_way.split_off(&(self.now_us + 1, 0));
        let ended = std::mem::replace(&mut self.under_way, later);
        let group: Vec<Ended> = ended
            .into_iter()
            .map(|((at, _), (job, (class, ms, retry_after_ms)))| Ended {
                ticket: job.ticket,
                at: moment(at - ms as i64 * 1_000).wall,
                duration_ms: ms as u32,
                status: None,
                class,
                body_start: "ok".into(),
                retry_after_ms,
            })
            .collect();
        let now = self.now();
        self.hub.ended(group, now);
    }

    /// The process is killed and starts again: what is not in the journal never happened.
    pub(crate) fn crash(&mut self) {
        self.under_way.clear();
        self.offered.clear();
        self.hub = hub(&self.limits, &self.around, &self.records, self.now_us);
    }

    /// Holds the records against every rule of an audit.
    pub(crate) fn audit(&self) {
        let report = didfarm_store::verify::audit(&self.records, None).unwrap();
        assert!(report.breaches.is_empty(), "{:?}", report.breaches);
    }

    /// What waits in the records.
    pub(crate) fn pending(&self, endpoint: EndpointId) -> u64 {
        let record = self.records.endpoint(endpoint).unwrap();
        record.map_or(0, |record| record.pending)
    }

    /// When the attempts of an event were started, in milliseconds.
    pub(crate) fn starts_of(&self, event: EventId) -> Vec<u64> {
        let of = |started: &&Started| started.ticket.event == event;
        self.started
            .iter()
            .filter(of)
            .map(|started| started.at_ms)
            .collect()
    }
}

fn hub(limits: &Limits, around: &Rc<Around>, records: &Records, now_us: i64) -> Hub {
    let Endpoints { records, next } = Endpoints::read(records).unwrap();
    let budget = RestartBudget::new(5, Duration::from_secs(60));
    Hub::new(
        limits.clone(),
        Box::new(Rc::clone(around)),
        (records, next),
        Resting::new(Duration::from_secs(11), budget),
        0x5eed ^ now_us as u64,
        moment(now_us),
    )
}

/// The monotonic clock begins a second before the test, far from the wall's scale.
fn moment(us: i64) -> Moment {
    Moment {
        wall: Timestamp(START.0 + us),
        mono: Timestamp(SECOND_US + us),
    }
}

thread_local! {
    static DICE: RefCell<u64> = const { RefCell::new(0x9E37_79B9_7F4A_7C15) };
}

/// A random number below `below`, the same in every run of a test.
pub(crate) fn dice(below: u64) -> u64 {
    DICE.with_borrow_mut(|state| {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        *state % below
    })
}
