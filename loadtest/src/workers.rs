//! Runs many connections on a few threads, each with a single-threaded runtime.

use std::future::Future;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::task::JoinSet;

/// The most threads of one run.
pub const THREADS_MAX: usize = 64;
/// The most connections of one run.
pub const CONNECTIONS_MAX: usize = 20_000;

/// Why a run cannot start.
#[derive(Debug, thiserror::Error)]
pub enum WorkersError {
    /// A count is zero or beyond its bound.
    #[error(
        "{threads} threads with {connections} connections cannot run; give 1 to {THREADS_MAX} threads and 1 to {CONNECTIONS_MAX} connections"
    )]
    Counts {
        /// Threads asked for.
        threads: usize,
        /// Connections asked for.
        connections: usize,
    },
    /// The operating system gives no thread or no event queue.
    #[error("no thread could be started; free some resources of the operating system")]
    Thread(#[from] std::io::Error),
}

/// Threads at work.
pub struct Workers {
    threads: Vec<JoinHandle<()>>,
    done: Receiver<()>,
}

impl Workers {
    /// Starts `task` once per connection, spread evenly over the threads; its argument is the thread's index.
    ///
    /// # Errors
    /// [`WorkersError`] when the counts are out of bounds or there is no thread to be had.
    pub fn start<T, F>(threads: usize, connections: usize, task: T) -> Result<Self, WorkersError>
    where
        T: Fn(usize) -> F + Clone + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        if !(1..=THREADS_MAX).contains(&threads) || !(1..=CONNECTIONS_MAX).contains(&connections) {
            return Err(WorkersError::Counts {
                threads,
                connections,
            });
        }
        let (finished, done) = channel::<()>();
        let mut handles = Vec::with_capacity(threads);
        for thread in 0..threads.min(connections) {
            let share = connections / threads + usize::from(thread < connections % threads);
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let (task, finished) = (task.clone(), finished.clone());
            handles.push(
                std::thread::Builder::new()
                    .name(format!("sender-{thread}"))
                    .spawn(move || {
                        let _until_the_end = finished;
                        runtime.block_on(async {
                            let mut tasks = JoinSet::new();
                            for _ in 0..share {
                                tasks.spawn(task(thread));
                            }
                            tasks.join_all().await;
                        });
                    })?,
            );
        }
        Ok(Self {
            threads: handles,
            done,
        })
    }

    /// Waits for all of them and calls `progress` at every `interval` until then.
    ///
    /// # Panics
    /// When a thread has panicked, with its panic.
    pub fn wait(self, interval: Duration, mut progress: impl FnMut()) {
        // Nothing is ever sent: the channel disconnects when the last thread is done, panicking or not.
        while let Err(RecvTimeoutError::Timeout) = self.done.recv_timeout(interval) {
            progress();
        }
        for thread in self.threads {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    }
}
