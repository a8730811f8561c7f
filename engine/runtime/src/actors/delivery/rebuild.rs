//! What the delivery supervisor starts from: the open deliveries, parked receipts and parts of the records.

use didfarm_carriers::Submit;
use didfarm_core::batch::{Batch, BatchState};
use didfarm_core::delivery::{InFlight, Phase};
use didfarm_core::e164::E164;
use didfarm_core::ids::{AccountId, BatchId, ConversationId, MessageId};
use didfarm_core::message::Message;
use didfarm_core::time::Timestamp;
use didfarm_store::records::{Records, RecordsError};

use super::DeliverySupervisor;
use super::book::Book;
use super::calendar::{Calendar, Slot};
use super::parked::ParkedReceipts;
use super::parts::PartsDesk;
use crate::bars::Upto;
use didfarm_config::Settings;

/// The records' view of deliveries.
pub(crate) struct Rebuilt {
    pub(super) book: Book,
    pub(super) parked: ParkedReceipts,
    pub(super) parts: PartsDesk,
    pub(super) calendar: Calendar,
    /// Messages that wait for their turn, in the order in which it came to be theirs.
    pub(super) queued: Vec<MessageId>,
    /// Messages that wait in their account's line, in the order in which they came to it.
    pub(super) in_line: Vec<MessageId>,
    /// The batches of what waits, and those that rows may still come of.
    pub(super) batches: Vec<Batch>,
    /// The batches of scheduled messages, once for each.
    pub(super) expected: Vec<(AccountId, BatchId)>,
    /// Messages that wait and whose batch was cancelled.
    pub(super) cancelled: Vec<MessageId>,
    /// Messages that were being submitted.
    pub(super) unanswered: Vec<MessageId>,
    /// Messages that do not go because their peer opted out, with their conversations.
    pub(super) barred: Vec<(ConversationId, Upto)>,
}

impl Rebuilt {
    /// Reads the records; rows may still come of some batches.
    pub(crate) fn read(
        records: &Records,
        settings: &Settings,
        written_to: &[(AccountId, BatchId)],
    ) -> Result<Rebuilt, RecordsError> {
        let (engine, delivery) = (&settings.engine, &settings.delivery);
        let mut book = Book::new(engine.recent_finished_max, records.meta()?.seq);
        let (mut waiting, mut unanswered): (Vec<InFlight>, _) = (Vec::new(), Vec::new());
        let (mut slots, mut scheduled) = (Vec::new(), Vec::new());
        let (mut in_line, mut batched, mut expected) = (Vec::new(), Vec::new(), Vec::new());
        records.each_in_flight(|open| match open.delivery.phase {
            // Their texts stay in the records until their time comes.
            Phase::Scheduled => {
                slots.push(Slot {
                    account: open.account,
                    channel: open.channel,
                    at: open.phase_at,
                    message: open.message,
                });
                scheduled.push((open.conversation, open.message, open.is_template));
                expected.extend(open.batch.map(|batch| (open.account, batch)));
                batched.extend(open.batch.map(|batch| (open.account, batch, open.message)));
                book.open(open, None);
            }
            // So do the texts of those that wait in line until it is nearly their turn.
            Phase::Queued if DeliverySupervisor::is_paced(&open) => {
                in_line.push((open.waits_since(), open.message));
                batched.extend(open.batch.map(|batch| (open.account, batch, open.message)));
                scheduled.push((open.conversation, open.message, open.is_template));
                book.open(open, None);
            }
            Phase::Queued => waiting.push(open),
            Phase::Submitting | Phase::InDoubt => {
                if open.delivery.phase == Phase::Submitting {
                    unanswered.push(open.message);
                }
                waiting.push(open);
            }
            Phase::Submitted | Phase::Refused | Phase::Cancelled | Phase::GivenUp => {
                book.open(open, None);
            }
        })?;
        let mut queued: Vec<(Timestamp, MessageId)> = Vec::new();
        let pairs = waiting.iter();
        let pairs = pairs.map(|open| (open.conversation, open.message, open.is_template));
        let barred = barred(records, scheduled.into_iter().chain(pairs))?;
        for mut open in waiting {
            if open.delivery.phase == Phase::Queued {
                queued.push((open.waits_since(), open.message));
            }
            let message = records.message(open.message)?;
            let send_at = message.as_ref().and_then(|message| message.send_at);
            let mut submit = message.and_then(submit);
            batched.extend(open.batch.map(|batch| (open.account, batch, open.message)));
            if open.batch.is_some() || send_at.is_some() {
                // Its validity period began when it left its line, which is not kept: it has a whole one left.
                let validity_ms = open
                    .valid_until
                    .ms_since(send_at.unwrap_or(open.accepted_at));
                open.valid_until = open.phase_at.plus_ms(validity_ms);
                if let Some(submit) = &mut submit {
                    submit.valid_until = open.valid_until;
                }
            }
            book.open(open, submit.map(Box::new));
        }
        queued.sort_unstable();
        in_line.sort_unstable();
        let (mut batches, cancelled) = batches_of(records, batched)?;
        for (account, id) in written_to {
            if batches.iter().all(|known| known.id != *id) {
                batches.extend(records.batch(*account, *id)?);
            }
        }
        let age_min_ms = delivery
            .parked_receipt_age_max_ms
            .min(delivery.parked_receipt_age_max_whatsapp_ms);
        let mut receipts = Vec::new();
        records.each_parked(|row| receipts.extend(row))?;
        receipts.sort_by_key(|(at, _)| *at);
        let mut parked = ParkedReceipts::new(engine.parked_receipts_max, age_min_ms);
        for (at, receipt) in receipts {
            parked.put(at, receipt);
        }
        let mut parts = PartsDesk::default();
        records.each_part(|at, part| parts.put(at, part))?;
        Ok(Rebuilt {
            book,
            parked,
            parts,
            calendar: Calendar::of(&slots),
            in_line: in_line.into_iter().map(|(_, message)| message).collect(),
            batches,
            cancelled,
            expected,
            queued: queued.into_iter().map(|(_, message)| message).collect(),
            unanswered,
            barred,
        })
    }
}

