//! The control endpoint: counts, behaviour, inbound messages.
//!
//! `GET /control` counts; `POST /control` changes what its JSON names; `POST /control/inbound` sends an inbound
//! message the carrier's way. It answers during a blackout, too.

use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::answer::Answer;
use super::faults::FaultsChange;
use super::post::Post;
use super::record::Protocol;
use super::smsc::outbound::Outbound;
use super::world::{Due, World};
use super::{telnyx, twilio, whatsapp};

/// The most parts of an inbound message.
const PARTS_MAX: u8 = 255;
/// The Twilio account that inbound messages come to unless another is named.
const TWILIO_ACCOUNT: &str = "AC00000000000000000000000000000001";

#[derive(Deserialize)]
struct Change {
    #[serde(flatten)]
    faults: FaultsChange,
    callback: Option<String>,
    inbound_telnyx: Option<String>,
    inbound_twilio: Option<String>,
    /// Ends every bind without an unbind.
    #[serde(default)]
    drop_binds: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Inbound {
    protocol: Protocol,
    from: String,
    to: String,
    #[serde(default)]
    body: String,
    #[serde(default = "one")]
    parts: u8,
    /// The webhook, in place of the one in the settings.
    url: Option<String>,
    /// The Twilio account.
    account: Option<String>,
}

fn one() -> u8 {
    1
}

/// Answers a request to `/control…`; `steps` are those behind it.
pub fn answer(world: &World, method: &Method, steps: &[&str], body: &[u8]) -> Answer {
    match (method, steps) {
        (&Method::GET, []) => Answer::new(200, json!(world.snapshot())),
        (&Method::POST, []) => parsed(body, |change| apply(world, change)),
        (&Method::POST, ["inbound"]) => parsed(body, |inbound| send(world, inbound)),
        _ => problem(
            404,
            "there is GET and POST /control, and POST /control/inbound",
        ),
    }
}

fn parsed<'a, T: Deserialize<'a>>(body: &'a [u8], then: impl FnOnce(T) -> Answer) -> Answer {
    match serde_json::from_slice(body) {
        Ok(value) => then(value),
        Err(error) => problem(400, &error.to_string()),
    }
}

fn problem(status: u16, detail: &str) -> Answer {
    Answer::new(status, json!({ "error": detail }))
}

fn apply(world: &World, change: Change) -> Answer {
    let applied = change.faults.applied(&world.faults());
    let faults = match applied {
        Ok(faults) => faults,
        Err(error) => return problem(400, &error.to_string()),
    };
    world.blackout.send_replace(faults.blackout);
    *world.faults() = faults;
    let mut addresses = world.addresses();
    addresses.callback = change.callback.or(addresses.callback.take());
    addresses.inbound_telnyx = change.inbound_telnyx.or(addresses.inbound_telnyx.take());
    addresses.inbound_twilio = change.inbound_twilio.or(addresses.inbound_twilio.take());
    drop(addresses);
    if change.drop_binds {
        world.esmes.drop_all();
    }
    Answer::new(200, json!(world.snapshot()))
}

fn send(world: &World, inbound: Inbound) -> Answer {
    if inbound.parts == 0 {
        return problem(400, &format!("parts must be 1 to {PARTS_MAX}"));
    }
    let id = world.message_id(inbound.protocol);
    let things = match inbound.protocol {
        Protocol::Smpp => match Outbound::message(
            &inbound.from,
            &inbound.to,
            &inbound.body,
            inbound.parts,
            world.number(),
        ) {
            Ok(parts) => parts.into_iter().map(Due::Deliver).collect(),
            Err(error) => return problem(400, &error.to_string()),
        },
        _ => match callback(world, &inbound, &id) {
            Some(post) => vec![Due::Post(Box::new(post))],
            None => {
                return problem(
                    409,
                    "no webhook is known for it; give url, or the option at the start",
                );
            }
        },
    };
    let count = things.len();
    for thing in things {
        if world.has_place(inbound.protocol) {
            world
                .counts
                .add(inbound.protocol, |counts| counts.inbound += 1);
            world.agenda.add(std::time::Duration::ZERO, thing);
        }
    }
    Answer::new(202, json!({ "id": id, "sends": count }))
}

fn callback(world: &World, inbound: &Inbound, id: &str) -> Option<Post> {
    let Inbound { from, to, body, .. } = inbound;
    let addresses = world.addresses();
    let url = |known: &Option<String>| inbound.url.clone().or_else(|| known.clone());
    let parts = u16::from(inbound.parts);
    match inbound.protocol {
        Protocol::Telnyx => {
            let url = url(&addresses.inbound_telnyx)?;
            Some(telnyx::inbound(&url, id, from, to, body, parts))
        }
        Protocol::Twilio => {
            let url = url(&addresses.inbound_twilio)?;
            let account = inbound.account.as_deref().unwrap_or(TWILIO_ACCOUNT);
            Some(twilio::inbound(&url, account, id, from, to, body, parts))
        }
        Protocol::WhatsApp => {
            let url = url(&addresses.callback)?;
            let phone_number_id = addresses.phone_number_id(to);
            let display = addresses.display_number(&phone_number_id);
            Some(whatsapp::inbound(
                &url,
                &phone_number_id,
                &display,
                id,
                from,
                body,
            ))
        }
        Protocol::Smpp => None,
    }
}
