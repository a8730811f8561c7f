//! `loadtest populate`: exactly one message to each of many peers.

use clap::Args;
use didfarm_loadtest::{BodyText, Peers, PopulatePlan, Target, peers, populate};

use super::AnyError;
use super::send::SenderArgs;

/// How many peers to send to.
#[derive(Args)]
pub struct PopulateArgs {
    #[command(flatten)]
    common: SenderArgs,
    /// Peers, each sent one message.
    #[arg(long)]
    count: u64,
}

/// Sends; `false` when a peer has no message.
///
/// # Errors
/// When the run cannot start.
pub fn run(args: &PopulateArgs) -> Result<bool, AnyError> {
    let common = &args.common;
    let report = populate(&PopulatePlan {
        target: Target::parse(&common.target)?,
        sender: common.sender(),
        peers: Peers::plain(peers::parse_e164(&common.peer_base)?, args.count)?,
        body: BodyText::new(&common.body),
        connections: common.connections,
        threads: common.threads,
        timeout: common.timeout(),
        keep_accepted: false,
        progress: true,
    })?
    .report;
    if common.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!("{report}");
    }
    Ok(report.is_complete())
}
