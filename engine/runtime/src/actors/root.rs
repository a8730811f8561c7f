//! The root supervisor: makes accounts, hosts numbers, and rebuilds what fails.
//!
//! Owns: account and number ids, the account actors, the factories of partitions and of the delivery
//! supervisor. Never does: anything with messages. Messages: [`CreateAccount`], [`OnAccount`],
//! [`AddNumber`], [`ListAccounts`], [`Exited`], [`Durable`]. Restart: none; without it the process
//! carries on but rebuilds nothing, so its handlers stay few and plain. Limits: commands come from the
//! operators' listener, each with a permit; restarts are bounded by the settings, past which the
//! process ends and recovers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message, ResponseFuture};
use didfarm_core::account::{Account, AccountCommand};
use didfarm_core::add_on::AddOn;
use didfarm_core::e164::E164;
use didfarm_core::event::{Entry, Event};
use didfarm_core::ids::{AccountId, NumberId};
use didfarm_core::money::Micros;
use didfarm_core::number::{Number, NumberState};
use didfarm_core::refusal::Refusal;
use didfarm_core::time::Timestamp;
use didfarm_core::webhook::{EventType, Fact, NumberSnapshot};
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::sync::oneshot;

use super::account::{AccountActor, Operate, View, open_to};
use super::delivery::rebuild::Rebuilt;
use super::partition::PartitionInput;
use super::webhooks::rebuild::Endpoints;
use crate::account::{AccountDefaults, AccountHandle};
use crate::idempotency::Guard;
use crate::meters::Kind;
use crate::offers::{About, Offer};
use crate::operate::{AccountView, NewAccount, NewNumber, OperateError};
use crate::outbox::{Durable, DurableBell, Outbox};
use crate::renewals;
use crate::restarts::RestartBudget;
use crate::shared::Shared;
use crate::upkeep;

/// What operators' commands do once they are durable.
pub(crate) type RootEffect = Box<dyn FnOnce(&mut RootSupervisor)>;

/// Makes an account.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct CreateAccount {
    pub(crate) new: NewAccount,
    pub(crate) reply: oneshot::Sender<Result<AccountView, OperateError>>,
}

/// Hands a command to an account's actor.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct OnAccount {
    pub(crate) account: AccountId,
    pub(crate) command: AccountCommand,
    /// Its idempotency key, if it has one.
    pub(crate) guard: Option<Box<Guard>>,
    pub(crate) reply: oneshot::Sender<Result<AccountView, OperateError>>,
}

/// Hosts a number.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct AddNumber {
    pub(crate) new: NewNumber,
    pub(crate) reply: oneshot::Sender<Result<Number, OperateError>>,
}

/// Asks for every account.
#[derive(Message)]
#[rtype(result = "Vec<AccountView>")]
pub(crate) struct ListAccounts;

/// A supervised actor is gone.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) enum Exited {
    Partition(usize),
    Delivery,
    Webhooks,
    Mails,
}

/// Starts what the root supervises, again and again.
pub(crate) struct Factories {
    pub(crate) partition: Box<dyn Fn(usize, Addr<RootSupervisor>)>,
    pub(crate) delivery: Box<dyn Fn(Rebuilt, Addr<RootSupervisor>)>,
    pub(crate) webhooks: Box<dyn Fn(Endpoints, Addr<RootSupervisor>)>,
    pub(crate) mails: Box<dyn Fn(Addr<RootSupervisor>)>,
}

/// The delivery supervisor's records were read again.
#[derive(Message)]
#[rtype(result = "()")]
struct DeliveryReread(Box<Rebuilt>);

/// The webhook supervisor's records were read again.
#[derive(Message)]
#[rtype(result = "()")]
struct EndpointsReread(Box<Endpoints>);

/// A failed account actor's record was read again, for the command that waits.
#[derive(Message)]
#[rtype(result = "()")]
struct AccountReread {
    account: Account,
    on: OnAccount,
}

