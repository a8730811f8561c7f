//! The listener, spoken to over raw sockets: by the book, all at once, too much, too slowly, half closed.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use didfarm_mail::lmtp::{
    CONNECTIONS_MAX, ERRORS_MAX, IDLE_MAX, Incoming, Intake, LINE_BYTES_MAX, Listener,
    ListenerSettings, MESSAGE_BYTES_MAX, RECIPIENTS_MAX, Verdict,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

/// Recipient, sender, bytes.
type KeptMail = (String, Option<String>, Vec<u8>);

/// An intake that keeps what it takes; addresses say what it answers.
#[derive(Default)]
struct Kept {
    mails: Mutex<Vec<KeptMail>>,
    asked: Mutex<HashMap<String, usize>>,
}

impl Intake for Kept {
    async fn recipient(&self, address: &str) -> Verdict {
        *self
            .asked
            .lock()
            .unwrap()
            .entry(address.to_owned())
            .or_default() += 1;
        match address {
            address if address.starts_with("unknown") => {
                Verdict::Refuse("No such\r\n250 reply address".to_owned())
            }
            address if address.starts_with("busy") => Verdict::Later("Busy — later".to_owned()),
            _ => Verdict::Accept,
        }
    }

    async fn message(&self, recipient: &str, message: Incoming<'_>) -> Verdict {
        if recipient.starts_with("late") {
            return Verdict::Later("Not durable".to_owned());
        }
        if recipient.starts_with("closed") {
            return Verdict::Refuse("The conversation is closed".to_owned());
        }
        assert!(!recipient.starts_with("fault"), "a fault in the intake");
        let mail = (
            recipient.to_owned(),
            message.sender.map(str::to_owned),
            message.bytes.to_vec(),
        );
        self.mails.lock().unwrap().push(mail);
        Verdict::Accept
    }
}

struct Running {
    address: SocketAddr,
    kept: Arc<Kept>,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

async fn start(idle_max: Duration) -> Running {
    let settings = ListenerSettings {
        hostname: "in.didfarm.example".to_owned(),
        idle_max,
    };
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), settings)
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    let kept = Arc::new(Kept::default());
    let (stop, stopped) = oneshot::channel();
    let stopped = async move {
        let _ = stopped.await;
    };
    let served = tokio::spawn(listener.serve(Arc::clone(&kept), stopped));
    Running {
        address,
        kept,
        stop,
        served,
    }
}

struct Client {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Client {
    async fn connect(running: &Running) -> Client {
        let stream = TcpStream::connect(running.address).await.unwrap();
        Client {
            stream,
            read: Vec::new(),
        }
    }

    /// A client that has been greeted in LMTP.
    async fn greeted(running: &Running) -> Client {
        let mut client = Client::connect(running).await;
        client.expect("220").await;
        client.say("LHLO test").await;
        client.expect("250").await;
        client
    }

    async fn say(&mut self, text: &str) {
        self.stream
            .write_all(format!("{text}\r\n").as_bytes())
            .await
            .unwrap();
    }

    /// The next answer, all its lines.
    async fn answer(&mut self) -> String {
        let mut answer = String::new();
        loop {
            let end = loop {
                match self.read.windows(2).position(|end| end == b"\r\n") {
                    Some(end) => break end,
                    None => {
                        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.read))
                            .await
                            .unwrap()
                            .unwrap();
                        assert!(read > 0, "closed after {answer:?}");
                    }
                }
            };
            let line: Vec<u8> = self.read.drain(..end + 2).take(end).collect();
            let line = String::from_utf8(line).unwrap();
            let last = line.as_bytes().get(3) != Some(&b'-');
            answer.push_str(&line);
            if last {
                return answer;
            }
            answer.push('\n');
        }
    }

    async fn expect(&mut self, code: &str) -> String {
        let answer = self.answer().await;
        assert!(answer.starts_with(code), "expected {code}, got {answer}");
        answer
    }

    async fn exchange(&mut self, text: &str, code: &str) -> String {
        self.say(text).await;
        self.expect(code).await
    }

    async fn expect_end(&mut self) {
        assert!(self.read.is_empty());
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.read))
            .await
            .unwrap();
        assert!(matches!(read, Ok(0) | Err(_)), "{:?}", self.read);
    }
}

