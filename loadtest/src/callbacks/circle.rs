//! The full circle: messages go out through the daemon, the carrier here takes them, a flood tells what became of
//! them, and the API is asked for each.
//!
//! The daemon's carrier must have its `base_url` set to [`CirclePlan::listen`]. On WhatsApp every peer writes first,
//! because a text is only sent while its window is open.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::flood::{FloodError, flood};
use super::inbox::{InboxError, look_through};
use super::report::FloodReport;
use super::stock::{self, Stock, StockError, inbound_from};
use super::{FloodPlan, Shares};
use crate::capture::Kind;
use crate::carriers::record::{MESSAGES_KEPT_MAX, Record};
use crate::carriers::{Addresses, Carriers, CarriersError, CarriersPlan, Faults};
use crate::gate::Pace;
use crate::peers::Peers;
use crate::populate::{PopulatePlan, PopulateReport, populate};
use crate::reading::{Findings, ReadPlan, read_back};
use crate::request::{BodyText, Sender};
use crate::tally::sentence;
use crate::workers::WorkersError;

/// Pause between two looks at how many messages the carrier has, in milliseconds.
const LOOK_PAUSE_MS: u64 = 20;

/// What goes round.
#[derive(Debug, Clone)]
pub struct CirclePlan {
    /// The flood about the messages.
    pub flood: FloodPlan,
    /// The account's API key and the number that messages come from.
    pub sender: Sender,
    /// How many messages, each to a peer of its own.
    pub peers: Peers,
    /// Where the carrier listens: the daemon's `base_url` for it.
    pub listen: SocketAddr,
    /// Share of messages whose last receipt comes before the answer to the submit.
    pub early: f64,
    /// How long messages may take to reach the carrier, and to come to rest after the flood.
    pub drain_timeout: Duration,
}

/// Why the circle is not closed.
#[derive(Debug, thiserror::Error)]
pub enum CircleError {
    /// The carrier cannot start.
    #[error(transparent)]
    Carriers(#[from] CarriersError),
    /// The flood has no stock.
    #[error(transparent)]
    Stock(#[from] StockError),
    /// The flood cannot start.
    #[error(transparent)]
    Flood(#[from] FloodError),
    /// No worker can start.
    #[error(transparent)]
    Workers(#[from] WorkersError),
    /// The inbox cannot be read.
    #[error(transparent)]
    Inbox(#[from] InboxError),
    /// Messages cannot be sent.
    #[error("messages could not be sent: {0}")]
    Populate(String),
    /// There are more messages than the carrier keeps.
    #[error("give at most {MESSAGES_KEPT_MAX} messages")]
    TooMany,
    /// Not all messages were accepted.
    #[error("not every message was accepted: {0}")]
    NotAccepted(String),
    /// Not all messages came to the carrier.
    #[error(
        "{taken} of {sent} messages came to the carrier in time; check the route and the base_url of the daemon's carrier"
    )]
    NotSubmitted {
        /// Messages that came.
        taken: u64,
        /// Messages that the daemon accepted.
        sent: u64,
    },
}

/// What came of a circle.
#[derive(Debug, Serialize)]
pub struct CircleReport {
    /// The sends.
    pub sends: PopulateReport,
    /// The flood.
    pub flood: FloodReport,
    /// The messages.
    pub messages: Findings,
    /// The inbound messages; absent when there were none.
    pub inbound: Option<Findings>,
    /// Ids that the daemon submitted more than once.
    pub doubled_submits: u64,
}

impl CircleReport {
    /// Whether nothing is lost, doubled or misreported, and every answer was one that it may be.
    pub fn is_clean(&self) -> bool {
        self.flood.is_sound()
            && self.messages.is_clean()
            && self.inbound.as_ref().is_none_or(Findings::is_clean)
            && self.doubled_submits == 0
    }
}

impl std::fmt::Display for CircleReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "sends       {}", self.sends)?;
        writeln!(f, "{}", self.flood)?;
        write!(f, "messages    {}", self.messages)?;
        if let Some(inbound) = &self.inbound {
            write!(f, "\ninbound     {inbound}")?;
        }
        if self.doubled_submits > 0 {
            write!(
                f,
                "\ndoubled     {} messages were submitted twice",
                self.doubled_submits
            )?;
        }
        Ok(())
    }
}