/// The actor.
pub(crate) struct RootSupervisor {
    engine: Arc<Shared>,
    outbox: Rc<Outbox<RootEffect>>,
    bell: Arc<DurableBell>,
    factories: Factories,
    accounts: FxHashMap<AccountId, Addr<AccountActor>>,
    account_next: u32,
    number_next: u32,
    /// Numbers whose event is not durable yet.
    numbers_waiting: FxHashSet<E164>,
    restarts: RestartBudget,
    on_hopeless: Arc<dyn Fn(&str) + Send + Sync>,
}

impl RootSupervisor {
    pub(crate) fn new(
        engine: Arc<Shared>,
        bell: Arc<DurableBell>,
        factories: Factories,
        accounts: Vec<Account>,
        (account_next, number_next): (u32, u32),
        on_hopeless: Arc<dyn Fn(&str) + Send + Sync>,
    ) -> RootSupervisor {
        let settings = &engine.settings.engine;
        let restarts =
            RestartBudget::new(settings.restarts_max as usize, settings.restart_window());
        let outbox = Outbox::new(Arc::clone(&engine.journal), Arc::clone(&bell));
        let mut root = RootSupervisor {
            engine,
            outbox,
            bell,
            factories,
            accounts: FxHashMap::default(),
            account_next,
            number_next,
            numbers_waiting: FxHashSet::default(),
            restarts,
            on_hopeless,
        };
        for account in accounts {
            root.start_account(account);
        }
        root
    }

    fn start_account(&mut self, account: Account) {
        let Some(handle) = self.engine.directory.account(account.id) else {
            return;
        };
        let id = account.id;
        let actor = AccountActor::new(
            Arc::clone(&self.engine),
            Rc::clone(&self.outbox),
            handle,
            account,
        );
        self.accounts.insert(id, actor.start());
    }

    fn create(&mut self, command: CreateAccount) {
        let id = AccountId(self.account_next);
        let at = self.engine.now();
        let (account, events) = match decide_account(id, command.new, at) {
            Ok(decided) => decided,
            Err(refusal) => {
                let _ = command.reply.send(Err(refusal.into()));
                return;
            }
        };
        self.account_next += 1;
        let defaults = AccountDefaults::of(&self.engine.settings);
        let clock = Arc::clone(&self.engine.clock);
        let handle = Arc::new(AccountHandle::new(&account, &defaults, clock));
        let view = AccountView {
            id,
            name: account.name.to_string(),
            rate_limit: handle.limit(),
            email: account.email.as_deref().map(str::to_owned),
            balance: account.balance,
            low_balance: handle.low_balance(),
            spend_cap: handle.spend_cap(),
            spent_today: Micros::ZERO,
            destinations: None,
            destinations_open: open_to(&self.engine, &account),
            ranges_open: account.ranges_open,
            key_ids: Vec::new(),
            pool: None,
        };
        // The handle is known before it is durable, but no key opens it before then.
        self.engine.directory.add_account(handle);
        self.start_account(account);
        let effect: RootEffect = Box::new(move |_| drop(command.reply.send(Ok(view))));
        self.outbox.append(Entry { at, events }, [effect]);
    }

    fn add_number(&mut self, command: AddNumber) {
        let decided = self.decide_number(command.new);
        let (number, event) = match decided {
            Ok(decided) => decided,
            Err(error) => {
                let _ = command.reply.send(Err(error));
                return;
            }
        };
        self.number_next += 1;
        // Taken at once, so that the same number is not hosted twice; known to others once it is durable.
        self.numbers_waiting.insert(number.e164);
        let engine = Arc::clone(&self.engine);
        let at = engine.now();
        let offer = self.offer_number(&number, at);
        let (offered, tell) = offer.map(|offer| (offer.event, offer.tell)).unzip();
        let entry = Entry {
            at,
            events: [event].into_iter().chain(offered).collect(),
        };
        let effect: RootEffect = Box::new(move |root| {
            root.numbers_waiting.remove(&number.e164);
            engine.directory.set_number(&number);
            if let Some(tell) = tell {
                tell.perform(&engine);
            }
            engine
                .partition_of(number.id)
                .push(PartitionInput::Host(Box::new(number.clone())));
            let _ = command.reply.send(Ok(number));
        });
        self.outbox.append(entry, [effect]);
    }

