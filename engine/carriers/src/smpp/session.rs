//! One bound session: reads, writes, keeps time, and ends with every message accounted for.
//!
//! Owns one connection. Three loops share its books ([`Link`]) on one thread: reading handles what has
//! come, then hands answers and deliveries over in groups; writing takes work as the window has room and
//! writes many PDUs at once; the watch looks after late answers, the check of the link and leaving. The
//! first that ends, ends the session. What was written and has no answer is in doubt then; what was not
//! written is not taken.
//!
//! Limits: [`WRITE_BYTES_MAX`], [`OUT_BYTES_MAX`], and those of [`watch`] and of [`super::brought`].

mod received;
mod watch;

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::brought::{Brought, Durable};
use super::link::{Asked, Link};
use super::settings::SmppSettings;
use super::shared::{Shared, now};
use super::submit::{prepare, write_query, write_submit};
use super::tls::Stream;
use super::waiting::{SharedFlight, Work};
use super::wire::{BadLength, PDU_BYTES_MAX, read_pdu};
use crate::{CarrierEvent, Submit};

/// How much is written at once, in bytes; one PDU more at most.
const WRITE_BYTES_MAX: usize = 64 * 1024;
/// The most that waits to be written, in bytes: an SMSC that asks and does not read is left.
const OUT_BYTES_MAX: usize = 1024 * 1024;
/// How much is read at once, in bytes.
const READ_BYTES: usize = 64 * 1024;

/// What a session does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Both ways.
    Transceiver,
    /// It submits.
    Transmitter,
    /// It receives.
    Receiver,
}

