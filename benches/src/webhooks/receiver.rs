//! The sink's side: waiting for what was taken to arrive, and whether each event came once.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use didfarm_loadtest::sink::report::Counts;
use didfarm_loadtest::{Sink, SinkPlan};

/// Pause between two looks, in milliseconds: each look at the sink holds it up for a moment.
const LOOK_PAUSE_MS: u64 = 100;

/// Starts a sink.
pub(super) fn sink() -> Result<Sink> {
    Ok(Sink::start(&SinkPlan::default())?)
}

/// Waits until something is so.
///
/// # Errors
/// When looking fails, or it is not so in time.
pub(super) fn wait_until(
    what: &str,
    within: Duration,
    mut so: impl FnMut() -> Result<bool>,
) -> Result<()> {
    let deadline = Instant::now() + within;
    while !so()? {
        if Instant::now() >= deadline {
            bail!("it has not come to pass in {within:?}: {what}");
        }
        std::thread::sleep(Duration::from_millis(LOOK_PAUSE_MS));
    }
    Ok(())
}

/// What came to a path so far.
pub(super) fn counts(sink: &Sink, path: &str) -> Counts {
    let report = sink.report();
    report
        .paths
        .get(path)
        .map_or_else(Counts::default, |endpoint| endpoint.counts)
}

/// Waits until this many different events came to a path, and makes sure that each came once.
///
/// # Errors
/// When they do not come in time, or [`ensure_once`] says so.
pub(super) fn all_arrive(sink: &Sink, path: &str, events: u64, within: Duration) -> Result<Counts> {
    let what = format!("{events} events come to {path}");
    wait_until(
        &what,
        within,
        || Ok(counts(sink, path).unique_ids >= events),
    )?;
    let counts = counts(sink, path);
    ensure!(
        counts.unique_ids == events,
        "{} events came to {path}, and {events} were made",
        counts.unique_ids
    );
    ensure_once(path, &counts)?;
    Ok(counts)
}

/// Makes sure that no event came to a path behind its own success, none was unreadable and none wrongly signed.
///
/// # Errors
/// When that is not so, with the counts.
pub(super) fn ensure_once(path: &str, counts: &Counts) -> Result<()> {
    let wrong = counts.doubled
        + counts.without_id
        + counts.unkept
        + counts.bad_signatures
        + counts.stale
        + counts.unreadable;
    ensure!(wrong == 0, "what came to {path} is not right: {counts:?}");
    Ok(())
}

/// Events a second between the first and the last arrival.
pub(super) fn per_second(counts: &Counts) -> f64 {
    let us = counts.last_us.unwrap_or(0) - counts.first_us.unwrap_or(0);
    match us {
        0 => 0.0,
        us => counts.requests.saturating_sub(1) as f64 / (us as f64 / 1e6),
    }
}
