//! What the delivery supervisor starts from: the open deliveries and parked receipts of the records.

use didfarm_carriers::Submit;
use didfarm_core::delivery::{InFlight, Phase};
use didfarm_core::event::ParkedReceipt;
use didfarm_core::time::Timestamp;
use didfarm_store::records::{Records, RecordsError};

/// The records' view of deliveries.
pub(crate) struct Rebuilt {
    /// Open deliveries; those that are queued with what is to be handed over.
    pub(crate) open: Vec<(InFlight, Option<Submit>)>,
    /// Parked receipts with their times.
    pub(crate) parked: Vec<(Timestamp, ParkedReceipt)>,
}

impl Rebuilt {
    /// Reads the records.
    pub(crate) fn read(records: &Records) -> Result<Rebuilt, RecordsError> {
        let mut in_flight = Vec::new();
        records.each_in_flight(|delivery| in_flight.push(delivery))?;
        let mut open = Vec::with_capacity(in_flight.len());
        for delivery in in_flight {
            let queued = delivery.delivery.phase == Phase::Queued;
            let message = if queued {
                records.message(delivery.message)?
            } else {
                None
            };
            let submit = message.map(|message| Submit {
                message: message.id,
                from: message.from,
                to: message.to,
                channel: message.channel,
                body: message.body,
                segments: message.segments,
                submit: 0,
            });
            open.push((delivery, submit));
        }
        let mut parked = Vec::new();
        records.each_parked(|row| parked.extend(row))?;
        parked.sort_by_key(|(at, _)| *at);
        Ok(Rebuilt { open, parked })
    }
}
