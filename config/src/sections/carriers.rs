//! `[[carriers]]`: whom we submit to, each by exactly one protocol.

mod smpp;
mod telnyx;
mod twilio;
mod whatsapp;

pub use smpp::{SmppBind, SmppCoding, SmppConcatenation, SmppIds, SmppSettings};
pub use telnyx::TelnyxSettings;
pub use twilio::TwilioSettings;
pub use whatsapp::{WhatsAppNumber, WhatsAppSettings};

use std::path::Path;
use std::time::Duration;

use didfarm_core::channel::Channel;
use didfarm_core::ids::CarrierId;
use serde::{Deserialize, Serialize};

use super::DeliverySettings;
use crate::allowed::Allowed;
use crate::secret::Secret;

/// `[[carriers]]`: one carrier, with exactly one of the tables of a protocol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CarrierSettings {
    /// What stored messages name it by: never used again for another carrier.
    pub id: u16,
    /// What it is called in routes, paths, metrics and answers; no two carriers share a name.
    pub name: String,
    /// The most messages handed to it and not answered yet.
    pub window: usize,
    /// The segments a second that it takes; 0 for no limit.
    pub segments_per_second: u32,
    /// How long a message submitted to it waits for its last receipt; 0 for
    /// `delivery.receipt_deadline_ms`, see [`CarrierSettings::receipt_deadline`].
    pub receipt_deadline_ms: u64,
    /// The Telnyx messaging API.
    pub telnyx: Option<TelnyxSettings>,
    /// The Twilio Messages API.
    pub twilio: Option<TwilioSettings>,
    /// Meta's WhatsApp Cloud API.
    pub whatsapp: Option<WhatsAppSettings>,
    /// An SMSC by SMPP 3.4.
    pub smpp: Option<SmppSettings>,
}

impl Default for CarrierSettings {
    fn default() -> Self {
        Self {
            id: 0,
            name: String::new(),
            window: 1_000,
            segments_per_second: 0,
            receipt_deadline_ms: 0,
            telnyx: None,
            twilio: None,
            whatsapp: None,
            smpp: None,
        }
    }
}

/// The protocol of a carrier, with its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProtocolSettings<'a> {
    /// The Telnyx messaging API.
    Telnyx(&'a TelnyxSettings),
    /// The Twilio Messages API.
    Twilio(&'a TwilioSettings),
    /// Meta's WhatsApp Cloud API.
    WhatsApp(&'a WhatsAppSettings),
    /// An SMSC by SMPP 3.4.
    Smpp(&'a SmppSettings),
}

impl ProtocolSettings<'_> {
    /// Tells whether the protocol carries a channel.
    pub fn carries(&self, channel: Channel) -> bool {
        match self {
            Self::Telnyx(_) | Self::Smpp(_) => channel == Channel::Sms,
            Self::WhatsApp(_) => channel == Channel::WhatsApp,
            Self::Twilio(_) => true,
        }
    }

    /// Returns the word for it: the key of its table.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Telnyx(_) => "telnyx",
            Self::Twilio(_) => "twilio",
            Self::WhatsApp(_) => "whatsapp",
            Self::Smpp(_) => "smpp",
        }
    }
}

impl CarrierSettings {
    /// Returns `id` as the engine's type.
    pub fn carrier_id(&self) -> CarrierId {
        CarrierId(self.id)
    }

    /// Returns the protocol.
    ///
    /// # Panics
    ///
    /// Panics without any, which no loading yields.
    pub fn protocol(&self) -> ProtocolSettings<'_> {
        self.any_protocol()
            .expect("loading refuses a carrier without a protocol")
    }

    /// Returns the protocol, or nothing where it was refused.
    pub(crate) fn any_protocol(&self) -> Option<ProtocolSettings<'_>> {
        let telnyx = self.telnyx.as_ref().map(ProtocolSettings::Telnyx);
        let twilio = self.twilio.as_ref().map(ProtocolSettings::Twilio);
        let whatsapp = self.whatsapp.as_ref().map(ProtocolSettings::WhatsApp);
        let smpp = self.smpp.as_ref().map(ProtocolSettings::Smpp);
        telnyx.or(twilio).or(whatsapp).or(smpp)
    }

    /// Returns `receipt_deadline_ms`, with 0 resolved to that of all carriers.
    pub fn receipt_deadline(&self, delivery: &DeliverySettings) -> Duration {
        match self.receipt_deadline_ms {
            0 => delivery.receipt_deadline(),
            own_ms => Duration::from_millis(own_ms),
        }
    }

    /// Returns every secret that may stand in a file of its own.
    pub(crate) fn secrets(&mut self) -> Vec<SecretSlot<'_>> {
        let telnyx = self.telnyx.iter_mut().flat_map(TelnyxSettings::secrets);
        let twilio = self.twilio.iter_mut().flat_map(TwilioSettings::secrets);
        let whatsapp = self.whatsapp.iter_mut().flat_map(WhatsAppSettings::secrets);
        let smpp = self.smpp.iter_mut().flat_map(SmppSettings::secrets);
        telnyx.chain(twilio).chain(whatsapp).chain(smpp).collect()
    }
}

/// A secret and the file that may hold it instead of the settings.
pub(crate) struct SecretSlot<'a> {
    /// The setting of the file, below its section's path.
    pub(crate) file_key: &'static str,
    /// The file; empty for none.
    pub(crate) file: &'a Path,
    /// Where the text goes.
    pub(crate) secret: &'a mut Secret,
    /// What the text may be.
    pub(crate) allowed: &'static Allowed,
}
