//! A mail server on loopback that says what a test wants it to say, and a client for replies.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use didfarm_config::{Settings, SmtpSecurity};
use didfarm_mail::lmtp::{IDLE_MAX, Incoming, Intake, Listener, ListenerSettings, Verdict};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::oneshot;

/// What the server says to mails.
#[derive(Debug, Clone)]
pub enum Mood {
    Takes,
    Busy,
    Refuses,
    /// It says nothing.
    Hangs,
}

#[derive(Clone)]
pub struct Server {
    mood: Arc<Mutex<Mood>>,
    /// Mails that it was shown, with what it said.
    shown: Arc<Mutex<Vec<String>>>,
    pub address: SocketAddr,
    stop: Arc<Mutex<Option<oneshot::Sender<()>>>>,
}

impl Server {
    pub async fn start(mood: Mood) -> Server {
        let settings = ListenerSettings {
            hostname: "mx.example".to_owned(),
            idle_max: IDLE_MAX,
        };
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = Listener::bind(free, settings).await.unwrap();
        let (stop, stopped) = oneshot::channel();
        let server = Server {
            mood: Arc::new(Mutex::new(mood)),
            shown: Arc::default(),
            address: listener.local_addr().unwrap(),
            stop: Arc::new(Mutex::new(Some(stop))),
        };
        let intake = Arc::new(server.clone());
        actix::spawn(listener.serve(intake, async { drop(stopped.await) }));
        server
    }

    /// Has mails go here.
    pub fn serves(&self, settings: &mut Settings) {
        settings.mail.smtp.host = self.address.ip().to_string();
        settings.mail.smtp.port = self.address.port();
        settings.mail.smtp.security = SmtpSecurity::None;
    }

    pub fn becomes(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    pub fn shown(&self) -> Vec<String> {
        self.shown.lock().unwrap().clone()
    }

    pub fn stop(&self) {
        drop(self.stop.lock().unwrap().take());
    }
}

impl Intake for Server {
    async fn recipient(&self, _: &str) -> Verdict {
        Verdict::Accept
    }

    async fn message(&self, _: &str, message: Incoming<'_>) -> Verdict {
        let text = String::from_utf8_lossy(message.bytes).into_owned();
        self.shown.lock().unwrap().push(text);
        let mood = self.mood.lock().unwrap().clone();
        match mood {
            Mood::Takes => Verdict::Accept,
            Mood::Busy => Verdict::Later("come again".to_owned()),
            Mood::Refuses => Verdict::Refuse("no such mailbox".to_owned()),
            Mood::Hangs => std::future::pending().await,
        }
    }
}

/// A client of LMTP (RFC 2033) with a connection of its own.
pub struct Client {
    read: BufReader<OwnedReadHalf>,
    write: OwnedWriteHalf,
}

impl Client {
    pub async fn greet(address: SocketAddr) -> Client {
        let (read, write) = TcpStream::connect(address).await.unwrap().into_split();
        let mut client = Client {
            read: BufReader::new(read),
            write,
        };
        assert!(client.answer().await.starts_with("220 "));
        assert!(client.say("LHLO mx.example").await.starts_with("250 "));
        client
    }

    /// The last line of an answer.
    async fn answer(&mut self) -> String {
        loop {
            let mut line = String::new();
            self.read.read_line(&mut line).await.unwrap();
            if line.as_bytes().get(3) != Some(&b'-') {
                return line.trim_end().to_owned();
            }
        }
    }

    async fn say(&mut self, line: &str) -> String {
        let line = format!("{line}\r\n");
        self.write.write_all(line.as_bytes()).await.unwrap();
        self.answer().await
    }

    /// Brings a mail, and tells what was said to it or its recipient.
    pub async fn bring(&mut self, recipient: &str, mail: &str) -> String {
        self.say("RSET").await;
        self.say("MAIL FROM:<ann@example.org>").await;
        let welcome = self.say(&format!("RCPT TO:<{recipient}>")).await;
        if !welcome.starts_with("250") {
            return welcome;
        }
        assert!(self.say("DATA").await.starts_with("354"));
        self.say(&format!("{mail}\r\n.")).await
    }
}
