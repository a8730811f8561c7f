//! Parts of long inbound messages: held durably, put together when all are here, shown with gaps when
//! some never come.
//!
//! A message that is put together goes the way of any inbound message under an id made of its parts, so
//! that one that was stored just before a crash is known when it is handed on again.

use std::sync::Arc;

use didfarm_carriers::callback::Inbound;
use didfarm_carriers::smpp;
use didfarm_core::channel::Channel;
use didfarm_core::event::Event;
use didfarm_core::ids::CarrierMessageId;
use didfarm_core::parts::{self, Part, PartsKey};

use super::DeliverySupervisor;
use super::batch::DeliveryEffect;
use super::parts::Joined;
use crate::actors::conversation::ReceiveReply;
use crate::callback::Share;
use crate::handle::callbacks::hand_in;

/// How long a message that was put together has to be stored before it is handed on again.
pub(super) const PARTS_RETRY_MS: u64 = 30_000;

impl DeliverySupervisor {
    pub(super) fn take_parts(&mut self, parts: Vec<Part>, share: Share) {
        self.had_callbacks = true;
        for part in parts {
            if self.engine.directory.number_id(part.key.to).is_none() {
                self.engine.meters.unroutable.increment(1);
                continue;
            }
            if self.parts.holds(&part) {
                continue;
            }
            if self.parts.len() >= parts::HELD_MAX {
                tracing::error!("as many parts of inbound messages are held as may be");
                // Dropping the share asks the carrier to bring it again.
                return;
            }
            let key = part.key.clone();
            self.batch.events.push(Event::PartHeld(part.clone()));
            self.parts.put(self.batch.at, part);
            if let Some(joined) = self.parts.complete(&key, self.batch.at) {
                self.hand_on(joined);
            }
        }
        self.batch.effects.push(DeliveryEffect::Done(share));
    }

    /// Hands a message that was put together to its conversation. Its parts come before it in the journal:
    /// when the carrier brings them again after a crash, they give the message the same id.
    pub(super) fn hand_on(&mut self, joined: Joined) {
        self.flush();
        let Joined { key, id, parts } = joined;
        let Some(number) = self.engine.directory.number_id(key.to) else {
            self.parts_stored(key);
            return;
        };
        let parts: Vec<&Part> = parts.iter().collect();
        let text = match self.carriers.get(key.carrier) {
            Some(carrier) => carrier.join_parts(&parts),
            // The settings do not name it any more: its default alphabet is not known.
            None => smpp::text::join_text(&parts, smpp::DefaultCoding::default()),
        };
        let body: Arc<str> = text.into();
        let inbound = Inbound {
            id: Some(CarrierMessageId(id.into())),
            from: key.from.clone(),
            alias: None,
            to: key.to,
            channel: Channel::Sms,
            body,
            content: None,
        };
        let carrier = key.carrier;
        let reply = ReceiveReply::Parts(key);
        hand_in(&self.engine, number, carrier, inbound, reply, None);
    }

    pub(super) fn parts_stored(&mut self, key: PartsKey) {
        if self.parts.clear(&key, self.batch.at) {
            self.batch.events.push(Event::PartsJoined(key));
        }
    }
}
