//! One session: commands in their turn, and a message for each recipient (RFC 5321, 3.3; RFC 2033).

use std::future::Future;
use std::sync::Arc;

use tokio::time::timeout;
use tracing::debug;

use super::command::{Command, CommandError};
use super::data::{Content, Receiving};
use super::wire::{Ended, Line, Wire};
use super::{
    COMMANDS_MAX, DATA_MAX, ERRORS_MAX, INTAKE_MAX, Incoming, Intake, MESSAGE_BYTES_MAX,
    RECIPIENTS_MAX, Shared, VERDICT_CHARS_MAX, Verdict,
};
use crate::text::one_line;

const OUT_OF_TURN: &str = "503 5.5.1 Not now";
const TOO_LARGE: &str = "552 5.3.4 The message is too large";
const NO_ROOM: &str = "452 4.3.1 No room for the message, please come again";

/// How answers to a message are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    /// One per recipient.
    Lmtp,
    /// One, so there is one recipient.
    Smtp,
}

impl Protocol {
    fn recipients_max(self) -> usize {
        match self {
            Protocol::Lmtp => RECIPIENTS_MAX,
            Protocol::Smtp => 1,
        }
    }
}

/// A message that was begun with `MAIL`.
#[derive(Debug)]
struct Transaction {
    sender: Option<String>,
    recipients: Vec<String>,
}

/// Whether the session goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Command,
    Leave,
}

pub(super) struct Session<I> {
    wire: Wire,
    shared: Arc<Shared>,
    intake: Arc<I>,
    protocol: Option<Protocol>,
    transaction: Option<Transaction>,
    errors: usize,
}

impl<I: Intake> Session<I> {
    pub(super) fn new(wire: Wire, shared: Arc<Shared>, intake: Arc<I>) -> Session<I> {
        Session {
            wire,
            shared,
            intake,
            protocol: None,
            transaction: None,
            errors: 0,
        }
    }

    /// Serves the client until it leaves or a bound is reached.
    pub(super) async fn run(mut self) {
        let ended = self.serve().await;
        let farewell = match ended {
            Ok(()) | Err(Ended::Closed) => None,
            Err(Ended::Idle) => Some("421 4.4.2 The connection was idle for too long"),
            Err(Ended::Stopping) => Some("421 4.3.2 The service is stopping, please come again"),
            Err(Ended::Endless) => Some("421 5.3.4 The message is far too large"),
        };
        if let Some(farewell) = farewell {
            debug!(?ended, "a mail session was ended");
            let _ = self.wire.answer(farewell).await;
        }
        self.wire.close().await;
    }

    async fn serve(&mut self) -> Result<(), Ended> {
        let greeting = format!(
            "220 {} didfarm at your service",
            self.shared.settings.hostname
        );
        self.wire.answer(&greeting).await?;
        for _ in 0..COMMANDS_MAX {
            let command = match self.wire.line().await? {
                Line::Whole(line) => Command::parse(&line),
                Line::TooLong => Err(CommandError::Syntax),
            };
            let next = match command {
                Ok(command) => self.obey(command).await?,
                Err(CommandError::Unknown) => self.wrong("502 5.5.1 No such command").await?,
                Err(CommandError::Syntax) => self.wrong("501 5.5.4 Not understood").await?,
                Err(CommandError::Parameter) => self.wrong("555 5.5.4 No such parameter").await?,
            };
            if next == Next::Leave {
                return Ok(());
            }
        }
        self.wire.answer("421 4.7.0 Too many commands").await
    }

    async fn obey(&mut self, command: Command) -> Result<Next, Ended> {
        match command {
            Command::Lhlo => self.greet(Protocol::Lmtp).await,
            Command::Ehlo => self.greet(Protocol::Smtp).await,
            Command::Helo => {
                self.begin(Protocol::Smtp);
                let hostname = self.shared.settings.hostname.clone();
                self.say(&format!("250 {hostname}")).await
            }
            Command::Mail { sender, size } => self.mail(sender, size).await,
            Command::Rcpt { recipient } => self.rcpt(recipient).await,
            Command::Data => self.data().await,
            Command::Rset => {
                self.transaction = None;
                self.say("250 2.0.0 Forgotten").await
            }
            Command::Noop => self.say("250 2.0.0 Still here").await,
            Command::Vrfy => self.say("252 2.5.0 Send a mail and see").await,
            Command::Quit => {
                self.wire.answer("221 2.0.0 Goodbye").await?;
                Ok(Next::Leave)
            }
        }
    }

    fn begin(&mut self, protocol: Protocol) {
        self.protocol = Some(protocol);
        self.transaction = None;
    }

