//! The courier: the `mail` thread, which writes mails and hands them over, a bounded number at once.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use didfarm_config::{Settings, SmtpSecurity};
use didfarm_mail::address::AddressError;
use didfarm_mail::compose::Mail;
use didfarm_mail::maildir::Maildir;
use didfarm_mail::smtp::{Security, Sent, Smtp, SmtpSettings, SmtpSettingsError};
use didfarm_webhooks::SenderSettings;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use super::End;
use super::facts::Facts;
use super::media::{Enclosed, Files};
use super::trying::Answer;
use super::writer::Writer;
use crate::replies::addresses::ReplyAddresses;
use crate::replies::secret::MailSecret;

/// Why mail does not start.
#[derive(Debug, thiserror::Error)]
pub enum MailStartError {
    /// A setting holds no mail address.
    #[error("{setting}: {error}")]
    Address {
        /// The setting.
        setting: &'static str,
        /// What is wrong with it.
        error: AddressError,
    },
    /// The server's settings cannot be used.
    #[error("mail.smtp: {0}")]
    Smtp(#[from] SmtpSettingsError),
    /// A file or a directory cannot be used.
    #[error("{} cannot be used: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The listener for replies cannot be bound.
    #[error("mail.replies.listen cannot be listened on ({0}): choose another")]
    Listen(io::Error),
    /// The thread cannot be made.
    #[error("the thread for mail cannot be started: {0}")]
    Thread(io::Error),
}

/// A mail to be tried.
pub(crate) struct Job {
    pub(crate) answer: Answer,
    pub(crate) facts: Facts,
}

/// Who tries mails. How many it has at once is bounded by the supervisor.
pub(crate) trait Courier: Send + Sync {
    /// Takes a mail; how its try ended is told by its answer.
    fn take(&self, job: Job);
}

/// Where mails go.
enum Way {
    Smtp(Box<Smtp>),
    Maildir(Maildir),
}

impl Way {
    fn by(settings: &Settings) -> Result<Way, MailStartError> {
        let smtp = &settings.mail.smtp;
        let Some(host) = smtp.host() else {
            let path = settings.maildir();
            let opened = Maildir::open(&path).map_err(|error| MailStartError::File {
                path: path.clone(),
                error,
            })?;
            tracing::info!(
                maildir = %path.display(),
                "no mail server is configured: mails are written to a maildir"
            );
            return Ok(Way::Maildir(opened));
        };
        let roots = smtp.extra_root_certificates();
        let roots = roots.map(|path| {
            std::fs::read(path).map_err(|error| MailStartError::File {
                path: path.to_owned(),
                error,
            })
        });
        let credentials = smtp.credentials();
        let way = Smtp::new(SmtpSettings {
            host: host.to_owned(),
            port: smtp.port,
            security: match smtp.security {
                SmtpSecurity::Starttls => Security::StartTls,
                SmtpSecurity::Tls => Security::Tls,
                SmtpSecurity::None => Security::None,
            },
            credentials: credentials.map(|(name, password)| (name.into(), password.into())),
            ehlo_name: None,
            timeout: smtp.timeout(),
            extra_roots_pem: roots.transpose()?,
            connections_max: smtp.connections_max,
        })?;
        tracing::info!(host, port = smtp.port, "mails go to a mail server");
        Ok(Way::Smtp(Box::new(way)))
    }

    async fn carry(&self, mail: &Mail) -> End {
        match self {
            Way::Smtp(smtp) => match smtp.send(&mail.envelope, &mail.bytes).await {
                Sent::Accepted(_) => End::Sent,
                Sent::Later(why) => End::Later(why),
                Sent::Never(why) => End::Never(why),
            },
            // It blocks, on a thread that has nothing else to do.
            Way::Maildir(maildir) => match maildir.deliver(mail) {
                Ok(_) => End::Sent,
                Err(error) => End::Later(format!("the maildir cannot be written: {error}").into()),
            },
        }
    }

    async fn close(&self) {
        match self {
            Way::Smtp(smtp) => smtp.close().await,
            Way::Maildir(_) => {}
        }
    }
}

/// The thread's end of the channel; the thread ends when it is dropped.
pub(crate) struct MailThread {
    jobs: UnboundedSender<Job>,
}

impl MailThread {
    /// Starts the thread by the settings.
    ///
    /// # Errors
    /// The settings cannot be used, or the thread cannot be made.
    pub(crate) fn start(
        settings: &Settings,
        secret: &MailSecret,
        replies: Option<Arc<ReplyAddresses>>,
        fetching: SenderSettings,
    ) -> Result<MailThread, MailStartError> {
        let writer =
            Writer::new(settings, secret, replies).map_err(|error| MailStartError::Address {
                setting: "mail.from",
                error,
            })?;
        let desk = Desk {
            way: Way::by(settings)?,
            writer,
            files: Files::new(fetching, settings.mail.attachments_bytes_max),
        };
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(MailStartError::Thread)?;
        let (jobs, waiting) = unbounded_channel();
        std::thread::Builder::new()
            .name("mail".into())
            .spawn(move || work(&runtime, waiting, &Arc::new(desk)))
            .map_err(MailStartError::Thread)?;
        Ok(MailThread { jobs })
    }
}

impl Courier for MailThread {
    fn take(&self, job: Job) {
        // Without the thread the job is dropped, and its answer says "later".
        let _ = self.jobs.send(job);
    }
}

fn work(runtime: &Runtime, mut waiting: UnboundedReceiver<Job>, desk: &Arc<Desk>) {
    runtime.block_on(async {
        let mut tries = JoinSet::new();
        loop {
            tokio::select! {
                job = waiting.recv() => match job {
                    Some(job) => {
                        let desk = Arc::clone(desk);
                        tries.spawn(async move { desk.carry(job).await });
                    }
                    None => break,
                },
                Some(_) = tries.join_next() => {}
            }
        }
        // The engine ends: mails whose try is cut off are tried again after the next start.
        tries.shutdown().await;
        desk.way.close().await;
    });
}

/// Who writes mails and hands them over.
struct Desk {
    way: Way,
    writer: Writer,
    files: Files,
}

impl Desk {
    async fn carry(&self, job: Job) {
        let Job { answer, facts } = job;
        let enclosed = match &facts {
            Facts::Message(facts) => self.files.fetch(&facts.files, &facts.guard).await,
            Facts::None | Facts::Conversation(_) | Facts::Endpoint(_) | Facts::Missing => {
                Enclosed::default()
            }
        };
        let has_files = !enclosed.attachments.is_empty();
        let mut end = self.hand_over(&answer, &facts, enclosed).await;
        if let (true, End::Never(why), Facts::Message(told)) = (has_files, &end, &facts) {
            // A server may want neither so much nor such files; the message is what matters.
            tracing::info!(
                why,
                "a mail is refused with its files, and sent without them"
            );
            let enclosed = Enclosed::said_of(&told.files);
            end = self.hand_over(&answer, &facts, enclosed).await;
        }
        answer.give(end);
    }

    async fn hand_over(&self, answer: &Answer, facts: &Facts, enclosed: Enclosed) -> End {
        match self.writer.write(answer.waiting(), facts, enclosed) {
            Ok(mail) => self.way.carry(&mail).await,
            Err(why) => End::Never(why.to_string().into()),
        }
    }
}
