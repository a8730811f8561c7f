//! One connection to the message center: from the first byte to the last.

mod deliveries;
mod submits;

use std::collections::HashMap;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt as _, SinkExt, StreamExt as _};
use rusmpp::pdus::{BindReceiverResp, BindTransceiverResp, BindTransmitterResp};
use rusmpp::tokio_codec::CommandCodec;
use rusmpp::types::COctetString;
use rusmpp::values::InterfaceVersion;
use rusmpp::{Command, CommandId, CommandStatus, Pdu};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::codec::Framed;

use self::deliveries::DELIVER_WINDOW;
use super::outbound::Outbound;
use crate::carriers::record::Protocol;
use crate::carriers::world::World;

/// The longest PDU, in bytes.
const PDU_BYTES_MAX: usize = 64 * 1024;
/// Bytes that are gathered before they are written.
const WRITE_BYTES: usize = 64 * 1024;
/// The most PDUs that are answered before answers are written.
const ANSWERS_PER_WRITE_MAX: usize = 256;
/// How long the other side may take to read what is written, in milliseconds.
const WRITE_TIMEOUT_MS: u64 = 30_000;
/// Time between two `enquire_link`, in milliseconds.
const ENQUIRE_INTERVAL_MS: u64 = 30_000;

type Link = Framed<TcpStream, CommandCodec>;

/// How a connection is bound.
struct Bind {
    system_id: Box<str>,
    transmits: bool,
    receives: bool,
    wake: Arc<Notify>,
}

struct Session {
    world: Arc<World>,
    bind: Option<Bind>,
    window: HashMap<u32, (Outbound, Instant)>,
    next_sequence: u32,
    answers: Vec<Command>,
    ends: bool,
}

/// Serves one connection until it ends; what was not acknowledged goes to the next one.
pub async fn run(world: Arc<World>, stream: TcpStream) {
    let codec = CommandCodec::new().with_max_length(PDU_BYTES_MAX);
    let mut link = Framed::new(stream, codec);
    link.set_backpressure_boundary(WRITE_BYTES);
    let mut session = Session {
        world,
        bind: None,
        window: HashMap::new(),
        next_sequence: 1,
        answers: Vec::new(),
        ends: false,
    };
    session.serve(&mut link).await;
    session.hand_back();
}

impl Session {
    async fn serve(&mut self, link: &mut Link) {
        let mut generation = self.world.esmes.generation();
        let mut blackout = self.world.blackout.subscribe();
        let mut enquire = tokio::time::interval(Duration::from_millis(ENQUIRE_INTERVAL_MS));
        enquire.set_missed_tick_behavior(MissedTickBehavior::Delay);
        enquire.reset();
        while !self.ends {
            tokio::select! {
                read = link.next() => match read {
                    Some(Ok(command)) => self.handle_all(command, link),
                    Some(Err(_)) | None => return,
                },
                () = self.woken() => {}
                _ = generation.changed() => return,
                _ = blackout.changed() => {}
                _ = enquire.tick() => self.keep_alive(),
            }
            if *self.world.blackout.borrow() {
                self.answers.clear();
                continue;
            }
            self.deliver_waiting();
            if !self.write(link).await {
                return;
            }
        }
    }

    /// Waits until something is there to deliver and there is room for it.
    async fn woken(&self) {
        match &self.bind {
            Some(bind) if bind.receives && self.window.len() < DELIVER_WINDOW => {
                bind.wake.notified().await;
            }
            _ => pending().await,
        }
    }

    /// Handles a PDU and those that came with it.
    fn handle_all(&mut self, first: Command, link: &mut Link) {
        self.handle(&first);
        for _ in 1..ANSWERS_PER_WRITE_MAX {
            match link.next().now_or_never() {
                Some(Some(Ok(command))) => self.handle(&command),
                Some(Some(Err(_)) | None) => {
                    self.ends = true;
                    return;
                }
                None => return,
            }
        }
    }

    async fn write(&mut self, link: &mut Link) -> bool {
        if self.answers.is_empty() {
            return true;
        }
        let answers = std::mem::take(&mut self.answers);
        let all = async {
            for answer in answers {
                link.feed(answer).await?;
            }
            SinkExt::<Command>::flush(link).await
        };
        let limit = Duration::from_millis(WRITE_TIMEOUT_MS);
        matches!(tokio::time::timeout(limit, all).await, Ok(Ok(())))
    }

    fn handle(&mut self, command: &Command) {
        let sequence = command.sequence_number();
        if *self.world.blackout.borrow() {
            let submit = u64::from(command.id() == CommandId::SubmitSm);
            self.world.counts.add(Protocol::Smpp, |counts| {
                counts.submits += submit;
                counts.unanswered += submit;
            });
            return;
        }
        match (command.id(), command.pdu()) {
            (CommandId::DeliverSmResp, _) => self.acknowledged(sequence, command.status()),
            (CommandId::EnquireLinkResp | CommandId::GenericNack, _) => {}
            (CommandId::UnbindResp, _) => self.ends = true,
            (CommandId::EnquireLink, _) => {
                self.answer(CommandStatus::EsmeRok, sequence, Pdu::EnquireLinkResp)
            }
            (CommandId::Unbind, _) => {
                self.answer(CommandStatus::EsmeRok, sequence, Pdu::UnbindResp);
                self.ends = true;
            }
            (_, Some(Pdu::BindTransceiver(bind))) => {
                let status = self.bind(&bind.system_id, &bind.password, true, true);
                let answer = BindTransceiverResp::new(center(), Some(InterfaceVersion::Smpp3_4));
                self.answer(status, sequence, answer);
            }
            (_, Some(Pdu::BindTransmitter(bind))) => {
                let status = self.bind(&bind.system_id, &bind.password, true, false);
                let answer = BindTransmitterResp::new(center(), Some(InterfaceVersion::Smpp3_4));
                self.answer(status, sequence, answer);
            }
            (_, Some(Pdu::BindReceiver(bind))) => {
                let status = self.bind(&bind.system_id, &bind.password, false, true);
                let answer = BindReceiverResp::new(center(), Some(InterfaceVersion::Smpp3_4));
                self.answer(status, sequence, answer);
            }
            (_, Some(Pdu::SubmitSm(submit))) => self.submit(sequence, submit),
            (_, Some(Pdu::QuerySm(query))) => self.query(sequence, query),
            _ => self.answer(CommandStatus::EsmeRinvcmdid, sequence, Pdu::GenericNack),
        }
    }

    fn answer(&mut self, status: CommandStatus, sequence: u32, pdu: impl Into<Pdu>) {
        self.answers.push(Command::new(status, sequence, pdu));
    }

    fn bind(
        &mut self,
        system_id: &COctetString<1, 16>,
        password: &COctetString<1, 9>,
        transmits: bool,
        receives: bool,
    ) -> CommandStatus {
        if self.bind.is_some() {
            return CommandStatus::EsmeRalybnd;
        }
        if !self.world.esmes.admits(password.as_str()) {
            return CommandStatus::EsmeRinvpaswd;
        }
        let system_id = system_id.as_str();
        let Some(wake) = self.world.esmes.bind(system_id, receives) else {
            return CommandStatus::EsmeRbindfail;
        };
        self.world
            .counts
            .add(Protocol::Smpp, |counts| counts.binds += 1);
        self.bind = Some(Bind {
            system_id: system_id.into(),
            transmits,
            receives,
            wake,
        });
        CommandStatus::EsmeRok
    }
}

/// The message center's own system id.
fn center() -> COctetString<1, 16> {
    COctetString::from_static_slice(b"didfarm-load\0").expect("it has fewer than 16 characters")
}
