//! Handing mails to an SMTP server (RFC 5321), with connections that are used again.
//!
//! `lettre` speaks the protocol; the connections are kept here and not in its pool, for three reasons.
//! A send that is given up must end its connection: in the pool it would be used again, and the late
//! answer to one mail would be taken for the answer to the next. Every step has its own deadline. And at
//! most [`SmtpSettings::connections_max`] connections are open.
//!
//! # In doubt
//!
//! When a connection is lost after the last line of a mail went out, the server may have taken it. Such a
//! mail is [`Sent::Later`]; it is repeated with the same `Message-ID`, by which readers know it again
//! (RFC 5321, 4.5.3.2.6, and RFC 1047, are about this very doubt).

mod connection;
mod lines;

use std::fmt;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use tokio::sync::Semaphore;

use self::connection::{Connection, Failure, Step, Stopped};
use crate::compose::Envelope;
use crate::text::one_line;

/// How long a connection without a mail is kept: servers wait five minutes (RFC 5321, 4.5.3.2.7), and
/// what stands between may forget sooner.
pub const IDLE_MAX: Duration = Duration::from_secs(60);
/// How long the server may take over the content and its answer; less makes doubles (RFC 5321,
/// 4.5.3.2.6).
pub const CONTENT_TIMEOUT: Duration = Duration::from_secs(600);
/// How long a farewell may take.
const FAREWELL_MAX: Duration = Duration::from_secs(2);
/// Longest text about an outcome, in characters.
pub const REASON_CHARS_MAX: usize = 200;

/// How a connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// Not at all.
    None,
    /// TLS after `STARTTLS` (RFC 3207), or no mail.
    StartTls,
    /// TLS from the first byte (RFC 8314, 3).
    Tls,
}

/// Which server takes our mail.
#[derive(Clone)]
pub struct SmtpSettings {
    /// Its name or address; with TLS its certificate is for this name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How connections are protected.
    pub security: Security,
    /// User name and password, if it asks for them.
    pub credentials: Option<(String, String)>,
    /// What we call ourselves; the host's name if not given.
    pub ehlo_name: Option<String>,
    /// How long connecting, and each command, may take.
    pub timeout: Duration,
    /// Certificates that are trusted besides the public ones, in PEM.
    pub extra_roots_pem: Option<Vec<u8>>,
    /// Most connections at once, at least 1.
    pub connections_max: usize,
}

impl fmt::Debug for SmtpSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpSettings")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("security", &self.security)
            .field("credentials", &self.credentials.is_some())
            .field("timeout", &self.timeout)
            .field("connections_max", &self.connections_max)
            .finish_non_exhaustive()
    }
}

/// Why settings are not usable.
#[derive(Debug, thiserror::Error)]
pub enum SmtpSettingsError {
    /// A password would cross a network in clear.
    #[error("a password needs starttls or tls, unless the server is on this host")]
    CredentialsInClear,
    /// The certificates are no PEM of certificates.
    #[error("the extra root certificates are not valid PEM certificates")]
    Roots,
    /// The host, or the name that we give ourselves, is no name.
    #[error("{0} is not a host name or an address")]
    Name(&'static str),
}

/// What became of a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// The server has taken it, and said this.
    Accepted(Box<str>),
    /// Not now: trouble with the connection, with our login, or a 4yz answer.
    Later(Box<str>),
    /// Never: the server refused this mail with a 5yz answer.
    Never(Box<str>),
}

/// A server, and the connections to it.
#[derive(Debug)]
pub struct Smtp {
    settings: SmtpSettings,
    tls: Tls,
    hello: ClientId,
    credentials: Option<Credentials>,
    open: Semaphore,
    idle: Mutex<Vec<Parked>>,
}

struct Parked {
    connection: Connection,
    since: Instant,
}

impl fmt::Debug for Parked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parked").finish_non_exhaustive()
    }
}

impl Smtp {
    /// Checks the settings; nothing is connected yet.
    ///
    /// # Errors
    ///
    /// [`SmtpSettingsError`] says which setting cannot be used.
    pub fn new(settings: SmtpSettings) -> Result<Smtp, SmtpSettingsError> {
        let tls = tls(&settings)?;
        if settings.security == Security::None
            && settings.credentials.is_some()
            && !is_this_host(&settings.host)
        {
            return Err(SmtpSettingsError::CredentialsInClear);
        }
        let hello = match &settings.ehlo_name {
            None => ClientId::default(),
            Some(name) if is_name(name) => ClientId::Domain(name.clone()),
            Some(_) => return Err(SmtpSettingsError::Name("the EHLO name")),
        };
        let credentials = settings.credentials.clone().map(Credentials::from);
        Ok(Smtp {
            open: Semaphore::new(settings.connections_max.max(1)),
            settings,
            tls,
            hello,
            credentials,
            idle: Mutex::new(Vec::new()),
        })
    }

