//! One connection to an SMTP server: it is opened, carries mails one after another, and each step has a
//! deadline.

use std::error::Error as _;
use std::future::Future;
use std::time::Duration;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Tls};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::Response;
use tokio::time::timeout;

use super::lines::LineStream;
use super::{CONTENT_TIMEOUT, SmtpSettings};
use crate::compose::Envelope;

/// The server closes the connection (RFC 5321, 4.2.3).
const CLOSING: u16 = 421;
/// Authentication is required (RFC 4954, 6): our settings are wrong, not the mail.
const AUTHENTICATION_REQUIRED: u16 = 530;
/// The server waits for the mail (RFC 5321, 4.3.2).
const START_MAIL_INPUT: u16 = 354;
/// A command came out of turn: the connection is at fault, not the mail.
const OUT_OF_TURN: u16 = 503;

/// What was being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Connect,
    Login,
    Sender,
    Recipient,
    Data,
    Content,
}

impl Step {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Step::Connect => "the connection",
            Step::Login => "the login",
            Step::Sender => "the sender",
            Step::Recipient => "the recipient",
            Step::Data => "the request to send",
            Step::Content => "the mail",
        }
    }
}

/// Why a step did not succeed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server said no.
    Refused { code: u16, text: String },
    /// The connection, TLS, or an answer that is none.
    Trouble(String),
    /// No answer in time.
    TimedOut,
}

/// Where a mail stopped, and why.
#[derive(Debug)]
pub(super) struct Stopped {
    pub(super) step: Step,
    pub(super) failure: Failure,
}

impl Stopped {
    /// Whether a connection that had been idle turned out to be closed before the mail began.
    pub(super) fn is_stale(&self) -> bool {
        self.step == Step::Sender
            && match self.failure {
                Failure::Refused { code, .. } => code == CLOSING,
                Failure::Trouble(_) => true,
                Failure::TimedOut => false,
            }
    }

    /// Whether a refusal is the last word about this mail, and not about our settings, our login or the
    /// sender, who is one and the same in all mails: those are repaired, and the mail goes out.
    pub(super) fn is_about_the_mail(&self, code: u16) -> bool {
        let permanent =
            (500..600).contains(&code) && ![AUTHENTICATION_REQUIRED, OUT_OF_TURN].contains(&code);
        match self.step {
            Step::Connect | Step::Login | Step::Sender => false,
            Step::Recipient | Step::Data | Step::Content => permanent,
        }
    }
}

/// A connection that is ready for a mail.
pub(super) struct Connection {
    inner: AsyncSmtpConnection,
    timeout: Duration,
}

impl Connection {
    pub(super) async fn open(
        settings: &SmtpSettings,
        tls: &Tls,
        hello: &ClientId,
        credentials: Option<&Credentials>,
    ) -> Result<Connection, Stopped> {
        let opening = async {
            if let Tls::Wrapper(parameters) = tls {
                let server = (settings.host.as_str(), settings.port);
                let parameters = Some(parameters.clone());
                return AsyncSmtpConnection::connect_tokio1(server, None, hello, parameters, None)
                    .await
                    .map_err(|error| failure(&error));
            }
            let stream = LineStream::connect(&settings.host, settings.port)
                .await
                .map_err(|error| Failure::Trouble(error.to_string()))?;
            let mut inner = AsyncSmtpConnection::connect_with_transport(Box::new(stream), hello)
                .await
                .map_err(|error| failure(&error))?;
            if let Tls::Required(parameters) = tls {
                inner
                    .starttls(parameters.clone(), hello)
                    .await
                    .map_err(|error| failure(&error))?;
            }
            Ok(inner)
        };
        let mut inner = step(Step::Connect, settings.timeout, opening).await?;
        if let Some(credentials) = credentials {
            let login = inner.auth(DEFAULT_MECHANISMS, credentials);
            answered(Step::Login, settings.timeout, login).await?;
        }
        let timeout = settings.timeout;
        Ok(Connection { inner, timeout })
    }

    /// Carries one mail; `Ok` with the server's answer once it has taken it.
    pub(super) async fn deliver(
        &mut self,
        envelope: &Envelope,
        bytes: &[u8],
    ) -> Result<String, Stopped> {
        let inner = &mut self.inner;
        let parameters = match (
            bytes.is_ascii(),
            inner
                .server_info()
                .supports_feature(Extension::EightBitMime),
        ) {
            (false, true) => vec![MailParameter::Body(MailBodyParameter::EightBitMime)],
            (true, _) | (false, false) => Vec::new(),
        };
        let sender = Mail::new(Some(envelope.from.to_lettre()), parameters);
        answered(Step::Sender, self.timeout, inner.command(sender)).await?;
        let recipient = Rcpt::new(envelope.to.to_lettre(), Vec::new());
        answered(Step::Recipient, self.timeout, inner.command(recipient)).await?;
        answered(Step::Data, self.timeout, inner.command(Data)).await?;
        let limit = CONTENT_TIMEOUT.max(self.timeout);
        let answer = answered(Step::Content, limit, inner.message(bytes)).await?;
        let text: Vec<&str> = answer.message().collect();
        Ok(format!("{} {}", answer.code(), text.join(" ")))
    }

    /// Makes the connection ready for another mail after one was refused; `false` if it is of no more
    /// use.
    pub(super) async fn recover(&mut self, stopped: &Stopped) -> bool {
        match (&stopped.failure, stopped.step) {
            (Failure::Trouble(_) | Failure::TimedOut, _) | (_, Step::Connect | Step::Login) => {
                false
            }
            (
                Failure::Refused {
                    code: CLOSING | OUT_OF_TURN,
                    ..
                },
                _,
            ) => false,
            (Failure::Refused { .. }, Step::Content) => true,
            (Failure::Refused { .. }, Step::Sender | Step::Recipient | Step::Data) => {
                let reset = self.inner.command(Rset);
                answered(Step::Sender, self.timeout, reset).await.is_ok()
            }
        }
    }

    /// Says goodbye, and does not wait long for an answer.
    pub(super) async fn quit(mut self, limit: Duration) {
        let _ = timeout(limit, self.inner.quit()).await;
    }
}

async fn step<T>(
    step: Step,
    limit: Duration,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Stopped> {
    let done = timeout(limit, work).await.unwrap_or(Err(Failure::TimedOut));
    done.map_err(|failure| Stopped { step, failure })
}

/// One command and its answer, which must be a yes of the kind that this step has: 354 for `DATA`, and
/// otherwise 2yz (RFC 5321, 4.2.1).
async fn answered(
    during: Step,
    limit: Duration,
    command: impl Future<Output = Result<Response, Error>>,
) -> Result<Response, Stopped> {
    let work = async {
        let answer = command.await.map_err(|error| failure(&error))?;
        let code = u16::from(answer.code());
        let expected = match during {
            Step::Data => code == START_MAIL_INPUT,
            Step::Connect | Step::Login | Step::Sender | Step::Recipient | Step::Content => {
                (200..300).contains(&code)
            }
        };
        match expected {
            true => Ok(answer),
            false => Err(Failure::Trouble(format!("an answer out of place ({code})"))),
        }
    };
    step(during, limit, work).await
}

fn failure(error: &Error) -> Failure {
    let text = error
        .source()
        .map_or_else(|| error.to_string(), ToString::to_string);
    match error.status() {
        Some(code) => Failure::Refused {
            code: code.into(),
            text,
        },
        None => Failure::Trouble(text),
    }
}
