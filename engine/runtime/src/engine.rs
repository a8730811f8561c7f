//! Starting and stopping the engine: the store, the threads, the first actors.
//!
//! Each partition of numbers and the delivery supervisor have an arbiter (a thread) of their own; the
//! root supervisor and the accounts share one. HTTP runs on none of them.

mod threads;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use actix::{Actor, Addr, Arbiter};
use didfarm_carriers::CarrierSink;
use didfarm_config::Settings;
use didfarm_core::account::Account;
use didfarm_store::records::RecordsError;
use didfarm_store::store::{FatalStore, Recovery, Store, StoreOpenError, StoreSettings};

use self::threads::{Bells, Threads};
use crate::abuse::AbuseRules;
use crate::account::{AccountDefaults, AccountHandle};
use crate::actors::delivery::rebuild::Rebuilt;
use crate::actors::delivery::{DeliveryInput, TICK_MS};
use crate::actors::mails::courier::{MailStartError, MailThread};
use crate::actors::mails::trying::Trying;
use crate::actors::root::RootSupervisor;
use crate::actors::webhooks::client::{ClientStartError, Clients, sender_settings};
use crate::actors::webhooks::reach::Reach;
use crate::actors::webhooks::rebuild::Endpoints;
use crate::admission::Admission;
use crate::bars::Bars;
use crate::callback::Pace;
use crate::carriers::start::CarrierStartError;
use crate::carriers::{self, Faces, Views};
use crate::clock::{Clock, SteadyClock};
use crate::directory::Directory;
use crate::fault::FaultPoints;
use crate::handle::EngineHandle;
use crate::handle::callbacks::EngineSink;
use crate::idempotency;
use crate::idempotency::table::KeyTable;
use crate::inbox::Inbox;
use crate::meters::Meters;
use crate::pools::PoolHealth;
use crate::quarantine::Quarantine;
use crate::readers::Readers;
use crate::replies::secret::MailSecret;
use crate::replies::{self, Replies};
use crate::shared::Shared;

/// Threads that read for customers.
const READERS: usize = 2;
/// Threads that load for actors.
const LOADERS: usize = 1;
/// Ticks in a second.
const TICKS_PER_SECOND: u32 = (1_000 / TICK_MS) as u32;
/// How long a stop waits for the ends of webhook attempts.
const ATTEMPTS_END_MAX: Duration = Duration::from_secs(5);
/// How long a stop waits for the last users of the engine to let go.
const LET_GO_MAX: Duration = Duration::from_secs(2);

/// Why the engine cannot go on; the process is to end and recover.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// The store failed.
    #[error(transparent)]
    Store(FatalStore),
    /// Actors fail faster than they may be rebuilt.
    #[error("{0}; restart to recover")]
    Hopeless(String),
}

