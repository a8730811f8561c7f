//! Throughput: a backlog sent to one endpoint as fast as it goes, against the bare client; and live.
//!
//! The backlog is made while the endpoint's own rate is one a second, so that nearly all of it waits in the records;
//! then the rate is taken away. The bare client is measured before and after, and its better round is the floor.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use didfarm_loadtest::inbound::InboundFloodPlan;
use didfarm_loadtest::sink::report::Counts;
use didfarm_loadtest::{Sink, SinkPlan};
use serde_json::json;

use super::api::{Api, Endpoint};
use super::floor::{self, Template};
use super::receiver::{self, all_arrive, counts, per_second, wait_until};
use super::{DRAIN_S, Place, end, flood, flood_plan};
use crate::daemon::{Daemon, DaemonPlan};

/// Where events go while the rate holds them back.
const TRICKLE: &str = "/ok/trickle";
/// Where the backlog goes.
const DRAIN: &str = "/ok/drain";
/// Where events go live.
const LIVE: &str = "/ok/live";
/// Connections that make the backlog.
const FILLING_CONNECTIONS: usize = 256;

/// Arguments of this part.
#[derive(Debug, Clone, Args)]
pub struct ThroughputArgs {
    /// Events of the backlog.
    #[arg(long, default_value_t = 200_000)]
    backlog: u64,
    /// Conversations that they are of, and that write live.
    #[arg(long, default_value_t = 10_000)]
    backlog_peers: u64,
    /// Requests at once to the endpoint: the daemon's bound, and the bare client's number.
    #[arg(long, default_value_t = 64)]
    at_once: usize,
    /// Length of each of the bare client's rounds, in seconds.
    #[arg(long, default_value_t = 8.0)]
    floor_seconds: f64,
    /// How long messages come in live, in seconds.
    #[arg(long, default_value_t = 15.0)]
    live_seconds: f64,
    /// Connections by which they come in, each with one request in flight.
    #[arg(long, default_value_t = 64)]
    live_connections: usize,
}

/// The live round.
struct Live {
    inbound_per_second: f64,
    /// Webhooks that arrived while messages came in, a second.
    beside_per_second: f64,
    /// All webhooks, from the first to the last, a second.
    overall_per_second: f64,
    events: u64,
}

/// Measures and prints.
pub(super) fn run(args: &ThroughputArgs, place: &Place) -> Result<()> {
    let (before, drained, after) = backlog(args, place)?;
    let live = live(args, place)?;
    let (floor, daemon) = (before.max(after), per_second(&drained));
    println!("| What | Floor (bare client) | Daemon | Ratio |\n|---|---|---|---|");
    println!(
        "| a backlog of {} events to one endpoint, {} requests at once (webhooks/s; floor before, after: {before:.0}, {after:.0}) | {floor:.0} | {daemon:.0} | {:.2} |",
        args.backlog,
        args.at_once,
        daemon / floor
    );
    println!(
        "| live, closed loop, {} connections for {} s: inbound messages/s | | {:.0} | |",
        args.live_connections, args.live_seconds, live.inbound_per_second
    );
    println!(
        "| webhooks/s meanwhile, and until the last of {} | | {:.0}, {:.0} | |",
        live.events, live.beside_per_second, live.overall_per_second
    );
    println!("| events lost or doubled | | 0 | |\n");
    Ok(())
}

fn plan(args: &ThroughputArgs, place: &Place, dir: &tempfile::TempDir) -> Result<DaemonPlan> {
    let at_once = args.at_once.to_string();
    Ok(place
        .plan(dir.path())?
        .with("DIDFARM__WEBHOOKS__ENDPOINT_IN_FLIGHT_MAX", &at_once))
}

/// The floor before, what came of the backlog, and the floor after.
fn backlog(args: &ThroughputArgs, place: &Place) -> Result<(f64, Counts, f64)> {
    let dir = place.scratch_dir()?;
    let plan = plan(args, place, &dir)?;
    let daemon = Daemon::start(&plan)?;
    let api = Api::new(&daemon, &plan)?;
    let (sink, endpoint, template) = sample(&daemon, &api)?;
    let floor = |path| floor::measure(&sink, path, &template, args.at_once, args.floor_seconds);
    let before = floor("/ok/floor-before")?;
    flood(&InboundFloodPlan {
        messages_max: args.backlog,
        connections: FILLING_CONNECTIONS,
        progress: true,
        ..flood_plan(&daemon.http, 2, args.backlog_peers)?
    })?;
    api.caught_up()?;
    let drained = drain(args, &api, &sink, &endpoint)?;
    let after = floor("/ok/floor-after")?;
    end(daemon)?;
    Ok((before, drained, after))
}

