//! Deliveries of one connection: the window, acknowledgements, and what is sent again.

use std::time::Duration;

use rusmpp::{Command, CommandStatus, Pdu};
use tokio::time::Instant;

use super::Session;
use crate::carriers::record::Protocol;
use crate::carriers::smsc::outbound::Outbound;
use crate::carriers::world::Due;

/// The most `deliver_sm` without an answer on one connection.
pub(super) const DELIVER_WINDOW: usize = 1_000;
/// How long a `deliver_sm` may go without an answer before it is sent again, in milliseconds.
const DELIVER_TIMEOUT_MS: u64 = 30_000;
/// Pause before a `deliver_sm` that was refused is sent again, in milliseconds; it doubles.
const RETRY_PAUSE_MS: u64 = 200;
/// The longest such pause, in milliseconds.
const RETRY_PAUSE_MS_MAX: u64 = 10_000;

impl Session {
    pub(super) fn deliver_before_the_answer(&mut self, outbound: Outbound) {
        match &self.bind {
            Some(bind) if bind.receives => self.deliver(outbound),
            _ => self.world.esmes.send(outbound),
        }
    }

    /// Fills the window with what waits.
    pub(super) fn deliver_waiting(&mut self) {
        let Some(bind) = self.bind.as_ref().filter(|bind| bind.receives) else {
            return;
        };
        let room = DELIVER_WINDOW.saturating_sub(self.window.len());
        for outbound in self.world.esmes.take(&bind.system_id, room) {
            self.deliver(outbound);
        }
    }

    fn deliver(&mut self, mut outbound: Outbound) {
        outbound.attempts += 1;
        let sequence = self.sequence();
        let pdu = outbound.pdu(self.world.esmes.ids);
        self.answers
            .push(Command::new(CommandStatus::EsmeRok, sequence, pdu));
        self.window.insert(sequence, (outbound, Instant::now()));
    }

    pub(super) fn acknowledged(&mut self, sequence: u32, status: CommandStatus) {
        let Some((outbound, _)) = self.window.remove(&sequence) else {
            return;
        };
        let acknowledged = status == CommandStatus::EsmeRok;
        self.world.counts.add(Protocol::Smpp, |counts| {
            *counts.answers.entry(status.into()).or_default() += 1;
            counts.acked += u64::from(acknowledged);
        });
        if acknowledged {
            self.world.agenda.leave(1);
        } else {
            self.again(outbound);
        }
    }

    fn again(&self, outbound: Outbound) {
        if outbound.attempts >= self.world.attempts_max {
            self.world
                .counts
                .add(Protocol::Smpp, |counts| counts.given_up += 1);
            self.world.agenda.leave(1);
            return;
        }
        self.world
            .counts
            .add(Protocol::Smpp, |counts| counts.retried += 1);
        let doubled = RETRY_PAUSE_MS << (outbound.attempts - 1).min(16);
        let pause = Duration::from_millis(doubled.min(RETRY_PAUSE_MS_MAX));
        self.world.agenda.add(pause, Due::Deliver(outbound));
    }

    /// Asks whether the other side is there, and sends again what it did not answer in time.
    pub(super) fn keep_alive(&mut self) {
        let limit = Duration::from_millis(DELIVER_TIMEOUT_MS);
        let late = |(_, (_, at)): &(&u32, &(Outbound, Instant))| at.elapsed() > limit;
        let overdue: Vec<u32> = self
            .window
            .iter()
            .filter(late)
            .map(|(sequence, _)| *sequence)
            .collect();
        for sequence in overdue {
            if let Some((outbound, _)) = self.window.remove(&sequence) {
                self.again(outbound);
            }
        }
        let sequence = self.sequence();
        self.answers.push(Command::new(
            CommandStatus::EsmeRok,
            sequence,
            Pdu::EnquireLink,
        ));
    }

    /// SMPP 3.4, 5.1.4: 1 to 0x7fffffff.
    fn sequence(&mut self) -> u32 {
        let sequence = self.next_sequence;
        self.next_sequence = sequence % 0x7fff_ffff + 1;
        sequence
    }

    /// Leaves what was not acknowledged to the next bind of the same system id.
    pub(super) fn hand_back(self) {
        if self.bind.is_some() {
            self.world
                .counts
                .add(Protocol::Smpp, |counts| counts.binds -= 1);
        }
        let mut unanswered: Vec<_> = self.window.into_iter().collect();
        unanswered.sort_unstable_by_key(|(_, (_, at))| std::cmp::Reverse(*at));
        let again = unanswered.len() as u64;
        self.world
            .counts
            .add(Protocol::Smpp, |counts| counts.retried += again);
        for (_, (outbound, _)) in unanswered {
            self.world.esmes.send_first(outbound);
        }
    }
}