    /// Sends one mail, and waits for the server's word about it.
    ///
    /// It may be dropped at any time; the mail is then in doubt, as above. A reason is one line of at most
    /// [`REASON_CHARS_MAX`] characters; it may quote the server, and so the recipient's address.
    pub async fn send(&self, envelope: &Envelope, bytes: &[u8]) -> Sent {
        let _permit = self.open.acquire().await.expect("it is never closed");
        while let Some(mut connection) = self.unpark() {
            let outcome = connection.deliver(envelope, bytes).await;
            match &outcome {
                // It was closed while it lay idle: the mail has not begun, so another one may carry it.
                Err(stopped) if stopped.is_stale() => continue,
                Ok(_) | Err(_) => return self.finish(connection, outcome).await,
            }
        }
        match self.connect().await {
            Ok(mut connection) => {
                let outcome = connection.deliver(envelope, bytes).await;
                self.finish(connection, outcome).await
            }
            Err(stopped) => self.judge(&stopped),
        }
    }

    /// Bids the idle connections farewell.
    pub async fn close(&self) {
        while let Some(connection) = self.unpark() {
            connection.quit(FAREWELL_MAX).await;
        }
    }

    async fn connect(&self) -> Result<Connection, Stopped> {
        Connection::open(
            &self.settings,
            &self.tls,
            &self.hello,
            self.credentials.as_ref(),
        )
        .await
    }

    async fn finish(&self, mut connection: Connection, outcome: Result<String, Stopped>) -> Sent {
        match outcome {
            Ok(answer) => {
                self.park(connection);
                Sent::Accepted(self.reason(&answer))
            }
            Err(stopped) => {
                let sent = self.judge(&stopped);
                if connection.recover(&stopped).await {
                    self.park(connection);
                }
                sent
            }
        }
    }

    fn judge(&self, stopped: &Stopped) -> Sent {
        let during = stopped.step.as_str();
        let text = match &stopped.failure {
            // What a server says about a login may quote it.
            Failure::Refused { code, .. } if stopped.step == Step::Login => {
                format!("the server refused our login ({code})")
            }
            Failure::Refused { code, text } => {
                format!("the server answered {during} with {code} {text}")
            }
            Failure::Trouble(text) => format!("{during} failed: {text}"),
            Failure::TimedOut => format!("the server did not answer {during} in time"),
        };
        let reason = self.reason(&text);
        match stopped.failure {
            Failure::Refused { code, .. } if stopped.is_about_the_mail(code) => Sent::Never(reason),
            Failure::Refused { .. } | Failure::Trouble(_) | Failure::TimedOut => {
                Sent::Later(reason)
            }
        }
    }

    /// One short line without the password.
    fn reason(&self, text: &str) -> Box<str> {
        let text = match &self.settings.credentials {
            Some((_, password)) if !password.is_empty() => text.replace(password.as_str(), "…"),
            _ => text.to_owned(),
        };
        one_line(&text, REASON_CHARS_MAX).into()
    }

    fn park(&self, connection: Connection) {
        let since = Instant::now();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(Parked { connection, since });
    }

    /// The connection that was used last, unless it has been idle for too long; then so have all.
    fn unpark(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|parked| parked.since.elapsed() < IDLE_MAX);
        idle.pop().map(|parked| parked.connection)
    }
}

fn tls(settings: &SmtpSettings) -> Result<Tls, SmtpSettingsError> {
    if settings.host.is_empty()
        || settings
            .host
            .chars()
            .any(|c| c.is_whitespace() || c.is_control())
    {
        return Err(SmtpSettingsError::Name("the SMTP host"));
    }
    if settings.security == Security::None {
        return Ok(Tls::None);
    }
    let mut builder = TlsParameters::builder(settings.host.clone());
    if let Some(pem) = &settings.extra_roots_pem {
        let roots = Certificate::from_pem(pem).map_err(|_| SmtpSettingsError::Roots)?;
        builder = builder.add_root_certificate(roots);
    }
    let parameters = builder.build().map_err(|_| SmtpSettingsError::Roots)?;
    Ok(match settings.security {
        Security::None => Tls::None,
        Security::StartTls => Tls::Required(parameters),
        Security::Tls => Tls::Wrapper(parameters),
    })
}

fn is_this_host(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// A domain or an address literal as `EHLO` takes it (RFC 5321, 4.1.1.1): no space, no control.
fn is_name(name: &str) -> bool {
    (1..=255).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic())
}
