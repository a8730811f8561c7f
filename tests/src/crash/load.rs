//! The load of one cycle: every connection sends, one message after the other, until the daemon is gone.

use std::time::Duration;

use anyhow::{Result, ensure};
use hyper::Method;
use serde_json::json;
use tokio::task::JoinHandle;

use super::dice::Dice;
use super::tally::{Acknowledged, Sent};
use crate::customer::{Customer, NUMBER, NUMBER_2, text};
use crate::peers::{fated, peer};

/// Peers that messages go to: few, so that conversations grow and are passivated and loaded again.
const PEERS: u64 = 400;
/// One message in so many goes to a peer with a fate of its own.
const FATED_ONE_IN: u64 = 10;
/// The simulator's fates.
const FATES: u64 = 9;
/// One message in so many takes three segments.
const LONG_ONE_IN: u64 = 10;
/// Characters of a long body: three segments of GSM-7, 153 characters each.
const LONG_CHARS: usize = 400;
/// The longest pause between two messages of one connection, in milliseconds: it keeps what a loop
/// stores small, and the connections out of step.
const PAUSE_MS_MAX: u64 = 20;

/// Starts every connection.
pub(super) fn start(
    customer: &Customer,
    cycle: u32,
    connections: usize,
    dice: &mut Dice,
) -> Vec<JoinHandle<Result<Sent>>> {
    (0..connections)
        .map(|connection| {
            let sender = Sender {
                customer: customer.clone(),
                name: format!("{cycle}-{connection}"),
                dice: dice.split(),
            };
            tokio::spawn(sender.run())
        })
        .collect()
}

struct Sender {
    customer: Customer,
    name: String,
    dice: Dice,
}

impl Sender {
    async fn run(mut self) -> Result<Sent> {
        let mut sent = Sent::default();
        for n in 0u64.. {
            let (from, to, body, segments) = self.message(n);
            let request = json!({ "from": from, "to": to, "body": body });
            let asked = self
                .customer
                .try_ask(Method::POST, "/api/v1/sms/messages", Some(&request));
            let Ok(answer) = asked.await else {
                sent.unanswered = Some(body);
                break;
            };
            ensure!(
                answer.status == 201,
                "a send was answered {}: {}",
                answer.status,
                answer.text()
            );
            sent.acknowledged.push(Acknowledged {
                id: text(&answer.json()["data"], "id"),
                to,
                body,
                segments,
            });
            let pause_ms = self.dice.between(0, PAUSE_MS_MAX);
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        }
        Ok(sent)
    }

    fn message(&mut self, n: u64) -> (&'static str, String, String, u64) {
        let from = if self.dice.one_in(2) {
            NUMBER
        } else {
            NUMBER_2
        };
        let to = if self.dice.one_in(FATED_ONE_IN) {
            fated(self.dice.between(1, FATES) as u16)
        } else {
            peer(self.dice.between(0, PEERS - 1) as u32)
        };
        let mut body = format!("crash {}-{n}.", self.name);
        let mut segments = 1;
        if self.dice.one_in(LONG_ONE_IN) {
            body.extend(std::iter::repeat_n('x', LONG_CHARS - body.len()));
            segments = 3;
        }
        (from, to, body, segments)
    }
}
