//! Replies by mail: an answer to a forwarded message goes to its peer.
//!
//! A forwarded message bears a reply address ([`addresses`]) whose token names the conversation. Whoever
//! holds the address may answer that one conversation, as whoever the mail was forwarded or shown to: the
//! token alone authenticates, and `From`, which anybody can write, counts for nothing. The text is sent
//! like any other, by the number's account, on the conversation's last channel.
//!
//! Replies come to a listener ([`listener`]) or into a maildir ([`mailbox`]), both served by the `replies`
//! thread. A mail that comes again is sent once ([`ledger`]).

pub(crate) mod addresses;
mod answer;
mod ledger;
mod listener;
mod mailbox;
pub(crate) mod secret;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;

use didfarm_config::Settings;
use didfarm_core::channel::Channel;
use didfarm_core::conversation::Conversation;
use didfarm_core::peer::Peer;
use didfarm_mail::lmtp::{IDLE_MAX, Listener, ListenerSettings};
use didfarm_mail::maildir::Maildir;
use tokio::runtime::Builder;
use tokio::sync::watch;

use self::addresses::ReplyAddresses;
use self::answer::ReplyDesk;
use self::ledger::Ledger;
use self::listener::ReplyIntake;
use self::secret::MailSecret;
use crate::actors::mails::courier::MailStartError;
use crate::handle::EngineHandle;
use crate::shared::Shared;

/// The file of the ledger, in the data directory.
const LEDGER_FILE: &str = "replies.ledger";

/// Whom an answer on a channel goes to: the peer by a name that the channel reaches.
pub(crate) fn addressee(conversation: &Conversation, channel: Channel) -> Option<Peer> {
    let is_reached = |peer: &&Peer| match (channel, *peer) {
        (Channel::Sms | Channel::WhatsApp, Peer::Number(_)) => true,
        (Channel::Sms, Peer::Name(_)) => false,
        (Channel::WhatsApp, Peer::Name(name)) => name.is_whatsapp_user(),
    };
    std::iter::once(&conversation.peer)
        .chain(&conversation.aliases)
        .find(is_reached)
        .cloned()
}

/// The reply addresses of the settings, if there are any.
///
/// # Errors
/// The domain is none that addresses have.
pub(crate) fn addresses(
    settings: &Settings,
    secret: &MailSecret,
) -> Result<Option<Arc<ReplyAddresses>>, MailStartError> {
    let Some(domain) = settings.mail.replies.domain() else {
        return Ok(None);
    };
    let addresses = ReplyAddresses::new(secret.tokens(), domain);
    let addresses = addresses.map_err(|error| MailStartError::Address {
        setting: "mail.replies.domain",
        error,
    })?;
    Ok(Some(Arc::new(addresses)))
}

/// The `replies` thread.
pub(crate) struct Replies {
    address: Option<SocketAddr>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Replies {
    /// Begins to serve, once the listener is bound.
    ///
    /// # Errors
    /// The listener, the maildir, the ledger or the thread cannot be had.
    pub(crate) fn start(
        engine: &Arc<Shared>,
        handle: EngineHandle,
        addresses: Arc<ReplyAddresses>,
    ) -> Result<Replies, MailStartError> {
        let settings = &engine.settings;
        let at = |path: &Path| {
            let path = path.to_owned();
            move |error| MailStartError::File { path, error }
        };
        let path = settings.data_dir.join(LEDGER_FILE);
        let ledger = Ledger::open(&path).map_err(at(&path))?;
        let maildir = settings.mail.replies.maildir();
        let maildir = maildir.map(|path| Maildir::open(path).map_err(at(path)));
        let maildir = maildir.transpose()?;
        let listen = settings.mail.replies.listen_address();
        let desk = Arc::new(ReplyDesk::new(
            Arc::clone(engine),
            handle,
            addresses,
            Arc::new(ledger),
        ));
        let (stop, stopped) = watch::channel(false);
        let (bound, told) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("replies".into())
            .spawn(move || serve(&desk, listen, maildir, &bound, stopped))
            .map_err(MailStartError::Thread)?;
        let address = told
            .recv()
            .unwrap_or_else(|_| Err(std::io::Error::other("the thread has failed")))
            .map_err(MailStartError::Listen)?;
        Ok(Replies {
            address,
            stop,
            thread: Some(thread),
        })
    }

    /// Where replies are listened for.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.address
    }
}

impl Drop for Replies {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(
    desk: &Arc<ReplyDesk>,
    listen: Option<SocketAddr>,
    maildir: Option<Maildir>,
    bound: &mpsc::Sender<std::io::Result<Option<SocketAddr>>>,
    stopped: watch::Receiver<bool>,
) {
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return drop(bound.send(Err(error))),
    };
    runtime.block_on(async {
        let listener = match listen {
            Some(address) => bind(desk, address).await.map(Some),
            None => Ok(None),
        };
        let listener = match listener {
            Ok(listener) => listener,
            Err(error) => return drop(bound.send(Err(error))),
        };
        let address = listener.as_ref().map(Listener::local_addr).transpose();
        let _ = bound.send(address);
        let by_listener = async {
            if let Some(listener) = listener {
                let intake = Arc::new(ReplyIntake(Arc::clone(desk)));
                listener.serve(intake, stop(stopped.clone())).await;
            }
        };
        let by_maildir = async {
            if let Some(maildir) = &maildir {
                mailbox::watch(desk, maildir, stop(stopped.clone())).await;
            }
        };
        tokio::join!(by_listener, by_maildir);
    });
}

async fn bind(desk: &ReplyDesk, address: SocketAddr) -> std::io::Result<Listener> {
    let settings = ListenerSettings {
        hostname: desk.addresses().domain().to_owned(),
        idle_max: IDLE_MAX,
    };
    Listener::bind(address, settings).await
}

async fn stop(mut stopped: watch::Receiver<bool>) {
    // Without a sender nobody is left to serve for.
    let _ = stopped.wait_for(|stop| *stop).await;
}
