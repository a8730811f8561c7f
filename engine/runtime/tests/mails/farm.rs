//! An engine with one account and one number that forwards.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use didfarm_carriers::callback::Inbound;
use didfarm_config::Settings;
use didfarm_core::channel::{Channel, Direction};
use didfarm_core::content::{Content, ContentKind, Media};
use didfarm_core::e164::E164;
use didfarm_core::ids::{CarrierId, ConversationId};
use didfarm_core::message::Message;
use didfarm_core::money::Micros;
use didfarm_core::number::NumberCommand;
use didfarm_core::peer::Peer;
use didfarm_runtime::account::AccountHandle;
use didfarm_runtime::engine::{Engine, EngineOptions, Fatal};
use didfarm_runtime::fault::FaultPoints;
use didfarm_runtime::handle::EngineHandle;
use didfarm_runtime::operate::{NewAccount, NewNumber};

/// How long a condition may take to hold.
const HOLDS_MAX: Duration = Duration::from_secs(20);
const KEY: &str = "a-key-of-the-test-0123456789";

/// Our number.
pub fn ours() -> E164 {
    E164::from_digits(31_201_234_567).unwrap()
}

/// The peer.
pub fn peer() -> Peer {
    E164::from_digits(31_612_345_678).unwrap().into()
}

/// Runs a test inside an actix system.
pub fn run(test: impl Future<Output = ()>) {
    actix::System::new().block_on(test);
}

/// Waits until something is there.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let until = Instant::now() + HOLDS_MAX;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < until, "{what}: not within {HOLDS_MAX:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Settings on a data directory.
pub fn settings(dir: &Path) -> Settings {
    let mut settings = Settings {
        data_dir: dir.join("data"),
        ..Settings::default()
    };
    settings.engine.partitions = 1;
    settings
}

pub struct Farm {
    engine: Engine,
    pub handle: EngineHandle,
    pub account: Arc<AccountHandle>,
}

impl Farm {
    /// Starts an engine; a new one gets its account and number.
    pub async fn start(settings: Settings) -> Farm {
        let options = EngineOptions {
            on_fatal: Arc::new(|fatal: Fatal| panic!("the engine has failed: {fatal}")),
            faults: FaultPoints::default(),
        };
        let engine = Engine::start(settings, options).unwrap();
        let handle = engine.handle();
        if engine.is_new() {
            make_account(&handle).await;
        }
        let account = handle.authenticate(KEY).unwrap();
        Farm {
            engine,
            handle,
            account,
        }
    }

    /// Where replies are listened for.
    pub fn replies_address(&self) -> std::net::SocketAddr {
        self.engine.replies_address().unwrap()
    }

    /// Stops it as the daemon does, without waiting for what is under way.
    pub fn stop(self) {
        let Farm { engine, handle, .. } = self;
        handle.begin_drain();
        drop(handle);
        engine.stop();
    }

    /// Sets where the number forwards to.
    pub async fn forward_to(&self, address: Option<&str>) {
        self.set(NumberCommand::SetForwarding(address.map(Box::from)))
            .await;
    }

    /// Turns the number's SMS on or off.
    pub async fn set_sms(&self, sms: bool) {
        let whatsapp = false;
        self.set(NumberCommand::SetChannels { sms, whatsapp }).await;
    }

    async fn set(&self, command: NumberCommand) {
        let number = self.handle.number_by_e164(self.account.id(), ours());
        let set = self.handle.set_number(number.unwrap(), command);
        set.await.unwrap();
    }

    /// Lets the peer write.
    pub async fn receive(&self, body: &str) {
        self.receive_with(body, None).await;
    }

    /// Lets the peer write and send a file.
    pub async fn receive_with(&self, body: &str, link: Option<&str>) {
        let content = link.map(|link| {
            Box::new(Content {
                media: vec![Media {
                    url: Some(link.into()),
                    content_type: Some("image/png".into()),
                    filename: Some("photo.png".into()),
                    ..Media::default()
                }],
                ..Content::of(ContentKind::Image)
            })
        });
        let inbound = Inbound {
            id: None,
            from: peer(),
            alias: None,
            to: ours(),
            channel: Channel::Sms,
            body: body.into(),
            content,
        };
        let received = self.handle.receive(CarrierId::SIMULATOR, inbound);
        received.await.unwrap();
    }

    /// The texts that were sent to the peer, oldest first.
    pub async fn sent(&self) -> Vec<String> {
        let account = self.account.id();
        let filter = Default::default();
        let page = self.handle.messages(account, filter, None, 100);
        let mut sent: Vec<Message> = page.await.unwrap().rows;
        sent.retain(|message| message.direction == Direction::Outbound);
        sent.iter()
            .rev()
            .map(|message| message.body.to_string())
            .collect()
    }

    /// The conversation with the peer.
    pub async fn conversation(&self) -> ConversationId {
        let filter = Default::default();
        let account = self.account.id();
        let page = self.handle.conversations(account, filter, None, 10);
        page.await.unwrap().rows[0].conversation.id
    }

    /// How many mails wait.
    pub async fn waiting(&self) -> u64 {
        self.handle.waiting_mails(10).await.unwrap().1
    }
}

async fn make_account(handle: &EngineHandle) {
    let new = NewAccount {
        name: "Acme".to_owned(),
        rate_limit: None,
        email: Some("boss@example.org".to_owned()),
    };
    let account = handle.create_account(new).await.unwrap().id;
    let number = NewNumber {
        account,
        e164: ours(),
        active: true,
        sms: true,
        whatsapp: false,
    };
    handle.add_number(number).await.unwrap();
    handle
        .top_up(account, Micros::new(10_000_000))
        .await
        .unwrap();
    handle
        .create_key(account, Some(KEY.to_owned()))
        .await
        .unwrap();
}

/// The mails that lie in a maildir's folder.
pub fn mails_in(maildir: &Path, folder: &str) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(maildir.join(folder)) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: &PathBuf| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
    paths.iter().map(read).collect()
}

/// A header's field, on one line.
pub fn field(mail: &str, name: &str) -> Option<String> {
    let mut lines = mail.split("\r\n").take_while(|line| !line.is_empty());
    lines.find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(": ")?.to_owned()))
}
