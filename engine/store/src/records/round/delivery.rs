//! Deliveries and receipts of a round: open and closed deliveries, whose carrier ids lead to a message,
//! receipts that wait for theirs and those that waited in vain.

use didfarm_core::delivery::DeliveryEvent;
use didfarm_core::event::ParkedReceipt;
use didfarm_core::ids::{CarrierId, CarrierMessageId, MessageId};

use super::super::RecordsError;
use super::super::keys;
use super::{AgedReceipt, At, ParkedRow, Round, lower};

impl Round<'_> {
    /// Moves a delivery. A closed one stays with its message, even if an event opens it again: what
    /// may still come to it finds it there.
    pub(super) fn delivery(
        &mut self,
        at: At,
        id: MessageId,
        event: &DeliveryEvent,
    ) -> Result<(), RecordsError> {
        let record = self.messages.get(self.shelf, keys::id(id.0))?;
        let Some(message) = record else {
            return Err(at.missing(format!("message {id}")));
        };
        let (batch, before) = ((message.account, message.batch), message.status());
        if let DeliveryEvent::Rescheduled(to) = event {
            message.reschedule(*to);
        }
        let open = self.in_flight.get(self.shelf, keys::id(id.0))?;
        if let Some(in_flight) = open {
            in_flight.evolve(event, at.time);
            message.follow(&in_flight.delivery, at.time);
            if in_flight.delivery.is_closed() {
                message.closed = open.take().map(|in_flight| in_flight.delivery);
                lower(&mut self.meta.counts.in_flight, 1);
            }
        } else {
            let Some(mut delivery) = message.closed.take() else {
                return Err(at.missing(format!("the delivery of {id}")));
            };
            delivery.evolve(event);
            message.follow(&delivery, at.time);
            message.closed = Some(delivery);
        }
        let after = message.status();
        if let DeliveryEvent::SubmitAccepted(ids, true) = event {
            let Some(route) = message.route else {
                return Err(at.missing(format!("the route of {id}")));
            };
            self.index(route.carrier, ids, id);
        }
        self.follow_in_batch(at, batch, before, after)
    }

    fn index(&mut self, carrier: CarrierId, ids: &[CarrierMessageId], message: MessageId) {
        let value = keys::id(message.0);
        for id in ids {
            self.owners
                .push((keys::owner(carrier, id).to_vec(), Some(value.to_vec())));
        }
    }

    pub(super) fn park(&mut self, at: At, receipt: &ParkedReceipt) -> Result<(), RecordsError> {
        let key = keys::parked(receipt.carrier, &receipt.id);
        let row = self.parked.get(self.shelf, key)?;
        row.get_or_insert_default().push((at.time, receipt.clone()));
        self.meta.counts.parked += 1;
        Ok(())
    }

    /// Takes the receipts of an id out of the parked ones, oldest first.
    pub(super) fn unpark(
        &mut self,
        carrier: CarrierId,
        id: &CarrierMessageId,
    ) -> Result<ParkedRow, RecordsError> {
        let row = self.parked.get(self.shelf, keys::parked(carrier, id))?;
        // Another id may have the same hash: its receipts stay.
        let (taken, kept): (ParkedRow, ParkedRow) = row
            .take()
            .unwrap_or_default()
            .into_iter()
            .partition(|(_, receipt)| receipt.id == *id);
        *row = Some(kept).filter(|kept| !kept.is_empty());
        lower(&mut self.meta.counts.parked, taken.len() as u64);
        Ok(taken)
    }

    /// Moves the parked receipts of an id into the ring of those that aged out.
    pub(super) fn age_out(
        &mut self,
        at: At,
        carrier: CarrierId,
        id: &CarrierMessageId,
    ) -> Result<(), RecordsError> {
        for (parked_at, receipt) in self.unpark(carrier, id)? {
            let aged = AgedReceipt {
                parked_at,
                aged_at: at.time,
                receipt,
            };
            self.aged.put(keys::aged(self.meta.aged_total), aged);
            self.meta.aged_total += 1;
        }
        Ok(())
    }
}
