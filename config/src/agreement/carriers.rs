//! What carriers owe each other and the other settings.

use std::collections::HashMap;

use super::Agreement;
use crate::sections::{
    CarrierSettings, ProtocolSettings, SmppSettings, TwilioSettings, WhatsAppSettings,
};
use crate::settings::Settings;

impl Agreement<'_> {
    pub(super) fn carriers(&mut self, settings: &Settings) {
        self.ids_and_names(&settings.carriers);
        self.public_address(settings);
        for (index, carrier) in settings.carriers.iter().enumerate() {
            let path = format!("carriers[{index}]");
            match carrier.any_protocol() {
                Some(ProtocolSettings::Twilio(twilio)) => self.twilio(&path, twilio),
                Some(ProtocolSettings::WhatsApp(whatsapp)) => self.whatsapp(&path, whatsapp),
                Some(ProtocolSettings::Smpp(smpp)) => self.smpp(&path, smpp),
                Some(ProtocolSettings::Telnyx(_)) | None => {}
            }
        }
    }

    fn ids_and_names(&mut self, carriers: &[CarrierSettings]) {
        // 0 is no id: it stands where one was refused, or is missing.
        let spelled = |carrier: &CarrierSettings| match carrier.id {
            0 => String::new(),
            id => id.to_string(),
        };
        let spelled: Vec<String> = carriers.iter().map(spelled).collect();
        let (mut ids, mut names) = (HashMap::new(), HashMap::new());
        for (index, (carrier, id)) in carriers.iter().zip(&spelled).enumerate() {
            self.once(&mut ids, id, format!("carriers[{index}].id"));
            self.once(&mut names, &carrier.name, format!("carriers[{index}].name"));
        }
    }

    /// Telnyx is told with every message where its receipts go; Twilio signs that address too.
    fn public_address(&mut self, settings: &Settings) {
        if !settings.callbacks.public_base_url.is_empty() {
            return;
        }
        let calls_back = |carrier: &CarrierSettings| {
            let protocol = carrier.any_protocol()?;
            let is_told = matches!(
                protocol,
                ProtocolSettings::Telnyx(_) | ProtocolSettings::Twilio(_)
            );
            is_told.then_some(protocol.as_str())
        };
        let first = settings
            .carriers
            .iter()
            .position(|c| calls_back(c).is_some());
        let Some(index) = first else { return };
        let protocol = calls_back(&settings.carriers[index]).unwrap_or_default();
        self.report(
            "callbacks.public_base_url",
            "callbacks.public_base_url",
            format!("must be set for carriers[{index}]: {protocol} is told where receipts go"),
        );
    }

    fn twilio(&mut self, path: &str, twilio: &TwilioSettings) {
        let secret = twilio.api_key_secret.expose();
        let is_secret_named =
            !secret.is_empty() || !twilio.api_key_secret_file.as_os_str().is_empty();
        let sid_path = format!("{path}.twilio.api_key_sid");
        let secret_path = format!("{path}.twilio.api_key_secret");
        match (twilio.api_key_sid.is_empty(), is_secret_named) {
            (true, true) => {
                let sentence = format!("must be set, because {secret_path} is");
                self.report(&sid_path, &secret_path, sentence);
            }
            (false, false) => {
                let sentence =
                    format!("must be set, or api_key_secret_file, because {sid_path} is");
                self.report(&secret_path, &sid_path, sentence);
            }
            (true, false) | (false, true) => {}
        }
    }

    fn whatsapp(&mut self, path: &str, whatsapp: &WhatsAppSettings) {
        let (mut numbers, mut ids) = (HashMap::new(), HashMap::new());
        for (index, number) in whatsapp.numbers.iter().enumerate() {
            let path = format!("{path}.whatsapp.numbers[{index}]");
            self.once(&mut numbers, &number.number, format!("{path}.number"));
            let id_path = format!("{path}.phone_number_id");
            self.once(&mut ids, &number.phone_number_id, id_path);
        }
    }

    fn smpp(&mut self, path: &str, smpp: &SmppSettings) {
        self.not_above(
            (
                &format!("{path}.smpp.reconnect_ms_min"),
                smpp.reconnect_ms_min,
            ),
            (
                &format!("{path}.smpp.reconnect_ms_max"),
                smpp.reconnect_ms_max,
            ),
        );
        // Whoever names a certificate means to be encrypted: the password goes out in the clear else.
        let named = [
            ("server_name", !smpp.server_name.is_empty()),
            ("ca_file", smpp.ca_file().is_some()),
        ];
        if let Some((key, _)) = named.into_iter().find(|(_, named)| *named && !smpp.tls) {
            let sentence = format!("must be true, because {key} is set");
            self.report(
                &format!("{path}.smpp.tls"),
                &format!("{path}.smpp.{key}"),
                sentence,
            );
        }
    }
}