/// Sends, floods and asks back.
///
/// # Errors
/// [`CircleError`] when a step cannot be done; what is wrong with messages is in the report.
///
/// # Panics
/// When a worker panics.
pub fn circle(plan: &CirclePlan) -> Result<CircleReport, CircleError> {
    if plan.peers.count() > MESSAGES_KEPT_MAX as u64 {
        return Err(CircleError::TooMany);
    }
    let carriers = Carriers::start(&carriers_plan(plan))?;
    if plan.flood.kind == Kind::WhatsApp {
        open_windows(plan)?;
    }
    let sends = send(plan)?;
    let records = taken(&carriers, plan)?;
    let stock = stock::make(&plan.flood, &records)?;
    let outcome = flood(&plan.flood, stock)?;
    let reading = ReadPlan {
        target: plan.flood.target.clone(),
        key: plan.sender.key.clone(),
        drain_timeout: plan.drain_timeout,
        connections: plan.flood.connections,
        threads: plan.flood.threads,
        timeout: plan.flood.timeout,
    };
    let messages = read_back(&reading, outcome.stock.outcomes.clone())?;
    let inbound = inbound_findings(plan, &reading, &outcome.stock)?;
    Ok(CircleReport {
        sends,
        flood: outcome.report,
        messages,
        inbound,
        doubled_submits: doubled_submits(&plan.flood, &records),
    })
}

fn carriers_plan(plan: &CirclePlan) -> CarriersPlan {
    CarriersPlan {
        listen: plan.listen,
        keys: plan.flood.keys.clone(),
        addresses: Addresses {
            callback: Some(plan.flood.callback_url()),
            numbers: vec![(
                plan.flood.inbound.phone_number_id.clone(),
                plan.flood.inbound.to.clone(),
            )],
            ..Addresses::default()
        },
        deliver_to: Some(plan.flood.target.clone()),
        faults: Faults {
            early: plan.early,
            ..Faults::default()
        },
        seed: plan.flood.seed,
        messages_kept: plan.peers.count() as usize * 2,
        only_early: true,
        ..CarriersPlan::default()
    }
}

/// Lets every peer write once.
fn open_windows(plan: &CirclePlan) -> Result<(), CircleError> {
    let opening = FloodPlan {
        pace: Pace::Closed,
        duration: plan.drain_timeout.max(Duration::from_secs(1)),
        batch: 1,
        shares: Shares::default(),
        retry_for: plan.drain_timeout,
        progress: false,
        // The ids of these must not be those of the flood's own inbound messages.
        seed: !plan.flood.seed,
        ..plan.flood.clone()
    };
    let mut stock = Stock::default();
    for nth in 0..plan.peers.count() {
        let peer = plan.peers.number(nth);
        let post = inbound_from(&opening, peer, nth as u32, "Hello");
        stock.push(&opening, &post);
    }
    let report = flood(&opening, stock)?.report;
    if report.is_sound() {
        Ok(())
    } else {
        Err(CircleError::NotAccepted(format!(
            "windows could not be opened: {report}"
        )))
    }
}

fn send(plan: &CirclePlan) -> Result<PopulateReport, CircleError> {
    let body = BodyText::new("Load test message {n}");
    let body = match plan.flood.kind {
        Kind::WhatsApp => body.over_whatsapp(),
        Kind::Telnyx | Kind::Twilio => body,
    };
    let outcome = populate(&PopulatePlan {
        target: plan.flood.target.clone(),
        sender: plan.sender.clone(),
        peers: plan.peers,
        body,
        connections: plan.flood.connections,
        threads: plan.flood.threads,
        timeout: plan.flood.timeout,
        keep_accepted: false,
        progress: plan.flood.progress,
    });
    let report = outcome
        .map_err(|error| CircleError::Populate(sentence(&error)))?
        .report;
    match report.is_complete() {
        true => Ok(report),
        false => Err(CircleError::NotAccepted(report.to_string())),
    }
}

/// Waits until the carrier has every message.
fn taken(carriers: &Carriers, plan: &CirclePlan) -> Result<Vec<Arc<Record>>, CircleError> {
    let sent = plan.peers.count();
    let deadline = Instant::now() + plan.drain_timeout;
    loop {
        let taken = carriers.snapshot().protocols[&plan.flood.protocol()].ids;
        if taken >= sent {
            return Ok(carriers.records());
        }
        if Instant::now() >= deadline {
            return Err(CircleError::NotSubmitted { taken, sent });
        }
        std::thread::sleep(Duration::from_millis(LOOK_PAUSE_MS));
    }
}

fn doubled_submits(plan: &FloodPlan, records: &[Arc<Record>]) -> u64 {
    let mut seen = std::collections::HashSet::new();
    let named = records
        .iter()
        .filter_map(|record| stock::message_of(plan, record));
    named
        .filter(|message| !seen.insert(message.clone()))
        .count() as u64
}

fn inbound_findings(
    plan: &CirclePlan,
    reading: &ReadPlan,
    stock: &Stock,
) -> Result<Option<Findings>, CircleError> {
    if stock.inbound.is_empty() {
        return Ok(None);
    }
    Ok(Some(look_through(reading, &stock.inbound, |peer| {
        plan.flood.inbound.has(peer)
    })?))
}
