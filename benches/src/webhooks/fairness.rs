//! Fairness: the latency of healthy endpoints, with all others sound and with one in ten dead and one in ten slow.
//!
//! Every endpoint has a number of its own and is told of its messages only. Rounds of both kinds take turns, each on a
//! fresh daemon; the healthy endpoints are the same in all of them.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use didfarm_loadtest::inbound::InboundFloodPlan;
use didfarm_loadtest::{LatencyReport, Pace, Sink};
use serde_json::json;

use super::api::{Api, Endpoint};
use super::receiver::{self, ensure_once, wait_until};
use super::{DRAIN_S, Place, end, flood, flood_plan};
use crate::daemon::Daemon;
use crate::load::median;

/// Endpoints: as many as an account may have.
const ENDPOINTS: u64 = 200;
/// One in so many is dead, and one in so many is slow.
const SICK_ONE_IN: u64 = 10;
/// How long a slow endpoint takes, in milliseconds: just within the daemon's timeout.
const SLOW_MS: u64 = 9_000;
/// The first of the endpoints' numbers.
const NUMBER_BASE: u64 = 31_205_000_000;
/// Peers that write to each number.
const PEERS: u64 = 20;

/// Arguments of this part.
#[derive(Debug, Clone, Args)]
pub struct FairnessArgs {
    /// Events a second over all endpoints.
    #[arg(long, default_value_t = 1_000.0)]
    fairness_rate: f64,
    /// How long events come before those that are measured, in seconds.
    #[arg(long, default_value_t = 5.0)]
    fairness_warm_up_seconds: f64,
    /// How long events are measured, in seconds.
    #[arg(long, default_value_t = 30.0)]
    fairness_seconds: f64,
    /// Rounds of each kind.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    fairness_rounds: u32,
}

/// What an endpoint is in a round with sick ones; in the others all are sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Healthy,
    Dead,
    Slow,
}

impl Kind {
    fn of(place: u64) -> Self {
        match place % SICK_ONE_IN {
            0 => Self::Dead,
            1 => Self::Slow,
            _ => Self::Healthy,
        }
    }

    /// The endpoint's path: its first step is what the sink sums up by, and the healthy ones have theirs alone.
    fn path(self, place: u64, with_sick: bool) -> String {
        match (self, with_sick) {
            (Self::Healthy, _) => format!("/ok/{place}"),
            (Self::Dead, true) => format!("/dead/{place}"),
            (Self::Slow, true) => format!("/slow/{place}?ms={SLOW_MS}"),
            (Self::Dead | Self::Slow, false) => format!("/status/200/{place}"),
        }
    }

    /// Events for all endpoints of this kind, of a run of so many messages to all numbers in turn.
    fn events(self, messages: u64) -> u64 {
        let (turns, rest) = (messages / ENDPOINTS, messages % ENDPOINTS);
        let of_place = |place: u64| turns + u64::from(place < rest);
        let places = (0..ENDPOINTS).filter(|place| Self::of(*place) == self);
        places.map(of_place).sum()
    }
}

/// Measures and prints.
pub(super) fn run(args: &FairnessArgs, place: &Place) -> Result<()> {
    let (mut sound, mut sick) = (Vec::new(), Vec::new());
    for _ in 0..args.fairness_rounds {
        sound.push(round(args, place, false)?);
        sick.push(round(args, place, true)?);
    }
    let of = |rounds: &[LatencyReport], read: fn(&LatencyReport) -> f64| {
        let values: Vec<f64> = rounds.iter().map(read).collect();
        (median(&values), each(&values))
    };
    let healthy = ENDPOINTS - 2 * ENDPOINTS / SICK_ONE_IN;
    println!(
        "| {healthy} healthy of {ENDPOINTS} endpoints, {} events/s over all, {} rounds of {} s | All sound | 1 in {SICK_ONE_IN} dead, 1 in {SICK_ONE_IN} slow | Moved |\n|---|---|---|---|",
        args.fairness_rate, args.fairness_rounds, args.fairness_seconds
    );
    for (name, read) in [
        ("p50", (|report| report.p50_ms) as fn(&LatencyReport) -> f64),
        ("p99", |report| report.p99_ms),
    ] {
        let ((before, befores), (after, afters)) = (of(&sound, read), of(&sick, read));
        println!(
            "| {name} from the message's intended start to the endpoint (ms, median of {befores}; of {afters}) | {before:.2} | {after:.2} | {:+.1} % |",
            (after / before - 1.0) * 100.0
        );
    }
    println!("| events of healthy endpoints lost or doubled | 0 | 0 | |\n");
    Ok(())
}

fn each(values: &[f64]) -> String {
    let values: Vec<String> = values.iter().map(|value| format!("{value:.2}")).collect();
    values.join(", ")
}

