//! Where supervised actors are started, again and again: the arbiters, their bells and their outboxes.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use actix::{Actor, Addr, ArbiterHandle};
use didfarm_store::journal::Journal;

use crate::actors::delivery::rebuild::Rebuilt;
use crate::actors::delivery::{DeliveryEffect, DeliverySupervisor};
use crate::actors::mails::courier::Courier;
use crate::actors::mails::{MailEffect, MailSupervisor};
use crate::actors::partition::{Effect, PartitionActor};
use crate::actors::root::{Factories, RootSupervisor};
use crate::actors::webhooks::client::Clients;
use crate::actors::webhooks::rebuild::Endpoints;
use crate::actors::webhooks::{HubEffect, WebhookSupervisor};
use crate::carriers::Carriers;
use crate::outbox::{DurableBell, Outbox};
use crate::shared::Shared;

/// How far the delivery supervisor's thread gives way to others, as nice(1) counts it.
const DELIVERY_NICENESS: i32 = 5;

/// What wakes the actors of each arbiter.
#[derive(Clone)]
pub(super) struct Bells {
    partitions: Vec<Arc<DurableBell>>,
    delivery: Arc<DurableBell>,
    webhooks: Arc<DurableBell>,
    mails: Arc<DurableBell>,
    pub(super) control: Arc<DurableBell>,
}

impl Bells {
    pub(super) fn new(shared: &Shared) -> Bells {
        let bell = || DurableBell::on(&shared.journal);
        Bells {
            partitions: shared.partitions.iter().map(|_| bell()).collect(),
            delivery: bell(),
            webhooks: bell(),
            mails: bell(),
            control: bell(),
        }
    }
}

thread_local! {
    /// The outbox of this arbiter's partition: it outlives the actor, so that a rebuilt one performs
    /// what the failed one had decided.
    static PARTITION_OUTBOX: OnceCell<Rc<Outbox<Effect>>> = const { OnceCell::new() };
    /// The same for the delivery supervisor.
    static DELIVERY_OUTBOX: OnceCell<Rc<Outbox<DeliveryEffect>>> = const { OnceCell::new() };
    /// The same for the webhook supervisor.
    static WEBHOOK_OUTBOX: OnceCell<Rc<Outbox<HubEffect>>> = const { OnceCell::new() };
    /// The same for the mail supervisor.
    static MAIL_OUTBOX: OnceCell<Rc<Outbox<MailEffect>>> = const { OnceCell::new() };
}

/// Where supervised actors are started, again and again.
pub(super) struct Threads {
    pub(super) shared: Arc<Shared>,
    pub(super) bells: Bells,
    pub(super) carriers: Arc<Carriers>,
    pub(super) partitions: Vec<ArbiterHandle>,
    pub(super) delivery: ArbiterHandle,
    /// Where webhooks and mails are supervised.
    pub(super) hub: ArbiterHandle,
    pub(super) clients: Arc<Clients>,
    pub(super) courier: Arc<dyn Courier>,
}

impl Threads {
    pub(super) fn partition(&self, index: usize, root: Addr<RootSupervisor>) {
        let (shared, bell) = (
            Arc::clone(&self.shared),
            Arc::clone(&self.bells.partitions[index]),
        );
        self.partitions[index].spawn_fn(move || {
            let outbox = PARTITION_OUTBOX.with(|cell| own(cell, &shared.journal, &bell));
            PartitionActor::new(index, shared, outbox, bell, root).start();
        });
    }

    pub(super) fn delivery(&self, rebuilt: Rebuilt, root: Addr<RootSupervisor>) {
        let (shared, bell) = (Arc::clone(&self.shared), Arc::clone(&self.bells.delivery));
        let carriers = Arc::clone(&self.carriers);
        self.delivery.spawn_fn(move || {
            // Nobody waits for it within milliseconds, as they do for an answer. Where the system will not
            // have it, the thread takes its full share.
            let _ = rustix::process::setpriority_process(
                Some(rustix::thread::gettid()),
                DELIVERY_NICENESS,
            );
            let outbox = DELIVERY_OUTBOX.with(|cell| own(cell, &shared.journal, &bell));
            DeliverySupervisor::new(shared, outbox, bell, root, carriers, rebuilt).start();
        });
    }

    pub(super) fn webhooks(&self, endpoints: Endpoints, root: Addr<RootSupervisor>) {
        let (shared, bell) = (Arc::clone(&self.shared), Arc::clone(&self.bells.webhooks));
        let clients = Arc::clone(&self.clients);
        self.hub.spawn_fn(move || {
            let outbox = WEBHOOK_OUTBOX.with(|cell| own(cell, &shared.journal, &bell));
            WebhookSupervisor::new(shared, outbox, bell, root, clients, endpoints).start();
        });
    }

    pub(super) fn mails(&self, root: Addr<RootSupervisor>) {
        let (shared, bell) = (Arc::clone(&self.shared), Arc::clone(&self.bells.mails));
        let courier = Arc::clone(&self.courier);
        self.hub.spawn_fn(move || {
            let outbox = MAIL_OUTBOX.with(|cell| own(cell, &shared.journal, &bell));
            MailSupervisor::new(shared, outbox, bell, root, courier).start();
        });
    }

    pub(super) fn into_factories(self) -> Factories {
        let threads = Rc::new(self);
        let (delivery, webhooks) = (Rc::clone(&threads), Rc::clone(&threads));
        let mails = Rc::clone(&threads);
        Factories {
            partition: Box::new(move |index, root| threads.partition(index, root)),
            delivery: Box::new(move |rebuilt, root| delivery.delivery(rebuilt, root)),
            webhooks: Box::new(move |endpoints, root| webhooks.webhooks(endpoints, root)),
            mails: Box::new(move |root| mails.mails(root)),
        }
    }
}

fn own<E>(
    cell: &OnceCell<Rc<Outbox<E>>>,
    journal: &Arc<Journal<didfarm_core::event::Entry>>,
    bell: &Arc<DurableBell>,
) -> Rc<Outbox<E>> {
    Rc::clone(cell.get_or_init(|| Outbox::new(Arc::clone(journal), Arc::clone(bell))))
}