#[tokio::test]
async fn each_recipient_has_its_own_answer_and_only_a_taken_mail_gets_250() {
    let running = start(IDLE_MAX).await;
    let mut client = Client::connect(&running).await;
    client.expect("220 in.didfarm.example").await;
    let offered = client.exchange("LHLO test", "250").await;
    for extension in [
        "PIPELINING",
        "8BITMIME",
        "ENHANCEDSTATUSCODES",
        "SIZE 10485760",
    ] {
        assert!(offered.contains(extension), "{offered}");
    }
    client
        .exchange(
            "MAIL FROM:<ann@customer.example> BODY=8BITMIME",
            "250 2.1.0",
        )
        .await;
    client
        .exchange("RCPT TO:<reply+1@in.example>", "250 2.1.5")
        .await;
    let refused = client
        .exchange("RCPT TO:<unknown@in.example>", "550 5.1.1")
        .await;
    assert_eq!(refused, "550 5.1.1 No such 250 reply address");
    client
        .exchange("RCPT TO:<busy@in.example>", "450 4.1.1 Busy ? later")
        .await;
    client.exchange("RCPT TO:<late@in.example>", "250").await;
    client.exchange("RCPT TO:<closed@in.example>", "250").await;
    client.exchange("RCPT TO:<reply+1@in.example>", "250").await;
    client.exchange("DATA", "354").await;
    client
        .say("Subject: x\r\n\r\n..stuffed\r\n...\r\nbare\n.\nfeed\r\ncaf\u{e9}\r\n.")
        .await;
    client.expect("250 2.0.0").await;
    client.expect("450 4.6.0 Not durable").await;
    client.expect("550 5.6.0 The conversation is closed").await;
    client.expect("250 2.0.0").await;
    client.exchange("QUIT", "221").await;
    client.expect_end().await;
    let mails = running.kept.mails.lock().unwrap();
    let bytes = "Subject: x\r\n\r\n.stuffed\r\n..\r\nbare\n.\nfeed\r\ncaf\u{e9}\r\n"
        .as_bytes()
        .to_vec();
    let expected = (
        "reply+1@in.example".to_owned(),
        Some("ann@customer.example".to_owned()),
        bytes,
    );
    assert_eq!(*mails, [expected]);
    assert_eq!(running.kept.asked.lock().unwrap()["reply+1@in.example"], 1);
}

#[tokio::test]
async fn smtp_has_one_recipient_a_mail_and_a_null_sender_is_told() {
    let running = start(IDLE_MAX).await;
    for greeting in ["EHLO test", "HELO test"] {
        let mut client = Client::connect(&running).await;
        client.expect("220").await;
        client.exchange(greeting, "250").await;
        client.exchange("MAIL FROM:<>", "250").await;
        client.exchange("RCPT TO:<a@in.example>", "250").await;
        client.exchange("RCPT TO:<b@in.example>", "452 4.5.3").await;
        client.exchange("RCPT TO:<a@in.example>", "250").await;
        client.exchange("DATA", "354").await;
        client.exchange("\r\nhi\r\n.", "250").await;
        client.exchange("NOOP", "250 2.0.0 Still").await;
    }
    let mails = running.kept.mails.lock().unwrap();
    assert_eq!(mails.len(), 2);
    assert!(
        mails
            .iter()
            .all(|(to, from, _)| to == "a@in.example" && from.is_none())
    );
}