    /// What the account's endpoints are told of a number that comes to it.
    fn offer_number(&self, number: &Number, at: Timestamp) -> Option<Offer> {
        let account = self.engine.directory.account(number.account)?;
        let about = About {
            number: Some(number.id),
            ..About::ACCOUNT
        };
        let added = || {
            Fact::NumberAdded(NumberSnapshot {
                state: number.state,
                sms: number.sms,
                whatsapp: number.whatsapp,
            })
        };
        self.engine
            .offer(at, &account, about, EventType::NumberAdded, added)
    }

    fn decide_number(&self, new: NewNumber) -> Result<(Number, Event), OperateError> {
        if self.engine.directory.account(new.account).is_none() {
            return Err(OperateError::AccountUnknown {
                account: new.account,
            });
        }
        let waits = self.numbers_waiting.contains(&new.e164);
        if waits || self.engine.directory.number_id(new.e164).is_some() {
            return Err(Refusal::NumberTaken.into());
        }
        let id = NumberId(self.number_next);
        let number = Number {
            id,
            account: new.account,
            e164: new.e164,
            state: if new.active {
                NumberState::Active
            } else {
                NumberState::Provisioning
            },
            sms: new.sms,
            whatsapp: new.whatsapp,
            forward_to: None,
            auto_reply: None,
            // The first month of SMS is paid with the order of the number.
            add_on: new.sms.then(|| AddOn::first(self.engine.now())),
        };
        let event = Number::decide_add(number.clone())?;
        Ok((number, Event::Number(id, event)))
    }

    /// Reads the account of a failed actor again and then hands the command over.
    fn rebuild_account(&mut self, on: OnAccount, ctx: &mut Context<Self>) {
        tracing::error!(account = %on.account, "an account's actor failed and is rebuilt from the records");
        self.engine.meters.restarted(Kind::Account);
        let (root, account) = (ctx.address(), on.account);
        self.engine.read_after(
            &self.engine.loaders,
            self.engine.journal.appended(),
            move |records| records.account(account),
            move |read| match read {
                Ok(Some(account)) => root.do_send(AccountReread { account, on }),
                // Whoever waits sees the reply channel close.
                Ok(None) => {}
                Err(error) => tracing::error!(%error, "the account cannot be read"),
            },
        );
    }

    fn restart(&mut self, exited: &Exited, ctx: &mut Context<Self>) {
        tracing::error!(
            ?exited,
            "a supervised actor failed and is rebuilt from the records"
        );
        if !self.restarts.spend(self.engine.clock.elapsed()) {
            return (self.on_hopeless)("actors fail faster than they may be rebuilt");
        }
        match *exited {
            Exited::Partition(index) => {
                self.engine.meters.restarted(Kind::Partition);
                (self.factories.partition)(index, ctx.address());
            }
            Exited::Webhooks => {
                self.engine.meters.restarted(Kind::Webhooks);
                let (root, on_hopeless) = (ctx.address(), Arc::clone(&self.on_hopeless));
                self.engine.read_after(
                    &self.engine.loaders,
                    self.engine.journal.appended(),
                    Endpoints::read,
                    move |endpoints| match endpoints {
                        Ok(endpoints) => root.do_send(EndpointsReread(Box::new(endpoints))),
                        Err(error) => on_hopeless(&format!("endpoints cannot be read: {error}")),
                    },
                );
            }
            Exited::Mails => {
                self.engine.meters.restarted(Kind::Mails);
                (self.factories.mails)(ctx.address());
            }
            Exited::Delivery => {
                self.engine.meters.restarted(Kind::Delivery);
                let (root, on_hopeless) = (ctx.address(), Arc::clone(&self.on_hopeless));
                let appended = self.engine.journal.appended();
                let settings = self.engine.settings.clone();
                let written_to = self.engine.batches.list();
                self.engine.read_after(
                    &self.engine.loaders,
                    appended,
                    move |records| {
                        catch_unwind(AssertUnwindSafe(|| {
                            Rebuilt::read(records, &settings, &written_to)
                        }))
                        .map_err(|_| "reading them panicked".to_owned())?
                        .map_err(|error| error.to_string())
                    },
                    move |rebuilt: Result<Rebuilt, String>| match rebuilt {
                        Ok(rebuilt) => root.do_send(DeliveryReread(Box::new(rebuilt))),
                        Err(error) => on_hopeless(&format!("deliveries cannot be read: {error}")),
                    },
                );
            }
        }
    }
}

