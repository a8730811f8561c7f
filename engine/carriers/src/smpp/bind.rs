//! One bind over its life: connect, bind, run the session, wait, again.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use futures_util::FutureExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::session::{End, Role, Session};
use super::shared::Shared;
use super::status;
use super::tls::Stream;
use super::wire::{BadLength, INTERFACE_VERSION, command, read_pdu, write_c_string, write_pdu};

/// The sequence number of a bind: the first of its connection.
const BIND_SEQUENCE: u32 = 1;

/// Why a bind did not come about.
#[derive(Debug, thiserror::Error)]
enum BindError {
    /// There is no connection.
    #[error("no connection: {0}")]
    Connection(#[from] io::Error),
    /// It took too long.
    #[error("no {0} in time")]
    Timeout(&'static str),
    /// What came is no SMPP.
    #[error(transparent)]
    Unreadable(#[from] BadLength),
    /// The SMSC refused.
    #[error("refused with command_status {0:#010x}")]
    Refused(u32),
}

impl BindError {
    /// Whether it is of no use to try again soon.
    fn is_bad_credentials(&self) -> bool {
        matches!(self, BindError::Refused(status) if status::is_bad_credentials(*status))
    }
}

/// Keeps one session bound until we leave.
pub(super) async fn keep_bound(shared: Rc<Shared>, role: Role) {
    let mut pause = Backoff::new(&shared);
    while !shared.is_closing() {
        let Some(bound) = shared.unless_closed(connect_and_bind(&shared, role)).await else {
            return;
        };
        match bound {
            Ok((stream, read)) => {
                let since = Instant::now();
                run_session(&shared, role, stream, read).await;
                pause.after_session(since.elapsed());
            }
            Err(error) => {
                shared
                    .meter
                    .bind_refusals
                    .increment(u64::from(matches!(error, BindError::Refused(_))));
                if error.is_bad_credentials() {
                    tracing::error!(carrier = shared.settings.name, %error, "smpp bind refused for its credentials");
                    pause.longest();
                } else {
                    tracing::warn!(carrier = shared.settings.name, %error, "smpp bind failed");
                }
            }
        }
        if shared.unless_closed(sleep(pause.next())).await.is_none() {
            return;
        }
        shared.meter.reconnects.increment(1);
    }
}

/// Runs a session to its end, whatever that is; every message is accounted for even if it panics.
async fn run_session(shared: &Rc<Shared>, role: Role, stream: Stream, read: BytesMut) {
    tracing::info!(carrier = shared.settings.name, ?role, "smpp session bound");
    let (session, durable) = Session::new(Rc::clone(shared), role, BIND_SEQUENCE);
    let session = Rc::new(session);
    shared.enter(&session, role);
    let run = AssertUnwindSafe(session.run(stream, read, durable));
    match run.catch_unwind().await {
        Ok(End::Left) => {
            tracing::info!(
                carrier = shared.settings.name,
                ?role,
                "smpp session unbound"
            );
        }
        Ok(end) => {
            tracing::warn!(carrier = shared.settings.name, ?role, %end, "smpp session ended");
        }
        Err(_) => {
            tracing::error!(
                carrier = shared.settings.name,
                ?role,
                "smpp session panicked"
            );
        }
    }
    shared.leave(&session, role);
    session.settle();
}

/// Connects and binds; what came behind the answer comes along.
async fn connect_and_bind(shared: &Shared, role: Role) -> Result<(Stream, BytesMut), BindError> {
    let settings = &shared.settings;
    let connect_max = Duration::from_millis(settings.connect_timeout_ms);
    let mut stream = timeout(connect_max, connect(shared))
        .await
        .map_err(|_| BindError::Timeout("connection"))??;
    let answer_max = Duration::from_millis(settings.answer_timeout_ms);
    let read = timeout(answer_max, bind(shared, role, &mut stream))
        .await
        .map_err(|_| BindError::Timeout("answer to the bind"))??;
    Ok((stream, read))
}

async fn connect(shared: &Shared) -> io::Result<Stream> {
    let stream = TcpStream::connect(&shared.settings.address).await?;
    // We write in groups ourselves.
    stream.set_nodelay(true)?;
    match &shared.tls {
        Some(tls) => tls.connect(stream).await,
        None => Ok(Stream::Plain(stream)),
    }
}

/// Asks to be bound and waits for the answer (SMPP 3.4, 4.1); what comes before it is skipped, as nothing
/// may.
async fn bind(shared: &Shared, role: Role, stream: &mut Stream) -> Result<BytesMut, BindError> {
    let request = match role {
        Role::Transceiver => command::BIND_TRANSCEIVER,
        Role::Transmitter => command::BIND_TRANSMITTER,
        Role::Receiver => command::BIND_RECEIVER,
    };
    stream.write_all(&bind_request(shared, request)).await?;
    stream.flush().await?;
    let mut read = BytesMut::new();
    loop {
        while let Some((pdu, bytes)) = read_pdu(&read)? {
            let is_answer =
                pdu.command == request | command::RESPONSE || pdu.command == command::GENERIC_NACK;
            let status = pdu.status;
            drop(read.split_to(bytes));
            match status {
                _ if !is_answer => {}
                status::OK => return Ok(read),
                status => return Err(BindError::Refused(status)),
            }
        }
        if stream.read_buf(&mut read).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    }
}

fn bind_request(shared: &Shared, request: u32) -> BytesMut {
    let settings = &shared.settings;
    let mut out = BytesMut::new();
    write_pdu(&mut out, request, 0, BIND_SEQUENCE, |out| {
        write_c_string(out, &settings.system_id);
        write_c_string(out, &settings.password);
        write_c_string(out, &settings.system_type);
        out.put_slice(&[INTERFACE_VERSION, 0, 0]); // addr_ton, addr_npi
        write_c_string(out, ""); // address_range
    });
    out
}

/// How long to wait before the next attempt: twice as long each time, half of it by chance, so that many
/// clients do not come back at once.
struct Backoff {
    min: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    fn new(shared: &Shared) -> Backoff {
        let min = Duration::from_millis(shared.settings.reconnect_ms_min);
        Backoff {
            min,
            max: Duration::from_millis(shared.settings.reconnect_ms_max),
            next: min,
        }
    }

    /// A session that lasted shows that the SMSC is well.
    fn after_session(&mut self, lasted: Duration) {
        if lasted >= self.next {
            self.next = self.min;
        }
    }

    fn longest(&mut self) {
        self.next = self.max;
    }

    fn next(&mut self) -> Duration {
        let pause = self.next;
        self.next = (self.next * 2).min(self.max);
        let chance = RandomState::new().build_hasher().finish() as f64 / u64::MAX as f64;
        pause.mul_f64(0.5 + chance / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIN: Duration = Duration::from_millis(500);
    const MAX: Duration = Duration::from_secs(30);

    fn backoff() -> Backoff {
        Backoff {
            min: MIN,
            max: MAX,
            next: MIN,
        }
    }

    #[test]
    fn pauses_grow_to_their_bound_and_differ_by_chance() {
        let mut backoff = backoff();
        for doublings in 0..12 {
            let whole = (MIN * 2u32.pow(doublings)).min(MAX);
            let pause = backoff.next();
            assert!(
                (whole / 2..=whole).contains(&pause),
                "{pause:?} of {whole:?}"
            );
        }
    }

    #[test]
    fn a_session_that_lasted_makes_the_next_pause_short_and_one_that_fell_at_once_does_not() {
        let mut backoff = backoff();
        let grown = (0..4).map(|_| backoff.next()).max();
        assert!(grown > Some(MIN));
        backoff.after_session(Duration::from_millis(10));
        assert!(backoff.next() > MIN);
        backoff.after_session(MAX);
        assert!(backoff.next() <= MIN);
    }

    #[test]
    fn refused_credentials_wait_the_longest() {
        assert!(BindError::Refused(0x0E).is_bad_credentials());
        assert!(!BindError::Refused(0x08).is_bad_credentials());
        let mut backoff = backoff();
        backoff.longest();
        assert!(backoff.next() >= MAX / 2);
    }
}
