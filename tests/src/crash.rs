//! The crash loop: many connections send while the daemon is killed with -9, again and again, and every
//! acknowledged message must be found afterwards, whole and once.
//!
//! One cycle starts the daemon, sends over every connection, kills it at a random moment, and audits the
//! store with the list of everything that was acknowledged. Some cycles are killed while they recover.
//! The next cycle first reads back over HTTP what the last one acknowledged. After so many cycles a store
//! is read back as a whole, its wallet is recomputed, and the next cycle begins with an empty one, so that
//! a thousand cycles take no more room and no longer audits than twenty.

pub mod dice;
mod load;
mod read_back;
mod tally;

use std::time::{Duration, Instant};

use anyhow::Result;

use self::dice::Dice;
pub use self::tally::Acknowledged;
use self::tally::Tally;
use crate::daemon::Daemon;
use crate::options::Options;
use crate::program::Program;

/// The soonest kill after the daemon is ready, in milliseconds.
pub const KILL_AFTER_MS_MIN: u64 = 20;
/// The latest kill after the daemon is ready, in milliseconds.
pub const KILL_AFTER_MS_MAX: u64 = 1_500;
/// The latest kill of a daemon that is still recovering, in milliseconds after its process was made.
const KILL_START_MS_MAX: u64 = 60;
/// One cycle in so many has its recovery killed first.
const KILL_START_ONE_IN: u64 = 4;
/// What the wallet starts with, in millionths of a euro: more than any loop spends.
pub(crate) const WALLET_MICROS: i64 = 1_000_000_000_000;

/// What a loop is to do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How often the daemon is killed under load.
    pub cycles: u32,
    /// After how many cycles a store is read back as a whole and the next one begun.
    pub cycles_per_store: u32,
    /// Connections that send at once.
    pub connections: usize,
    /// Where the randomness starts: the same seed sends the same and kills at the same moments.
    pub seed: u64,
}

/// What a loop found, when it found nothing wrong.
#[derive(Debug, Clone, Copy, Default)]
pub struct Report {
    /// Cycles done.
    pub cycles: u32,
    /// Kills of a daemon that was still recovering.
    pub kills_in_recovery: u32,
    /// Messages that were acknowledged, every one of them found.
    pub acknowledged: u64,
    /// Messages that were sent, not acknowledged, and stored all the same: the kill cut their answers off.
    pub unacknowledged_stored: u64,
    /// The longest time from a start after a kill until the daemon was ready.
    pub ready_again_max: Duration,
}

/// Runs a loop; `progress` is told after every cycle.
///
/// # Errors
/// Something acknowledged is missing, wrong or there twice; the error names the seed and the cycle.
///
/// # Panics
/// When the daemon does not start again, or an audit finds a breach.
pub async fn run(
    program: &Program,
    plan: &Plan,
    mut progress: impl FnMut(&Report),
) -> Result<Report> {
    let mut report = Report::default();
    let mut dice = Dice::new(plan.seed);
    while report.cycles < plan.cycles {
        let cycles = plan.cycles_per_store.min(plan.cycles - report.cycles);
        let store = Store::open(program, plan, &mut dice).await;
        store.run(cycles, &mut report, &mut progress).await?;
    }
    Ok(report)
}

/// One store and what was sent to it.
struct Store<'a> {
    daemon: Daemon,
    plan: &'a Plan,
    dice: &'a mut Dice,
    tally: Tally,
}

impl<'a> Store<'a> {
    async fn open(program: &Program, plan: &'a Plan, dice: &'a mut Dice) -> Store<'a> {
        let options = Options::new()
            .set("price.demo_wallet_micros", WALLET_MICROS)
            .set("engine.retry_ms", 20)
            .set("engine.conversation_idle_ms", 200)
            .set("engine.passivate_scan_ms", 50)
            .set("store.checkpoint_interval_ms", 100);
        Store {
            daemon: Daemon::start(program, options).await,
            plan,
            dice,
            tally: Tally::default(),
        }
    }

    async fn run(
        mut self,
        cycles: u32,
        report: &mut Report,
        progress: &mut impl FnMut(&Report),
    ) -> Result<()> {
        for _ in 0..cycles {
            report.cycles += 1;
            let new = self.cycle(report).await?;
            report.acknowledged += new;
            let took = self.start_again(report).await;
            report.ready_again_max = report.ready_again_max.max(took);
            let customer = self.daemon.customer();
            read_back::messages(&customer, self.tally.newest(), self.plan.connections).await?;
            progress(report);
        }
        report.unacknowledged_stored +=
            read_back::store(&self.daemon, &self.tally, self.plan.connections).await?;
        let status = self.daemon.terminate().await;
        anyhow::ensure!(
            status.success(),
            "a store that was killed {cycles} times does not stop well: {status}"
        );
        self.verify()
    }

    /// Sends, kills, audits; how many were acknowledged.
    async fn cycle(&mut self, report: &Report) -> Result<u64> {
        let kill_after_ms = self.dice.between(KILL_AFTER_MS_MIN, KILL_AFTER_MS_MAX);
        let senders = load::start(
            &self.daemon.customer(),
            report.cycles,
            self.plan.connections,
            self.dice,
        );
        tokio::time::sleep(Duration::from_millis(kill_after_ms)).await;
        self.daemon.kill9();
        self.tally.begin_cycle();
        let mut new = 0;
        for sender in senders {
            let sent = sender.await??;
            new += sent.acknowledged.len() as u64;
            self.tally.add(sent);
        }
        self.verify()?;
        Ok(new)
    }

    /// Starts the daemon again, at times killing it once more while it recovers.
    async fn start_again(&mut self, report: &mut Report) -> Duration {
        if self.dice.one_in(KILL_START_ONE_IN) {
            let after_ms = self.dice.between(0, KILL_START_MS_MAX);
            self.daemon
                .start_and_kill9(Duration::from_millis(after_ms))
                .await;
            report.kills_in_recovery += 1;
        }
        let began = Instant::now();
        self.daemon.restart().await;
        began.elapsed()
    }

    fn verify(&self) -> Result<()> {
        let list = self.daemon.folder().join("expected");
        self.tally.write_expected(&list)?;
        self.daemon.verify(Some(&list));
        Ok(())
    }
}
