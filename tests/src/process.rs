//! A child process whose words are kept and which never outlives the test.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::wait::within;

/// The most of a process's stderr that is kept, in bytes; later words are dropped.
const STDERR_KEPT_BYTES_MAX: usize = 1024 * 1024;

/// A running process. Dropping it kills it; when a panic drops it, its stderr is shown.
#[derive(Debug)]
pub struct Process {
    child: Child,
    stdout: Receiver<String>,
    stderr: Arc<Mutex<String>>,
    readers: Vec<std::thread::JoinHandle<()>>,
}

impl Process {
    /// Starts a command.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> Process {
        let spawned = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = spawned
            .unwrap_or_else(|error| panic!("{:?} does not start: {error}", command.get_program()));
        let (sender, stdout) = sync_channel(1);
        let out = child.stdout.take().expect("stdout is piped");
        let err = child.stderr.take().expect("stderr is piped");
        let stderr = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&stderr);
        let readers = vec![
            std::thread::spawn(move || {
                for line in BufReader::new(out).lines().map_while(Result::ok) {
                    // Only the first line is waited for; the rest is read so that the pipe never fills.
                    let _ = sender.try_send(line);
                }
            }),
            std::thread::spawn(move || keep(err, &kept)),
        ];
        Process {
            child,
            stdout,
            stderr,
            readers,
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it said on stderr so far.
    pub fn stderr(&self) -> String {
        self.stderr
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Its first line on stdout; `None` when it ends, or the bound passes, without one.
    pub async fn first_line(&self, bound: Duration) -> Option<String> {
        within(bound, async || match self.stdout.try_recv() {
            Ok(line) => Some(Some(line)),
            Err(TryRecvError::Disconnected) => Some(None),
            Err(TryRecvError::Empty) => None,
        })
        .await
        .flatten()
    }

    /// Whether it has ended, and how.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child
            .try_wait()
            .expect("a child process can be waited for")
    }

    /// Waits until it has ended and everything that it said is read; `None` when the bound passes first.
    pub async fn wait(&mut self, bound: Duration) -> Option<ExitStatus> {
        let status = within(bound, async || self.ended()).await?;
        for reader in self.readers.drain(..) {
            // A reader ends with its pipe, and the pipe with the process.
            let _ = reader.join();
        }
        Some(status)
    }

    /// Ends it with SIGKILL and waits until it is gone.
    pub fn kill9(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        // It may have ended by itself.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill9();
        if std::thread::panicking() {
            eprintln!(
                "---- stderr of process {} ----\n{}",
                self.id(),
                self.stderr()
            );
        }
    }
}

fn keep(mut from: impl Read, kept: &Mutex<String>) {
    let mut buffer = [0u8; 8 * 1024];
    while let Ok(bytes) = from.read(&mut buffer) {
        if bytes == 0 {
            return;
        }
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < STDERR_KEPT_BYTES_MAX {
            kept.push_str(&String::from_utf8_lossy(&buffer[..bytes]));
        }
    }
}
