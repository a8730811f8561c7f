//! Latency: from a carrier's signed callback to the endpoint, at a fixed rate.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use didfarm_loadtest::callbacks::FloodReport;
use didfarm_loadtest::inbound::letter::sequence_of;
use didfarm_loadtest::inbound::{Entrance, InboundFloodPlan, Taken};
use didfarm_loadtest::sink::Received;
use didfarm_loadtest::{Keys, LatencyReport, Pace, Sink, SinkPlan};
use serde_json::{Value, json};

use super::api::Api;
use super::receiver::all_arrive;
use super::{DRAIN_S, Place, end, flood, flood_plan};
use crate::daemon::Daemon;

/// The carrier's name in the daemon's settings.
const CARRIER: &str = "tx";
/// Where the carrier would be told to call; what comes in does not depend on it.
const PUBLIC_URL: &str = "https://sms.example.org";
/// Where events go.
const PATH: &str = "/ok/latency";
/// Requests that the sink keeps: as many as it can.
const REQUESTS_KEPT: usize = didfarm_loadtest::sink::REQUESTS_KEPT_MAX;
/// The run that is measured; the one before it is the warm-up.
const MEASURED: u32 = 2;
/// Peers that write.
const PEERS: u64 = 10_000;

/// Arguments of this part.
#[derive(Debug, Clone, Args)]
pub struct LatencyArgs {
    /// Callbacks a second, open loop.
    #[arg(long, default_value_t = 1_000.0)]
    latency_rate: f64,
    /// How long callbacks come before those that are measured, in seconds.
    #[arg(long, default_value_t = 3.0)]
    latency_warm_up_seconds: f64,
    /// How long callbacks are measured, in seconds.
    #[arg(long, default_value_t = 30.0)]
    latency_seconds: f64,
}

/// What was measured.
struct Measured {
    callbacks: FloodReport,
    /// From the callback's intended start to the event at the sink.
    from_due: LatencyReport,
    /// From the callback's 200 to the event at the sink; zero when the event was first.
    from_accepted: LatencyReport,
    events: usize,
}

/// Measures and prints.
pub(super) fn run(args: &LatencyArgs, place: &Place) -> Result<()> {
    let measured = measure(args, place)?;
    println!(
        "| {} signed inbound callbacks/s for {} s, one endpoint | p50 / p99 / max (ms) |\n|---|---|",
        args.latency_rate, args.latency_seconds
    );
    for (name, latency) in [
        (
            "callback sent, by the schedule, to its 200",
            measured.callbacks.latency,
        ),
        (
            "callback sent, by the schedule, to the event at the endpoint",
            measured.from_due,
        ),
        (
            "callback's 200 to the event at the endpoint (0 if it was first)",
            measured.from_accepted,
        ),
    ] {
        println!(
            "| {name} | {:.2} / {:.2} / {:.1} |",
            latency.p50_ms, latency.p99_ms, latency.max_ms
        );
    }
    println!(
        "| events arrived, each once and rightly signed / lost or doubled | {} / 0 |\n",
        measured.events
    );
    Ok(())
}

fn measure(args: &LatencyArgs, place: &Place) -> Result<Measured> {
    let messages = args.latency_rate * (args.latency_warm_up_seconds + args.latency_seconds);
    ensure!(
        messages <= REQUESTS_KEPT as f64,
        "the sink keeps {REQUESTS_KEPT} requests only; measure for a shorter time"
    );
    let dir = place.scratch_dir()?;
    let keys = Arc::new(Keys::default());
    let plan = place
        .plan(dir.path())?
        .with("DIDFARM__CARRIERS", &carriers(&keys))
        .with("DIDFARM__ROUTES", &routes())
        .with("DIDFARM__CALLBACKS__PUBLIC_BASE_URL", PUBLIC_URL);
    let daemon = Daemon::start(&plan)?;
    let api = Api::new(&daemon, &plan)?;
    let sink = verifying_sink(&api)?;
    let flood_for = |run, seconds| {
        flood(&InboundFloodPlan {
            entrance: Entrance::Telnyx {
                carrier: CARRIER.to_owned(),
                keys: Arc::clone(&keys),
            },
            pace: Pace::Open {
                rate_per_second: args.latency_rate,
            },
            duration: Duration::try_from_secs_f64(seconds)?,
            is_timed: run == MEASURED,
            keep_taken: true,
            ..flood_plan(&daemon.http, run, PEERS)?
        })
    };
    let warm_up = flood_for(MEASURED - 1, args.latency_warm_up_seconds)?.report;
    let outcome = flood_for(MEASURED, args.latency_seconds)?;
    let events = warm_up.taken + outcome.report.taken;
    all_arrive(&sink, PATH, events, Duration::from_secs(DRAIN_S))?;
    let from_due = sink.report().paths[PATH].latency;
    let waits_us = waits(&outcome.taken, &sink.latest(PATH))?;
    end(daemon)?;
    Ok(Measured {
        from_due: from_due.context("no event had a time")?,
        from_accepted: distribution(&waits_us),
        events: waits_us.len(),
        callbacks: outcome.report,
    })
}