/// One round on a fresh daemon: the healthy endpoints' latency.
fn round(args: &FairnessArgs, place: &Place, with_sick: bool) -> Result<LatencyReport> {
    let dir = place.scratch_dir()?;
    let plan = place.plan(dir.path())?;
    let daemon = Daemon::start(&plan)?;
    let api = Api::new(&daemon, &plan)?;
    let sink = receiver::sink()?;
    let endpoints = endpoints(&api, &sink, with_sick)?;
    let mut messages = Vec::new();
    for (run, seconds) in [
        (1, args.fairness_warm_up_seconds),
        (2, args.fairness_seconds),
    ] {
        let taken = flood(&InboundFloodPlan {
            numbers: (0..ENDPOINTS).map(number).collect(),
            pace: Pace::Open {
                rate_per_second: args.fairness_rate,
            },
            duration: Duration::try_from_secs_f64(seconds)?,
            is_timed: run == 2,
            ..flood_plan(&daemon.http, run, PEERS)?
        })?;
        messages.push(taken.report.taken);
    }
    let events = |kind: Kind| -> u64 { messages.iter().map(|one| kind.events(*one)).sum() };
    let healthy = healthy_ones(&sink, events(Kind::Healthy))?;
    let timed = Kind::Healthy.events(messages[1]);
    ensure!(
        healthy.timed == timed,
        "{} latencies of {timed} events",
        healthy.timed
    );
    match with_sick {
        true => account_for_sick(&api, &sink, &endpoints, events)?,
        false => all_of(&sink, "status", events(Kind::Dead) + events(Kind::Slow))?,
    }
    let latency = healthy.latency.context("no event had a time")?;
    eprintln!("with sick ones: {with_sick}; healthy ones: {latency}");
    end(daemon)?;
    Ok(latency)
}

fn number(place: u64) -> String {
    format!("+{}", NUMBER_BASE + place)
}

/// Hosts the numbers and makes their endpoints, in the order of their places.
fn endpoints(api: &Api, sink: &Sink, with_sick: bool) -> Result<Vec<Endpoint>> {
    let make = |place| {
        let number = number(place);
        api.host(&number)?;
        let url = sink.url(&Kind::of(place).path(place, with_sick));
        api.create(&url, json!({ "numbers": [number] }))
    };
    (0..ENDPOINTS).map(make).collect()
}

fn healthy_ones(sink: &Sink, events: u64) -> Result<didfarm_loadtest::sink::EndpointReport> {
    all_of(sink, "ok", events)?;
    let report = sink.report();
    report.kinds.get("ok").copied().context("no event came")
}

/// Waits until all events of one kind of path are there, each once.
fn all_of(sink: &Sink, kind: &str, events: u64) -> Result<()> {
    let what = format!("{events} events come to the endpoints /{kind}");
    let read = || {
        let report = sink.report();
        report.kinds.get(kind).map(|kind| kind.counts)
    };
    wait_until(&what, Duration::from_secs(DRAIN_S), || {
        Ok(read().is_some_and(|counts| counts.unique_ids >= events))
    })?;
    let counts = read().context("no event came")?;
    ensure!(
        counts.unique_ids == events,
        "{} events came to the endpoints /{kind}, and {events} were made",
        counts.unique_ids
    );
    ensure_once(kind, &counts)
}

/// Every event of a dead endpoint waits; of a slow one it was answered, or waits.
fn account_for_sick(
    api: &Api,
    sink: &Sink,
    endpoints: &[Endpoint],
    events: impl Fn(Kind) -> u64,
) -> Result<()> {
    let pending = |kind: Kind| -> Result<u64> {
        let now = api.endpoints()?;
        let places = (0..ENDPOINTS).zip(endpoints);
        let ids: Vec<&str> = places
            .filter(|(place, _)| Kind::of(*place) == kind)
            .map(|(_, endpoint)| endpoint.id.as_str())
            .collect();
        let those = now
            .iter()
            .filter(|endpoint| ids.contains(&endpoint.id.as_str()));
        Ok(those.map(|endpoint| endpoint.pending).sum())
    };
    let dead = events(Kind::Dead);
    let what = format!("{dead} events wait for the dead endpoints");
    wait_until(&what, Duration::from_secs(DRAIN_S), || {
        Ok(pending(Kind::Dead)? == dead)
    })?;
    let waiting = pending(Kind::Slow)?;
    let report = sink.report();
    let slow = report.kinds.get("slow").context("no event came")?.counts;
    ensure_once("slow", &slow)?;
    // Those that are answered after the first look count twice, so that less than all is lost for certain.
    ensure!(
        waiting + slow.succeeded >= events(Kind::Slow),
        "{waiting} events wait for the slow endpoints and {} were answered, of {}",
        slow.succeeded,
        events(Kind::Slow)
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_is_an_event_of_one_endpoint() {
        for messages in [0, 1, 199, 1_000, 30_007] {
            let sum: u64 = [Kind::Healthy, Kind::Dead, Kind::Slow]
                .map(|kind| kind.events(messages))
                .iter()
                .sum();
            assert_eq!(sum, messages);
        }
        assert_eq!(Kind::Healthy.events(1_000), 800);
    }
}
