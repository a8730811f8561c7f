//! `loadtest replay`: captured callbacks, sent again.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use didfarm_loadtest::Target;
use didfarm_loadtest::dice::parse_share;
use didfarm_loadtest::replay::{ReplayPlan, replay};

use super::AnyError;
use super::carriers::KeyArgs;

/// What to replay and where.
#[derive(Args)]
pub struct ReplayArgs {
    /// The capture: JSON lines, as the daemon writes them with capture on.
    file: PathBuf,
    /// The daemon's HTTP listener.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    target: String,
    /// The daemon's public address, if it is another: Twilio's signatures are over it.
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    #[command(flatten)]
    keys: KeyArgs,
    /// How many times as fast as recorded.
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
    /// How far a request may come from its time, in milliseconds.
    #[arg(long, default_value_t = 0)]
    shuffle_ms: u64,
    /// Share of requests that are sent twice.
    #[arg(long, default_value_t = 0.0, value_parser = parse_share)]
    duplicates: f64,
    /// Connections, each with one request in flight.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Threads that drive the connections.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// The longest wait for one answer, in seconds.
    #[arg(long, default_value_t = 30)]
    timeout: u64,
    /// The account's API key: every message that the capture names is read back by it; the exit code is 1 unless each
    /// is as an ordered run has it.
    #[arg(long, env = "DIDFARM_API_KEY", hide_env_values = true)]
    api_key: Option<String>,
    /// How long what was not taken is sent again, and messages may take to come to rest, in seconds.
    #[arg(long, default_value_t = 60)]
    drain_timeout: u64,
    /// What the dice start from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Prints one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// Replays; `false` when a request was not taken, or a message is lost, doubled or misreported.
///
/// # Errors
/// When the capture cannot be read or an option cannot be used.
pub fn run(args: &ReplayArgs) -> Result<bool, AnyError> {
    let public_url = args.public_url.as_ref().unwrap_or(&args.target);
    let report = replay(&ReplayPlan {
        file: args.file.clone(),
        target: Target::parse(&args.target)?,
        public_url: public_url.trim_end_matches('/').to_owned(),
        keys: args.keys.keys()?,
        speed: args.speed,
        shuffle: Duration::from_millis(args.shuffle_ms),
        duplicates: args.duplicates,
        connections: args.connections,
        threads: args.threads,
        timeout: Duration::from_secs(args.timeout.max(1)),
        api_key: args.api_key.clone(),
        drain_timeout: Duration::from_secs(args.drain_timeout),
        seed: args.seed,
        progress: !args.json,
    })?;
    match args.json {
        true => println!("{}", serde_json::to_string(&report)?),
        false => println!("{report}"),
    }
    Ok(report.is_clean())
}
