//! Which number of a pool sends: the one that the peer knows, else the nearest healthy one.
//!
//! [`choose`] is asked before a message is judged, for many at once where they come in a batch: the
//! conversations that their peers have are read from the records in a few jobs. Each choice is claimed until its
//! message is in the journal, so that nothing else is chosen for the same peer meanwhile.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use didfarm_config::PoolSettings;
use didfarm_core::channel::Channel;
use didfarm_core::delivery::status::Status;
use didfarm_core::event::Entry;
use didfarm_core::ids::{AccountId, MessageId, NumberId, PoolId};
use didfarm_core::number::Number;
use didfarm_core::peer::Peer;
use didfarm_core::pool::health::{Counted, Health, HealthChange, HealthRules};
use didfarm_core::pool::{self, Candidate, Choice, Place, Pool};
use didfarm_core::refusal::Refusal;
use didfarm_core::time::Timestamp;
use didfarm_store::journal::Journal;
use didfarm_store::records::{Records, RecordsError};
use didfarm_store::seq::Seq;
use rustc_hash::FxHashMap;
use tokio::sync::oneshot;

use crate::account::AccountHandle;
use crate::account::pools::{HeldPool, Member, Stale};
use crate::meters::pools::ChosenBy;
use crate::send::{SendError, Unavailable};
use crate::shared::Shared;

/// Pairs that are looked up in one job of a loader thread: others' jobs come in between.
const PAIRS_PER_JOB_MAX: usize = 4_096;
/// Reads that are made again because others were chosen meanwhile.
const READS_MAX: usize = 3;

/// A pool as its account sees it.
#[derive(Debug, Clone)]
pub struct PoolView {
    /// Its id.
    pub id: PoolId,
    /// What people call it.
    pub name: Box<str>,
    /// Its numbers.
    pub numbers: Vec<PoolNumber>,
}

/// A number of a pool.
#[derive(Debug, Clone)]
pub struct PoolNumber {
    /// The number.
    pub number: Arc<Number>,
    /// Whether it is used for new peers.
    pub is_healthy: bool,
    /// What became of its messages in the window.
    pub counted: Counted,
}

/// How the numbers of pools deliver. It is in memory alone: at a start every number is healthy.
pub(crate) struct PoolHealth {
    rules: HealthRules,
    numbers: Mutex<FxHashMap<NumberId, Health>>,
    unhealthy: AtomicUsize,
}

impl PoolHealth {
    pub(crate) fn new(settings: &PoolSettings) -> PoolHealth {
        let us = |seconds: u32| i64::from(seconds) * 1_000_000;
        PoolHealth {
            rules: HealthRules {
                share_min_percent: settings.delivered_share_min,
                messages_min: settings.messages_min,
                window_us: us(settings.window_s),
                probe_interval_us: us(settings.probe_interval_s),
            },
            numbers: Mutex::default(),
            unhealthy: AtomicUsize::new(0),
        }
    }

    fn numbers(&self) -> MutexGuard<'_, FxHashMap<NumberId, Health>> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin_probe(&self, number: NumberId, now: Timestamp) {
        if let Some(health) = self.numbers().get_mut(&number) {
            health.begin_probe(&self.rules, now);
        }
    }
}

impl Shared {
    /// Counts a message that came to rest at a status for the health of its number.
    pub(crate) fn rested(
        &self,
        (account, number): (AccountId, NumberId),
        message: MessageId,
        status: Status,
    ) {
        let is_delivered = match status {
            Status::Delivered => true,
            Status::Failed => false,
            Status::Scheduled
            | Status::Queued
            | Status::Sending
            | Status::Sent
            | Status::Cancelled => return,
        };
        let account = self.directory.account(account);
        if !account.is_some_and(|account| account.pools().holds(number)) {
            return;
        }
        let (pools, now) = (&self.pools, self.mono());
        let changed = {
            let mut numbers = pools.numbers();
            let health = numbers.entry(number).or_default();
            health.rest(&pools.rules, message, is_delivered, now)
        };
        let unhealthy = match changed {
            None => return,
            Some(HealthChange::Fell) => {
                tracing::warn!(%number, "a number of a pool delivers too little: new peers get others");
                pools.unhealthy.fetch_add(1, Ordering::AcqRel) + 1
            }
            Some(HealthChange::Recovered) => {
                tracing::info!(%number, "a probe of a number was delivered: it is healthy again");
                pools.unhealthy.fetch_sub(1, Ordering::AcqRel) - 1
            }
        };
        self.meters.pools.unhealthy.set(unhealthy as f64);
    }

