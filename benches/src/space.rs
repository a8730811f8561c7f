//! Bench `space`: an hour's traffic through a real store as fast as it takes it, and what it then takes on disk.
//!
//! Amplification is what lies on disk after a clean stop, records and kept journal, over the logical bytes: the
//! bodies in UTF-8 and [`METADATA_BYTES`] for everything else that a message is.

mod traffic;

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use clap::Args;
use didfarm_config::StoreSettings as StoreDefaults;
use didfarm_core::event::Entry;
use didfarm_store::journal::Journal;
use didfarm_store::records::Counts;
use didfarm_store::store::{JOURNAL_DIR, RECORDS_DIR, Store, StoreSettings};
use traffic::{ACCOUNTS, Traffic};

use crate::load::Load;
use crate::machine::{Machine, scratch_dir};

/// What ids, numbers, times, statuses, price and carrier id of one message count for, in bytes: about their size
/// in a plain binary row.
const METADATA_BYTES: u64 = 100;
/// Messages that each account sends in a second: the product's default limit.
const ACCOUNT_MESSAGES_PER_SECOND: u64 = 10;
/// Messages that are decided at once, as the engine does under full load.
const GROUP_MESSAGES: u64 = 1_000;
/// Groups that wait to be durable at most.
const WAITING_GROUPS_MAX: usize = 8;

/// Arguments of the bench.
#[derive(Debug, Clone, Args)]
pub struct SpaceArgs {
    /// Messages; the default is an hour of 20 accounts at 10 messages/s each.
    #[arg(long, default_value_t = 720_000, value_parser = clap::value_parser!(u64).range(1..))]
    messages: u64,
    /// Distinct peers, sent to in turn, each by one account.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..1_000_000_000))]
    peers: u64,
    /// The folder for the store; the system's temporary one if absent.
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// What filling the store took.
struct Filled {
    body_bytes: u64,
    journal_bytes: u64,
    durable_after: Duration,
    records_after: Duration,
}

/// Measures and prints.
///
/// # Errors
/// When the store fails, or its counts are not those of the traffic.
pub fn run(args: &SpaceArgs) -> Result<()> {
    let dir = scratch_dir(args.dir.as_deref())?;
    let filled = fill(args, dir.path())?;
    let journal_bytes = bytes_on_disk(&dir.path().join(JOURNAL_DIR))?;
    let records_bytes = bytes_on_disk(&dir.path().join(RECORDS_DIR))?;
    let opened_after = reopen(args, dir.path())?;
    report(args, &filled, journal_bytes, records_bytes, opened_after);
    println!("\n{}", Machine::here());
    Ok(())
}

/// What the store says when it is asked to go on.
enum News {
    CaughtUp,
    Fatal(String),
}

fn settings(tell: mpsc::Sender<News>) -> StoreSettings {
    let defaults = StoreDefaults::default();
    StoreSettings {
        segment_bytes: defaults.segment_bytes,
        group_bytes_max: defaults.group_bytes_max,
        keep_bytes: defaults.keep_bytes,
        free_bytes_min: defaults.free_bytes_min,
        checkpoint_interval: defaults.checkpoint_interval(),
        sled_cache_bytes: defaults.sled_cache_bytes,
        // Nobody listens any more once the run has failed for another reason.
        on_fatal: Arc::new(move |fatal| drop(tell.send(News::Fatal(fatal.to_string())))),
    }
}

fn fill(args: &SpaceArgs, dir: &Path) -> Result<Filled> {
    let (tell, news) = mpsc::channel();
    let store = Store::open(dir, &settings(tell.clone()))?;
    let mut traffic = Traffic::new(args.messages, args.peers, body(args));
    let start = Instant::now();
    append(&store.journal, &mut traffic)?;
    let durable_after = start.elapsed();
    let told = tell.clone();
    let caught_up = Box::new(move || drop(told.send(News::CaughtUp)));
    store.keeper.catch_up(store.journal.durable(), caught_up);
    match news.recv()? {
        News::CaughtUp => {}
        News::Fatal(sentence) => bail!(sentence),
    }
    let records_after = start.elapsed();
    check(args, &store)?;
    Ok(Filled {
        body_bytes: traffic.body_bytes(),
        journal_bytes: store.journal.stats().bytes,
        durable_after,
        records_after,
    })
}

/// Appends all of the traffic and waits until it is durable.
fn append(journal: &Journal<Entry>, traffic: &mut Traffic) -> Result<()> {
    let mut waiting = std::collections::VecDeque::with_capacity(WAITING_GROUPS_MAX);
    let mut entries = traffic.set_up()?;
    while !entries.is_empty() {
        waiting.push_back(journal.append_all(&mut entries));
        if waiting.len() == WAITING_GROUPS_MAX
            && let Some(oldest) = waiting.pop_front()
        {
            journal.wait_durable(oldest)?;
        }
        entries = traffic.group(GROUP_MESSAGES)?;
    }
    Ok(journal.wait_durable(journal.appended())?)
}

/// Opens the store once more, as a restart does; gives the time.
fn reopen(args: &SpaceArgs, dir: &Path) -> Result<Duration> {
    let (tell, _news) = mpsc::channel();
    let start = Instant::now();
    let store = Store::open(dir, &settings(tell))?;
    let opened_after = start.elapsed();
    check(args, &store)?;
    Ok(opened_after)
}

/// The records count what was sent, and nothing is open.
fn check(args: &SpaceArgs, store: &Store) -> Result<()> {
    let counts = store.records.meta()?.counts;
    let accounts = u64::from(ACCOUNTS);
    let conversations = args.messages.min(traffic::pairs(args.peers));
    let expected = Counts {
        accounts,
        numbers: accounts,
        conversations,
        pairs: conversations,
        extents: 0,
        messages: args.messages,
        in_flight: 0,
        parked: 0,
        owners: 0,
        inbound: 0,
        parts: 0,
        // A charge for each message and a top-up for each account.
        ledger: args.messages + accounts,
        // Nobody is told of anything.
        ..Counts::default()
    };
    ensure!(
        counts == expected,
        "the records count {counts:?}, the traffic was {expected:?}"
    );
    Ok(())
}

fn body(args: &SpaceArgs) -> didfarm_loadtest::BodyText {
    Load {
        connections: 1,
        peers: args.peers,
        threads: 1,
        keys: false,
    }
    .body()
}

/// What the files of a folder take on the disk, allocated in advance or not.
fn bytes_on_disk(dir: &Path) -> io::Result<u64> {
    /// Unit of `st_blocks`, whatever the file system's own is.
    const BLOCK_BYTES: u64 = 512;
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir)? {
        let (entry, metadata) = entry.and_then(|entry| Ok((entry.path(), entry.metadata()?)))?;
        bytes += match metadata.is_dir() {
            true => bytes_on_disk(&entry)?,
            false => metadata.blocks() * BLOCK_BYTES,
        };
    }
    Ok(bytes)
}

