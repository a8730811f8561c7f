//! SMPP 3.4: a client (ESME) that keeps binds to one SMSC, submits over them and takes what they bring.
//!
//! Owns one thread, its connections and what waits for room in their windows; never writes to disk, never
//! decides anything about a message. One message is as many `submit_sm` as it has segments
//! (`smpp/flight.rs` says what becomes of it when not all of them fare alike). A submit is answered
//!
//! - `NotTaken(CarrierError)` at once while nothing is bound, and when its bytes were never written;
//! - `NotTaken(Throttled)` when it waits [`FRESH_WAIT_MS_MAX`] for room, or the SMSC says so;
//! - `NoAnswer` when its bytes may be out and the SMSC says nothing: at the answer's deadline, or when the
//!   connection falls. An answer that comes after its deadline follows the `NoAnswer`.
//!
//! Deliveries are answered to the SMSC when they are durable. A session that panics or falls is bound
//! anew after a pause; its messages are accounted for first.
//!
//! Limits: [`settings::WINDOW_MAX`], [`settings::BINDS_MAX`]; how many messages wait is bounded by the
//! caller.

mod bind;
mod brought;
mod deliver;
mod flight;
mod link;
mod meter;
mod receipt;
mod segments;
mod session;
pub mod settings;
mod shared;
pub mod status;
mod submit;
pub mod text;
pub mod tls;
mod waiting;
mod window;
mod wire;
mod worker;

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use didfarm_core::ids::CarrierId;
use didfarm_core::parts::Part;
use tokio::sync::mpsc;

use crate::{Abilities, Carrier, CarrierSink, Query, Submit};
pub use settings::{BindMode, Concatenation, Numbering, SettingsError, SmppSettings, TlsSettings};
use text::join_text;
pub use text::{DefaultCoding, decode};
use tls::{Tls, TlsError};
pub use waiting::FRESH_WAIT_MS_MAX;
use worker::{Order, run};

/// An SMPP carrier cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The system refuses the thread or its event queue.
    #[error("the thread cannot be started")]
    Thread(#[from] std::io::Error),
}

/// One account at one SMSC. Dropping it lets every session end its business and unbind, for a few seconds
/// at most, and ends its thread.
#[derive(Debug)]
pub struct SmppCarrier {
    id: CarrierId,
    name: String,
    default_coding: DefaultCoding,
    orders: Option<mpsc::UnboundedSender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl SmppCarrier {
    /// Starts the carrier's thread, which binds and delivers to `sink`. That the SMSC cannot be reached is
    /// no error: it is tried again.
    ///
    /// # Errors
    /// [`StartError`] when the settings cannot be used or the thread cannot be had.
    pub fn start(
        settings: SmppSettings,
        sink: Arc<dyn CarrierSink>,
    ) -> Result<SmppCarrier, StartError> {
        settings.check()?;
        let tls = settings.tls.as_ref().map(Tls::new).transpose()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (orders, received) = mpsc::unbounded_channel();
        let (id, name) = (settings.id, settings.name.clone());
        let default_coding = settings.default_coding;
        let thread = thread::Builder::new()
            .name(format!("carrier-{name}"))
            .spawn(move || run(&runtime, settings, tls, sink, received))?;
        Ok(SmppCarrier {
            id,
            name,
            default_coding,
            orders: Some(orders),
            thread: Some(thread),
        })
    }

    fn order(&self, order: Order) {
        let orders = self.orders.as_ref().expect("it is taken in drop only");
        if orders.send(order).is_err() {
            tracing::error!(
                carrier = self.name,
                "the carrier's thread is gone: nothing is submitted"
            );
        }
    }
}

impl Carrier for SmppCarrier {
    fn id(&self) -> CarrierId {
        self.id
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            names_messages: false,
            one_id: false,
            queries: true,
        }
    }

    fn submit(&self, group: Vec<Submit>) {
        self.order(Order::Submit(group));
    }

    fn query(&self, group: Vec<Query>) {
        self.order(Order::Query(group));
    }

    fn join_parts(&self, parts: &[&Part]) -> String {
        join_text(parts, self.default_coding)
    }
}

impl Drop for SmppCarrier {
    fn drop(&mut self) {
        drop(self.orders.take());
        let Some(thread) = self.thread.take() else {
            return;
        };
        // A sink that holds the last reference drops it on the carrier's own thread, which cannot wait
        // for itself.
        if thread.thread().id() != thread::current().id() && thread.join().is_err() {
            tracing::error!(
                carrier = self.name,
                "the carrier's thread had panicked: answers are missing"
            );
        }
    }
}
