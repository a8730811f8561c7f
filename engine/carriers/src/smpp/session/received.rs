//! What a session does with each PDU that comes.

use super::super::deliver::{Delivered, read_data_sm, read_deliver_sm, receipt};
use super::super::flight::Next;
use super::super::link::Asked;
use super::super::receipt::MessageState;
use super::super::status;
use super::super::wire::{Pdu, Reader, command, write_pdu};
use super::{End, Session};
use crate::{CarrierEvent, Query};

/// The answer to a request.
const fn response(request: u32) -> u32 {
    request | command::RESPONSE
}

impl Session {
    /// Handles one PDU; answers and deliveries are gathered, not handed over.
    pub(super) fn receive(&self, pdu: &Pdu<'_>) -> Result<(), End> {
        const SUBMIT_SM_RESP: u32 = response(command::SUBMIT_SM);
        const QUERY_SM_RESP: u32 = response(command::QUERY_SM);
        const ENQUIRE_LINK_RESP: u32 = response(command::ENQUIRE_LINK);
        const UNBIND_RESP: u32 = response(command::UNBIND);
        self.shared.meter.received(pdu.command);
        match pdu.command {
            SUBMIT_SM_RESP => self.submit_answered(pdu, pdu.status),
            QUERY_SM_RESP => {
                self.query_answered(pdu);
                Ok(())
            }
            command::GENERIC_NACK => self.refused(pdu),
            command::DELIVER_SM => {
                self.bring(pdu, read_deliver_sm(self.settings(), pdu.body));
                Ok(())
            }
            command::DATA_SM => {
                self.bring(pdu, read_data_sm(self.settings(), pdu.body));
                Ok(())
            }
            command::ENQUIRE_LINK => {
                self.reply(ENQUIRE_LINK_RESP, status::OK, pdu.sequence);
                Ok(())
            }
            ENQUIRE_LINK_RESP => {
                self.link_is_alive(pdu.sequence);
                Ok(())
            }
            command::UNBIND => {
                self.begin_leaving(Some(pdu.sequence));
                Ok(())
            }
            UNBIND_RESP => {
                match self.answered(pdu.sequence, |asked| matches!(asked, Asked::Unbind)) {
                    Some(_) => Err(End::Left),
                    None => Ok(()),
                }
            }
            // A notification has no answer, and neither has an answer that nobody asked for.
            command::ALERT_NOTIFICATION => Ok(()),
            answer if answer & command::RESPONSE != 0 => Ok(()),
            _ => {
                self.reply(
                    command::GENERIC_NACK,
                    status::INVALID_COMMAND_ID,
                    pdu.sequence,
                );
                Ok(())
            }
        }
    }

    fn reply(&self, command: u32, status: u32, sequence: u32) {
        write_pdu(
            &mut self.link.borrow_mut().out,
            command,
            status,
            sequence,
            |_| {},
        );
    }

    fn answered(&self, sequence: u32, fits: impl FnOnce(&Asked) -> bool) -> Option<Asked> {
        let pending = self.link.borrow_mut().answered(sequence, fits)?;
        Some(pending.asked)
    }

    fn link_is_alive(&self, sequence: u32) {
        if self
            .answered(sequence, |asked| matches!(asked, Asked::Enquiry))
            .is_some()
        {
            self.enquired.set(false);
        }
    }

    /// A `submit_sm_resp` (SMPP 3.4, 4.4.2), or a `generic_nack` in its place.
    fn submit_answered(&self, pdu: &Pdu<'_>, status: u32) -> Result<(), End> {
        let mut link = self.link.borrow_mut();
        let Some(pending) = link.answered(pdu.sequence, |asked| matches!(asked, Asked::Submit(..)))
        else {
            return Ok(());
        };
        if status::is_throttling(status) {
            link.throttle(&pending);
            self.shared.meter.throttled.increment(1);
        } else {
            link.window.widen();
        }
        drop(link);
        let Asked::Submit(flight, place) = pending.asked else {
            return Ok(());
        };
        let next = if status == status::OK {
            let id = Reader(pdu.body).c_string();
            let id = self.settings().ids.of_answer(&id);
            flight.borrow_mut().taken(place, id)
        } else {
            flight.borrow_mut().not_taken(place, status::answer(status))
        };
        self.follow(&flight, next);
        match status::is_unbound(status) {
            true => Err(End::NotBound),
            false => Ok(()),
        }
    }

    fn follow(&self, flight: &super::SharedFlight, next: Next) {
        self.shared
            .follow(flight, next, &mut self.events.borrow_mut());
    }

    /// A `generic_nack` (SMPP 3.4, 4.3): the SMSC could not read a request of ours.
    fn refused(&self, pdu: &Pdu<'_>) -> Result<(), End> {
        let status = match pdu.status {
            status::OK => status::INVALID_COMMAND_ID,
            status => status,
        };
        self.submit_answered(pdu, status)?;
        // An SMSC that knows no enquire_link is alive all the same.
        self.link_is_alive(pdu.sequence);
        match self.answered(pdu.sequence, |asked| !matches!(asked, Asked::Submit(..))) {
            Some(Asked::Unbind) => Err(End::Left),
            Some(Asked::Query(_) | Asked::Enquiry | Asked::Submit(..)) | None => Ok(()),
        }
    }

    /// A `query_sm_resp` (SMPP 3.4, 4.8.2). The id that was asked for is the one that is told.
    fn query_answered(&self, pdu: &Pdu<'_>) {
        let asked = self.answered(pdu.sequence, |asked| matches!(asked, Asked::Query(_)));
        let Some(Asked::Query(Query { id, .. })) = asked else {
            return;
        };
        let mut reader = Reader(pdu.body);
        reader.c_string(); // message_id
        reader.c_string(); // final_date
        let state = reader.u8().and_then(MessageState::of_octet);
        if let Some(state) = state.filter(|_| pdu.status == status::OK) {
            let event = CarrierEvent::Receipt(receipt(id, state, None));
            self.events.borrow_mut().push(event);
        }
    }

    /// Gathers a delivery, or refuses what can never be used or cannot be held now.
    fn bring(&self, pdu: &Pdu<'_>, delivered: Option<Delivered>) {
        let refusal = self
            .brought
            .add(response(pdu.command), pdu.sequence, delivered);
        if let Some((answer, status)) = refusal {
            answer.write(&mut self.link.borrow_mut().out, status);
        }
    }
}
