//! An SMTP server for tests: real sockets, real TLS, and answers that a test prescribes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// How long a session of a test may last.
const SESSION_MAX: Duration = Duration::from_secs(20);

/// How the server protects its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Plain,
    StartTls,
    Tls,
}

/// What the server does in place of its usual answer.
#[derive(Debug, Clone)]
pub enum Act {
    /// Says this.
    Say(&'static str),
    /// Closes the connection without a word.
    Drop,
    /// Says nothing more, and keeps the connection open.
    Hang,
}

/// What the server has seen.
#[derive(Debug, Default)]
pub struct Seen {
    pub connections: usize,
    pub commands: Vec<String>,
    pub mails: Vec<String>,
}

/// A running server.
pub struct Server {
    pub port: u16,
    pub root_pem: Vec<u8>,
    pub seen: Arc<Mutex<Seen>>,
    acts: Arc<Mutex<HashMap<&'static str, Vec<Act>>>>,
}

struct Session {
    mode: Mode,
    tls: TlsAcceptor,
    seen: Arc<Mutex<Seen>>,
    acts: Arc<Mutex<HashMap<&'static str, Vec<Act>>>>,
}

impl Server {
    /// Starts a server whose certificate is for `name`.
    pub async fn start(mode: Mode, name: &str) -> Server {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let tls = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let acts = Arc::new(Mutex::new(HashMap::new()));
        let server = Server {
            port,
            root_pem: cert.pem().into_bytes(),
            seen: Arc::clone(&seen),
            acts: Arc::clone(&acts),
        };
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                seen.lock().unwrap().connections += 1;
                let session = Session {
                    mode,
                    tls: tls.clone(),
                    seen: Arc::clone(&seen),
                    acts: Arc::clone(&acts),
                };
                tokio::spawn(timeout(SESSION_MAX, session.run(stream)));
            }
        });
        server
    }

    /// Prescribes what happens at the next occurrences of a verb; `.` is the end of a mail.
    pub fn script(&self, verb: &'static str, acts: &[Act]) {
        self.acts
            .lock()
            .unwrap()
            .entry(verb)
            .or_default()
            .extend_from_slice(acts);
    }
}

impl Session {
    async fn run(self, stream: TcpStream) {
        match self.mode {
            Mode::Plain => {
                self.talk(BufReader::new(stream), true).await;
            }
            Mode::Tls => {
                if let Ok(stream) = self.tls.accept(stream).await {
                    self.talk(BufReader::new(stream), true).await;
                }
            }
            Mode::StartTls => {
                let Some(stream) = self.talk(BufReader::new(stream), true).await else {
                    return;
                };
                if let Ok(stream) = self.tls.accept(stream.into_inner()).await {
                    self.talk(BufReader::new(stream), false).await;
                }
            }
        }
    }

    /// Talks until the connection ends; gives the stream back when TLS is to begin.
    async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut stream: BufReader<S>,
        greet: bool,
    ) -> Option<BufReader<S>> {
        if greet {
            say(&mut stream, "220 test").await?;
        }
        loop {
            let line = read_line(&mut stream).await?;
            let verb: String = line.split([' ', ':']).next().unwrap().to_uppercase();
            self.seen.lock().unwrap().commands.push(line);
            self.act(&mut stream, &verb).await?;
            match verb.as_str() {
                "STARTTLS" => return Some(stream),
                "QUIT" => return None,
                "DATA" => {
                    let mut mail = String::new();
                    loop {
                        match read_line(&mut stream).await?.as_str() {
                            "." => break,
                            line => mail.push_str(&format!(
                                "{}\r\n",
                                line.strip_prefix('.').unwrap_or(line)
                            )),
                        }
                    }
                    self.seen.lock().unwrap().mails.push(mail);
                    self.act(&mut stream, ".").await?;
                }
                _ => {}
            }
        }
    }

    async fn act<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut BufReader<S>,
        verb: &str,
    ) -> Option<()> {
        let scripted = {
            let mut acts = self.acts.lock().unwrap();
            acts.get_mut(verb)
                .filter(|acts| !acts.is_empty())
                .map(|acts| acts.remove(0))
        };
        match scripted {
            None => say(stream, &self.usual(verb)).await,
            Some(Act::Say(answer)) => {
                say(stream, answer).await?;
                Some(())
            }
            Some(Act::Drop) => None,
            Some(Act::Hang) => std::future::pending().await,
        }
    }

    fn usual(&self, verb: &str) -> String {
        let starttls = if self.mode == Mode::StartTls {
            "250-STARTTLS\r\n"
        } else {
            ""
        };
        match verb {
            "EHLO" => format!("250-test\r\n{starttls}250-8BITMIME\r\n250 AUTH PLAIN LOGIN"),
            "AUTH" => "235 2.7.0 Welcome".to_owned(),
            "STARTTLS" => "220 Go ahead".to_owned(),
            "DATA" => "354 Go ahead".to_owned(),
            "QUIT" => "221 Bye".to_owned(),
            "." => "250 2.0.0 Ok: queued as 4711".to_owned(),
            _ => "250 2.0.0 Ok".to_owned(),
        }
    }
}

async fn say(stream: &mut (impl AsyncWrite + Unpin), line: &str) -> Option<()> {
    stream
        .write_all(format!("{line}\r\n").as_bytes())
        .await
        .ok()?;
    stream.flush().await.ok()
}

async fn read_line(stream: &mut (impl AsyncBufRead + Unpin)) -> Option<String> {
    let mut line = String::new();
    match stream.read_line(&mut line).await {
        Ok(read) if read > 0 => Some(line.trim_end_matches(['\r', '\n']).to_owned()),
        Ok(_) | Err(_) => None,
    }
}
