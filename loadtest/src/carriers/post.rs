//! Callbacks on their way: each is signed anew for every attempt, and sent again until it is acknowledged.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, oneshot};

use super::record::Protocol;
use super::world::{Due, World};
use crate::connection::{Answer, Connection, ExchangeError};
use crate::form::Form;
use crate::signature::Keys;
use crate::target::Target;

/// How long a callback may go without an answer, in milliseconds.
const ANSWER_TIMEOUT_MS: u64 = 15_000;
/// The first pause before a callback is sent again, in milliseconds; it doubles from there.
const RETRY_PAUSE_MS: u64 = 200;
/// The longest pause before a callback is sent again, in milliseconds.
const RETRY_PAUSE_MS_MAX: u64 = 10_000;
/// Servers that one worker keeps connections to.
const CONNECTIONS_KEPT_MAX: usize = 8;

/// The body of a callback, by whose it is.
#[derive(Debug, Clone)]
pub enum Body {
    /// Telnyx: the event; the envelope around it counts the attempts.
    Telnyx(String),
    /// Twilio: a form.
    Twilio(Form),
    /// Meta: the whole body.
    WhatsApp(String),
}

/// A callback.
#[derive(Debug)]
pub struct Post {
    /// Where it goes, as the carrier was told.
    pub url: Box<str>,
    /// What it says.
    pub body: Body,
    /// Receipts and messages in it: places that it holds on the agenda.
    pub items: usize,
    /// How often it was sent.
    pub attempts: u32,
    /// Who waits for its first answer.
    pub heard: Option<oneshot::Sender<()>>,
}

impl Post {
    /// A callback that was never sent.
    pub fn new(url: &str, body: Body, items: usize) -> Self {
        Self {
            url: url.into(),
            body,
            items,
            attempts: 0,
            heard: None,
        }
    }

    /// Whose it is.
    pub fn protocol(&self) -> Protocol {
        match self.body {
            Body::Telnyx(_) => Protocol::Telnyx,
            Body::Twilio(_) => Protocol::Twilio,
            Body::WhatsApp(_) => Protocol::WhatsApp,
        }
    }

    /// The request for the next attempt, signed now; `None` when the URL is none.
    pub fn request(&self, keys: &Keys) -> Option<Vec<u8>> {
        let (_, authority, path) = split_url(&self.url)?;
        let (headers, body) = match &self.body {
            Body::Telnyx(event) => {
                let attempt = self.attempts + 1;
                let to = serde_json::Value::from(&*self.url);
                let body = format!(
                    r#"{{"data":{event},"meta":{{"attempt":{attempt},"delivered_to":{to}}}}}"#
                );
                (telnyx_headers(keys, body.as_bytes()), body)
            }
            Body::Twilio(form) => (twilio_headers(keys, &self.url, form), form.encode()),
            Body::WhatsApp(body) => (whatsapp_headers(keys, body.as_bytes()), body.clone()),
        };
        Some(request_bytes(authority, path, &headers, body.as_bytes()))
    }
}

/// The signature headers of a Telnyx webhook, dated now.
pub fn telnyx_headers(keys: &Keys, body: &[u8]) -> String {
    let timestamp = Timestamp::now().as_second();
    let signature = keys.sign_telnyx(timestamp, body);
    format!(
        "content-type: application/json\r\ntelnyx-timestamp: {timestamp}\r\n\
         telnyx-signature-ed25519: {signature}\r\n"
    )
}

/// The signature header of a Twilio webhook.
pub fn twilio_headers(keys: &Keys, url: &str, form: &Form) -> String {
    let signature = keys.sign_twilio(url, &form.0);
    format!(
        "content-type: application/x-www-form-urlencoded; charset=utf-8\r\n\
         X-Twilio-Signature: {signature}\r\n"
    )
}

/// The signature header of a WhatsApp webhook.
pub fn whatsapp_headers(keys: &Keys, body: &[u8]) -> String {
    let signature = keys.sign_whatsapp(body);
    format!("content-type: application/json\r\nX-Hub-Signature-256: {signature}\r\n")
}

