//! The watch over a session: late answers, the check of the link, leaving.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::super::link::Asked;
use super::super::wire::{command, write_pdu};
use super::{End, Leaving, Session};

/// How often the watch looks, in milliseconds.
const WATCH_MS: u64 = 50;
/// The most late answers: an SMSC that owes more has forgotten them.
const LATE_MAX: usize = 10_000;
/// How long a session that is to end waits for answers, and then for the last word, in milliseconds.
const LEAVE_MS_MAX: u64 = 2_000;

impl Session {
    /// Watches until the session is to end.
    pub(super) async fn watch(&self) -> Result<Infallible, End> {
        let mut ticks = interval(Duration::from_millis(WATCH_MS));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let now = Instant::now();
            self.note_late(now)?;
            self.enquire(now);
            self.leave(now)?;
            self.wake.notify_one();
        }
    }

    fn note_late(&self, now: Instant) -> Result<(), End> {
        let mut link = self.link.borrow_mut();
        while let Some(asked) = link.next_late(now) {
            self.shared.meter.late.increment(1);
            match asked {
                Asked::Submit(flight, _) => {
                    let doubt = flight.borrow_mut().late();
                    self.events.borrow_mut().extend(doubt);
                }
                Asked::Query(_) => {}
                Asked::Enquiry => return Err(End::Silent),
                Asked::Unbind => return Err(End::Left),
            }
        }
        let is_forgetful = link.late > LATE_MAX;
        drop(link);
        self.hand_over();
        match is_forgetful {
            true => Err(End::Forgetful),
            false => Ok(()),
        }
    }

    /// Checks the link when the SMSC has been silent (SMPP 3.4, 4.11).
    fn enquire(&self, now: Instant) {
        let silence_max = Duration::from_millis(self.settings().enquire_link_ms);
        if !self.enquired.get() && now.duration_since(self.heard.get()) >= silence_max {
            self.enquired.set(true);
            let mut link = self.link.borrow_mut();
            link.request_plain(Asked::Enquiry, command::ENQUIRE_LINK, now);
        }
    }

    /// Leaves in three steps: nothing new is sent; once every answer has come or the time is over, the
    /// last word is said; the session ends with the answer to ours, or when theirs is written.
    fn leave(&self, now: Instant) -> Result<(), End> {
        let patience = Duration::from_millis(LEAVE_MS_MAX);
        let Some(leaving) = self.leaving.get() else {
            if self.shared.is_closing() {
                self.begin_leaving(None);
            }
            return Ok(());
        };
        if leaving.is_said {
            return if now < leaving.until {
                Ok(())
            } else {
                Err(End::Left)
            };
        }
        let is_idle = !self.link.borrow().is_busy() && self.brought.is_empty();
        if is_idle || now >= leaving.until {
            let mut link = self.link.borrow_mut();
            match leaving.unbind {
                None => link.request_plain(Asked::Unbind, command::UNBIND, now),
                Some(sequence) => {
                    let answer = command::UNBIND | command::RESPONSE;
                    write_pdu(&mut link.out, answer, 0, sequence, |_| {});
                }
            }
            self.leaving.set(Some(Leaving {
                until: now + patience,
                is_said: true,
                ..leaving
            }));
        }
        Ok(())
    }

    /// Begins to leave: of our own will, or to answer the SMSC's `unbind` with this sequence number.
    pub(super) fn begin_leaving(&self, unbind: Option<u32>) {
        self.leaving.set(Some(Leaving {
            until: Instant::now() + Duration::from_millis(LEAVE_MS_MAX),
            unbind,
            is_said: false,
        }));
    }
}
