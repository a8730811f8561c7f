//! Which number of a pool sends: the one that the peer knows, else the nearest healthy one.
//!
//! [`choose`] is asked before a message is judged, for many at once where they come in a batch: the
//! conversations that their peers have are read from the records in a few jobs. Each choice is claimed until its
//! message is in the journal, so that nothing else is chosen for the same peer meanwhile.

mod health;

use std::sync::Arc;

use didfarm_core::channel::Channel;
use didfarm_core::ids::{MessageId, NumberId, PoolId};
use didfarm_core::number::Number;
use didfarm_core::peer::Peer;
use didfarm_core::pool::{self, Candidate, Choice, Place};
use didfarm_core::refusal::Refusal;
use didfarm_core::time::Timestamp;
use didfarm_store::records::{Records, RecordsError};
use didfarm_store::seq::Seq;
use rustc_hash::FxHashMap;
use tokio::sync::oneshot;

pub(crate) use self::health::PoolHealth;
pub use self::health::{PoolNumber, PoolView};
use crate::account::AccountHandle;
use crate::account::pools::{Member, Stale};
use crate::meters::pools::ChosenBy;
use crate::send::{SendError, Unavailable};
use crate::shared::Shared;

/// Pairs that are looked up in one job of a loader thread: others' jobs come in between.
const PAIRS_PER_JOB_MAX: usize = 4_096;
/// Reads that are made again because others were chosen meanwhile.
const READS_MAX: usize = 3;

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
    health: Arc<PoolHealth>,
    peer: Peer,
    number: NumberId,
    /// When the message began as a probe, if it is one.
    probe: Option<Timestamp>,
    /// The entry that the message was accepted in.
    accepted: Option<Seq>,
}

impl PoolClaim {
    /// Notes the message, which was accepted in this entry.
    pub(crate) fn accepted(&mut self, message: MessageId, seq: Seq) {
        self.accepted = Some(seq);
        if self.probe.is_some() {
            self.health.probed(self.number, message);
        }
    }
}

impl Drop for PoolClaim {
    fn drop(&mut self) {
        let pools = self.account.pools();
        pools.close(&self.peer, self.number, self.accepted);
        // A message that was refused tried nothing.
        if let (None, Some(begun)) = (self.accepted, self.probe) {
            self.health.give_probe_back(self.number, begun);
        }
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
        let home = Place::of_peer(peer);
        let candidate = |(number, place): &(Arc<Number>, Place)| {
            let (is_healthy, wants_probe) = shared.stands(number.id);
            Candidate {
                number: number.id,
                fit: place.fit(home),
                is_healthy,
                wants_probe,
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
    let mut probe = None;
    let choose = || {
        let Choice { number, is_probe } = senders.choose(shared, peer);
        by = ChosenBy::Fit;
        if is_probe {
            by = ChosenBy::Probe;
            let now = shared.mono();
            shared.pools.begin_probe(number, now);
            probe = Some(now);
        }
        number
    };
    let can_send = |number| senders.number(number).is_some();
    let applied = shared.keeper.applied();
    let number = account
        .pools()
        .claim(peer, (read, applied), *known, can_send, choose)?;
    let claim = PoolClaim {
        account: Arc::clone(account),
        health: Arc::clone(&shared.pools),
        peer: peer.clone(),
        number,
        probe,
        accepted: None,
    };
    shared.meters.pools.chosen(by);
    let number = senders.number(number);
    let number = number.expect("a number is claimed of those that can send");
    Ok(Chosen {
        number: Arc::clone(number),
        claim: Box::new(claim),
    })
}
