//! The messages that a flood is about: from a file, or made up.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use didfarm_core::ids::{CarrierMessageId, MessageId};

use super::FloodPlan;
use crate::capture::Kind;
use crate::carriers::record::{Record, Submitted};
use crate::peers::PEER_BASE_DEFAULT;

/// The most messages of one flood.
pub const MESSAGES_MAX: usize = 10_000_000;
/// The longest line of a file of ids, in bytes.
const LINE_BYTES_MAX: usize = 512;

/// Why the ids cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum KnownError {
    /// The file cannot be opened or read.
    #[error("the ids in {path:?} cannot be read; check the path and the rights")]
    File {
        /// The path as given.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A line is not of the form.
    #[error("line {line} of the ids is not MESSAGE_ID CARRIER_ID, as msg_00000002001 wamid.xyz")]
    Line {
        /// Which line, from 1.
        line: usize,
    },
    /// There are none, or too many.
    #[error("give 1 to {MESSAGES_MAX} messages")]
    Count,
}

/// Reads a file of lines `MESSAGE_ID CARRIER_ID`.
///
/// # Errors
/// [`KnownError`] at the first line of another form, or when there are none or too many.
pub fn read_ids(plan: &FloodPlan, path: &Path) -> Result<Vec<Arc<Record>>, KnownError> {
    let failed = |source| KnownError::File {
        path: path.to_owned(),
        source,
    };
    let mut records = Vec::new();
    let lines = BufReader::new(File::open(path).map_err(failed)?).lines();
    for (at, line) in lines.enumerate() {
        let line = line.map_err(failed)?;
        let wrong = KnownError::Line { line: at + 1 };
        let Some((message, carrier)) = line.trim().split_once(char::is_whitespace) else {
            if line.trim().is_empty() {
                continue;
            }
            return Err(wrong);
        };
        let message: Result<MessageId, _> = message.parse();
        let carrier = carrier.trim();
        let fits = line.len() <= LINE_BYTES_MAX
            && (1..=CarrierMessageId::BYTES_MAX).contains(&carrier.len())
            && !carrier.contains(char::is_whitespace);
        match message {
            Ok(message) if fits => {
                records.push(record(plan, carrier.to_owned(), Some(&message.to_string())));
            }
            _ => return Err(wrong),
        }
        if records.len() > MESSAGES_MAX {
            return Err(KnownError::Count);
        }
    }
    if records.is_empty() {
        return Err(KnownError::Count);
    }
    Ok(records)
}

/// Makes up messages that no daemon knows: their receipts are parked.
///
/// # Errors
/// [`KnownError::Count`] when there are none, or too many.
pub fn made_up(plan: &FloodPlan, count: usize) -> Result<Vec<Arc<Record>>, KnownError> {
    if !(1..=MESSAGES_MAX).contains(&count) {
        return Err(KnownError::Count);
    }
    Ok((0..count).map(|nth| unknown(plan, nth as u64)).collect())
}

/// A message that nobody knows.
pub(super) fn unknown(plan: &FloodPlan, nth: u64) -> Arc<Record> {
    let id = match plan.kind {
        Kind::Telnyx => format!("{:08x}-dead-4000-8000-{nth:010x}00", plan.seed as u32),
        Kind::Twilio => format!("SM{:016x}{nth:016x}", plan.seed),
        Kind::WhatsApp => format!("wamid.unknown-{:x}-{nth}", plan.seed),
    };
    record(plan, id, None)
}

fn record(plan: &FloodPlan, id: String, message: Option<&str>) -> Arc<Record> {
    let (callback, echo) = match (plan.kind, message) {
        (Kind::Telnyx, Some(message)) => (plan.status_url(message), format!(r#"["{message}"]"#)),
        (Kind::Twilio, Some(message)) => (plan.status_url(message), String::new()),
        (Kind::WhatsApp, message) => (plan.callback_url(), message.unwrap_or_default().to_owned()),
        (Kind::Telnyx | Kind::Twilio, None) => (plan.callback_url(), String::new()),
    };
    let account = match plan.kind {
        Kind::Telnyx => String::new(),
        Kind::Twilio => format!("AC{:032x}", 1),
        Kind::WhatsApp => plan.inbound.phone_number_id.clone(),
    };
    let submitted = Submitted {
        account: account.into(),
        from: plan.inbound.to.as_str().into(),
        to: format!("+{PEER_BASE_DEFAULT}").into(),
        callback: callback.into(),
        echo: echo.into(),
        ..Submitted::default()
    };
    Arc::new(Record::new(plan.protocol(), id, submitted))
}
