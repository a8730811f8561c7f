//! The simulator: the embedded default carrier, which reaches no handset.
//!
//! It takes what it is given, answers after a while and sends receipts later, and misbehaves by the
//! shares in its settings or by the last four digits of the peer ([`fate`]). What becomes of a message
//! depends on the seed and the message's id, never on when it came.
//!
//! Owns one thread, its queue and its pending events; never reads a body, never writes to disk: what is
//! pending when it is dropped never comes. It hands over at most [`SINK_GROUP_MAX`] events at a time. Its
//! queue has no bound of its own: the caller bounds how many messages wait for an answer, and receipts
//! wait in a timer wheel at 24 bytes each.

mod dice;
pub mod fate;
mod id;
mod meter;
mod plan;
mod queue;
mod quota;
pub mod rate;
mod wheel;
mod worker;

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use didfarm_core::ids::CarrierId;

use crate::{Abilities, Carrier, CarrierSink, Submit};
use queue::Queue;
use worker::Worker;

/// The most events handed to the sink in one call.
pub const SINK_GROUP_MAX: usize = 1_024;

/// How the simulator answers and misbehaves; whoever makes it has checked it.
///
/// Shares are from 0 (never) to 1 (always) and are drawn for each receipt on its own, throttling for each
/// submit. The default answers at once and misbehaves never.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SimulatorSettings {
    /// How long it takes to answer a submit.
    pub submit_delay_ms: u64,
    /// How long after its answer the receipt comes, at least.
    pub receipt_delay_ms: u64,
    /// How much later than that a receipt may come, at most.
    pub receipt_jitter_ms: u64,
    /// The share of receipts that never come.
    pub loss: f64,
    /// The share of receipts that come twice, the second one delay after the first.
    pub duplication: f64,
    /// The share of receipts that are held back by up to twice `receipt_delay_ms`, so that later ones
    /// overtake them: an SMS's `delivered` is then followed by its `en_route`, a WhatsApp message's
    /// `read` comes before its `delivered`.
    pub reordering: f64,
    /// The share of submits that are answered "slow down".
    pub throttling: f64,
    /// The most submits taken in one second, counted in seconds since the start; 0 for no limit.
    pub rate_max: u32,
    /// Where its randomness starts: the same seed gives the same message the same fate.
    pub seed: u64,
}

/// How far its thread gives way to others, as nice(1) counts it.
const NICENESS: i32 = 5;

/// The carrier in process. Dropping it ends its thread; no answer and no receipt comes after that.
#[derive(Debug)]
pub struct Simulator {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
}

impl Simulator {
    /// Starts the simulator's thread, which delivers to `sink`.
    ///
    /// # Panics
    ///
    /// When the system refuses the thread.
    pub fn start(settings: SimulatorSettings, sink: Arc<dyn CarrierSink>) -> Simulator {
        let queue = Arc::new(Queue::default());
        let worker = Worker::new(settings, sink, Arc::clone(&queue));
        let thread = thread::Builder::new()
            .name("simulator".to_owned())
            .spawn(move || {
                // It plays what is far away and must not hold up what is measured beside it. Where the
                // system will not have it, the thread takes its full share.
                let _ =
                    rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS);
                worker.run();
            })
            .expect("the system starts one thread per carrier");
        Simulator {
            queue,
            thread: Some(thread),
        }
    }

    /// Returns how much is yet to come: submits not looked at, answers and receipts not delivered.
    ///
    /// At 0 everything that will ever come has been delivered.
    pub fn pending(&self) -> usize {
        self.queue.pending()
    }
}

impl Carrier for Simulator {
    fn id(&self) -> CarrierId {
        CarrierId::SIMULATOR
    }

    fn name(&self) -> &str {
        "simulator"
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            names_messages: true,
            one_id: false,
            queries: false,
        }
    }

    fn submit(&self, group: Vec<Submit>) {
        self.queue.push(group);
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.queue.close();
        let Some(thread) = self.thread.take() else {
            return;
        };
        // A sink that holds the last reference drops it on the simulator's own thread, which cannot
        // wait for itself; that thread ends once the sink returns.
        if thread.thread().id() != thread::current().id() && thread.join().is_err() {
            tracing::error!(
                "the simulator's thread had panicked: answers and receipts are missing"
            );
        }
    }
}
