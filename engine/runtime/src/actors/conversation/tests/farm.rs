//! An engine with one account and one number, in a directory that goes with it.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use didfarm_carriers::callback::Inbound;
use didfarm_config::Settings;
use didfarm_core::channel::Channel;
use didfarm_core::e164::{E164, Validation};
use didfarm_core::event::{Entry, Event};
use didfarm_core::ids::{AccountId, CarrierId, CarrierMessageId, EndpointId, NumberId};
use didfarm_core::money::Micros;
use didfarm_core::number::NumberCommand;
use didfarm_core::peer::Peer;
use didfarm_core::time::Timestamp;
use didfarm_core::webhook::endpoint::{
    Endpoint, EndpointEvent, EndpointSettings, EndpointState, EventFilter, Health, PayloadForm,
};
use didfarm_core::webhook::schedule::RetrySchedule;
use didfarm_store::seq::Seq;
use tempfile::TempDir;

use crate::account::AccountHandle;
use crate::engine::{Engine, EngineOptions};
use crate::fault::FaultPoints;
use crate::handle::EngineHandle;
use crate::offers::Subscription;
use crate::operate::{NewAccount, NewNumber};
use crate::receive::ReceivedMessage;
use crate::send::{Priority, SendRequest, Sender, SentMessage};

/// Our number.
const OURS: &str = "+31201234567";
/// The peer of messages that name no other.
pub(super) const PEER: &str = "+31612345678";
/// What a segment costs, in millionths of a euro.
pub(super) const PRICE: i64 = 8_000;
/// How long a condition is waited for.
const WAIT_MAX: Duration = Duration::from_secs(20);
/// The pause between two looks at a condition.
const POLL: Duration = Duration::from_millis(5);

/// Runs a test inside of an actix system.
pub(super) fn run(test: impl Future<Output = ()>) {
    actix::System::new().block_on(test);
}

/// The engine.
pub(super) struct Farm {
    engine: Option<Engine>,
    pub(super) handle: EngineHandle,
    pub(super) account: Arc<AccountHandle>,
    pub(super) number: NumberId,
    /// What the wallet started with.
    pub(super) funds: Micros,
    settings: Settings,
    dir: TempDir,
}

impl Farm {
    /// Starts one on little disk; its account has ten euro.
    pub(super) async fn start(change: impl FnOnce(&mut Settings)) -> Farm {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = Settings {
            data_dir: dir.path().join("data"),
            ..Settings::default()
        };
        settings.store.free_bytes_min = 1_024 * 1_024;
        settings.store.segment_bytes = 4 * 1_024 * 1_024;
        settings.store.group_bytes_max = 1_024 * 1_024;
        settings.store.sled_cache_bytes = 16 * 1_024 * 1_024;
        settings.store.keep_bytes = u64::MAX;
        settings.simulator.receipt_delay_ms = 1;
        settings.simulator.receipt_jitter_ms = 0;
        change(&mut settings);
        let engine = open(&settings);
        let handle = engine.handle();
        let account = handle
            .create_account(NewAccount {
                name: "Acme".into(),
                rate_limit: None,
                email: None,
            })
            .await
            .unwrap()
            .id;
        let number = handle
            .add_number(NewNumber {
                account,
                e164: E164::parse(OURS, Validation::Syntax).unwrap(),
                active: true,
                sms: true,
                whatsapp: true,
            })
            .await
            .unwrap()
            .id;
        let funds = Micros::new(10_000_000);
        handle.top_up(account, funds).await.unwrap();
        Farm::of(engine, (account, number), funds, settings, dir)
    }

    fn of(
        engine: Engine,
        (account, number): (AccountId, NumberId),
        funds: Micros,
        settings: Settings,
        dir: TempDir,
    ) -> Farm {
        let handle = engine.handle();
        let account = handle.shared().directory.account(account).unwrap();
        Farm {
            engine: Some(engine),
            handle,
            account,
            number,
            funds,
            settings,
            dir,
        }
    }

    /// Stops it and starts it anew on what it stored.
    pub(super) async fn restart(self) -> Farm {
        let Farm {
            engine,
            handle,
            account,
            number,
            funds,
            settings,
            dir,
        } = self;
        drop(handle);
        engine.expect("it runs").stop();
        let engine = open(&settings);
        Farm::of(engine, (account.id(), number), funds, settings, dir)
    }

