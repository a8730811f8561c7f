//! A mail server of a few commands (RFC 5321).

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::Mail;
use super::dialogue::Dialogue;

/// A mail server that takes everything, or puts everything off. It ends when it is dropped.
#[derive(Debug)]
pub struct MailServer {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    taken: Arc<Mutex<Taken>>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Taken {
    is_busy: bool,
    refused: usize,
    mails: Vec<Mail>,
}

impl MailServer {
    /// Starts one.
    ///
    /// # Panics
    /// When it cannot listen.
    pub async fn start() -> MailServer {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("loopback has free ports");
        let port = listener
            .local_addr()
            .expect("a bound socket has an address")
            .port();
        let taken = Arc::new(Mutex::new(Taken::default()));
        let shared = Arc::clone(&taken);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A session that breaks off is the client's business.
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        MailServer { port, taken, task }
    }

    /// From now on recipients are put off with 451, or not.
    pub fn set_busy(&self, is_busy: bool) {
        lock(&self.taken).is_busy = is_busy;
    }

    /// How many recipients were put off.
    pub fn refused(&self) -> usize {
        lock(&self.taken).refused
    }

    /// The mails that it took, in their order.
    pub fn mails(&self) -> Vec<Mail> {
        lock(&self.taken).mails.clone()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(stream: TcpStream, taken: Arc<Mutex<Taken>>) -> io::Result<()> {
    let mut client = Dialogue::over(stream);
    let mut recipients = Vec::new();
    client.tell("220 mail.example ESMTP").await?;
    while let Some(line) = client.heard().await? {
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        let answer = match &*verb {
            "EHLO" => "250-mail.example\r\n250 8BITMIME",
            "MAIL" | "RSET" | "NOOP" => {
                recipients.clear();
                "250 ok"
            }
            "RCPT" => {
                let mut taken = lock(&taken);
                if taken.is_busy {
                    taken.refused += 1;
                    "451 4.3.2 come again later"
                } else {
                    recipients.push(between_brackets(&line));
                    "250 ok"
                }
            }
            "DATA" if recipients.is_empty() => "503 nobody to give it to",
            "DATA" => {
                client.tell("354 go ahead").await?;
                let bytes = content(&mut client).await?;
                let mail = Mail::parse(std::mem::take(&mut recipients), &bytes);
                lock(&taken).mails.push(mail);
                "250 taken"
            }
            "QUIT" => "221 goodbye",
            _ => "502 no such command",
        };
        client.tell(answer).await?;
        if verb == "QUIT" {
            break;
        }
    }
    Ok(())
}

/// The lines up to the dot, which doubled dots are not (RFC 5321, 4.5.2).
async fn content(client: &mut Dialogue) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(line) = client.heard().await? {
        if line == "." {
            break;
        }
        bytes.extend(line.strip_prefix('.').unwrap_or(&line).bytes());
        bytes.extend(b"\r\n");
    }
    Ok(bytes)
}

fn between_brackets(line: &str) -> String {
    let behind = line.split_once('<').map_or("", |(_, rest)| rest);
    behind.split('>').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_brought_is_taken_whole_or_put_off() {
        let server = MailServer::start().await;
        let stream = TcpStream::connect(("127.0.0.1", server.port)).await;
        let mut client = Dialogue::over(stream.unwrap());
        client.answer().await;
        server.set_busy(true);
        for (command, begins) in [
            ("EHLO a", "250"),
            ("MAIL FROM:<a@b.c>", "250"),
            ("RCPT TO:<d@e.f>", "451"),
        ] {
            let said = client.ask(command).await;
            assert!(said.starts_with(begins), "{command}: {said}");
        }
        server.set_busy(false);
        for command in ["RCPT TO:<d@e.f>", "DATA", "Subject: x\r\n\r\n..dot\r\n."] {
            let said = client.ask(command).await;
            assert!(said.starts_with(['2', '3']), "{command}: {said}");
        }
        let [mail] = &server.mails()[..] else {
            panic!("not one mail")
        };
        assert_eq!(
            (&*mail.recipients, mail.text().trim()),
            (&["d@e.f".to_owned()][..], ".dot")
        );
        assert_eq!(server.refused(), 1);
    }
}
