//! Bench `journal-floor`: raw append and `fdatasync` of groups of messages, the limit of the write path.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;

use crate::machine::{Machine, scratch_dir};

/// Size of one message, in bytes.
const MESSAGE_BYTES: usize = 300;
/// Messages in a group.
const GROUPS: [usize; 3] = [1, 100, 1_000];
/// The longest file that is written, in bytes; it starts over at this length.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// Arguments of the bench.
#[derive(Debug, Clone, Args)]
pub struct JournalFloorArgs {
    /// Length of the measurement of each group size.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// The folder for the file; the system's temporary one if absent.
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// Measures and prints.
///
/// # Errors
/// When the file cannot be written.
pub fn run(args: &JournalFloorArgs) -> Result<()> {
    let dir = scratch_dir(args.dir.as_deref())?;
    println!(
        "| Messages of {MESSAGE_BYTES} bytes per group | Groups/s | Messages/s |\n|---|---|---|"
    );
    for group in GROUPS {
        let groups_per_second = groups_per_second(
            &dir.path().join("journal"),
            group,
            Duration::try_from_secs_f64(args.seconds)?,
        )?;
        println!(
            "| {group} | {groups_per_second:.0} | {:.0} |",
            groups_per_second * group as f64
        );
    }
    println!("\n{}", Machine::here());
    Ok(())
}

fn groups_per_second(path: &Path, group: usize, duration: Duration) -> Result<f64> {
    let mut file = File::create(path)?;
    let mut bytes = vec![0_u8; group * MESSAGE_BYTES];
    let (mut groups, mut length) = (0_u64, 0_u64);
    let start = Instant::now();
    while start.elapsed() < duration {
        if length >= FILE_BYTES_MAX {
            file = File::create(path)?;
            length = 0;
        }
        groups += 1;
        bytes[..8].copy_from_slice(&groups.to_le_bytes());
        file.write_all(&bytes)?;
        file.sync_data()?;
        length += bytes.len() as u64;
    }
    let elapsed = start.elapsed();
    ensure!(
        path.metadata()?.len() == length,
        "the file is shorter than what was written to it"
    );
    Ok(groups as f64 / elapsed.as_secs_f64())
}
