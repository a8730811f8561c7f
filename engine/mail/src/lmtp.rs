//! The listener that replies come to: LMTP (RFC 2033), or SMTP (RFC 5321) from a server that speaks only
//! that.
//!
//! A mail server of the operator's relays to it, on loopback or a private network: there is no TLS, no
//! login and no relaying. Who may receive is the [`Intake`]'s word, and a mail is answered with 250 only
//! after the intake has taken it. In LMTP each recipient has an answer of its own. SMTP has one answer
//! for all, which could make a mail double for one recipient because it failed for another; so an SMTP
//! client gets 452 for the second recipient of a mail, and brings that one in a mail of its own
//! (RFC 5321, 4.5.3.1.10).
//!
//! When the connection is lost before the 250 is read, the server brings the mail again: the intake knows
//! it by its `Message-ID`.

mod command;
mod data;
mod session;
mod wire;

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use self::session::Session;
use self::wire::Wire;

/// Longest line of a command, in bytes with its end: 512 by RFC 5321, 4.5.3.1.4, and room for parameters.
pub const LINE_BYTES_MAX: usize = 1_024;
/// Longest message, in bytes: 10 MiB.
pub const MESSAGE_BYTES_MAX: usize = 10 * 1024 * 1024;
/// Most bytes of messages that all connections hold together: 64 MiB.
pub const BUFFERED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How much a client may send of a message that is too large before it is cut off: 40 MiB.
pub const OVERSIZE_BYTES_MAX: usize = 40 * 1024 * 1024;
/// Most recipients of one message, in LMTP.
pub const RECIPIENTS_MAX: usize = 50;
/// Most connections at once.
pub const CONNECTIONS_MAX: usize = 64;
/// Most commands of one connection.
pub const COMMANDS_MAX: usize = 1_000;
/// Most commands of one connection that are none, or come out of turn.
pub const ERRORS_MAX: usize = 20;
/// How long a client may be silent, or not read (RFC 5321, 4.5.3.2.7).
pub const IDLE_MAX: Duration = Duration::from_secs(300);
/// How long a message's content may take.
pub const DATA_MAX: Duration = Duration::from_secs(600);
/// How long a connection may last.
pub const SESSION_MAX: Duration = Duration::from_secs(3_600);
/// How long the intake may take over one question.
pub const INTAKE_MAX: Duration = Duration::from_secs(60);
/// How long sessions may take to end when the listener stops.
pub const LEAVE_MAX: Duration = Duration::from_secs(5);
/// Longest text of a verdict, in characters.
pub const VERDICT_CHARS_MAX: usize = 200;
/// How long to wait after the system could not accept a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the intake says about a recipient or a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is taken; a message that is taken is durable.
    Accept,
    /// Not now (450): the client comes again.
    Later(String),
    /// Never (550): the client tells its sender.
    Refuse(String),
}

/// A message as it came.
#[derive(Clone, Copy)]
pub struct Incoming<'a> {
    /// The envelope's sender; `None` is the null sender of automatic mail.
    pub sender: Option<&'a str>,
    /// Header and body.
    pub bytes: &'a [u8],
}

impl fmt::Debug for Incoming<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming")
            .field("null_sender", &self.sender.is_none())
            .field("bytes", &self.bytes.len())
            .finish()
    }
}

/// Who takes the mail. A question that takes longer than [`INTAKE_MAX`] is dropped and answered with
/// "later".
pub trait Intake: Send + Sync + 'static {
    /// Whether mail for this address would be taken. The address is what stood between the angle
    /// brackets, printable ASCII, not checked further.
    fn recipient(&self, address: &str) -> impl Future<Output = Verdict> + Send;

    /// Takes a message for one recipient that was accepted before.
    fn message(
        &self,
        recipient: &str,
        message: Incoming<'_>,
    ) -> impl Future<Output = Verdict> + Send;
}

/// The listener's settings.
#[derive(Debug, Clone)]
pub struct ListenerSettings {
    /// What it calls itself in its greeting.
    pub hostname: String,
    /// [`IDLE_MAX`], or less.
    pub idle_max: Duration,
}

/// What all sessions share.
#[derive(Debug)]
struct Shared {
    settings: ListenerSettings,
    /// Room for messages, one permit per [`data::ROOM_BYTES`].
    room: Arc<Semaphore>,
}

/// A bound listener.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    shared: Arc<Shared>,
}

impl Listener {
    /// Binds an address; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub async fn bind(address: SocketAddr, settings: ListenerSettings) -> io::Result<Listener> {
        let tcp = TcpListener::bind(address).await?;
        let room = Arc::new(Semaphore::new(BUFFERED_BYTES_MAX / data::ROOM_BYTES));
        let shared = Arc::new(Shared { settings, room });
        Ok(Listener { tcp, shared })
    }

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Serves until `stop` resolves. Then sessions that wait for a command are told 421, those that are
    /// at a message may finish it, and after [`LEAVE_MAX`] the rest is cut off.
    pub async fn serve<I: Intake>(self, intake: Arc<I>, stop: impl Future<Output = ()>) {
        let (stopping, stopped) = watch::channel(false);
        let mut sessions = JoinSet::new();
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                Some(ended) = sessions.join_next() => note(ended),
                accepted = self.tcp.accept() => match accepted {
                    Ok((stream, _)) if sessions.len() >= CONNECTIONS_MAX => turn_away(stream).await,
                    Ok((stream, _)) => {
                        let wire = Wire::new(stream, self.shared.settings.idle_max, stopped.clone());
                        let session = Session::new(wire, Arc::clone(&self.shared), Arc::clone(&intake));
                        sessions.spawn(timeout(SESSION_MAX, session.run()));
                    }
                    Err(error) => {
                        warn!(%error, "cannot accept a mail connection");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        drop(self.tcp);
        stopping.send_replace(true);
        let ending = async { while sessions.join_next().await.is_some() {} };
        if timeout(LEAVE_MAX, ending).await.is_err() {
            sessions.shutdown().await;
        }
    }
}

fn note<T>(ended: Result<T, tokio::task::JoinError>) {
    if let Err(error) = ended {
        warn!(%error, "a mail session has failed");
    }
}

async fn turn_away(mut stream: TcpStream) {
    // A fresh socket has room for one line; whoever does not read it is not waited for.
    let line = b"421 4.3.2 Too many connections, please come again\r\n";
    let told = timeout(ACCEPT_PAUSE, stream.write_all(line)).await;
    debug!(
        told = matches!(told, Ok(Ok(()))),
        "too many mail connections"
    );
}