/// The batches of these messages, and the messages of those that were cancelled.
fn batches_of(
    records: &Records,
    mut messages: Vec<(AccountId, BatchId, MessageId)>,
) -> Result<(Vec<Batch>, Vec<MessageId>), RecordsError> {
    messages.sort_unstable();
    let (mut batches, mut cancelled) = (Vec::new(), Vec::new());
    for of_one in messages.chunk_by(|one, next| one.1 == next.1) {
        let (account, id, _) = of_one[0];
        let Some(batch) = records.batch(account, id)? else {
            continue;
        };
        if batch.state == BatchState::Cancelled {
            cancelled.extend(of_one.iter().map(|(_, _, message)| *message));
        }
        batches.push(batch);
    }
    Ok((batches, cancelled))
}

/// The conversations of those messages among these whose peer opted out after they were accepted.
fn barred(
    records: &Records,
    messages: impl Iterator<Item = (ConversationId, MessageId, bool)>,
) -> Result<Vec<(ConversationId, Upto)>, RecordsError> {
    let opted_out = records.opted_out()?;
    let mut barred = Vec::new();
    for (id, message, is_template) in messages.filter(|(id, ..)| opted_out.contains(id)) {
        let conversation = records.conversation(id)?;
        let consent = conversation.and_then(|conversation| conversation.consent);
        let bars = consent.filter(|consent| consent.bars(message, is_template));
        barred.extend(bars.map(|consent| (id, Upto::of(&consent))));
    }
    Ok(barred)
}

/// What is to be handed over of a message that no carrier is known to have taken.
pub(super) fn submit(message: Message) -> Option<Submit> {
    let from: E164 = message.from.number()?;
    Some(Submit {
        message: message.id,
        from,
        to: message.to,
        channel: message.channel,
        body: message.body,
        segments: message.segments,
        content: message.content,
        valid_until: message.valid_until.unwrap_or(message.created_at),
        submit: 0,
    })
}