    /// Forgets the health of those of the numbers that are in no pool any more.
    pub(crate) fn forget_health(&self, account: &AccountHandle, numbers: &[NumberId]) {
        let gone = numbers
            .iter()
            .filter(|number| !account.pools().holds(**number));
        for number in gone {
            let forgotten = self.pools.numbers().remove(number);
            if forgotten.is_some_and(|health| !health.is_healthy()) {
                let unhealthy = self.pools.unhealthy.fetch_sub(1, Ordering::AcqRel) - 1;
                self.meters.pools.unhealthy.set(unhealthy as f64);
            }
        }
    }

    /// A pool with the health of its numbers.
    pub(crate) fn pool_view(&self, held: &HeldPool) -> PoolView {
        self.view_of(&held.pool)
    }

    /// The same of a pool as it was.
    pub(crate) fn view_of(&self, pool: &Pool) -> PoolView {
        let now = self.mono();
        let number = |id: &NumberId| {
            let number = self.directory.number(*id)?;
            let numbers = self.pools.numbers();
            let health = numbers.get(id);
            Some(PoolNumber {
                number,
                is_healthy: health.is_none_or(Health::is_healthy),
                counted: health
                    .map(|health| health.counted(&self.pools.rules, now))
                    .unwrap_or_default(),
            })
        };
        PoolView {
            id: pool.id,
            name: pool.name.clone(),
            numbers: pool.numbers.iter().filter_map(number).collect(),
        }
    }
}

/// A message that wants a number.
pub(crate) struct Want {
    pub(crate) pool: PoolId,
    pub(crate) peer: Peer,
    pub(crate) channel: Channel,
}

/// A number that was chosen, with its claim.
pub(crate) struct Chosen {
    pub(crate) number: Arc<Number>,
    pub(crate) claim: Box<PoolClaim>,
}

/// That a number is a peer's while its message is under way. Ends when dropped.
pub(crate) struct PoolClaim {
    account: Arc<AccountHandle>,
    journal: Arc<Journal<Entry>>,
    peer: Peer,
    number: NumberId,
    is_probe: bool,
}

impl PoolClaim {
    /// Notes the message that was accepted.
    pub(crate) fn accepted(&self, shared: &Shared, message: MessageId) {
        if self.is_probe
            && let Some(health) = shared.pools.numbers().get_mut(&self.number)
        {
            health.probed(message);
        }
    }
}

impl Drop for PoolClaim {
    fn drop(&mut self) {
        let pools = self.account.pools();
        pools.close(&self.peer, self.number, self.journal.appended());
    }
}

/// The numbers of a pool that can send on a channel.
struct Senders {
    numbers: Vec<(Arc<Number>, Place)>,
    read_after: Seq,
}

impl Senders {
    fn of(
        shared: &Shared,
        account: &AccountHandle,
        pool: PoolId,
        channel: Channel,
    ) -> Result<Senders, Refusal> {
        let unknown = Refusal::PoolUnknown { pool };
        let (held, read_after) = account.pools().get(pool).ok_or(unknown)?;
        let sender = |member: &Member| {
            let number = shared.directory.number(member.number)?;
            let place = member.place(&number);
            let carries = number.may_carry(channel).is_ok();
            carries.then_some((number, place))
        };
        let numbers: Vec<_> = held.members.iter().filter_map(sender).collect();
        match numbers.is_empty() {
            true => Err(Refusal::PoolWithoutSender { channel }),
            false => Ok(Senders {
                numbers,
                read_after,
            }),
        }
    }

    fn number(&self, id: NumberId) -> Option<&Arc<Number>> {
        let mut numbers = self.numbers.iter().map(|(number, _)| number);
        numbers.find(|number| number.id == id)
    }

    fn choose(&self, shared: &Shared, peer: &Peer) -> Choice {
        let (home, now) = (Place::of_peer(peer), shared.mono());
        let judged = shared.pools.numbers();
        let candidate = |(number, place): &(Arc<Number>, Place)| {
            let health = judged.get(&number.id);
            Candidate {
                number: number.id,
                fit: place.fit(home),
                is_healthy: health.is_none_or(Health::is_healthy),
                wants_probe: health.is_some_and(|health| health.wants_probe(now)),
            }
        };
        let candidates: Vec<_> = self.numbers.iter().map(candidate).collect();
        pool::choose(peer, &candidates).expect("there is a number that can send")
    }
}

/// A message whose number is looked for.
struct Search {
    /// Which of the wants it is.
    place: usize,
    peer: Peer,
    senders: Arc<Senders>,
    /// The number that the records say the peer knows.
    known: Option<NumberId>,
}

impl Search {
    /// Pairs that are to be looked up: the only number there is goes without.
    fn pairs(&self) -> usize {
        match self.senders.numbers.len() {
            1 => 0,
            pairs => pairs,
        }
    }

