//! The real daemon in a process of its own, with its limits raised out of the way.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use didfarm_loadtest::{Sender, Target, get};
use serde::Deserialize;

use crate::child::ChildProcess;

/// The API key that the demo account is given.
pub const KEY: &str = "df_bench_00000000000000000000";
/// The demo account's number.
pub const FROM: &str = "+31201234567";
/// The longest wait for readiness, in seconds.
const READY_TIMEOUT_S: u64 = 600;
/// Pause between two questions for readiness, in milliseconds.
const READY_POLL_MS: u64 = 2;
/// What keeps the limiter and the wallet from being what is measured.
const ENVIRONMENT: [(&str, &str); 4] = [
    ("DIDFARM_DEMO_API_KEY", KEY),
    ("DIDFARM__LIMITS__RATE_PER_SECOND", "1000000"),
    ("DIDFARM__LIMITS__BURST", "1000000"),
    ("DIDFARM__PRICE__DEMO_WALLET_MICROS", "9000000000000"),
];

/// The line that the daemon prints when it listens.
#[derive(Deserialize)]
struct Listening {
    listen: SocketAddr,
    ops: SocketAddr,
}

/// How to start the daemon.
#[derive(Debug, Clone)]
pub struct DaemonPlan {
    /// The executable.
    pub binary: PathBuf,
    /// Its data directory; kept between starts.
    pub data_dir: PathBuf,
    /// The file that its stderr is appended to.
    pub stderr: PathBuf,
    /// Settings beyond the raised limits, as environment variables.
    pub environment: Vec<(String, String)>,
}

impl DaemonPlan {
    /// A daemon whose data and stderr are in `dir`; without a binary, the one beside this executable.
    ///
    /// # Errors
    /// When there is no such binary.
    pub fn new(binary: Option<&Path>, dir: &Path) -> Result<Self> {
        let binary = match binary {
            Some(path) => path.to_owned(),
            None => std::env::current_exe()?.with_file_name("didfarm"),
        };
        if !binary.is_file() {
            bail!(
                "there is no daemon at {}; build it with the same profile or give --daemon",
                binary.display()
            );
        }
        Ok(Self {
            binary,
            data_dir: dir.join("data"),
            stderr: dir.join("daemon.stderr"),
            environment: Vec::new(),
        })
    }

    /// Adds one setting.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A running daemon; dropping it kills it.
pub struct Daemon {
    /// The customers' listener.
    pub http: Target,
    /// The operators' listener.
    pub ops: Target,
    /// From the start of the process to readiness.
    pub ready_after: Duration,
    child: ChildProcess,
}

impl Daemon {
    /// Starts the daemon and waits until it is ready.
    ///
    /// # Errors
    /// When it does not become ready within ten minutes.
    pub fn start(plan: &DaemonPlan) -> Result<Self> {
        let mut command = Command::new(&plan.binary);
        command.arg("serve").arg("--data-dir").arg(&plan.data_dir);
        command.args(["--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"]);
        command
            .envs(ENVIRONMENT)
            .envs(plan.environment.iter().cloned());
        let child = ChildProcess::start(&mut command, &plan.stderr)?;
        let line = child.first_line()?;
        let listening: Listening = serde_json::from_str(&line)
            .with_context(|| format!("the daemon's first line is {line:?}"))?;
        let ops = Target::from(listening.ops);
        wait_until_ready(&child, &ops)?;
        let ready_after = child.spawned().elapsed();
        Ok(Self {
            http: Target::from(listening.listen),
            ops,
            ready_after,
            child,
        })
    }

    /// Who sends in every bench.
    pub fn sender() -> Sender {
        Sender {
            key: KEY.into(),
            from: FROM.into(),
        }
    }

    /// The process.
    pub fn process(&self) -> &ChildProcess {
        &self.child
    }

    /// Gives up the process for ending it.
    pub fn into_process(self) -> ChildProcess {
        self.child
    }

    /// Reads a gauge: the sum over all series whose labels hold `label`; `None` if there is no such series.
    ///
    /// # Errors
    /// When the metrics cannot be read.
    pub fn gauge(&self, name: &str, label: &str) -> Result<Option<f64>> {
        let (status, page) =
            get(&self.ops, "/metrics", None).context("the metrics cannot be read")?;
        if status != 200 {
            bail!("the metrics are answered with {status}");
        }
        Ok(sum_of_series(&String::from_utf8_lossy(&page), name, label))
    }
}

fn wait_until_ready(child: &ChildProcess, ops: &Target) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(READY_TIMEOUT_S);
    while Instant::now() < deadline {
        if matches!(get(ops, "/readyz", None), Ok((200, _))) {
            return Ok(());
        }
        child.resident_kib()?;
        std::thread::sleep(Duration::from_millis(READY_POLL_MS));
    }
    bail!(
        "the daemon is not ready after {READY_TIMEOUT_S} s; its last words: {}",
        child.last_words()
    )
}

fn sum_of_series(page: &str, name: &str, label: &str) -> Option<f64> {
    let values = page.lines().filter_map(|line| {
        let (labels, value) = line
            .strip_prefix(name)?
            .strip_prefix('{')?
            .rsplit_once('}')?;
        labels
            .contains(label)
            .then_some(value.trim().parse::<f64>().ok()?)
    });
    values.fold(None, |sum: Option<f64>, value| {
        Some(sum.unwrap_or(0.0) + value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# TYPE didfarm_actors gauge\n\
        didfarm_actors{kind=\"conversation\",partition=\"0\"} 3\n\
        didfarm_actors{kind=\"conversation\",partition=\"1\"} 4\n\
        didfarm_actors{kind=\"number\"} 9\n\
        didfarm_actors_restarts_total{kind=\"conversation\"} 100\n";

    #[test]
    fn a_gauge_is_summed_over_its_series() {
        let read = |label| sum_of_series(PAGE, "didfarm_actors", label);
        assert_eq!(read("kind=\"conversation\""), Some(7.0));
        assert_eq!(read("kind=\"number\""), Some(9.0));
        assert_eq!(read("kind=\"account\""), None);
    }
}
