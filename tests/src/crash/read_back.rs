//! Reading back: what was acknowledged is asked for over HTTP, and held against what was sent.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::WALLET_MICROS;
use super::tally::{Acknowledged, Tally};
use crate::customer::{Customer, assert_forward, text};
use crate::daemon::Daemon;
use crate::wait::{eventually, within};

/// What one segment costs, in millionths of a euro.
const SEGMENT_MICROS: i64 = 8_000;
/// Millionths in a euro.
const MICROS_PER_EURO: f64 = 1e6;
/// The longest that a recovered daemon may take to submit what is queued.
const SETTLE_BOUND: Duration = Duration::from_secs(60);

/// Reads every given message by its id, over so many connections.
///
/// # Errors
/// One is missing or not as it was acknowledged.
pub(super) async fn messages(
    customer: &Customer,
    acknowledged: &[Acknowledged],
    connections: usize,
) -> Result<()> {
    let share = acknowledged.len().div_ceil(connections).max(1);
    let readers: Vec<_> = acknowledged
        .chunks(share)
        .map(|share| {
            let (customer, share) = (customer.clone(), share.to_vec());
            tokio::spawn(async move {
                for message in &share {
                    check(&customer, message).await?;
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for reader in readers {
        reader.await??;
    }
    Ok(())
}

async fn check(customer: &Customer, wanted: &Acknowledged) -> Result<()> {
    let id = &wanted.id;
    let answer = customer.get(&format!("/api/v1/sms/messages/{id}")).await;
    ensure!(
        answer.status == 200,
        "{id} was acknowledged and is lost: {}",
        answer.text()
    );
    let found = answer.json()["data"].clone();
    ensure!(
        found["body"] == wanted.body && found["to"] == wanted.to,
        "{id} is not what was acknowledged: {found}"
    );
    let cost = found["cost"].as_f64().unwrap_or_default();
    let cost_micros = (cost * MICROS_PER_EURO).round() as u64;
    ensure!(
        found["segments"] == wanted.segments
            && cost_micros == wanted.segments * SEGMENT_MICROS.unsigned_abs(),
        "{id} is charged wrongly: {found}"
    );
    assert_forward(&found);
    let status = text(&found, "status");
    ensure!(
        possible(&wanted.to).contains(&&*status),
        "{id} to {} cannot be {status}: {found}",
        wanted.to
    );
    ensure!(
        (found["refunded"] == true) == (status == "failed" && wanted.to.ends_with("0001")),
        "{id} is refunded wrongly: {found}"
    );
    Ok(())
}

/// The statuses that a message may have, by its fate. A kill takes the simulator's answers and receipts
/// with it, so a message may stay `sending` in doubt, or `sent`.
fn possible(to: &str) -> &'static [&'static str] {
    match &to[to.len() - 4..] {
        "0001" => &["queued", "sending", "failed"],
        "0002" => &["queued", "sending", "sent", "failed"],
        "0003" => &["queued", "sending", "sent"],
        "0007" | "0009" => &["queued", "sending"],
        "0008" => &["queued", "sending", "sent", "failed", "delivered"],
        _ => &["queued", "sending", "sent", "delivered"],
    }
}

/// Reads a whole store: every acknowledged message by its id, then the list, in which nothing is twice
/// and nothing is that was not sent, then the wallet. Returns how many are stored unacknowledged.
///
/// # Errors
/// Something is missing, wrong, there twice, or charged and not there.
pub(super) async fn store(daemon: &Daemon, tally: &Tally, connections: usize) -> Result<u64> {
    let customer = daemon.customer();
    eventually("everything queued is submitted", SETTLE_BOUND, async || {
        let queued = customer.all("/api/v1/portal/sms?status=queued&limit=100");
        queued.await.is_empty().then_some(())
    })
    .await;
    messages(&customer, tally.acknowledged(), connections).await?;

    let mut acknowledged: HashMap<&str, &Acknowledged> = tally
        .acknowledged()
        .iter()
        .map(|message| (&*message.body, message))
        .collect();
    ensure!(
        acknowledged.len() == tally.acknowledged().len(),
        "two messages had one body: the loop itself is wrong"
    );
    let mut unacknowledged = HashMap::new();
    for row in customer.all("/api/v1/portal/sms?limit=100").await {
        let body = text(&row, "body");
        if acknowledged.remove(&*body).is_some() {
            continue;
        }
        ensure!(
            tally.is_unanswered(&body),
            "this message is there twice or was never sent: {row}"
        );
        if let Some(other) = unacknowledged.insert(body, row.clone()) {
            bail!("one message is there twice: {other} and {row}");
        }
    }
    if let Some(message) = acknowledged.into_values().next() {
        bail!("{message:?} can be read and is in no list");
    }
    // What was submitted after the recovery may still be refused and given back.
    let balanced = within(SETTLE_BOUND, async || {
        let checked = wallet(daemon, &customer, tally, unacknowledged.values()).await;
        checked.ok()
    });
    if balanced.await.is_none() {
        wallet(daemon, &customer, tally, unacknowledged.values()).await?;
    }
    Ok(unacknowledged.len() as u64)
}

/// The wallet holds what it started with, less every stored message's charge that was not given back.
async fn wallet(
    daemon: &Daemon,
    customer: &Customer,
    tally: &Tally,
    unacknowledged: impl Iterator<Item = &Value>,
) -> Result<()> {
    let mut micros = WALLET_MICROS;
    let acknowledged = tally.acknowledged().iter();
    let mut refundable = Vec::new();
    for message in acknowledged {
        micros -= message.segments as i64 * SEGMENT_MICROS;
        if message.to.ends_with("0001") {
            refundable.push((message.id.clone(), message.segments as i64));
        }
    }
    for row in unacknowledged {
        let segments = row["segments"].as_i64().context("a row has segments")?;
        micros -= segments * SEGMENT_MICROS;
        if text(row, "to").ends_with("0001") {
            refundable.push((row["id"].to_string(), segments));
        }
    }
    for (id, segments) in refundable {
        if customer.message(&id).await["refunded"] == true {
            micros += segments * SEGMENT_MICROS;
        }
    }
    let balance = daemon.operator().demo_balance_micros().await;
    ensure!(
        balance == micros,
        "the wallet holds {balance} and not {micros} millionths of a euro"
    );
    Ok(())
}
