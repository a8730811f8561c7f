//! Reader threads: the only places where a read of sled blocks.
//!
//! The queue has no bound of its own: each job stands for a command or a read that holds a permit.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

type Job = Box<dyn FnOnce() + Send>;

/// The pool.
pub(crate) struct Readers {
    jobs: Option<Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    pub(crate) fn start(name: &str, threads: usize) -> std::io::Result<Readers> {
        let (jobs, queue) = channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        let threads = (0..threads)
            .map(|index| {
                let queue = Arc::clone(&queue);
                std::thread::Builder::new()
                    .name(format!("{name}-{index}"))
                    .spawn(move || work(&queue))
            })
            .collect::<std::io::Result<_>>()?;
        Ok(Readers {
            jobs: Some(jobs),
            threads,
        })
    }

    /// Runs a job on a reader thread.
    pub(crate) fn run(&self, job: Job) {
        let jobs = self
            .jobs
            .as_ref()
            .expect("the sender lives as long as the pool");
        jobs.send(job)
            .expect("the reader threads live as long as the sender");
    }
}

fn work(queue: &Mutex<Receiver<Job>>) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        // A job that panics answers nobody; its caller sees the reply channel close.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.jobs = None;
        // The last job may own the last handle of the engine, and with it this pool.
        let this_thread = std::thread::current().id();
        for thread in self
            .threads
            .drain(..)
            .filter(|thread| thread.thread().id() != this_thread)
        {
            let _ = thread.join();
        }
    }
}
