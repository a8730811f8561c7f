//! The number actor: the settings of one DID and its conversations.
//!
//! Owns: the number's state, which conversations are resident, and their passivation. Never does:
//! decide about messages. Messages: [`SendCommand`], [`ReceiveCommand`], [`SetNumber`], [`Loaded`],
//! [`ChildFailed`], [`Sweep`]. Restart: its partition starts a new one from the directory, and the old
//! one's conversations answer nothing any more. Limits: commands that wait for a conversation to be
//! loaded are bounded by their permits; restarts of its conversations by the settings, past which the
//! number goes into quarantine.

mod setting;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::collections::hash_map::Entry as Slot;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message, WeakAddr};
use didfarm_core::conversation::Conversation;
use didfarm_core::ids::NumberId;
use didfarm_core::number::Number;
use didfarm_core::peer::Peer;
use didfarm_store::seq::Seq;
use rustc_hash::FxHashMap;

pub(crate) use self::setting::{RenewSms, SetNumber, SetReply};
use super::conversation::{ConsentCommand, ConversationActor, Pulse, ReceiveCommand, SendCommand};
use super::partition::{Effect, Lookup, NumberFailed, PartitionContext};
use crate::account::AccountHandle;
use crate::meters::Kind;
use crate::outbox::Outbox;
use crate::restarts::RestartBudget;
use crate::send::{SendError, Unavailable};
use crate::shared::Shared;

/// Conversations that one turn of a sweep looks at: live work comes between two turns.
const SWEPT_PER_TURN: usize = 1_000;
/// Room for conversations that may stay empty before it is given back.
const ROOM_KEPT: usize = 4_096;

/// What the records hold of a pair.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Loaded {
    pub(crate) peer: Peer,
    /// Which of the number's actors asked: an answer for one that failed is no answer for its successor.
    pub(crate) asker: u64,
    /// `None` when the records could not be read.
    pub(crate) found: Option<Option<Conversation>>,
}

/// A conversation is gone without having been passivated.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct ChildFailed {
    pub(crate) peer: Peer,
    /// Which of the pair's actors, in the order they were started.
    pub(crate) generation: u64,
}

/// Time to look for idle conversations: how many of them are still to be looked at.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Sweep(pub(crate) usize);

impl Sweep {
    /// A sweep over everyone.
    pub(crate) const ALL: Sweep = Sweep(usize::MAX);
}

/// What a number shares with its conversations.
pub(crate) struct NumberContext {
    pub(crate) partition: Rc<PartitionContext>,
    pub(crate) number: RefCell<Arc<Number>>,
    pub(crate) account: Arc<AccountHandle>,
    pub(crate) alive: Cell<bool>,
    // Weak: the number lives as long as its partition wants it.
    addr: OnceCell<WeakAddr<NumberActor>>,
}

impl NumberContext {
    pub(crate) fn engine(&self) -> &Arc<Shared> {
        &self.partition.engine
    }

    pub(crate) fn outbox(&self) -> &Outbox<Effect> {
        &self.partition.outbox
    }

    pub(crate) fn tell(&self, failed: ChildFailed) {
        if let Some(addr) = self.addr.get().and_then(WeakAddr::upgrade) {
            addr.do_send(failed);
        }
    }
}

enum Command {
    Send(SendCommand),
    Receive(ReceiveCommand),
    Consent(ConsentCommand),
}

impl Command {
    /// The name that the command uses for the peer, and the other one that it tells.
    fn names(&self) -> (Peer, Option<Peer>) {
        match self {
            Command::Send(command) => (command.peer.clone(), None),
            Command::Consent(command) => (command.peer.clone(), None),
            Command::Receive(command) => (command.peer.clone(), command.message.alias.clone()),
        }
    }
}

enum Child {
    Loading(Vec<Command>),
    Resident {
        addr: Addr<ConversationActor>,
        pulse: Rc<Pulse>,
    },
}

/// The actor.
pub(crate) struct NumberActor {
    context: Rc<NumberContext>,
    /// Which of the number's actors this is, in the order they were started.
    instance: u64,
    children: FxHashMap<Peer, Child>,
    /// Other names of peers whose conversations are resident, by the name that the conversation has.
    aliases: FxHashMap<Peer, Peer>,
    /// Resident conversations by when they may be idle, oldest first; one entry each.
    idle: VecDeque<(Duration, Peer)>,
    /// Conversations are loaded from records that hold at least this.
    load_after: Seq,
    /// Conversations started so far.
    generations: u64,
    restarts: RestartBudget,
}