/// A POST request; `headers` are whole lines.
pub fn request_bytes(authority: &str, path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut bytes = format!(
        "POST {path} HTTP/1.1\r\nHost: {authority}\r\nContent-Length: {length}\r\n{headers}\r\n"
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// Scheme, authority, and path with query of an absolute URL.
pub fn split_url(url: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let at = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(at);
    let whole =
        !authority.is_empty() && !url.contains(|c: char| c.is_whitespace() || c.is_control());
    whole.then_some((scheme, authority, if path.is_empty() { "/" } else { path }))
}

/// Callbacks that wait for a worker.
#[derive(Debug, Default)]
pub struct PostQueue {
    waiting: Mutex<VecDeque<Post>>,
    added: Notify,
}

impl PostQueue {
    /// Adds a callback at the end.
    pub fn push(&self, post: Post) {
        let mut waiting = self.waiting.lock().expect("no holder of the queue panics");
        waiting.push_back(post);
        drop(waiting);
        self.added.notify_one();
    }

    async fn next(&self) -> Post {
        loop {
            let first = {
                let mut waiting = self.waiting.lock().expect("no holder of the queue panics");
                waiting.pop_front()
            };
            match first {
                Some(post) => return post,
                None => self.added.notified().await,
            }
        }
    }
}

/// Sends callbacks one after the other, for as long as the carriers run.
pub async fn work(world: Arc<World>) {
    let mut connections: Vec<(Target, Connection)> = Vec::new();
    loop {
        let mut post = world.posts.next().await;
        let heard = post.heard.take();
        send(&world, &mut connections, post).await;
        if let Some(heard) = heard {
            // Whoever waited may have stopped waiting.
            let _ = heard.send(());
        }
    }
}

async fn send(world: &World, connections: &mut Vec<(Target, Connection)>, mut post: Post) {
    let protocol = post.protocol();
    let (Some(request), Some(target)) = (post.request(&world.keys), world.destination(&post.url))
    else {
        world
            .counts
            .add(protocol, |counts| counts.dropped += post.items as u64);
        world.agenda.leave(post.items);
        return;
    };
    post.attempts += 1;
    let connection = connection_to(connections, target);
    let answer = connection.exchange(&request).await;
    if let Ok(answer) = &answer {
        let status = u32::from(answer.status);
        world.counts.add(protocol, |counts| {
            *counts.answers.entry(status).or_default() += 1
        });
    }
    let items = post.items as u64;
    match again_after(&answer, post.attempts) {
        None => {
            world.counts.add(protocol, |counts| counts.acked += items);
            world.agenda.leave(post.items);
        }
        Some(_) if post.attempts >= world.attempts_max => {
            world
                .counts
                .add(protocol, |counts| counts.given_up += items);
            world.agenda.leave(post.items);
        }
        Some(pause) => {
            world.counts.add(protocol, |counts| counts.retried += items);
            world.agenda.add(pause, Due::Post(Box::new(post)));
        }
    }
}

/// How long to wait before the next attempt; `None` when the callback was acknowledged.
fn again_after(answer: &Result<Answer<'_>, ExchangeError>, attempts: u32) -> Option<Duration> {
    let doubled = RETRY_PAUSE_MS.saturating_mul(1 << (attempts - 1).min(16));
    let pause = Duration::from_millis(doubled.min(RETRY_PAUSE_MS_MAX));
    match answer {
        Ok(answer) if (200..300).contains(&answer.status) => None,
        Ok(answer) => Some(answer.retry_after_s.map_or(pause, Duration::from_secs)),
        Err(_) => Some(pause),
    }
}

fn connection_to(connections: &mut Vec<(Target, Connection)>, target: Target) -> &mut Connection {
    let known = connections.iter().position(|(known, _)| *known == target);
    let place = known.unwrap_or_else(|| {
        if connections.len() == CONNECTIONS_KEPT_MAX {
            connections.remove(0);
        }
        let timeout = Duration::from_millis(ANSWER_TIMEOUT_MS);
        connections.push((target.clone(), Connection::new(target, timeout)));
        connections.len() - 1
    });
    &mut connections[place].1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_split_with_its_query() {
        assert_eq!(
            split_url("http://h:1/a?b=c"),
            Some(("http", "h:1", "/a?b=c"))
        );
        assert_eq!(split_url("https://h"), Some(("https", "h", "/")));
        for url in ["h:1/a", "http:///a", "http://h/a b", "http://h/\r\nx: y"] {
            assert_eq!(split_url(url), None, "{url}");
        }
    }

    #[test]
    fn a_busy_server_says_when_to_come_again() {
        let answer = |status, retry_after_s| {
            Ok(Answer {
                status,
                retry_after_s,
                body: b"",
            })
        };
        assert_eq!(again_after(&answer(204, None), 1), None);
        assert_eq!(
            again_after(&answer(503, Some(3)), 1),
            Some(Duration::from_secs(3))
        );
        assert_eq!(
            again_after(&answer(500, None), 2),
            Some(Duration::from_millis(2 * RETRY_PAUSE_MS))
        );
        assert_eq!(
            again_after(&answer(500, None), 40),
            Some(Duration::from_millis(RETRY_PAUSE_MS_MAX))
        );
    }
}
