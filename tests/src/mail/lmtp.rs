//! A mail server's part when it hands a reply on (RFC 2033).

use tokio::net::TcpStream;

use super::dialogue::Dialogue;

/// A reply as a mail program writes it; `more` has further header lines, each with its line end.
pub fn reply(to: &str, message_id: &str, text: &str, more: &str) -> String {
    format!(
        "From: Ann <owner@example.org>\r\nTo: {to}\r\nSubject: Re: SMS\r\nMessage-ID: <{message_id}@example.org>\r\n\
         Date: Sun, 05 Apr 2026 14:30:00 +0200\r\n{more}\r\n{text}\r\n\r\n\
         On Sun, 5 Apr 2026 at 14:22, didfarm wrote:\r\n> what was said before\r\n"
    )
}

/// Brings a mail by LMTP (RFC 2033) and gives the answer that decides: to the recipient if it is refused,
/// otherwise to the mail.
///
/// # Panics
/// When the server cannot be reached, or breaks off.
pub async fn bring(server: &str, to: &str, mail: &str) -> String {
    let stream = TcpStream::connect(server).await;
    let mut server = Dialogue::over(stream.expect("the listener is there"));
    server.answer().await;
    for command in ["LHLO client.example", "MAIL FROM:<owner@example.org>"] {
        let said = server.ask(command).await;
        assert!(said.starts_with("250"), "{command}: {said}");
    }
    let recipient = server.ask(&format!("RCPT TO:<{to}>")).await;
    if !recipient.starts_with("250") {
        return recipient;
    }
    let said = server.ask("DATA").await;
    assert!(said.starts_with("354"), "{said}");
    let stuffed = mail.replace("\r\n.", "\r\n..");
    let decides = server.ask(&format!("{stuffed}\r\n.")).await;
    server.ask("QUIT").await;
    decides
}
