//! `loadtest sink`: a receiver of webhooks.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use didfarm_loadtest::sink::{Sink, SinkPlan};
use serde_json::json;

use super::AnyError;

/// Where to listen and what to check. Endpoints are paths: /ok, /slow?ms=9000, /dead, /status/503,
/// /status/429?retry_after=5, /gone, /flaky?fail=3, /drip?ms=1000&bytes=1, /redirect?to=URL; further steps tell
/// endpoints of one kind apart, as /ok/17. GET /_sink/report, /_sink/ids?path=/ok and /_sink/requests tell what came,
/// POST /_sink/reset forgets it.
#[derive(Args)]
pub struct SinkArgs {
    /// Where to listen; port 0 takes any.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Writes the address here, as HOST:PORT, once it listens.
    #[arg(long, value_name = "FILE")]
    address_file: Option<PathBuf>,
    /// A secret, whsec_…, that requests are signed with; give several and one of them has to fit.
    #[arg(
        long = "secret",
        value_name = "SECRET",
        hide_env_values = true,
        env = "LOADTEST_WEBHOOK_SECRET"
    )]
    secrets: Vec<String>,
    /// How many of the latest requests are kept with their bodies.
    #[arg(long, default_value_t = 1_000)]
    requests_kept: usize,
}

/// Starts, prints one line of JSON with the address, and runs until the process ends.
///
/// # Errors
/// When the listener cannot be opened, the address not written, or an option cannot be used.
pub fn run(args: &SinkArgs) -> Result<bool, AnyError> {
    let sink = Sink::start(&SinkPlan {
        listen: args.listen,
        secrets: args.secrets.clone(),
        requests_kept: args.requests_kept,
    })?;
    if let Some(file) = &args.address_file {
        write_whole(file, &format!("{}\n", sink.address()))?;
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", json!({ "http": sink.url("") }))?;
    out.flush()?;
    drop(out);
    sink.run();
    Ok(true)
}

/// Who waits for the file never reads half of it.
fn write_whole(file: &Path, text: &str) -> std::io::Result<()> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(".new");
    std::fs::write(&beside, text)?;
    std::fs::rename(&beside, file)
}