fn report(
    args: &SpaceArgs,
    filled: &Filled,
    journal_bytes: u64,
    records_bytes: u64,
    opened_after: Duration,
) {
    let messages = args.messages as f64;
    let logical = (filled.body_bytes + args.messages * METADATA_BYTES) as f64;
    let per_second = u64::from(ACCOUNTS) * ACCOUNT_MESSAGES_PER_SECOND;
    let hours = messages / per_second as f64 / 3_600.0;
    let size = |bytes: f64| format!("{:.1} ({:.0})", bytes / 1e6, bytes / messages);
    let rate = |took: Duration| {
        let seconds = took.as_secs_f64();
        format!("{seconds:.1} ({:.0})", messages / seconds)
    };
    let rows = [
        (
            format!("logical: bodies and {METADATA_BYTES} bytes each, MB (bytes per message)"),
            size(logical),
        ),
        (
            "journal written, MB (bytes per message)".into(),
            size(filled.journal_bytes as f64),
        ),
        (
            "journal kept, MB (bytes per message)".into(),
            size(journal_bytes as f64),
        ),
        (
            "records on disk, MB (bytes per message)".into(),
            size(records_bytes as f64),
        ),
        (
            "amplification: (records + journal kept) / logical".into(),
            format!("{:.2}", (records_bytes + journal_bytes) as f64 / logical),
        ),
        (
            "amplification of the records alone".into(),
            format!("{:.2}", records_bytes as f64 / logical),
        ),
        (
            "durable after, s (messages/s)".into(),
            rate(filled.durable_after),
        ),
        (
            "in the records after, s (messages/s)".into(),
            rate(filled.records_after),
        ),
        (
            "restart: opening the store, s".into(),
            format!("{:.2}", opened_after.as_secs_f64()),
        ),
    ];
    println!(
        "| {} messages, each accepted, submitted and delivered: {hours:.2} h at {per_second}/s | Figure |\n|---|---|",
        args.messages
    );
    for (what, figure) in rows {
        println!("| {what} | {figure} |");
    }
}
