//! The account actor: keys, limit, top-ups and notices of one account.
//!
//! Owns: the account's settings. Never does: charge; the wallet's balance and the limiter are shared
//! handles, and charges are journalled with their messages. Messages: [`Operate`]. Restart: the root
//! supervisor's outbox outlives it; the next command starts it anew from the records. Limits: commands
//! come from the operators' listener alone, each with a permit.

use std::rc::Rc;
use std::sync::Arc;

use actix::{Actor, Context, Handler, Message};
use didfarm_core::abuse::country::Countries;
use didfarm_core::account::{Account, AccountCommand, AccountEvent};
use didfarm_core::event::{Entry, Event};
use didfarm_core::idempotency::GuardedAnswer;
use tokio::sync::oneshot;

use super::root::RootEffect;
use crate::account::{AccountDefaults, AccountHandle};
use crate::idempotency::Guard;
use crate::meters::Kind;
use crate::operate::{AccountView, OperateError};
use crate::outbox::Outbox;
use crate::shared::Shared;

/// An operator's command for an account.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Operate {
    pub(crate) command: AccountCommand,
    /// Its idempotency key, if it has one.
    pub(crate) guard: Option<Box<Guard>>,
    pub(crate) reply: oneshot::Sender<Result<AccountView, OperateError>>,
}

/// Asks for the account as it is.
#[derive(Message)]
#[rtype(result = "AccountView")]
pub(crate) struct View;

/// The actor.
pub(crate) struct AccountActor {
    engine: Arc<Shared>,
    outbox: Rc<Outbox<RootEffect>>,
    handle: Arc<AccountHandle>,
    state: Account,
}

impl AccountActor {
    pub(crate) fn new(
        engine: Arc<Shared>,
        outbox: Rc<Outbox<RootEffect>>,
        handle: Arc<AccountHandle>,
        state: Account,
    ) -> AccountActor {
        engine.meters.born(Kind::Account);
        AccountActor {
            engine,
            outbox,
            handle,
            state,
        }
    }

    fn view(&self) -> AccountView {
        let (state, defaults) = (&self.state, AccountDefaults::of(&self.engine.settings));
        AccountView {
            id: state.id,
            name: state.name.to_string(),
            rate_limit: state.rate_limit.unwrap_or(defaults.limit),
            email: state.email.as_deref().map(str::to_owned),
            balance: self.handle.balance(),
            low_balance: state.low_balance.unwrap_or(defaults.low_balance),
            spend_cap: state.spend_cap.or(defaults.spend_cap),
            spent_today: self.handle.spent_today(self.engine.now()),
            destinations: state.destinations.clone(),
            destinations_open: open_to(&self.engine, state),
            ranges_open: state.ranges_open,
            key_ids: state.keys.iter().map(|key| key.id.to_string()).collect(),
            pool: None,
        }
    }

    /// Gives the shared handles what an event says, once it is durable.
    fn publish(engine: &Arc<Shared>, handle: &Arc<AccountHandle>, event: &AccountEvent) {
        match event {
            AccountEvent::KeyAdded(key) => engine.directory.add_key(handle, key),
            AccountEvent::ToppedUp(amount) => handle.top_up(*amount),
            AccountEvent::RateLimitSet(limit) => {
                handle.set_limit(*limit, Arc::clone(&engine.clock))
            }
            AccountEvent::EmailSet(email) => handle.set_email(email.as_deref()),
            AccountEvent::LowBalanceSet(threshold) => handle.set_low_balance(*threshold),
            AccountEvent::QuietHoursSet(hours) => handle.set_quiet_hours(*hours),
            AccountEvent::SpendCapSet(cap) => handle.set_spend_cap(*cap),
            AccountEvent::DestinationsSet(by, countries) => {
                handle.set_destinations(*by, countries.as_ref());
            }
            AccountEvent::RangesOpenSet(kinds) => handle.set_ranges_open(*kinds),
            AccountEvent::TrafficReleased { range, since, by } => {
                if handle.release_traffic(*range, *since, *by) {
                    engine.meters.stops.released();
                }
            }
            AccountEvent::PoolSet(pool) => {
                let before = handle.pools().numbers_of(pool.id);
                let appended = || engine.journal.appended();
                handle.pools().set((**pool).clone(), appended);
                engine.forget_health(handle, &before);
            }
            AccountEvent::PoolRemoved(id) => {
                let before = handle.pools().numbers_of(*id);
                handle.pools().remove(*id);
                engine.forget_health(handle, &before);
            }
            AccountEvent::Created { .. }
            | AccountEvent::TrafficStopped(_)
            | AccountEvent::Charged { .. }
            | AccountEvent::Refunded { .. } => {}
        }
    }
}

/// What a command with an idempotency key is answered with.
fn answer(event: &AccountEvent) -> Option<GuardedAnswer> {
    match event {
        AccountEvent::PoolSet(pool) => Some(GuardedAnswer::Pool(pool.clone())),
        AccountEvent::ToppedUp(amount) => Some(GuardedAnswer::TopUp(*amount)),
        _ => None,
    }
}

/// The countries that are open to an account.
pub(super) fn open_to(engine: &Shared, account: &Account) -> Option<Countries> {
    let open = account.destinations_open.clone();
    open.or_else(|| engine.abuse.open().as_deref().cloned())
}

impl Actor for AccountActor {
    type Context = Context<Self>;
}

impl Handler<Operate> for AccountActor {
    type Result = ();

    fn handle(&mut self, mut operate: Operate, _: &mut Context<Self>) {
        // Charges and stops do not pass through here: they are what the shared handle holds.
        self.state.balance = self.handle.balance();
        self.state.stops = self.handle.stops();
        let event = match self.state.decide(operate.command) {
            Ok(event) => event,
            Err(refusal) => {
                let _ = operate.reply.send(Err(refusal.into()));
                return;
            }
        };
        self.state.evolve(&event);
        let mut view = self.view();
        let mut events = vec![Event::Account(self.state.id, event.clone())];
        let at = self.engine.now();
        if let AccountEvent::PoolSet(pool) = &event {
            view.pool = Some(pool.id);
        }
        if let (Some(guard), Some(answer)) = (&mut operate.guard, answer(&event)) {
            events.push(guard.event(answer, at));
        }
        let (engine, handle) = (Arc::clone(&self.engine), Arc::clone(&self.handle));
        let effect: RootEffect = Box::new(move |_| {
            AccountActor::publish(&engine, &handle, &event);
            view.balance = handle.balance();
            let _ = operate.reply.send(Ok(view));
        });
        let seq = self.outbox.append(Entry { at, events }, [effect]);
        if let Some(guard) = operate.guard {
            guard.appended(seq, at);
        }
    }
}

impl Handler<View> for AccountActor {
    type Result = actix::MessageResult<View>;

    fn handle(&mut self, _: View, _: &mut Context<Self>) -> Self::Result {
        actix::MessageResult(self.view())
    }
}

impl Drop for AccountActor {
    fn drop(&mut self) {
        self.engine.meters.gone(Kind::Account);
    }
}
