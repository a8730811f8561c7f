//! Scheduled messages at the door: when one may go, lists, changes, cancels.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use didfarm_core::delivery::Rescheduled;
use didfarm_core::delivery::status::Status;
use didfarm_core::e164::E164;
use didfarm_core::ids::{AccountId, ConversationId, MessageId, NumberId};
use didfarm_core::message::Message;
use didfarm_core::peer::Peer;
use didfarm_core::quiet;
use didfarm_core::refusal::Refusal;
use didfarm_core::schedule;
use didfarm_core::time::Timestamp;
use didfarm_store::records::Records;
use rustc_hash::FxHashSet;
use tokio::sync::oneshot;

use super::EngineHandle;
use super::reads::damaged;
use crate::account::AccountHandle;
use crate::actors::delivery::DeliveryInput;
use crate::actors::delivery::batches::SweepReply;
use crate::actors::delivery::scheduling::{ListScheduled, Meant, ScheduleReply, Sweep, Waiting};
use crate::read::{PAGE_ROWS_MAX, Page, Position, ReadError};
use crate::schedule::{NotWaiting, Reschedule, ScheduleError, ScheduledFilter};
use crate::send::{Priority, Unavailable};
use crate::shared::Shared;

/// The most scheduled messages that a page of a list looks through: the supervisor does it between messages.
const SCANNED_MAX: usize = 2_000;

/// When a message is to go that is asked for at `asked`; `None` is at once.
pub(super) fn send_at_for(
    shared: &Shared,
    account: &AccountHandle,
    pair: (E164, &Peer),
    asked: Option<Timestamp>,
    priority: Priority,
) -> Result<Option<Timestamp>, Refusal> {
    let now = shared.now();
    let asked = match asked {
        Some(asked) => schedule::judge(asked, now)?,
        None => None,
    };
    match (account.quiet_hours(), priority) {
        (None, _) | (_, Priority::Otp) => Ok(asked),
        (Some(hours), Priority::Normal) => {
            let country = quiet::country(pair.0, pair.1);
            let held = hours.held_until(quiet::zones(country), asked.unwrap_or(now));
            Ok(held.or(asked))
        }
    }
}

/// Refuses what is one scheduled message too many, of the account or of all.
pub(super) fn check_room(shared: &Shared, account: &AccountHandle) -> Result<(), Refusal> {
    let delivery = &shared.settings.delivery;
    let bounds = [
        (account.scheduled(), delivery.scheduled_account_max),
        (
            shared.scheduled.load(Ordering::Acquire),
            delivery.scheduled_max,
        ),
    ];
    match bounds.into_iter().find(|(scheduled, max)| scheduled >= max) {
        Some((_, max)) => Err(Refusal::TooManyScheduled { max }),
        None => Ok(()),
    }
}

impl EngineHandle {
    /// Cancels a message that no carrier has: when this returns `Ok`, that is durable. Gives the message;
    /// one that was cancelled before is given again.
    ///
    /// # Errors
    /// See [`ScheduleError`].
    pub async fn cancel(
        &self,
        account: AccountId,
        message: MessageId,
    ) -> Result<Message, ScheduleError> {
        let done = self
            .change(|reply| {
                let waiting = Waiting { message, account };
                DeliveryInput::Cancel(waiting, reply)
            })
            .await?;
        let found = self.own_message(account, message).await?;
        match (done, found.status()) {
            (Ok(()), _) | (Err(NotWaiting), Status::Cancelled) => Ok(found),
            (Err(NotWaiting), status) => Err(ScheduleError::UnderWay { status }),
        }
    }

    /// Gives a scheduled message another time: when this returns `Ok`, that is durable. Gives the message.
    ///
    /// # Errors
    /// See [`ScheduleError`].
    pub async fn reschedule(
        &self,
        account: &Arc<AccountHandle>,
        message: MessageId,
        to: Reschedule,
    ) -> Result<Message, ScheduleError> {
        let found = self.own_message(account.id(), message).await?;
        let status = found.status();
        let (Some(from), Status::Scheduled) = (found.from.number(), status) else {
            return Err(ScheduleError::UnderWay { status });
        };
        let Reschedule { send_at, priority } = to;
        let shared = &self.shared;
        let asked = send_at_for(shared, account, (from, &found.to), Some(send_at), priority)?;
        let send_at = asked.unwrap_or_else(|| shared.now());
        let [before, until] = [found.send_at, found.valid_until];
        let validity_ms = until
            .unwrap_or(send_at)
            .ms_since(before.unwrap_or(found.created_at));
        let to = Rescheduled {
            send_at,
            valid_until: send_at.plus_ms(validity_ms),
            is_urgent: priority == Priority::Otp,
        };
        let waiting = Waiting {
            message,
            account: account.id(),
        };
        let done = self
            .change(|reply| DeliveryInput::Reschedule(waiting, to, reply))
            .await?;
        let found = self.own_message(account.id(), message).await?;
        let status = found.status();
        match done {
            Ok(()) => Ok(found),
            Err(NotWaiting) => Err(ScheduleError::UnderWay { status }),
        }
    }