    /// Stops it; what it stored is sound.
    pub(super) fn stop_and_verify(self) {
        let Farm {
            engine,
            handle,
            settings,
            dir,
            ..
        } = self;
        drop(handle);
        engine.expect("it runs").stop();
        let cache_bytes = settings.store.sled_cache_bytes;
        let report = didfarm_store::verify::verify(&settings.data_dir, cache_bytes, None).unwrap();
        assert!(report.breaches.is_empty(), "{:?}", report.breaches);
        drop(dir);
    }

    /// Lets one endpoint be told of what passes the filter. The records know it and the webhook supervisor
    /// does not: nobody is spoken to.
    pub(super) fn subscribe(&self, filter: EventFilter) {
        let engine = self.handle.shared();
        let (at, id) = (engine.now(), EndpointId(1));
        let made = EndpointEvent::Created(Box::new(endpoint(id, self.account.id(), &filter, at)));
        let events = vec![Event::Endpoint(id, made)];
        engine.journal.append(Entry { at, events });
        let one = Subscription {
            endpoint: id,
            filter,
            is_enabled: true,
            tokens: None,
        };
        self.account.set_subscriptions(Arc::from([one]));
    }

    pub(super) async fn set(&self, command: NumberCommand) {
        self.handle.set_number(self.number, command).await.unwrap();
    }

    /// A message from the peer by SMS.
    pub(super) fn inbound(&self, id: &str, body: &str) -> Inbound {
        Inbound {
            id: Some(CarrierMessageId(id.into())),
            from: Peer::parse(PEER).unwrap(),
            alias: None,
            to: E164::parse(OURS, Validation::Syntax).unwrap(),
            channel: Channel::Sms,
            body: body.into(),
            content: None,
        }
    }

    pub(super) async fn receive(&self, inbound: Inbound) -> ReceivedMessage {
        let received = self.handle.receive(CarrierId::SIMULATOR, inbound).await;
        received.unwrap()
    }

    pub(super) async fn send(&self, channel: Channel, body: &str) -> SentMessage {
        let request = SendRequest {
            from: Sender::Id(self.number),
            to: Peer::parse(PEER).unwrap(),
            channel,
            body: body.into(),
            content: None,
            validity: None,
            send_at: None,
            priority: Priority::Normal,
            smart_encoding: false,
            status_url: None,
        };
        self.handle.send(&self.account, request).await.unwrap()
    }

    /// Everything that the journal says.
    pub(super) fn entries(&self) -> Vec<Entry> {
        let mut reader = self.handle.shared().journal.reader(Seq(1));
        let mut entries = Vec::new();
        while let Some(group) = reader.next_group(Seq::MAX).unwrap() {
            entries.extend(group.into_iter().map(|(_, entry)| entry));
        }
        entries
    }

    /// Everything that the journal says once a condition holds.
    pub(super) async fn entries_once(&self, holds: impl Fn(&[Entry]) -> bool) -> Vec<Entry> {
        let until = Instant::now() + WAIT_MAX;
        loop {
            let entries = self.entries();
            if holds(&entries) {
                return entries;
            }
            assert!(Instant::now() < until, "it does not come: {entries:?}");
            tokio::time::sleep(POLL).await;
        }
    }
}

fn endpoint(id: EndpointId, account: AccountId, filter: &EventFilter, at: Timestamp) -> Endpoint {
    let settings = EndpointSettings {
        url: "https://hooks.invalid/".into(),
        description: "".into(),
        filter: filter.clone(),
        form: PayloadForm::Message,
        schedule: RetrySchedule::default(),
        is_ordered: false,
        rate_per_second: None,
    };
    Endpoint {
        id,
        account,
        number: None,
        is_status: false,
        settings,
        keys: Vec::new(),
        state: EndpointState::Enabled,
        health: Health::default(),
        mailed_at: None,
        dropped_from: None,
        recovery: None,
        created_at: at,
    }
}

fn open(settings: &Settings) -> Engine {
    let options = EngineOptions {
        on_fatal: Arc::new(|fatal| panic!("{fatal}")),
        faults: FaultPoints::default(),
    };
    Engine::start(settings.clone(), options).unwrap()
}
