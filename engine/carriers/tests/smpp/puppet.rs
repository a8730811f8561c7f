//! An SMSC whose every PDU is pulled by hand, on the codec of the crate rusmpp.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

use bytes::BytesMut;
use didfarm_carriers::smpp::SmppCarrier;
use rusmpp::pdus::{BindTransceiverResp, DeliverSm, SubmitSm, SubmitSmResp};
use rusmpp::tokio_codec::CommandCodec;
use rusmpp::types::{COctetString, OctetString};
use rusmpp::values::{EsmClass, Npi, Ton};
use rusmpp::{Command, CommandId, CommandStatus, Pdu};
use tokio_util::codec::{Decoder as _, Encoder as _};

use super::recording::{PATIENCE, Recorder, submit_bound, text};

/// Where puppets listen.
pub struct Stage {
    listener: TcpListener,
}

/// One connection.
pub struct Puppet {
    stream: TcpStream,
    codec: CommandCodec,
    read: BytesMut,
}

impl Stage {
    pub fn new() -> Stage {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Stage { listener }
    }

    pub fn address(&self) -> String {
        self.listener.local_addr().unwrap().to_string()
    }

    /// Waits for a connection.
    pub fn accept(&self) -> Puppet {
        let (stream, _) = self.listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Puppet {
            stream,
            codec: CommandCodec::new(),
            read: BytesMut::new(),
        }
    }

    /// Waits for a connection and binds it.
    pub fn bind(&self) -> Puppet {
        let mut puppet = self.accept();
        let bind = puppet.next();
        puppet.bound(&bind);
        puppet
    }
}

impl Puppet {
    /// Takes the carrier's first message, so that it is known to be bound.
    pub fn warm_up(&mut self, carrier: &SmppCarrier, recorder: &Recorder) {
        thread::scope(|scope| {
            let first = scope.spawn(|| submit_bound(carrier, recorder, text(1, "hello")));
            let (request, _) = self.submit();
            self.take(&request, "first");
            first.join().unwrap();
        });
    }

    /// Says that a bind is taken.
    pub fn bound(&mut self, bind: &Command) {
        let answer = match bind.pdu() {
            Some(Pdu::BindTransceiver(_)) => Pdu::from(BindTransceiverResp::default()),
            Some(Pdu::BindTransmitter(_)) => rusmpp::pdus::BindTransmitterResp::default().into(),
            Some(Pdu::BindReceiver(_)) => rusmpp::pdus::BindReceiverResp::default().into(),
            other => panic!("no bind: {other:?}"),
        };
        self.answer(bind, CommandStatus::EsmeRok, answer);
    }

    /// The next PDU; `None` when the connection was closed.
    pub fn read(&mut self) -> Option<Command> {
        loop {
            if let Some(command) = self.codec.decode(&mut self.read).unwrap() {
                return Some(command);
            }
            let mut chunk = [0; 4096];
            match self.stream.read(&mut chunk) {
                Ok(0) => return None,
                Ok(bytes) => self.read.extend_from_slice(&chunk[..bytes]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("nothing came: {error}"),
            }
        }
    }

    /// The next PDU.
    pub fn next(&mut self) -> Command {
        self.read().expect("the connection is open")
    }

    /// The next PDU, which is of this kind.
    pub fn expect(&mut self, id: CommandId) -> Command {
        let command = self.next();
        assert_eq!(command.id(), id, "{command:?}");
        command
    }

    /// The next `submit_sm`, with its request.
    pub fn submit(&mut self) -> (Command, SubmitSm) {
        let command = self.next();
        match command.pdu() {
            Some(Pdu::SubmitSm(submit)) => (command.clone(), submit.clone()),
            _ => panic!("no submit_sm: {command:?}"),
        }
    }

    pub fn send(&mut self, command: &Command) {
        let mut out = BytesMut::new();
        self.codec.encode(command, &mut out).unwrap();
        self.write(&out);
    }

    /// Writes bytes that no codec would.
    pub fn write(&mut self, octets: &[u8]) {
        self.try_write(octets).unwrap();
    }

    /// Writes bytes as long as the connection lets it.
    pub fn try_write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.write_all(octets)
    }

    /// Answers a request.
    pub fn answer(&mut self, request: &Command, status: CommandStatus, pdu: impl Into<Pdu>) {
        self.send(&Command::new(status, request.sequence_number(), pdu));
    }

    /// Takes a submit.
    pub fn take(&mut self, request: &Command, id: &str) {
        let answer = SubmitSmResp::new(c_string(id), Vec::new());
        self.answer(request, CommandStatus::EsmeRok, answer);
    }

    /// Refuses a submit, without a body as SMPP 3.4 has it (4.4.2).
    pub fn refuse(&mut self, request: &Command, status: CommandStatus) {
        let words = [
            16,
            0x8000_0004,
            u32::from(status),
            request.sequence_number(),
        ];
        self.write(&words.map(u32::to_be_bytes).concat());
    }

    /// Delivers, and leaves the answer to be read.
    pub fn deliver(&mut self, sequence: u32, esm_class: u8, text: &[u8]) {
        let deliver = DeliverSm::builder()
            .source_addr_ton(Ton::International)
            .source_addr_npi(Npi::Isdn)
            .source_addr(c_string("31612345678"))
            .destination_addr(c_string("15550001234"))
            .esm_class(EsmClass::from(esm_class))
            .short_message(OctetString::from_slice(text).unwrap())
            .build();
        self.send(&Command::new(CommandStatus::EsmeRok, sequence, deliver));
    }
}

pub fn c_string<const MAX: usize>(text: &str) -> COctetString<1, MAX> {
    text.parse().unwrap()
}