    /// Looks for the number whose conversation with the peer was active last.
    fn look(&mut self, records: &Records) -> Result<(), RecordsError> {
        self.known = None;
        if self.pairs() == 0 {
            return Ok(());
        }
        let mut last = None;
        for (number, _) in &self.senders.numbers {
            if let Some(found) = records.conversation_of(number.id, &self.peer, None)? {
                last = last.max(Some((found.last_activity, found.id, number.id)));
            }
        }
        self.known = last.map(|(_, _, number)| number);
        Ok(())
    }
}

/// Chooses a number for each of these messages, in their order.
pub(crate) async fn choose(
    shared: &Arc<Shared>,
    account: &Arc<AccountHandle>,
    wants: Vec<Want>,
) -> Vec<Result<Chosen, SendError>> {
    let mut senders: FxHashMap<(PoolId, Channel), Result<Arc<Senders>, Refusal>> =
        FxHashMap::default();
    let mut chosen: Vec<_> = Vec::with_capacity(wants.len());
    let mut searches = Vec::with_capacity(wants.len());
    for (place, want) in wants.into_iter().enumerate() {
        let Want {
            pool,
            peer,
            channel,
        } = want;
        let known = senders.entry((pool, channel));
        let known =
            known.or_insert_with(|| Senders::of(shared, account, pool, channel).map(Arc::new));
        match known {
            Ok(senders) => {
                // What is not chosen in the end could not be read.
                chosen.push(Err(Unavailable::Faulted.into()));
                searches.push(Search {
                    place,
                    peer,
                    senders: Arc::clone(senders),
                    known: None,
                });
            }
            Err(refusal) => chosen.push(Err(refusal.clone().into())),
        }
    }
    for _ in 0..READS_MAX {
        let mut again = Vec::new();
        while !searches.is_empty() {
            let rest = searches.split_off(first_job(&searches));
            let job = std::mem::replace(&mut searches, rest);
            let Some((read, found)) = look_up(shared, job).await else {
                return chosen;
            };
            for search in found {
                match claim(shared, account, read, &search) {
                    Ok(one) => chosen[search.place] = Ok(one),
                    Err(Stale) => again.push(search),
                }
            }
        }
        searches = again;
    }
    chosen
}

/// How many of the searches make the next job.
fn first_job(searches: &[Search]) -> usize {
    let mut pairs = 0;
    let fits = |search: &&Search| {
        pairs += search.pairs();
        pairs <= PAIRS_PER_JOB_MAX
    };
    searches.iter().take_while(fits).count().max(1)
}

/// Looks in the records for whom peers know; says how much the records had at least. `None` where they could
/// not be read.
async fn look_up(shared: &Arc<Shared>, mut job: Vec<Search>) -> Option<(Seq, Vec<Search>)> {
    let after = job.iter().map(|search| search.senders.read_after).max()?;
    let read = shared.keeper.applied().max(after);
    if job.iter().all(|search| search.pairs() == 0) {
        return Some((read, job));
    }
    let (reply, answer) = oneshot::channel();
    let look = move |records: &Records| {
        for search in &mut job {
            search
                .look(records)
                .inspect_err(|error| tracing::error!(%error, "a conversation cannot be read"))?;
        }
        Ok::<_, RecordsError>(job)
    };
    // Whoever asked may have gone.
    let then = move |found| drop(reply.send(found));
    shared.read_after(&shared.loaders, after, look, then);
    let found = answer.await.ok()?.ok()?;
    Some((read, found))
}

fn claim(
    shared: &Arc<Shared>,
    account: &Arc<AccountHandle>,
    read: Seq,
    search: &Search,
) -> Result<Chosen, Stale> {
    let Search {
        peer,
        senders,
        known,
        ..
    } = search;
    let mut by = ChosenBy::Known;
    let choose = || {
        if let Some(known) = known {
            return *known;
        }
        let Choice { number, is_probe } = senders.choose(shared, peer);
        by = ChosenBy::Fit;
        if is_probe {
            by = ChosenBy::Probe;
            shared.pools.begin_probe(number, shared.mono());
        }
        number
    };
    let can_send = |number| senders.number(number).is_some();
    let applied = shared.keeper.applied();
    let number = account
        .pools()
        .claim(peer, (read, applied), can_send, choose)?;
    let claim = PoolClaim {
        account: Arc::clone(account),
        journal: Arc::clone(&shared.journal),
        peer: peer.clone(),
        number,
        is_probe: by == ChosenBy::Probe,
    };
    shared.meters.pools.chosen(by);
    let number = senders.number(number);
    let number = number.expect("a number is claimed of those that can send");
    Ok(Chosen {
        number: Arc::clone(number),
        claim: Box::new(claim),
    })
}
