//! The HTTP listener of Telnyx, Twilio and WhatsApp, and of the control endpoint.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::answer::Answer;
use super::record::Protocol;
use super::whatsapp::Asked;
use super::world::{Verdict, World};
use super::{control, telnyx, twilio, whatsapp};

/// The longest request body, in bytes.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Pause after a connection could not be accepted, in milliseconds.
const ACCEPT_PAUSE_MS: u64 = 50;

/// The connection is to end without an answer.
#[derive(Debug, thiserror::Error)]
#[error("a blackout is over, or the request could not be read")]
struct Hangup;

/// Accepts connections, for as long as the carriers run.
pub async fn serve(world: Arc<World>, listener: TcpListener) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
            continue;
        };
        // Without it answers are slower, nothing else.
        let _ = stream.set_nodelay(true);
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            let service = service_fn(|request| answer(Arc::clone(&world), request));
            // A connection that breaks is the other side's business.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(
    world: Arc<World>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Hangup> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
    let body = body.map_err(|_| Hangup)?.to_bytes();
    let path = head.uri.path().to_owned();
    let steps: Vec<&str> = path.split('/').skip(1).collect();
    if steps.first() == Some(&"control") {
        return Ok(control::answer(&world, &head.method, &steps[1..], &body).into());
    }
    let submits = head.method == Method::POST;
    wait_out_blackout(&world, protocol_of(&steps).filter(|_| submits)).await?;
    let call = Call {
        world: &world,
        post: head.method == Method::POST,
        authorized: head.headers.contains_key(header::AUTHORIZATION),
        body: &body,
    };
    let answer = match (steps.as_slice(), head.method) {
        (["v2", "messages"], Method::POST) | (["v2", "messages", "long_code"], Method::POST) => {
            call.telnyx().await
        }
        (["v2", "messages", id], Method::GET) => call.telnyx_read(id),
        (["2010-04-01", "Accounts", account, "Messages.json"], Method::POST | Method::GET) => {
            call.twilio(account).await
        }
        (["2010-04-01", "Accounts", account, "Messages", file], Method::GET) => {
            call.twilio_read(account, file)
        }
        ([version, id, "messages"], Method::POST) if is_version(version) => call.whatsapp(id).await,
        ([version, ..], _) if is_version(version) => whatsapp::not_found(),
        (["2010-04-01", ..], _) => twilio::not_found(),
        _ => telnyx::not_found(),
    };
    Ok(answer.into())
}

/// Holds a request for as long as a blackout lasts, and hangs up then: it was never answered.
async fn wait_out_blackout(world: &World, submits: Option<Protocol>) -> Result<(), Hangup> {
    let mut blackout = world.blackout.subscribe();
    if !*blackout.borrow_and_update() {
        return Ok(());
    }
    if let Some(protocol) = submits {
        world.counts.add(protocol, |counts| {
            counts.submits += 1;
            counts.unanswered += 1;
        });
    }
    // The sender lives as long as the world.
    let _ = blackout.wait_for(|blackout| !blackout).await;
    Err(Hangup)
}

fn protocol_of(steps: &[&str]) -> Option<Protocol> {
    match steps.first()? {
        &"v2" => Some(Protocol::Telnyx),
        &"2010-04-01" => Some(Protocol::Twilio),
        step if is_version(step) => Some(Protocol::WhatsApp),
        _ => None,
    }
}

/// Whether a step of a path is a version of the Graph API, as `v23.0`.
fn is_version(step: &str) -> bool {
    let Some((major, minor)) = step.strip_prefix('v').and_then(|rest| rest.split_once('.')) else {
        return false;
    };
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    number(major) && number(minor)
}

struct Call<'a> {
    world: &'a World,
    post: bool,
    authorized: bool,
    body: &'a [u8],
}

impl Call<'_> {
    async fn telnyx(&self) -> Answer {
        if !self.authorized {
            return telnyx::unauthorized();
        }
        let submitted = match telnyx::read(self.body) {
            Ok(submitted) => submitted,
            Err(answer) => return self.not_sendable(Protocol::Telnyx, answer),
        };
        match self
            .settle(self.world.judge(Protocol::Telnyx, submitted))
            .await
        {
            Settled::Throttled => telnyx::throttled(),
            Settled::Refused => telnyx::refused(),
            Settled::Taken(record) => telnyx::accepted(&record),
        }
    }

    fn telnyx_read(&self, id: &str) -> Answer {
        if !self.authorized {
            return telnyx::unauthorized();
        }
        let known = self.world.book().find(id);
        known.map_or_else(telnyx::not_found, |record| telnyx::shown(&record))
    }

    async fn twilio(&self, account: &str) -> Answer {
        if !self.authorized {
            return twilio::unauthorized();
        }
        if !self.post {
            let book = self.world.book();
            let own = book.newest().map(|record| &**record).filter(|record| {
                record.protocol == Protocol::Twilio && &*record.submitted.account == account
            });
            return twilio::listed(account, own);
        }
        let submitted = match twilio::read(account, self.body) {
            Ok(submitted) => submitted,
            Err(answer) => return self.not_sendable(Protocol::Twilio, answer),
        };
        match self
            .settle(self.world.judge(Protocol::Twilio, submitted))
            .await
        {
            Settled::Throttled => twilio::throttled(),
            Settled::Refused => twilio::refused(),
            Settled::Taken(record) => twilio::accepted(&record),
        }
    }

    fn twilio_read(&self, account: &str, file: &str) -> Answer {
        if !self.authorized {
            return twilio::unauthorized();
        }
        let sid = file.strip_suffix(".json").unwrap_or(file);
        let known = self.world.book().find(sid);
        known
            .filter(|record| &*record.submitted.account == account)
            .map_or_else(twilio::not_found, |record| twilio::shown(&record))
    }

    async fn whatsapp(&self, phone_number_id: &str) -> Answer {
        if !self.authorized {
            return whatsapp::unauthorized();
        }
        let submitted = match whatsapp::read(phone_number_id, self.body) {
            Ok(Asked::Send(submitted)) => submitted,
            Ok(Asked::MarkRead) => return whatsapp::marked(),
            Err(answer) => return self.not_sendable(Protocol::WhatsApp, answer),
        };
        match self
            .settle(self.world.judge(Protocol::WhatsApp, submitted))
            .await
        {
            Settled::Throttled => whatsapp::throttled(),
            Settled::Refused => whatsapp::refused(),
            Settled::Taken(record) => whatsapp::accepted(&record),
        }
    }

    fn not_sendable(&self, protocol: Protocol, answer: Answer) -> Answer {
        self.world.counts.add(protocol, |counts| {
            counts.submits += 1;
            counts.refused += 1;
        });
        answer
    }

    /// Does what comes before the answer; never returns when there is to be none.
    async fn settle(&self, verdict: Verdict) -> Settled {
        match verdict {
            Verdict::Throttle => Settled::Throttled,
            Verdict::Refuse => Settled::Refused,
            Verdict::Ignore => never().await,
            Verdict::Take {
                record,
                early,
                answered,
            } => {
                if let Some(event) = early {
                    self.world.tell_early(&record, event).await;
                }
                if !answered {
                    never().await
                } else {
                    Settled::Taken(record)
                }
            }
        }
    }
}

enum Settled {
    Throttled,
    Refused,
    Taken(Arc<super::record::Record>),
}

/// Leaves a request without an answer until the other side gives up.
async fn never() -> Settled {
    match pending::<Infallible>().await {}
}
