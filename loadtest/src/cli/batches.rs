//! `loadtest batches`: rows in documents or streams, as fast as they are taken.

use clap::Args;
use didfarm_loadtest::{BatchesPlan, BodyText, Peers, Target, batches, peers};

use super::AnyError;
use super::send::SenderArgs;

/// How many rows, and how they go.
#[derive(Args)]
pub struct BatchesArgs {
    #[command(flatten)]
    common: SenderArgs,
    /// Rows, each to another peer.
    #[arg(long)]
    count: u64,
    /// Rows of one document, or of one piece of a stream.
    #[arg(long, default_value_t = 1_000)]
    rows: u64,
    /// Sends one stream of lines over each connection instead of documents.
    #[arg(long)]
    stream: bool,
}

/// Sends; `false` when a row was not accepted.
///
/// # Errors
/// When the run cannot start.
pub fn run(args: &BatchesArgs) -> Result<bool, AnyError> {
    let common = &args.common;
    let report = batches(&BatchesPlan {
        target: Target::parse(&common.target)?,
        sender: common.sender(),
        peers: Peers::plain(peers::parse_e164(&common.peer_base)?, args.count)?,
        body: BodyText::new(&common.body),
        rows: args.rows.max(1),
        stream: args.stream,
        connections: common.connections,
        threads: common.threads,
        timeout: common.timeout(),
    })?;
    if common.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!("{report}");
    }
    Ok(report.is_complete())
}