impl NumberActor {
    /// A number whose conversations are loaded from records that hold everything up to `load_after`.
    pub(crate) fn new(
        partition: Rc<PartitionContext>,
        number: Arc<Number>,
        account: Arc<AccountHandle>,
        load_after: Seq,
        instance: u64,
    ) -> NumberActor {
        let engine = &partition.engine.settings.engine;
        let restarts = RestartBudget::new(engine.restarts_max as usize, engine.restart_window());
        partition.engine.meters.born(Kind::Number);
        let context = NumberContext {
            partition,
            number: RefCell::new(number),
            account,
            alive: Cell::new(true),
            addr: OnceCell::new(),
        };
        NumberActor {
            context: Rc::new(context),
            instance,
            children: FxHashMap::default(),
            aliases: FxHashMap::default(),
            idle: VecDeque::new(),
            load_after,
            generations: 0,
            restarts,
        }
    }

    fn id(&self) -> NumberId {
        self.context.number.borrow().id
    }

    fn forward(&mut self, command: Command) {
        let (peer, alias) = command.names();
        let name = self.resident_name(&peer, alias.as_ref());
        // A conversation under the other name may have been opened a moment ago.
        let is_fresh = alias
            .as_ref()
            .is_some_and(|alias| self.children.contains_key(alias));
        match self.children.entry(name) {
            Slot::Occupied(mut child) => match child.get_mut() {
                Child::Loading(waiting) => waiting.push(command),
                Child::Resident { addr, pulse } => {
                    hand_over(addr, pulse, command, self.context.engine().clock.elapsed());
                }
            },
            Slot::Vacant(slot) => {
                let lookup = Lookup {
                    number: self.context.number.borrow().id,
                    asker: self.instance,
                    peer: slot.key().clone(),
                    alias,
                    after: (!is_fresh).then_some(self.load_after),
                    waited: false,
                };
                slot.insert(Child::Loading(vec![command]));
                self.context.partition.look_up(lookup);
            }
        }
    }

    /// The name under which a peer's conversation is resident, or is to be loaded. Only the name that a
    /// message comes under decides: that its other name is resident says nothing of a conversation that
    /// this one may have in the records. Once it is known where it leads, its other name leads there too.
    fn resident_name(&mut self, peer: &Peer, alias: Option<&Peer>) -> Peer {
        let name = match self.aliases.get(peer) {
            Some(own) => own.clone(),
            None if self.children.contains_key(peer) => peer.clone(),
            // It waits for what is found of its other name, and is looked at again then.
            None => match alias.map(|alias| (alias, self.children.get(alias))) {
                Some((alias, Some(Child::Loading(_)))) => return alias.clone(),
                Some(_) | None => return peer.clone(),
            },
        };
        if let Some(alias) = alias
            && *alias != name
            && !self.children.contains_key(alias)
        {
            self.aliases.insert(alias.clone(), name.clone());
        }
        name
    }

    fn loaded(&mut self, asked: Peer, state: Option<Conversation>) {
        let mut waiting = match self.children.get_mut(&asked) {
            Some(Child::Loading(waiting)) => std::mem::take(waiting),
            // It came to be resident by its other name.
            Some(Child::Resident { .. }) | None => return,
        };
        self.children.remove(&asked);
        let peer = match &state {
            Some(state) if state.peer != asked => {
                // The records know the peer by another name.
                self.aliases.insert(asked.clone(), state.peer.clone());
                for own in self.aliases.values_mut() {
                    if *own == asked {
                        *own = state.peer.clone();
                    }
                }
                state.peer.clone()
            }
            Some(_) | None => asked,
        };
        let now = self.context.engine().clock.elapsed();
        if let Some(Child::Loading(own)) = self.children.get_mut(&peer) {
            // Its own answer is on the way and is no use any more.
            waiting.append(own);
            self.children.remove(&peer);
        }
        // Those that came under another name and waited here only because it was not known yet.
        let others: Vec<Command> = waiting
            .extract_if(.., |command| {
                let name = command.names().0;
                name != peer && !self.aliases.contains_key(&name)
            })
            .collect();
        if let Some(Child::Resident { addr, pulse }) = self.children.get(&peer) {
            for command in waiting {
                hand_over(addr, pulse, command, now);
            }
            others.into_iter().for_each(|command| self.forward(command));
            return;
        }
        self.generations += 1;
        let pulse = Rc::new(Pulse {
            generation: self.generations,
            ..Pulse::default()
        });
        pulse.used_at.set(now);
        let actor = ConversationActor::new(
            Rc::clone(&self.context),
            peer.clone(),
            state,
            Rc::clone(&pulse),
        );
        let addr = actor.start();
        for command in waiting {
            hand_over(&addr, &pulse, command, now);
        }
        self.children
            .insert(peer.clone(), Child::Resident { addr, pulse });
        self.idle.push_back((now, peer));
        others.into_iter().for_each(|command| self.forward(command));
    }

