//! The carriers' side of the door: what they bring, and how they are.

use std::sync::Arc;
use std::time::Duration;

use didfarm_carriers::callback::{Callback, Inbound, Preference};
use didfarm_carriers::{CarrierEvent, CarrierSink, Taken};
use didfarm_core::consent::{ConsentCause, ConsentEvent, NOTE_CHARS_MAX};
use didfarm_core::content::MESSAGE_BYTES_MAX;
use didfarm_core::conversation::ReceiveMessage;
use didfarm_core::e164::E164;
use didfarm_core::ids::{CarrierId, NumberId};
use didfarm_core::segments;
use tokio::sync::oneshot;

use super::EngineHandle;
use crate::actors::conversation::{ConsentCommand, ConsentReply, ReceiveCommand, ReceiveReply};
use crate::actors::delivery::DeliveryInput;
use crate::actors::partition::PartitionInput;
use crate::admission::Permit;
use crate::callback::Share;
use crate::carriers::{CarrierFace, CarrierView};
use crate::shared::Shared;

/// Where carriers put answers, receipts and what they bring.
pub(crate) struct EngineSink(pub(crate) Arc<Shared>);

impl CarrierSink for EngineSink {
    fn deliver(&self, carrier: CarrierId, group: Vec<CarrierEvent>) {
        self.0.delivery.push(DeliveryInput::Carrier(carrier, group));
    }

    fn take(&self, carrier: CarrierId, callback: Callback) -> oneshot::Receiver<Taken> {
        take(&self.0, carrier, callback)
    }
}

/// How long a carrier is to wait with what it brings now.
fn later(shared: &Shared) -> Duration {
    shared.pace.wait(shared.callbacks.under_way())
}

fn take(shared: &Shared, carrier: CarrierId, callback: Callback) -> oneshot::Receiver<Taken> {
    let (reply, answer) = oneshot::channel();
    let permit = match shared.gate() {
        Ok(()) => shared.callbacks.admit_weight(callback.weight()),
        Err(_) => None,
    };
    let Some(permit) = permit else {
        // The receiver is held right here.
        let _ = reply.send(Taken::Later(later(shared)));
        return answer;
    };
    let share = Share::new(reply, later(shared), permit);
    let Callback {
        receipts,
        inbound,
        parts,
        preferences,
        ..
    } = callback;
    if !receipts.is_empty() {
        let input = DeliveryInput::Receipts(carrier, receipts, share.split());
        shared.delivery.push(input);
    }
    if !parts.is_empty() {
        shared
            .delivery
            .push(DeliveryInput::Parts(parts, share.split()));
    }
    for inbound in inbound {
        receive(shared, carrier, inbound, share.split());
    }
    for preference in preferences {
        learn(shared, preference, share.split());
    }
    share.done();
    answer
}

/// The number of ours that a carrier names; one that is not hosted here is no reason to come again.
fn hosted(shared: &Shared, number: E164, share: Share) -> Option<(NumberId, Share)> {
    if let Some(number) = shared.directory.number_id(number) {
        return Some((number, share));
    }
    tracing::warn!("a carrier brought something for a number that is not hosted here");
    shared.meters.unroutable.increment(1);
    share.done();
    None
}

/// Tells a conversation what its peer wants, as the carrier's own settings have it.
fn learn(shared: &Shared, preference: Preference, share: Share) {
    let Some((number, share)) = hosted(shared, preference.number, share) else {
        return;
    };
    let detail = preference.detail.as_deref();
    let note = detail.map(|detail| {
        detail
            .chars()
            .take(NOTE_CHARS_MAX)
            .collect::<String>()
            .into()
    });
    let command = ConsentCommand {
        number,
        peer: preference.peer,
        said: ConsentEvent {
            change: preference.change,
            cause: ConsentCause::WhatsApp,
            evidence: None,
            word: None,
            note,
            stated_at: preference.stated_at,
        },
        reply: ConsentReply::Callback(share),
        permit: None,
    };
    shared
        .partition_of(number)
        .push(PartitionInput::Consent(Box::new(command)));
}

fn receive(shared: &Shared, carrier: CarrierId, inbound: Inbound, share: Share) {
    let Some((number, share)) = hosted(shared, inbound.to, share) else {
        return;
    };
    let reply = ReceiveReply::Callback(share);
    hand_in(shared, number, carrier, inbound, reply, None);
}

/// Hands an inbound message to the number that it came to, whichever way it came.
pub(crate) fn hand_in(
    shared: &Shared,
    number: NumberId,
    carrier: CarrierId,
    inbound: Inbound,
    reply: ReceiveReply,
    permit: Option<Permit>,
) {
    let mut content = inbound.content;
    if let Some(content) = &mut content
        && !content.trim(MESSAGE_BYTES_MAX.saturating_sub(inbound.body.len()))
    {
        tracing::warn!("an inbound message has more attachments than are kept");
    }
    let command = ReceiveCommand {
        number,
        peer: inbound.from,
        message: ReceiveMessage {
            channel: inbound.channel,
            segmentation: segments::count(&inbound.body),
            body: inbound.body,
            carrier,
            carrier_message_id: inbound.id,
            content,
            alias: inbound.alias,
        },
        reply,
        permit,
    };
    shared
        .partition_of(number)
        .push(PartitionInput::Receive(Box::new(command)));
}

impl EngineHandle {
    /// The carrier of this name.
    pub fn carrier(&self, name: &str) -> Option<&CarrierFace> {
        self.faces.by_name(name)
    }

    /// A carrier's name by its id; stored messages may name one that the settings no longer do.
    pub fn carrier_name(&self, id: CarrierId) -> Option<&str> {
        self.faces.name(id).map(AsRef::as_ref)
    }

    /// Every carrier, with how it is.
    pub fn carriers(&self) -> Vec<(CarrierFace, Option<CarrierView>)> {
        let views = self.shared.carrier_views.list();
        let view = |id| views.iter().find(|view| view.id == id).copied();
        self.faces
            .list()
            .into_iter()
            .map(|face| {
                let view = view(face.id);
                (face, view)
            })
            .collect()
    }

    /// Whether callbacks are taken at the moment; if not, how long a carrier is to wait. Asked before a
    /// body is read, so that a flood costs little.
    ///
    /// # Errors
    /// The wait.
    pub fn callbacks_open(&self) -> Result<(), Duration> {
        if self.shared.gate().is_ok() && self.shared.callbacks.has_room() {
            Ok(())
        } else {
            Err(later(&self.shared))
        }
    }

    /// Takes what a carrier brings: when this says [`Taken::Durable`], all of it is.
    pub async fn take_callback(&self, carrier: CarrierId, callback: Callback) -> Taken {
        take(&self.shared, carrier, callback)
            .await
            .unwrap_or_else(|_| Taken::Later(later(&self.shared)))
    }
}