/// Decides to make an account: what it is then, and the events.
fn decide_account(
    id: AccountId,
    new: NewAccount,
    at: Timestamp,
) -> Result<(Account, Vec<Event>), Refusal> {
    let NewAccount {
        name,
        rate_limit,
        email,
    } = new;
    let created = Account::decide_create(&name, rate_limit)?;
    let mut account = Account::created(id, &name, rate_limit, at);
    let mut events = vec![Event::Account(id, created)];
    if let Some(email) = email {
        let set = account.decide(AccountCommand::SetEmail(Some(email.into())))?;
        account.evolve(&set);
        events.push(Event::Account(id, set));
    }
    Ok((account, events))
}

impl Actor for RootSupervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.bell.heard_by(ctx.address().recipient());
        ctx.run_interval(renewals::LOOK_EVERY, |root, _| renewals::look(&root.engine));
        ctx.run_interval(upkeep::SWEEP_EVERY, |root, _| upkeep::sweep(&root.engine));
    }
}

impl Handler<CreateAccount> for RootSupervisor {
    type Result = ();

    fn handle(&mut self, command: CreateAccount, _: &mut Context<Self>) {
        self.create(command);
    }
}

impl Handler<OnAccount> for RootSupervisor {
    type Result = ();

    fn handle(&mut self, on: OnAccount, ctx: &mut Context<Self>) {
        match self.accounts.get(&on.account) {
            Some(actor) if actor.connected() => {
                actor.do_send(Operate {
                    command: on.command,
                    guard: on.guard,
                    reply: on.reply,
                });
            }
            Some(_) => self.rebuild_account(on, ctx),
            None => drop(on.reply.send(Err(OperateError::AccountUnknown {
                account: on.account,
            }))),
        }
    }
}

impl Handler<AddNumber> for RootSupervisor {
    type Result = ();

    fn handle(&mut self, command: AddNumber, _: &mut Context<Self>) {
        self.add_number(command);
    }
}

impl Handler<ListAccounts> for RootSupervisor {
    type Result = ResponseFuture<Vec<AccountView>>;

    fn handle(&mut self, _: ListAccounts, _: &mut Context<Self>) -> Self::Result {
        let mut accounts: Vec<_> = self
            .accounts
            .iter()
            .map(|(id, actor)| (*id, actor.clone()))
            .collect();
        accounts.sort_by_key(|(id, _)| *id);
        Box::pin(async move {
            let mut views = Vec::with_capacity(accounts.len());
            for (_, actor) in accounts {
                views.extend(actor.send(View).await.ok());
            }
            views
        })
    }
}

impl Handler<Exited> for RootSupervisor {
    type Result = ();

    fn handle(&mut self, exited: Exited, ctx: &mut Context<Self>) {
        // At a stop everyone goes.
        if self.engine.draining.load(Ordering::Acquire) {
            return;
        }
        self.restart(&exited, ctx);
    }
}

impl Handler<AccountReread> for RootSupervisor {
    type Result = ();

    fn handle(&mut self, reread: AccountReread, ctx: &mut Context<Self>) {
        let failed = self
            .accounts
            .get(&reread.account.id)
            .is_none_or(|actor| !actor.connected());
        if failed {
            self.start_account(reread.account);
        }
        ctx.address().do_send(reread.on);
    }
}

impl Handler<DeliveryReread> for RootSupervisor {
    type Result = ();

    fn handle(&mut self, reread: DeliveryReread, ctx: &mut Context<Self>) {
        (self.factories.delivery)(*reread.0, ctx.address());
    }
}

impl Handler<EndpointsReread> for RootSupervisor {
    type Result = ();

    fn handle(&mut self, reread: EndpointsReread, ctx: &mut Context<Self>) {
        (self.factories.webhooks)(*reread.0, ctx.address());
    }
}

impl Handler<Durable> for RootSupervisor {
    type Result = ();

    fn handle(&mut self, _: Durable, _: &mut Context<Self>) {
        while let Some(effect) = self.outbox.next_due() {
            effect(self);
        }
    }
}