/// Why the engine does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store does not open.
    #[error(transparent)]
    Store(#[from] StoreOpenError),
    /// The records cannot be read.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// A carrier does not start.
    #[error(transparent)]
    Carrier(#[from] CarrierStartError),
    /// Webhook attempts cannot be made.
    #[error(transparent)]
    Webhooks(#[from] ClientStartError),
    /// Mail does not start.
    #[error(transparent)]
    Mail(#[from] MailStartError),
    /// A thread cannot be made.
    #[error("a thread cannot be started: {0}")]
    Thread(#[from] std::io::Error),
}

/// What the engine is told from outside.
#[derive(Clone)]
pub struct EngineOptions {
    /// Told when the engine cannot go on. It must end the process.
    pub on_fatal: Arc<dyn Fn(Fatal) + Send + Sync>,
    /// Faults for tests.
    pub faults: FaultPoints,
}

/// A running engine.
pub struct Engine {
    shared: Arc<Shared>,
    root: Addr<RootSupervisor>,
    faces: Arc<Faces>,
    arbiters: Vec<Arbiter>,
    replies: Option<Replies>,
    ticker: Option<Ticker>,
    recovery: Recovery,
    new: bool,
}

impl Engine {
    /// Opens the store, recovers, and starts every actor. Must be called inside an actix system.
    ///
    /// # Errors
    /// The store does not open, or a thread cannot be made.
    pub fn start(settings: Settings, options: EngineOptions) -> Result<Engine, StartError> {
        didfarm_core::e164::warm_up();
        let store = Store::open(&settings.data_dir, &store_settings(&settings, &options))?;
        let clock: Arc<dyn Clock> = Arc::new(SteadyClock::new(options.faults.clock()));
        let mut accounts = Vec::new();
        store
            .records
            .each_account(|account| accounts.push(account))?;
        let rebuilt = Rebuilt::read(&store.records, &settings, &[])?;
        let endpoints = Endpoints::read(&store.records)?;
        let (meta, recovery) = (store.meta, store.recovery);
        // A first start gives out its keys last: without any, it was cut short and is made again.
        let new = accounts.iter().all(|account| account.keys.is_empty());
        let shared = Arc::new(share(settings, &options, store, clock)?);
        fill_directory(&shared, &accounts)?;
        endpoints.publish(&shared);
        idempotency::sweep::load(&shared, None);

        let bells = Bells::new(&shared);
        let sink: Arc<dyn CarrierSink> = Arc::new(EngineSink(Arc::clone(&shared)));
        let carriers = Arc::new(carriers::start::start(&shared.settings, &sink)?);
        let faces = Arc::new(Faces::of(&carriers));
        let requests = sender_settings(&shared.settings)?;
        let clients = Clients::start(&shared, &requests)?;
        let secret = open_secret(&shared.settings)?;
        let reply_addresses = replies::addresses(&shared.settings, &secret)?;
        let replies_to = reply_addresses.clone();
        let courier = MailThread::start(&shared.settings, &secret, replies_to, requests)?;
        let partitions: Vec<Arbiter> = shared.partitions.iter().map(|_| Arbiter::new()).collect();
        let (delivery, hub, control) = (Arbiter::new(), Arbiter::new(), Arbiter::new());
        let factories = Threads {
            shared: Arc::clone(&shared),
            bells: bells.clone(),
            carriers,
            partitions: partitions.iter().map(Arbiter::handle).collect(),
            delivery: delivery.handle(),
            hub: hub.handle(),
            clients: Arc::new(clients),
            courier: Arc::new(courier),
        };
        let root = {
            let shared = Arc::clone(&shared);
            let bell = Arc::clone(&bells.control);
            let next = (meta.account_next, meta.number_next);
            let on_fatal = Arc::clone(&options.on_fatal);
            RootSupervisor::start_in_arbiter(&control.handle(), move |ctx| {
                let root = actix::AsyncContext::address(ctx);
                for index in 0..shared.partitions.len() {
                    factories.partition(index, root.clone());
                }
                factories.mails(root.clone());
                factories.webhooks(endpoints, root.clone());
                factories.delivery(rebuilt, root);
                let on_hopeless = Arc::new(move |why: &str| on_fatal(Fatal::Hopeless(why.into())));
                RootSupervisor::new(
                    shared,
                    bell,
                    factories.into_factories(),
                    accounts,
                    next,
                    on_hopeless,
                )
            })
        };
        let ticker = Ticker::start(Arc::clone(&shared))?;
        shared.ready.store(true, Ordering::Release);
        let arbiters = partitions
            .into_iter()
            .chain([delivery, hub, control])
            .collect();
        let handle = EngineHandle::new(Arc::clone(&shared), root.clone(), Arc::clone(&faces));
        let replies = reply_addresses.map(|addresses| Replies::start(&shared, handle, addresses));
        Ok(Engine {
            shared,
            root,
            faces,
            arbiters,
            replies: replies.transpose()?,
            ticker: Some(ticker),
            recovery,
            new,
        })
    }

    /// The door.
    pub fn handle(&self) -> EngineHandle {
        EngineHandle::new(
            Arc::clone(&self.shared),
            self.root.clone(),
            Arc::clone(&self.faces),
        )
    }

    /// Where replies by mail are listened for.
    pub fn replies_address(&self) -> Option<SocketAddr> {
        self.replies.as_ref().and_then(Replies::address)
    }

    /// What recovery did.
    pub fn recovery(&self) -> Recovery {
        self.recovery
    }

    /// Whether no account has a key yet: the first start is still to be made.
    pub fn is_new(&self) -> bool {
        self.new
    }

    /// Waits for the attempts that are being made: what has no end in the journal is sent again.
    fn await_attempts(&self) {
        let until = Instant::now() + ATTEMPTS_END_MAX;
        let in_flight = || self.shared.attempts_in_flight.load(Ordering::Acquire);
        while in_flight() > 0 && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Stops every thread; what was accepted is durable and checkpointed then. Call it when nothing is
    /// under way any more.
    pub fn stop(mut self) {
        self.shared.draining.store(true, Ordering::Release);
        drop(self.replies.take());
        self.await_attempts();
        // A journal that has failed already told `on_fatal`.
        let _ = self
            .shared
            .journal
            .wait_durable(self.shared.journal.appended());
        drop(self.ticker.take());
        for arbiter in &self.arbiters {
            arbiter.stop();
        }
        for arbiter in self.arbiters.drain(..) {
            let _ = arbiter.join();
        }
        drop(self.root);
        let until = Instant::now() + LET_GO_MAX;
        while Arc::strong_count(&self.shared) > 1 && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

fn store_settings(settings: &Settings, options: &EngineOptions) -> StoreSettings {
    let on_fatal = Arc::clone(&options.on_fatal);
    let store = &settings.store;
    StoreSettings {
        segment_bytes: store.segment_bytes,
        group_bytes_max: store.group_bytes_max,
        keep_bytes: store.keep_bytes,
        free_bytes_min: store.free_bytes_min,
        checkpoint_interval: store.checkpoint_interval(),
        sled_cache_bytes: store.sled_cache_bytes,
        on_fatal: Arc::new(move |fatal| on_fatal(Fatal::Store(fatal))),
    }
}

fn share(
    settings: Settings,
    options: &EngineOptions,
    store: Store,
    clock: Arc<dyn Clock>,
) -> Result<Shared, StartError> {
    let partitions = settings.engine.partition_count();
    let stored = store.records.guarded_slots()?;
    let age_s = settings.limits.idempotency_s;
    let keys = KeyTable::new(age_s, Arc::clone(&store.journal), &stored);
    Ok(Shared {
        keys: Arc::new(keys),
        rows: Admission::new(settings.limits.commands_in_flight_max.div_ceil(2)),
        admission: Admission::new(settings.limits.commands_in_flight_max),
        callbacks: Admission::new(settings.limits.callbacks_in_flight_max),
        clock,
        journal: store.journal,
        records: store.records,
        keeper: store.keeper,
        readers: Arc::new(Readers::start("reader", READERS)?),
        loaders: Arc::new(Readers::start("loader", LOADERS)?),
        directory: Directory::default(),
        partitions: (0..partitions).map(|_| Inbox::new()).collect(),
        delivery: Inbox::new(),
        webhooks: Inbox::new(),
        mails: Inbox::new(),
        mails_trying: Trying::default(),
        reach: Reach::of(&settings),
        attempts_in_flight: AtomicUsize::new(0),
        unanswered: AtomicUsize::new(0),
        hands_over: AtomicBool::new(true),
        scheduled: AtomicU64::new(0),
        routes: settings.route_table(),
        abuse: AbuseRules::new(&settings.abuse),
        pools: Arc::new(PoolHealth::new(&settings.pools)),
        prices: settings.price.list(),
        carrier_views: Views::default(),
        pace: Pace::default(),
        quarantine: Quarantine::default(),
        bars: Bars::default(),
        meters: Meters::new(),
        faults: options.faults.clone(),
        ready: AtomicBool::new(false),
        draining: AtomicBool::new(false),
        extent_next: AtomicU64::new(store.meta.extent_next),
        batch_next: AtomicU64::new(store.meta.batch_next),
        batches: Arc::default(),
        in_line: AtomicU64::new(0),
        event_last: AtomicU64::new(store.meta.event_last.0),
        mail_next: AtomicU64::new(store.meta.mail_next),
        _lock: store.lock,
        settings,
    })
}

fn open_secret(settings: &Settings) -> Result<MailSecret, MailStartError> {
    let data_dir = &settings.data_dir;
    MailSecret::open(data_dir).map_err(|error| MailStartError::File {
        path: MailSecret::path(data_dir),
        error,
    })
}

fn fill_directory(shared: &Arc<Shared>, accounts: &[Account]) -> Result<(), RecordsError> {
    let defaults = AccountDefaults::of(&shared.settings);
    for account in accounts {
        let handle = Arc::new(AccountHandle::new(
            account,
            &defaults,
            Arc::clone(&shared.clock),
        ));
        let pools = account.pools.iter();
        handle
            .pools()
            .fill(pools.cloned(), shared.journal.appended());
        shared.directory.add_account(Arc::clone(&handle));
        for key in &account.keys {
            shared.directory.add_key(&handle, key);
        }
    }
    shared
        .records
        .each_number(|number| shared.directory.set_number(&number))
}

/// The thread that keeps due times: a flooded actor cannot starve it.
struct Ticker {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    fn start(shared: Arc<Shared>) -> std::io::Result<Ticker> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("ticker".into())
            .spawn(move || {
                let mut ticks = 0u32;
                while !stopped.load(Ordering::Acquire) {
                    tick(&shared);
                    ticks = ticks.wrapping_add(1);
                    idempotency::sweep::tick(&shared);
                    if ticks.is_multiple_of(TICKS_PER_SECOND) {
                        shared.pace.measure();
                        shared.keys.tidy(shared.keeper.applied());
                    }
                    std::thread::sleep(Duration::from_millis(TICK_MS));
                }
            })?;
        Ok(Ticker {
            stop,
            thread: Some(thread),
        })
    }
}

fn tick(shared: &Shared) {
    let (depth, oldest) = shared.delivery.depth();
    shared.meters.delivery.depth.set(depth as f64);
    shared
        .meters
        .delivery
        .oldest_seconds
        .set(oldest.as_secs_f64());
    // One that has work looks at the time by itself.
    if depth == 0 {
        shared.delivery.push(DeliveryInput::Tick);
    }
    let waiting = shared.partitions.iter().map(Inbox::depth);
    let (depth, oldest) = waiting.fold((0, Duration::ZERO), |sum, one| {
        (sum.0 + one.0, sum.1.max(one.1))
    });
    shared.meters.partition.depth.set(depth as f64);
    shared
        .meters
        .partition
        .oldest_seconds
        .set(oldest.as_secs_f64());
    shared
        .meters
        .admission
        .set(shared.admission.under_way() as f64);
    shared
        .meters
        .quarantined
        .set(shared.quarantine.list().len() as f64);
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
