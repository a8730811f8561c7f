//! What every thread of the engine shares.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use didfarm_config::Settings;
use didfarm_core::event::Entry;
use didfarm_core::ids::{Extent, NumberId};
use didfarm_core::price::PriceList;
use didfarm_core::route::RouteTable;
use didfarm_core::time::Timestamp;
use didfarm_store::disk::lock::DirLock;
use didfarm_store::journal::{Journal, Room};
use didfarm_store::records::Records;
use didfarm_store::records::keeper::Keeper;
use didfarm_store::seq::Seq;
use tokio::sync::oneshot;

use crate::abuse::AbuseRules;
use crate::actors::delivery::DeliveryInput;
use crate::actors::mails::MailInput;
use crate::actors::mails::trying::Trying;
use crate::actors::partition::PartitionInput;
use crate::actors::webhooks::HubInput;
use crate::actors::webhooks::reach::Reach;
use crate::admission::Admission;
use crate::bars::Bars;
use crate::batches::Writers;
use crate::callback::Pace;
use crate::carriers::Views;
use crate::clock::Clock;
use crate::directory::Directory;
use crate::fault::FaultPoints;
use crate::health::Readiness;
use crate::idempotency::table::KeyTable;
use crate::inbox::Inbox;
use crate::meters::Meters;
use crate::pools::PoolHealth;
use crate::quarantine::Quarantine;
use crate::read::ReadError;
use crate::readers::Readers;
use crate::send::Unavailable;

/// The engine's shared state.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) journal: Arc<Journal<Entry>>,
    pub(crate) records: Records,
    pub(crate) keeper: Keeper,
    /// Where customers read.
    pub(crate) readers: Arc<Readers>,
    /// Where actors load what they need: nobody's lists hold it up.
    pub(crate) loaders: Arc<Readers>,
    pub(crate) directory: Directory,
    pub(crate) admission: Arc<Admission>,
    /// Rows of batches, which leave room for everybody else.
    pub(crate) rows: Arc<Admission>,
    pub(crate) callbacks: Arc<Admission>,
    pub(crate) partitions: Vec<Inbox<PartitionInput>>,
    pub(crate) delivery: Inbox<DeliveryInput>,
    pub(crate) webhooks: Inbox<HubInput>,
    pub(crate) mails: Inbox<MailInput>,
    /// Idempotency keys.
    pub(crate) keys: Arc<KeyTable>,
    /// Mails whose try is under way.
    pub(crate) mails_trying: Trying,
    /// Where webhook endpoints may lie.
    pub(crate) reach: Reach,
    /// Webhook attempts that were started and have not ended.
    pub(crate) attempts_in_flight: AtomicUsize,
    /// Messages that carriers outside of this process have and did not answer.
    pub(crate) unanswered: AtomicUsize,
    /// Whether messages are still handed to carriers.
    pub(crate) hands_over: AtomicBool,
    /// Messages that wait for their time.
    pub(crate) scheduled: AtomicU64,
    pub(crate) routes: RouteTable,
    pub(crate) prices: PriceList,
    /// Where accounts may send to, and how much.
    pub(crate) abuse: AbuseRules,
    /// How the numbers of pools deliver.
    pub(crate) pools: Arc<PoolHealth>,
    /// How the carriers are, as the delivery supervisor shows it.
    pub(crate) carrier_views: Views,
    /// How fast callbacks become durable.
    pub(crate) pace: Pace,
    pub(crate) quarantine: Quarantine,
    /// Messages that do not go because their peer opted out.
    pub(crate) bars: Bars,
    pub(crate) meters: Meters,
    pub(crate) faults: FaultPoints,
    pub(crate) ready: AtomicBool,
    pub(crate) draining: AtomicBool,
    pub(crate) extent_next: AtomicU64,
    /// The last event id that was given out.
    pub(crate) event_last: AtomicU64,
    /// The next mail id.
    pub(crate) mail_next: AtomicU64,
    /// The next batch id.
    pub(crate) batch_next: AtomicU64,
    /// Who hands in rows of which batch.
    pub(crate) batches: Arc<Writers>,
    /// Messages that wait in their accounts' lines.
    pub(crate) in_line: AtomicU64,
    /// Last, so that it is let go last.
    pub(crate) _lock: DirLock,
}

impl Shared {
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The monotonic clock, on the scale of timestamps.
    pub(crate) fn mono(&self) -> Timestamp {
        let elapsed_us = self.clock.elapsed().as_micros();
        Timestamp(i64::try_from(elapsed_us).unwrap_or(i64::MAX))
    }

    /// An extent that nothing has. One that is not used leaves a hole, which nothing minds.
    pub(crate) fn fresh_extent(&self) -> Extent {
        Extent(self.extent_next.fetch_add(1, Ordering::Relaxed))
    }

    /// The inbox of the partition that a number lives in.
    pub(crate) fn partition_of(&self, number: NumberId) -> &Inbox<PartitionInput> {
        &self.partitions[number.0 as usize % self.partitions.len()]
    }

    pub(crate) fn readiness(&self) -> Readiness {
        if self.draining.load(Ordering::Acquire) {
            Readiness::Draining
        } else if !self.ready.load(Ordering::Acquire) {
            Readiness::Starting
        } else if self.journal.room() == Room::Short {
            Readiness::DiskShort
        } else if self.records_lag() > self.settings.store.records_lag_entries_max {
            Readiness::RecordsBehind
        } else {
            Readiness::Ready
        }
    }

    /// Lets new work in, or says why not.
    pub(crate) fn gate(&self) -> Result<(), Unavailable> {
        match self.readiness() {
            Readiness::Ready => Ok(()),
            Readiness::Starting => Err(Unavailable::Busy),
            Readiness::DiskShort => Err(Unavailable::DiskShort),
            Readiness::Draining => Err(Unavailable::Draining),
            Readiness::RecordsBehind => Err(Unavailable::RecordsBehind),
        }
    }

    fn records_lag(&self) -> u64 {
        self.journal
            .durable()
            .0
            .saturating_sub(self.keeper.applied().0)
    }

    /// Runs a read on a reader thread, once the records have everything up to `seq`.
    pub(crate) fn read_after<T: Send + 'static>(
        self: &Arc<Self>,
        lane: &Arc<Readers>,
        seq: Seq,
        read: impl FnOnce(&Records) -> T + Send + 'static,
        then: impl FnOnce(T) + Send + 'static,
    ) {
        let (records, lane) = (self.records.clone(), Arc::clone(lane));
        self.keeper.catch_up(
            seq,
            Box::new(move || {
                lane.run(Box::new(move || then(read(&records))));
            }),
        );
    }

    /// A customer's read: as fresh as everything that was acknowledged before it was asked.
    pub(crate) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Records) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let Some(permit) = self.admission.admit() else {
            return Err(Unavailable::Busy.into());
        };
        let (reply, answer) = oneshot::channel();
        let job = move |records: &Records| {
            // The permit stays with the work: an asker who leaves makes no room for another.
            let _permit = permit;
            if !reply.is_closed() {
                // The asker may leave now.
                let _ = reply.send(read(records));
            }
        };
        self.read_after(&self.readers, self.journal.durable(), job, |()| {});
        answer
            .await
            .unwrap_or(Err(ReadError::Unavailable(Unavailable::Faulted)))
    }

    /// How long a refused caller should wait.
    pub(crate) fn retry_after(&self) -> Duration {
        self.settings.limits.retry_after()
    }
}
