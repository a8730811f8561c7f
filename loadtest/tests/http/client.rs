//! A plain HTTP client, as a carrier's customer has one.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

/// No test waits longer for anything.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Sends one request on a connection of its own and reads the answer; `None` when the server hangs up instead.
pub fn call(
    to: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> Option<(u16, Value)> {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Some((status, serde_json::from_str(body).unwrap()))
}

/// The same with a bearer token and JSON.
pub fn send_json(to: SocketAddr, path: &str, body: &Value) -> Option<(u16, Value)> {
    let headers = "Authorization: Bearer KEY\r\nContent-Type: application/json\r\n";
    call(to, "POST", path, headers, &body.to_string())
}

/// Waits until something is so.
pub fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < deadline, "it never came to pass: {what}");
        // The other side needs the core that this would spin on.
        std::thread::sleep(Duration::from_millis(1));
    }
}