impl Role {
    /// Whether it submits.
    pub(super) fn submits(self) -> bool {
        self != Role::Receiver
    }
}

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    /// The SMSC closed the connection.
    #[error("the smsc closed the connection")]
    Closed,
    /// The connection failed.
    #[error("the connection failed: {0}")]
    Broken(#[from] io::Error),
    /// The stream cannot be read further.
    #[error(transparent)]
    Unreadable(#[from] BadLength),
    /// The SMSC asks and does not read.
    #[error("the smsc does not read our answers")]
    Deaf,
    /// The check of the link has no answer.
    #[error("the smsc does not answer the check of the link")]
    Silent,
    /// Too many answers are late.
    #[error("the smsc owes too many answers")]
    Forgetful,
    /// The SMSC says that the session is not bound.
    #[error("the smsc says that the session is not bound")]
    NotBound,
    /// The SMSC unbound.
    #[error("the smsc unbound")]
    Unbound,
    /// We left.
    #[error("we unbound")]
    Left,
}

/// How a session is leaving.
#[derive(Debug, Clone, Copy)]
struct Leaving {
    until: Instant,
    /// The SMSC's unbind, to be answered; ours where there is none.
    unbind: Option<u32>,
    /// The last word is said.
    is_said: bool,
}

/// A bound session.
pub(super) struct Session {
    shared: Rc<Shared>,
    role: Role,
    link: RefCell<Link>,
    events: RefCell<Vec<CarrierEvent>>,
    brought: Brought,
    leaving: Cell<Option<Leaving>>,
    heard: Cell<Instant>,
    enquired: Cell<bool>,
    wake: Notify,
}

impl Session {
    /// A session bound by request number `sequence`, and what is to be polled with it.
    pub(super) fn new(shared: Rc<Shared>, role: Role, sequence: u32) -> (Session, Durable) {
        let settings = &shared.settings;
        let timeout = Duration::from_millis(settings.answer_timeout_ms);
        let (brought, durable) = Brought::new();
        let session = Session {
            link: RefCell::new(Link::new(settings.window, timeout, sequence)),
            shared,
            role,
            events: RefCell::default(),
            brought,
            leaving: Cell::new(None),
            heard: Cell::new(Instant::now()),
            enquired: Cell::new(false),
            wake: Notify::new(),
        };
        (session, durable)
    }

    /// Runs until it ends. `read` is what came behind the answer to the bind.
    pub(super) async fn run(&self, stream: Stream, read: BytesMut, durable: Durable) -> End {
        let (reader, writer) = tokio::io::split(stream);
        let result = tokio::select! {
            result = self.read(reader, read) => result,
            result = self.write(writer) => result,
            result = self.watch() => result,
            result = self.confirm(durable) => result,
        };
        match result {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    fn settings(&self) -> &SmppSettings {
        &self.shared.settings
    }

    async fn read(
        &self,
        mut reader: impl AsyncRead + Unpin,
        mut buffer: BytesMut,
    ) -> Result<Infallible, End> {
        loop {
            let mut used = 0;
            let result = loop {
                match read_pdu(&buffer[used..]) {
                    Ok(Some((pdu, bytes))) => {
                        used += bytes;
                        if let Err(end) = self.receive(&pdu) {
                            break Err(end);
                        }
                    }
                    Ok(None) => break Ok(()),
                    Err(bad) => break Err(End::from(bad)),
                }
            };
            buffer.advance(used);
            self.hand_over();
            result?;
            if self.link.borrow().out.len() > OUT_BYTES_MAX {
                return Err(End::Deaf);
            }
            self.wake.notify_one();
            debug_assert!(buffer.len() < PDU_BYTES_MAX, "a whole PDU is handled");
            buffer.reserve(READ_BYTES);
            if reader.read_buf(&mut buffer).await? == 0 {
                return Err(End::Closed);
            }
            self.heard.set(Instant::now());
        }
    }

    async fn write(&self, mut writer: impl AsyncWrite + Unpin) -> Result<Infallible, End> {
        loop {
            let mut chunk = self.fill();
            if chunk.is_empty() {
                if let Some(Leaving {
                    is_said: true,
                    unbind: Some(_),
                    ..
                }) = self.leaving.get()
                {
                    return Err(End::Unbound);
                }
                tokio::select! {
                    () = self.wake.notified() => {}
                    () = self.shared.work.notified(), if self.role.submits() => {}
                }
                continue;
            }
            while !chunk.is_empty() {
                let bytes = writer.write(&chunk).await?;
                if bytes == 0 {
                    return Err(End::Closed);
                }
                chunk.advance(bytes);
                self.link.borrow_mut().wrote(bytes);
            }
            writer.flush().await?;
        }
    }

    /// What is to be written now: answers and checks first, then work as far as the window has room.
    fn fill(&self) -> BytesMut {
        if self.role.submits() && self.leaving.get().is_none() && !self.shared.is_closing() {
            self.take_work(Instant::now());
        }
        self.hand_over();
        self.link.borrow_mut().take_out()
    }

    /// Writes what waits into the books until the window or the write is full.
    fn take_work(&self, now: Instant) {
        loop {
            {
                let link = self.link.borrow();
                if link.window.room() == 0 || link.out.len() >= WRITE_BYTES_MAX {
                    break;
                }
            }
            let work = self.shared.waiting.borrow_mut().next(now);
            match work {
                None => break,
                Some(Work::Fresh(submit)) => self.begin(&submit, now),
                Some(Work::Rest(flight, place)) => self.send(&flight, place, now),
                Some(Work::Ask(query)) => {
                    let (id, from) = (query.id.clone(), query.from.digits());
                    let asked = Asked::Query(query);
                    self.link.borrow_mut().request(asked, now, |out, sequence| {
                        write_query(out, self.settings(), sequence, &id, from)
                    });
                }
            }
        }
    }

    fn begin(&self, submit: &Submit, at: Instant) {
        let reference = self.shared.next_reference();
        match prepare(self.settings(), submit, reference, now()) {
            Ok(flight) => self.send(&Rc::new(RefCell::new(flight)), 0, at),
            Err(answer) => {
                let event = CarrierEvent::Answer(submit.message, answer);
                self.events.borrow_mut().push(event);
            }
        }
    }

    fn send(&self, flight: &SharedFlight, place: usize, now: Instant) {
        flight.borrow_mut().sent(place);
        let asked = Asked::Submit(Rc::clone(flight), place);
        self.link.borrow_mut().request(asked, now, |out, sequence| {
            write_submit(out, self.settings(), sequence, &flight.borrow(), place);
            true
        });
    }

    /// Hands over what was gathered: answers first, as a receipt may be for one of them.
    fn hand_over(&self) {
        self.shared.deliver(self.events.take());
        self.brought.hand_over(&self.shared);
    }

    /// Answers deliveries as they become durable.
    async fn confirm(&self, mut durable: Durable) -> Result<Infallible, End> {
        loop {
            let (answers, status) = durable.next().await;
            self.brought.answered(answers.len());
            let mut link = self.link.borrow_mut();
            for answer in answers {
                answer.write(&mut link.out, status);
            }
            drop(link);
            self.wake.notify_one();
        }
    }

    /// Accounts for every message that has no answer. To be called once, when the session has ended.
    pub(super) fn settle(&self) {
        let unanswered = self.link.borrow_mut().take_unanswered();
        let mut events = self.events.take();
        for (asked, was_written) in unanswered {
            if let Asked::Submit(flight, place) = asked {
                let next = match was_written {
                    true => flight.borrow_mut().lost(place),
                    false => flight.borrow_mut().unwritten(place),
                };
                self.shared.follow(&flight, next, &mut events);
            }
        }
        self.shared.deliver(events);
    }

    /// How many submits are unanswered, how many may be, and how many deliveries are not durable.
    pub(super) fn depths(&self) -> (u32, u32, usize) {
        let link = self.link.borrow();
        let window = if self.role.submits() {
            link.window.limit()
        } else {
            0
        };
        (link.window.used(), window, self.brought.len())
    }
}