/// An endpoint that is held back, one of its requests for the bare client, and a fresh sink in its place.
fn sample(daemon: &Daemon, api: &Api) -> Result<(Sink, Endpoint, Template)> {
    let keeping = Sink::start(&SinkPlan {
        requests_kept: 1,
        ..SinkPlan::default()
    })?;
    let held_back = json!({ "rate_per_second": 1 });
    let endpoint = api.create(&keeping.url(TRICKLE), held_back)?;
    flood(&InboundFloodPlan {
        messages_max: 1,
        connections: 1,
        ..flood_plan(&daemon.http, 1, 1)?
    })?;
    all_arrive(&keeping, TRICKLE, 1, Duration::from_secs(DRAIN_S))?;
    wait_until(
        "the first event is settled",
        Duration::from_secs(DRAIN_S),
        || Ok(api.pending(&endpoint.id)? == 0),
    )?;
    let latest = keeping.latest(TRICKLE);
    let template = Template::of(latest.first().context("the sink has kept no request")?)?;
    let listen = keeping.address();
    drop(keeping);
    let sink = Sink::start(&SinkPlan {
        listen,
        ..SinkPlan::default()
    })?;
    Ok((sink, endpoint, template))
}

/// Takes the rate away and waits until the whole backlog is there, each event once.
fn drain(args: &ThroughputArgs, api: &Api, sink: &Sink, endpoint: &Endpoint) -> Result<Counts> {
    let within = Duration::from_secs(DRAIN_S);
    let free = json!({ "url": sink.url(DRAIN), "rate_per_second": null });
    api.change(&endpoint.id, &free)?;
    let arrived = || counts(sink, TRICKLE).unique_ids + counts(sink, DRAIN).unique_ids;
    wait_until("the backlog arrives", within, || {
        Ok(arrived() >= args.backlog)
    })?;
    wait_until("nothing is pending", within, || {
        Ok(api.pending(&endpoint.id)? == 0)
    })?;
    let (trickled, drained) = (counts(sink, TRICKLE), counts(sink, DRAIN));
    receiver::ensure_once(TRICKLE, &trickled)?;
    receiver::ensure_once(DRAIN, &drained)?;
    let mut ids: HashSet<String> = sink.ids(TRICKLE).into_iter().collect();
    ids.extend(sink.ids(DRAIN));
    let (both, events) = (trickled.unique_ids + drained.unique_ids, ids.len() as u64);
    ensure!(
        both == args.backlog && events == args.backlog,
        "{events} events came, {both} counting those of both paths twice, of {}",
        args.backlog
    );
    Ok(drained)
}

/// Messages come in as fast as they are taken, with one endpoint that is told of them.
fn live(args: &ThroughputArgs, place: &Place) -> Result<Live> {
    let dir = place.scratch_dir()?;
    let plan = plan(args, place, &dir)?;
    let daemon = Daemon::start(&plan)?;
    let api = Api::new(&daemon, &plan)?;
    let sink = receiver::sink()?;
    api.create(&sink.url(LIVE), json!({}))?;
    let report = flood(&InboundFloodPlan {
        duration: Duration::try_from_secs_f64(args.live_seconds)?,
        connections: args.live_connections,
        ..flood_plan(&daemon.http, 1, args.backlog_peers)?
    })?
    .report;
    let meanwhile = counts(&sink, LIVE).unique_ids;
    let all = all_arrive(&sink, LIVE, report.taken, Duration::from_secs(DRAIN_S))?;
    end(daemon)?;
    Ok(Live {
        inbound_per_second: report.taken_per_second,
        beside_per_second: meanwhile as f64 / report.duration_s,
        overall_per_second: per_second(&all),
        events: report.taken,
    })
}