    async fn greet(&mut self, protocol: Protocol) -> Result<Next, Ended> {
        self.begin(protocol);
        let first = format!("250-{}", self.shared.settings.hostname);
        self.wire.answer(&first).await?;
        for extension in ["PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES"] {
            self.wire.answer(&format!("250-{extension}")).await?;
        }
        self.say(&format!("250 SIZE {MESSAGE_BYTES_MAX}")).await
    }

    async fn mail(&mut self, sender: Option<String>, size: Option<u64>) -> Result<Next, Ended> {
        if self.protocol.is_none() || self.transaction.is_some() {
            return self.wrong(OUT_OF_TURN).await;
        }
        if size.is_some_and(|size| size > MESSAGE_BYTES_MAX as u64) {
            return self.say(TOO_LARGE).await;
        }
        self.transaction = Some(Transaction {
            sender,
            recipients: Vec::new(),
        });
        self.say("250 2.1.0 Go on").await
    }

    async fn rcpt(&mut self, recipient: String) -> Result<Next, Ended> {
        let (Some(protocol), Some(transaction)) = (self.protocol, &mut self.transaction) else {
            return self.wrong(OUT_OF_TURN).await;
        };
        let known = transaction.recipients.contains(&recipient);
        if known && protocol == Protocol::Smtp {
            return self.say("250 2.1.5 Known already").await;
        }
        if transaction.recipients.len() >= protocol.recipients_max() {
            return self
                .say("452 4.5.3 Too many recipients, send another mail")
                .await;
        }
        let verdict = match known {
            true => Verdict::Accept,
            false => asked(self.intake.recipient(&recipient)).await,
        };
        let answer = match verdict {
            Verdict::Accept => {
                transaction.recipients.push(recipient);
                "250 2.1.5 Welcome".to_owned()
            }
            refused => spoken(&refused, "1.1"),
        };
        self.say(&answer).await
    }

    async fn data(&mut self) -> Result<Next, Ended> {
        let Some(transaction) = self
            .transaction
            .take_if(|begun| !begun.recipients.is_empty())
        else {
            // RFC 2033, 4.2: without a recipient there is nobody to answer for.
            return self.wrong(OUT_OF_TURN).await;
        };
        self.wire.answer("354 Go ahead, and end with a dot").await?;
        let mut receiving = Receiving::new(Arc::clone(&self.shared.room));
        timeout(DATA_MAX, self.wire.content(&mut receiving))
            .await
            .map_err(|_| Ended::Idle)??;
        let content = receiving.content();
        let mut answers: Vec<(&str, String)> = Vec::new();
        for recipient in &transaction.recipients {
            // Who was named twice is answered twice (RFC 2033, 4.2), and gets one mail.
            let known = answers.iter().find(|(known, _)| known == recipient);
            let answer = match (known, &content) {
                (Some((_, answer)), _) => answer.clone(),
                (None, Content::TooLarge) => TOO_LARGE.to_owned(),
                (None, Content::NoRoom) => NO_ROOM.to_owned(),
                (None, Content::Whole(bytes, _)) => {
                    let message = Incoming {
                        sender: transaction.sender.as_deref(),
                        bytes,
                    };
                    spoken(&asked(self.intake.message(recipient, message)).await, "6.0")
                }
            };
            self.wire.answer(&answer).await?;
            answers.push((recipient, answer));
        }
        Ok(Next::Command)
    }

    async fn say(&mut self, answer: &str) -> Result<Next, Ended> {
        self.wire.answer(answer).await?;
        Ok(Next::Command)
    }

    /// Answers a client's error; after [`ERRORS_MAX`] the session is over.
    async fn wrong(&mut self, answer: &str) -> Result<Next, Ended> {
        self.errors += 1;
        self.wire.answer(answer).await?;
        if self.errors < ERRORS_MAX {
            return Ok(Next::Command);
        }
        self.wire.answer("421 4.7.0 Too many errors").await?;
        Ok(Next::Leave)
    }
}

async fn asked(question: impl Future<Output = Verdict>) -> Verdict {
    timeout(INTAKE_MAX, question)
        .await
        .unwrap_or_else(|_| Verdict::Later("No answer in time, please come again".to_owned()))
}

/// A verdict as an answer; `detail` is the rest of the enhanced code (RFC 3463).
fn spoken(verdict: &Verdict, detail: &str) -> String {
    let ascii = |text: &str| {
        let text = text.replace(|c: char| !c.is_ascii(), "?");
        one_line(&text, VERDICT_CHARS_MAX).replace('…', "...")
    };
    match verdict {
        Verdict::Accept => "250 2.0.0 Taken".to_owned(),
        Verdict::Later(text) => format!("450 4.{detail} {}", ascii(text)),
        Verdict::Refuse(text) => format!("550 5.{detail} {}", ascii(text)),
    }
}