    /// Cancels every message of the account that the filter fits and no carrier has; says how many. When
    /// this returns `Ok`, that is durable.
    ///
    /// # Errors
    /// See [`ScheduleError`].
    pub async fn cancel_all(
        &self,
        account: AccountId,
        filter: ScheduledFilter,
    ) -> Result<u64, ScheduleError> {
        let meant = self.meant(account, filter).await?;
        self.shared.gate()?;
        let permit = self.shared.admission.admit().ok_or(Unavailable::Busy)?;
        let (reply, answer) = oneshot::channel();
        let sweep = Sweep {
            meant,
            reply: SweepReply::Filter(reply),
            _permit: permit,
        };
        self.shared.delivery.push(DeliveryInput::Sweep(sweep));
        answer.await.map_err(|_| Unavailable::Faulted.into())
    }

    /// The account's scheduled messages, the earliest first.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn scheduled(
        &self,
        account: AccountId,
        filter: ScheduledFilter,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Page<Message, Position>, ReadError> {
        let meant = self.meant(account, filter).await?;
        let _permit = self.shared.admission.admit().ok_or(Unavailable::Busy)?;
        let (reply, answer) = oneshot::channel();
        let list = ListScheduled {
            meant,
            after: after.map(|position| (position.at, MessageId(position.id))),
            rows_max: limit.clamp(1, PAGE_ROWS_MAX),
            scan_max: SCANNED_MAX,
            reply,
        };
        self.shared
            .delivery
            .push(DeliveryInput::ListScheduled(list));
        let listed = answer.await.map_err(|_| Unavailable::Faulted)?;
        let read = move |records: &Records| {
            let found = listed.rows.iter().map(|(_, id)| records.message(*id));
            let found: Result<Vec<_>, _> = found.collect();
            let rows = found.map_err(damaged)?.into_iter().flatten();
            // One whose time came while it was read is scheduled no more.
            let rows = rows.filter(|message| message.status() == Status::Scheduled);
            let next = listed.next.map(|(at, message)| Position {
                at,
                id: message.get(),
            });
            Ok(Page {
                rows: rows.collect(),
                next,
            })
        };
        self.shared.read(read).await
    }

    async fn change(
        &self,
        input: impl FnOnce(ScheduleReply) -> DeliveryInput,
    ) -> Result<Result<(), NotWaiting>, ScheduleError> {
        self.shared.gate()?;
        let _permit = self.shared.admission.admit().ok_or(Unavailable::Busy)?;
        let (reply, answer) = oneshot::channel();
        self.shared.delivery.push(input(reply));
        answer.await.map_err(|_| Unavailable::Faulted.into())
    }

    async fn own_message(
        &self,
        account: AccountId,
        message: MessageId,
    ) -> Result<Message, ScheduleError> {
        let found = self.message(account, message).await?;
        found.ok_or(ScheduleError::Unknown { message })
    }

    /// Which messages a filter means: a recipient stands for the conversations with the account's numbers.
    async fn meant(&self, account: AccountId, filter: ScheduledFilter) -> Result<Meant, ReadError> {
        let ScheduledFilter { number, to } = filter;
        let conversations = match to {
            Some(to) => Some(self.conversations_with(account, number, to).await?),
            None => None,
        };
        Ok(Meant {
            account,
            number,
            conversations,
            batch: None,
        })
    }

    async fn conversations_with(
        &self,
        account: AccountId,
        number: Option<NumberId>,
        to: E164,
    ) -> Result<FxHashSet<ConversationId>, ReadError> {
        let own = self.shared.directory.numbers_of(account);
        let own = own.into_iter().map(|own| own.id);
        let own: Vec<_> = own
            .filter(|own| number.is_none_or(|number| *own == number))
            .collect();
        let read = move |records: &Records| {
            let peer = Peer::from(to);
            let found = own
                .into_iter()
                .map(|own| records.conversation_id_of(own, &peer));
            let found: Result<Vec<_>, _> = found.collect();
            Ok(found.map_err(damaged)?.into_iter().flatten().collect())
        };
        self.shared.read(read).await
    }
}