/// An endpoint, and a sink in its place that checks its signatures.
fn verifying_sink(api: &Api) -> Result<Sink> {
    let listen = free_port()?;
    let url = format!("http://{listen}{PATH}");
    let secret = api.create(&url, json!({}))?.secret;
    Ok(Sink::start(&SinkPlan {
        listen,
        secrets: vec![secret.context("a new endpoint has no secret")?],
        requests_kept: REQUESTS_KEPT,
    })?)
}

fn free_port() -> Result<SocketAddr> {
    // Another process could take it before the sink does; then the bench fails and says so.
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

fn routes() -> String {
    format!(
        r#"[{{ channel = "sms", targets = [{{ carrier = "{CARRIER}" }}] }}, {{ channel = "whatsapp", targets = [{{ carrier = "simulator" }}] }}]"#
    )
}

fn carriers(keys: &Keys) -> String {
    let public_key = keys.telnyx_public();
    // Nothing is ever submitted to it.
    format!(
        r#"[{{ id = 2, name = "{CARRIER}", telnyx = {{ base_url = "http://127.0.0.1:9", api_key = "key", public_key = "{public_key}" }} }}]"#
    )
}

/// From each callback's 200 to its event's arrival, in microseconds.
///
/// # Errors
/// When a message of the run has no event, or two.
fn waits(taken: &[Taken], arrived: &[Received]) -> Result<Vec<u64>> {
    let mut at_us = HashMap::with_capacity(taken.len());
    for received in arrived {
        let Some(sequence) = sequence(received)? else {
            continue;
        };
        let doubled = at_us.insert(sequence, received.at_us).is_some();
        ensure!(!doubled, "message {sequence} came as two events");
    }
    ensure!(
        at_us.len() == taken.len(),
        "{} messages were taken, and {} came as events",
        taken.len(),
        at_us.len()
    );
    let wait = |taken: &Taken| {
        let at_us = at_us.get(&taken.sequence);
        let at_us = at_us.with_context(|| format!("message {} is lost", taken.sequence))?;
        Ok(at_us.saturating_sub(taken.answered_us))
    };
    taken.iter().map(wait).collect()
}

/// Which message of the measured run a request tells of.
fn sequence(received: &Received) -> Result<Option<u64>> {
    let payload: Value = serde_json::from_str(&received.body)?;
    let text = payload["body"].as_str();
    let text = text.with_context(|| format!("an event has no text: {payload}"))?;
    Ok(sequence_of(MEASURED, text))
}

fn distribution(values_us: &[u64]) -> LatencyReport {
    let mut histogram = didfarm_loadtest::tally::microseconds();
    for value in values_us {
        histogram.saturating_record(*value);
    }
    LatencyReport::of(&histogram)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(sequence: u64, at_us: u64) -> Received {
        let text = format!("Load test inbound {MEASURED:08x}-{sequence:010} t=5");
        Received {
            path: PATH.into(),
            at_us,
            webhook_id: String::new(),
            webhook_timestamp: String::new(),
            webhook_signature: String::new(),
            twilio_signature: String::new(),
            body_bytes: 0,
            body: json!({ "body": text }).to_string(),
        }
    }

    #[test]
    fn every_message_has_one_event_and_waits_from_its_answer_on() {
        let taken = [0, 1].map(|sequence| Taken {
            sequence,
            due_us: 100,
            answered_us: 200,
        });
        let both = [received(1, 250), received(0, 190)];
        assert_eq!(waits(&taken, &both).unwrap(), [0, 50]);
        let doubled = waits(&taken, &[received(1, 250), received(1, 260)]);
        assert!(doubled.unwrap_err().to_string().contains("two events"));
        assert!(waits(&taken, &[received(1, 250), received(2, 260)]).is_err());
        assert!(waits(&taken, &both[..1]).is_err());
    }
}