    /// Lets go of idle conversations among the next that may be idle; says how many of `left` are
    /// still to be looked at.
    fn sweep(&mut self, left: usize) -> usize {
        let engine = Arc::clone(self.context.engine());
        let (now, applied) = (engine.clock.elapsed(), engine.keeper.applied());
        let idle = engine.settings.engine.conversation_idle();
        let left = left.min(self.idle.len());
        for looked_at in 0..left.min(SWEPT_PER_TURN) {
            match self.idle.front() {
                Some((since, _)) if now.saturating_sub(*since) >= idle => {}
                Some(_) | None => return 0,
            }
            let Some((_, peer)) = self.idle.pop_front() else {
                return 0;
            };
            let Some(Child::Resident { pulse, .. }) = self.children.get(&peer) else {
                continue;
            };
            let used_at = pulse.used_at.get();
            if now.saturating_sub(used_at) < idle {
                // Behind those that may be idle sooner; the order need not be exact.
                self.idle.push_back((used_at, peer));
            } else if pulse.waiting.get() > 0 || pulse.last_seq.get() > applied {
                // Not in the records yet, and so is what comes behind it: the next sweep looks again.
                self.idle.push_front((now.saturating_sub(idle), peer));
                return if looked_at == 0 { 0 } else { left - looked_at };
            } else {
                pulse.passivated.set(true);
                // With its last address gone the actor stops.
                self.children.remove(&peer);
            }
        }
        left.saturating_sub(SWEPT_PER_TURN)
    }

    /// Gives back the room of those who left.
    fn shrink(&mut self) {
        let children = &self.children;
        self.aliases.retain(|_, own| children.contains_key(own));
        if self.children.capacity() > ROOM_KEPT.max(4 * self.children.len()) {
            self.children.shrink_to(2 * self.children.len());
            self.idle.shrink_to(2 * self.idle.len());
        }
    }
}

fn hand_over(addr: &Addr<ConversationActor>, pulse: &Pulse, command: Command, now: Duration) {
    pulse.used_at.set(now);
    pulse.waiting.set(pulse.waiting.get() + 1);
    match command {
        Command::Send(command) => addr.do_send(command),
        Command::Receive(command) => addr.do_send(command),
        Command::Consent(command) => addr.do_send(command),
    }
}

impl Actor for NumberActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let set = self.context.addr.set(ctx.address().downgrade());
        debug_assert!(set.is_ok(), "an actor starts once");
    }
}

impl Handler<SendCommand> for NumberActor {
    type Result = ();

    fn handle(&mut self, command: SendCommand, _: &mut Context<Self>) {
        if self.context.engine().quarantine.holds(command.number) {
            let error = SendError::Unavailable(Unavailable::Quarantined);
            self.context.engine().meters.refused(&error);
            command.reply.refused(error);
            return;
        }
        self.forward(Command::Send(command));
    }
}

impl Handler<ReceiveCommand> for NumberActor {
    type Result = ();

    fn handle(&mut self, command: ReceiveCommand, _: &mut Context<Self>) {
        self.forward(Command::Receive(command));
    }
}

impl Handler<ConsentCommand> for NumberActor {
    type Result = ();

    fn handle(&mut self, command: ConsentCommand, _: &mut Context<Self>) {
        self.forward(Command::Consent(command));
    }
}

impl Handler<Loaded> for NumberActor {
    type Result = ();

    fn handle(&mut self, loaded: Loaded, _: &mut Context<Self>) {
        if loaded.asker != self.instance {
            return;
        }
        match loaded.found {
            Some(state) => self.loaded(loaded.peer, state),
            // Those who wait see their reply channel close.
            None => drop(self.children.remove(&loaded.peer)),
        }
    }
}

impl Handler<ChildFailed> for NumberActor {
    type Result = ();

    fn handle(&mut self, failed: ChildFailed, _: &mut Context<Self>) {
        let engine = Arc::clone(self.context.engine());
        match self.children.get(&failed.peer) {
            Some(Child::Resident { pulse, .. }) if pulse.generation == failed.generation => {
                self.children.remove(&failed.peer);
            }
            Some(_) | None => {}
        }
        engine.meters.restarted(Kind::Conversation);
        self.load_after = engine.journal.appended();
        if !self.restarts.spend(engine.clock.elapsed()) && engine.quarantine.put(self.id()) {
            tracing::error!(number = %self.id(), "the number's conversations fail too often: it is in quarantine and sends nothing");
        } else {
            tracing::warn!(number = %self.id(), "a conversation failed and is rebuilt from the records");
        }
    }
}

impl Handler<Sweep> for NumberActor {
    type Result = ();

    fn handle(&mut self, sweep: Sweep, ctx: &mut Context<Self>) {
        match self.sweep(sweep.0) {
            0 => self.shrink(),
            left => ctx.address().do_send(Sweep(left)),
        }
    }
}

impl Drop for NumberActor {
    fn drop(&mut self) {
        self.context.alive.set(false);
        self.context.engine().meters.gone(Kind::Number);
        self.context
            .partition
            .tell(NumberFailed { number: self.id() });
    }
}
