//! A server in a process of its own, which never outlives the bench.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// The longest wait for a server's first line, in seconds.
const FIRST_LINE_TIMEOUT_S: u64 = 300;
/// The longest wait for a server to end after SIGTERM, in seconds.
const TERMINATE_TIMEOUT_S: u64 = 120;
/// Pause between two looks at a process that is to end, in milliseconds.
const EXIT_POLL_MS: u64 = 5;
/// The longest end of a server's stderr that is shown when it fails, in bytes.
const STDERR_SHOWN_BYTES_MAX: usize = 2_000;

/// A running process; dropping it kills it, on a panic too.
pub struct ChildProcess {
    child: Child,
    spawned: Instant,
    first_line: Receiver<String>,
    stderr: std::path::PathBuf,
}

impl ChildProcess {
    /// Starts a command with its stderr appended to a file.
    ///
    /// # Errors
    /// When the file or the process cannot be created.
    pub fn start(command: &mut Command, stderr: &Path) -> Result<Self> {
        let file = File::options()
            .create(true)
            .append(true)
            .open(stderr)
            .with_context(|| {
                format!(
                    "cannot write {}; check the free space of its folder",
                    stderr.display()
                )
            })?;
        let spawned = Instant::now();
        // The pipe on stdin ends when this process ends, however it does: a server that reads it ends as well.
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(file);
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start {:?}; build it first", command.get_program()))?;
        let stdout = child.stdout.take().context("the process has no stdout")?;
        let (sender, first_line) = sync_channel(1);
        std::thread::spawn(move || drain(stdout, &sender));
        Ok(Self {
            child,
            spawned,
            first_line,
            stderr: stderr.to_owned(),
        })
    }

    /// When the process was started.
    pub fn spawned(&self) -> Instant {
        self.spawned
    }

    /// Waits for the first line on stdout.
    ///
    /// # Errors
    /// When the process ends, or five minutes pass, without one.
    pub fn first_line(&self) -> Result<String> {
        self.first_line
            .recv_timeout(Duration::from_secs(FIRST_LINE_TIMEOUT_S))
            .with_context(|| {
                format!(
                    "the server printed no first line; its last words: {}",
                    self.last_words()
                )
            })
    }

    /// The end of what the process has written to stderr.
    pub fn last_words(&self) -> String {
        let text = std::fs::read(&self.stderr).unwrap_or_default();
        let shown = &text[text.len().saturating_sub(STDERR_SHOWN_BYTES_MAX)..];
        String::from_utf8_lossy(shown).into_owned()
    }

    /// Resident memory in KiB, as the kernel accounts it.
    ///
    /// # Errors
    /// When the process has ended.
    pub fn resident_kib(&self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.child.id());
        let status =
            std::fs::read_to_string(&path).with_context(|| format!("{path} cannot be read"))?;
        status
            .lines()
            .find_map(|line| {
                line.strip_prefix("VmRSS:")?
                    .trim()
                    .strip_suffix(" kB")?
                    .parse()
                    .ok()
            })
            .context("the process has no resident memory: it has ended")
    }

    /// Ends the process with SIGTERM and waits until it has.
    ///
    /// # Errors
    /// When it does not end within two minutes, or ends with a failure.
    pub fn terminate(mut self) -> Result<Duration> {
        let start = Instant::now();
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        while start.elapsed() < Duration::from_secs(TERMINATE_TIMEOUT_S) {
            if let Some(status) = self.child.try_wait()? {
                if status.success() {
                    return Ok(start.elapsed());
                }
                bail!(
                    "the server ended with {status} after SIGTERM; its last words: {}",
                    self.last_words()
                );
            }
            std::thread::sleep(Duration::from_millis(EXIT_POLL_MS));
        }
        bail!(
            "the server has not ended {TERMINATE_TIMEOUT_S} s after SIGTERM; its last words: {}",
            self.last_words()
        )
    }

    /// Ends the process with SIGKILL and waits until it has.
    ///
    /// # Errors
    /// The operating system's, or when it had ended before.
    pub fn kill(mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!(
                "the server had ended before with {status}; its last words: {}",
                self.last_words()
            );
        }
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        // A process that has ended already leaves nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Hands over the first line and then reads on, so that the process never blocks on a full pipe.
fn drain(stdout: ChildStdout, first: &std::sync::mpsc::SyncSender<String>) {
    let mut lines = BufReader::new(stdout)
        .lines()
        .map_while(std::io::Result::ok);
    if let Some(line) = lines.next() {
        // Nobody waits for it any more when the process has been dropped.
        let _ = first.send(line);
    }
    lines.for_each(drop);
}
