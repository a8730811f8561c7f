//! The carrier's thread: hands orders to the sessions and tidies up what waits.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use didfarm_core::reason::Reason;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::LocalSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::bind::keep_bound;
use super::session::Role;
use super::settings::{BindMode, SmppSettings};
use super::shared::Shared;
use super::tls::Tls;
use crate::{CarrierSink, Query, Submit};

/// How often what waits is looked through, in milliseconds.
const TIDY_MS: u64 = 50;

/// What the carrier's owner wants.
pub(super) enum Order {
    /// These are to be submitted.
    Submit(Vec<Submit>),
    /// These are to be asked for.
    Query(Vec<Query>),
}

/// Runs until there is nobody left to give orders and every session has ended.
pub(super) fn run(
    runtime: &Runtime,
    settings: SmppSettings,
    tls: Option<Tls>,
    sink: Arc<dyn CarrierSink>,
    orders: mpsc::UnboundedReceiver<Order>,
) {
    LocalSet::new().block_on(runtime, async {
        let shared = Rc::new(Shared::new(settings, tls, sink));
        let roles: &[Role] = match shared.settings.bind {
            BindMode::Transceiver => &[Role::Transceiver],
            BindMode::TransmitterReceiver => &[Role::Transmitter, Role::Receiver],
        };
        let binds: Vec<_> = (0..shared.settings.binds)
            .flat_map(|_| roles)
            .map(|role| tokio::task::spawn_local(keep_bound(Rc::clone(&shared), *role)))
            .collect();
        obey(&shared, orders).await;
        shared.close();
        for bind in binds {
            if bind.await.is_err() {
                tracing::error!(carrier = shared.settings.name, "an smpp bind had panicked");
            }
        }
        shared.tidy(true);
    });
}

async fn obey(shared: &Shared, mut orders: mpsc::UnboundedReceiver<Order>) {
    let mut ticks = interval(Duration::from_millis(TIDY_MS));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(order) => take(shared, order),
                None => return,
            },
            _ = ticks.tick() => shared.tidy(false),
        }
    }
}

fn take(shared: &Shared, order: Order) {
    match order {
        Order::Submit(group) if !shared.can_submit() => {
            shared.give_back(group, Reason::CarrierError);
        }
        Order::Query(_) if !shared.can_submit() => {}
        Order::Submit(group) => shared.waiting.borrow_mut().push(group, Instant::now()),
        Order::Query(group) => shared.waiting.borrow_mut().ask(group),
    }
    shared.work.notify_waiters();
}
