//! Fraud: whether a message may go where it is to go, and what follows from how many did.
//!
//! [`judge`] is asked before anything of a send is charged or taken. What it gives is kept when the message
//! is accepted, and otherwise gives its count back when it is dropped.

use std::sync::Arc;
use std::time::Duration;

use didfarm_config::AbuseSettings;
use didfarm_core::abuse::count::{Limits, Taken, end_of_day};
use didfarm_core::abuse::country::{Countries, Country};
use didfarm_core::abuse::range::Ranges;
use didfarm_core::abuse::stop::{StopCause, TrafficRange, TrafficStop};
use didfarm_core::abuse::{country_of, judge_country};
use didfarm_core::e164::E164;
use didfarm_core::peer::Peer;
use didfarm_core::refusal::Refusal;
use didfarm_core::time::Timestamp;
use smallvec::SmallVec;

use crate::account::AccountHandle;
use crate::account::traffic::NotTaken;
use crate::send::SendError;

/// The rules that the settings make for every account.
pub(crate) struct AbuseRules {
    settings: AbuseSettings,
    open: Option<Arc<Countries>>,
    ranges: Arc<Ranges>,
}

impl AbuseRules {
    pub(crate) fn new(settings: &AbuseSettings) -> AbuseRules {
        let open = settings
            .countries()
            .expect("settings that were loaded name countries");
        AbuseRules {
            settings: settings.clone(),
            open: open.map(Arc::new),
            ranges: Arc::clone(&settings.ranges),
        }
    }

    /// The countries that are open to accounts for which operators set no others.
    pub(crate) fn open(&self) -> Option<Arc<Countries>> {
        self.open.clone()
    }

    /// Judges a message of this account to this peer, and counts it. A peer without a number is not judged.
    ///
    /// # Errors
    /// [`Refusal::DestinationNotAllowed`], [`Refusal::RangeBlocked`], [`Refusal::PrefixStopped`] and
    /// [`SendError::PrefixBusy`].
    pub(crate) fn judge(
        &self,
        account: &Arc<AccountHandle>,
        peer: &Peer,
        now: Timestamp,
    ) -> Result<Counted, SendError> {
        let mut counted = Counted {
            account: Arc::clone(account),
            taken: SmallVec::new(),
        };
        let Some(number) = peer.number() else {
            return Ok(counted);
        };
        self.judge_destination(account, number)?;
        self.judge_range(account, number)?;
        for (range, limits) in self.counted(account, number) {
            let taken = account.traffic().take(range, &limits, now);
            let taken = taken.map_err(|why| refused(range, why, now))?;
            counted.taken.push((range, limits, taken));
        }
        Ok(counted)
    }

    /// Judges an answer to a peer, by its range alone: the peer wrote first.
    ///
    /// # Errors
    /// [`Refusal::RangeBlocked`].
    pub(crate) fn judge_answer(&self, account: &AccountHandle, peer: &Peer) -> Result<(), Refusal> {
        match peer.number() {
            Some(number) => self.judge_range(account, number),
            None => Ok(()),
        }
    }

    fn judge_destination(&self, account: &AccountHandle, number: E164) -> Result<(), Refusal> {
        let wanted = account.destinations();
        let open = account.destinations_open().or_else(|| self.open());
        judge_country(number, [wanted.as_deref(), open.as_deref()])
            .map_err(|country| Refusal::DestinationNotAllowed { country })
    }

    fn judge_range(&self, account: &AccountHandle, number: E164) -> Result<(), Refusal> {
        match self.ranges.kind_of(number) {
            Some(kind) if !account.ranges_open().holds(kind) => Err(Refusal::RangeBlocked { kind }),
            Some(_) | None => Ok(()),
        }
    }

    /// The ranges that a message counts for, each with its limits.
    fn counted(
        &self,
        account: &AccountHandle,
        number: E164,
    ) -> SmallVec<[(TrafficRange, Limits); 2]> {
        let mut counted = SmallVec::new();
        let mut count = |range| counted.push((range, self.limits_of(account, range)));
        count(TrafficRange::of(number, self.settings.prefix_digits_cut));
        if self.settings.country_daily_max > 0
            && let Some(country) = country_of(number).and_then(Country::of_region)
        {
            count(TrafficRange::Country(country));
        }
        counted
    }

    /// What an account may send to a range, by the rate limit that it has now.
    pub(crate) fn limits_of(&self, account: &AccountHandle, range: TrafficRange) -> Limits {
        let settings = &self.settings;
        let window_us = self.window_us();
        match range {
            TrafficRange::Prefix(_) => {
                let rate = account.limit().per_second;
                Limits {
                    window: Some(settings.prefix_window(rate)),
                    day: Some(settings.prefix_day(rate)),
                    window_us,
                }
            }
            TrafficRange::Country(_) => Limits {
                window: None,
                day: Some(settings.country_daily_max).filter(|max| *max > 0),
                window_us,
            },
        }
    }

    /// Lets go of counts of an account that are over.
    pub(crate) fn sweep(&self, account: &AccountHandle, now: Timestamp) {
        let any = Limits {
            window: None,
            day: None,
            window_us: self.window_us(),
        };
        account.traffic().sweep(&any, now);
    }

    fn window_us(&self) -> i64 {
        i64::from(self.settings.window_s) * 1_000_000
    }

    /// When a stop ends by itself that begins now. What the day stopped does not begin before the next.
    fn ends_at(&self, cause: StopCause, now: Timestamp) -> Option<Timestamp> {
        let stop_s = u64::from(self.settings.stop_s);
        let ends_at = (stop_s > 0).then(|| now.plus_ms(stop_s * 1_000))?;
        Some(match cause {
            StopCause::Window => ends_at,
            StopCause::Day => ends_at.max(end_of_day(now)),
        })
    }
}

fn refused(range: TrafficRange, why: NotTaken, now: Timestamp) -> SendError {
    match why {
        NotTaken::Stopped(stop) => SendError::Refused(Refusal::PrefixStopped {
            range,
            since: stop.since,
            ends_at: stop.ends_at,
        }),
        NotTaken::Full(room_at) => SendError::PrefixBusy {
            range,
            wait: room_at.map(|at| Duration::from_millis(at.ms_since(now))),
        },
    }
}

/// A message that is counted. Given back when dropped, unless it is kept.
pub(crate) struct Counted {
    account: Arc<AccountHandle>,
    taken: SmallVec<[(TrafficRange, Limits, Taken); 2]>,
}

/// The ranges that one message stops.
pub(crate) type NewStops = SmallVec<[TrafficStop; 1]>;

impl Counted {
    /// The message is accepted. What it stops is to be in its entry, and is told of and shown with
    /// [`AccountHandle::stop_traffic`] once that is durable.
    pub(crate) fn keep(mut self, rules: &AbuseRules, now: Timestamp) -> NewStops {
        let taken = std::mem::take(&mut self.taken);
        let traffic = self.account.traffic();
        let used_up = taken.into_iter().filter_map(|(range, limits, _)| {
            let (cause, messages) = traffic.keep(range, &limits)?;
            Some(TrafficStop {
                range,
                cause,
                messages,
                since: now,
                ends_at: rules.ends_at(cause, now),
            })
        });
        used_up
            .filter(|_| {
                let has_room = traffic.stops().has_room(now);
                if !has_room {
                    tracing::warn!(account = %self.account.id(), "an account has as many stops as it may");
                }
                has_room
            })
            .collect()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        for (range, _, taken) in self.taken.drain(..) {
            self.account.traffic().give_back(range, taken);
        }
    }
}