#[tokio::test]
async fn pipelined_commands_and_a_half_closed_connection_are_answered_in_order() {
    let running = start(IDLE_MAX).await;
    let mut client = Client::connect(&running).await;
    let mail = "MAIL FROM:<a@b.example>\r\nRCPT TO:<r@in.example>\r\nDATA\r\n";
    let all = format!("LHLO test\r\n{mail}one\r\n.\r\n{mail}two\r\n.\r\nRSET\r\nQUIT");
    client.say(&all).await;
    client.stream.shutdown().await.unwrap();
    for code in [
        "220", "250", "250", "250", "354", "250", "250", "250", "354", "250", "250", "221",
    ] {
        client.expect(code).await;
    }
    client.expect_end().await;
    assert_eq!(running.kept.mails.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_mail_that_breaks_off_is_not_taken() {
    let running = start(IDLE_MAX).await;
    let mut client = Client::greeted(&running).await;
    client
        .say("MAIL FROM:<a@b.example>\r\nRCPT TO:<r@in.example>\r\nDATA\r\nhalf\r\n.")
        .await;
    for code in ["250", "250", "354", "250"] {
        client.expect(code).await;
    }
    client
        .say("MAIL FROM:<a@b.example>\r\nRCPT TO:<r@in.example>\r\nDATA\r\nhalf\r\n.\nQUIT")
        .await;
    client.stream.shutdown().await.unwrap();
    for code in ["250", "250", "354"] {
        client.expect(code).await;
    }
    client.expect_end().await;
    assert_eq!(running.kept.mails.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn commands_out_of_turn_and_out_of_bounds_are_refused_and_the_session_goes_on() {
    let running = start(IDLE_MAX).await;
    let mut client = Client::connect(&running).await;
    client.expect("220").await;
    client.exchange("MAIL FROM:<a@b.example>", "503").await;
    client.exchange("LHLO test", "250").await;
    client.exchange("RCPT TO:<a@b.example>", "503").await;
    client.exchange("DATA", "503").await;
    client.exchange("STARTTLS", "502").await;
    client.exchange("MAIL FROM:nobody", "501").await;
    client
        .exchange("MAIL FROM:<a@b.example> SMTPUTF8", "555")
        .await;
    client
        .exchange(&format!("NOOP {}", "x".repeat(LINE_BYTES_MAX)), "501")
        .await;
    client
        .exchange(&format!("NOOP {}", "x".repeat(LINE_BYTES_MAX * 20)), "501")
        .await;
    client
        .exchange(
            &format!("MAIL FROM:<a@b.example> SIZE={}", MESSAGE_BYTES_MAX + 1),
            "552 5.3.4",
        )
        .await;
    client
        .exchange(
            &format!("MAIL FROM:<a@b.example> SIZE={MESSAGE_BYTES_MAX}"),
            "250",
        )
        .await;
    client.exchange("MAIL FROM:<a@b.example>", "503").await;
    client.exchange("DATA", "503").await;
    for number in 0..RECIPIENTS_MAX {
        client
            .exchange(&format!("RCPT TO:<r{number}@in.example>"), "250")
            .await;
    }
    client
        .exchange("RCPT TO:<one-more@in.example>", "452 4.5.3")
        .await;
    client.exchange("RSET", "250").await;
    client.exchange("RCPT TO:<a@b.example>", "503").await;
    client.exchange("VRFY a", "252").await;
    for _ in 0..ERRORS_MAX - 12 {
        client.exchange("NONSENSE", "502").await;
    }
    client.exchange("NONSENSE", "502").await;
    client.expect("421 4.7.0").await;
    client.expect_end().await;
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused_whole_and_the_next_is_taken() {
    let running = start(IDLE_MAX).await;
    let mut client = Client::greeted(&running).await;
    let begin =
        "MAIL FROM:<a@b.example>\r\nRCPT TO:<r@in.example>\r\nRCPT TO:<s@in.example>\r\nDATA";
    let line = format!("{}\r\n", "x".repeat(998));
    let lines = MESSAGE_BYTES_MAX / line.len();
    for (count, code) in [(lines + 1, "552 5.3.4"), (lines, "250")] {
        client.say(begin).await;
        client
            .stream
            .write_all(line.repeat(count).as_bytes())
            .await
            .unwrap();
        client.say(".").await;
        for expected in ["250", "250", "250", "354", code, code] {
            client.expect(expected).await;
        }
    }
    let mails = running.kept.mails.lock().unwrap();
    assert_eq!(mails.len(), 2);
    assert_eq!(mails[0].2.len(), lines * line.len());
}

#[tokio::test]
async fn who_is_silent_is_sent_away() {
    let running = start(Duration::from_millis(100)).await;
    let mut idle = Client::greeted(&running).await;
    let mut slow = Client::greeted(&running).await;
    slow.say("MAIL FROM:<a@b.example>\r\nRCPT TO:<r@in.example>\r\nDATA\r\nhal")
        .await;
    for code in ["250", "250", "354"] {
        slow.expect(code).await;
    }
    for client in [&mut idle, &mut slow] {
        client.expect("421 4.4.2").await;
        client.expect_end().await;
    }
    assert!(running.kept.mails.lock().unwrap().is_empty());
}

#[tokio::test]
async fn more_connections_than_allowed_are_told_to_come_again() {
    let running = start(IDLE_MAX).await;
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        clients.push(Client::greeted(&running).await);
    }
    let mut refused = Client::connect(&running).await;
    refused.expect("421 4.3.2").await;
    refused.expect_end().await;
    clients[0].exchange("QUIT", "221").await;
    clients[0].expect_end().await;
    let place = async {
        loop {
            let mut client = Client::connect(&running).await;
            if client.answer().await.starts_with("220") {
                break;
            }
        }
    };
    timeout(PATIENCE, place).await.unwrap();
}

#[tokio::test]
async fn a_fault_in_the_intake_ends_its_session_without_250_and_no_other() {
    let running = start(IDLE_MAX).await;
    let mut other = Client::greeted(&running).await;
    let mut client = Client::greeted(&running).await;
    client
        .say("MAIL FROM:<a@b.example>\r\nRCPT TO:<fault@in.example>\r\nDATA")
        .await;
    for code in ["250", "250", "354"] {
        client.expect(code).await;
    }
    client.say("x\r\n.").await;
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, client.stream.read_to_end(&mut rest))
        .await
        .unwrap();
    client.read.extend(rest);
    let rest = String::from_utf8(client.read).unwrap();
    assert!(!rest.contains("250"), "{rest}");
    other.exchange("NOOP", "250").await;
}

#[tokio::test]
async fn a_stop_tells_those_who_wait_and_lets_a_message_end() {
    let running = start(IDLE_MAX).await;
    let mut waiting = Client::greeted(&running).await;
    let mut busy = Client::greeted(&running).await;
    busy.say("MAIL FROM:<a@b.example>\r\nRCPT TO:<r@in.example>\r\nDATA\r\nhalf")
        .await;
    for code in ["250", "250", "354"] {
        busy.expect(code).await;
    }
    running.stop.send(()).unwrap();
    waiting.expect("421 4.3.2").await;
    waiting.expect_end().await;
    busy.say("rest\r\n.").await;
    busy.expect("250 2.0.0").await;
    busy.expect("421 4.3.2").await;
    timeout(PATIENCE, running.served).await.unwrap().unwrap();
    assert!(TcpStream::connect(running.address).await.is_err());
    assert_eq!(running.kept.mails.lock().unwrap().len(), 1);
}
