//! Starting the carriers: the settings of each, as its module wants them.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use didfarm_carriers::http::HttpSettings;
use didfarm_carriers::simulator::{Simulator, SimulatorSettings};
use didfarm_carriers::{Carrier, CarrierSink, telnyx, twilio, whatsapp};
use didfarm_config::Settings;
use didfarm_config::{CarrierSettings, ProtocolSettings};
use didfarm_config::{TelnyxSettings, TwilioSettings, WhatsAppSettings};
use didfarm_core::e164::{E164, Validation};

use super::{Carriers, Entry, Kind};
use crate::clock::{Clock, SystemClock};

mod smpp;

/// How long the simulator has for an answer: it loses some on purpose.
const SIMULATOR_ANSWER_DEADLINE_MS: u64 = 10_000;
/// How long a carrier's module has for an answer. Every module has deadlines of its own and answers well
/// before; past this one it is taken to have failed.
const ANSWER_DEADLINE_MS: u64 = 120_000;

/// A carrier does not start.
#[derive(Debug, thiserror::Error)]
#[error("the carrier {name} does not start: {why}")]
pub struct CarrierStartError {
    /// Which.
    pub name: String,
    /// Why.
    why: Box<dyn Error + Send + Sync>,
}

/// Messages that a carrier over HTTP is given for each request that it makes at once: one that is under
/// way and one that follows. What waits longer in its queue than half of its time for an answer comes
/// back as not taken.
const HTTP_WINDOW_PER_REQUEST: usize = 2;

type Started = (Arc<dyn Carrier>, Kind);

/// Starts every carrier; each delivers to `sink`.
///
/// # Errors
/// A setting cannot be used, or the system refuses a thread.
pub(crate) fn start(
    settings: &Settings,
    sink: &Arc<dyn CarrierSink>,
) -> Result<Carriers, CarrierStartError> {
    let simulator = Simulator::start(simulator_settings(settings), Arc::clone(sink));
    let mut entries = vec![entry(settings, (Arc::new(simulator), Kind::Simulator))];
    for carrier in &settings.carriers {
        let started = start_one(settings, carrier, sink).map_err(|why| CarrierStartError {
            name: carrier.name.clone(),
            why,
        })?;
        let mut entry = entry(settings, started);
        if let Some(http) = http(carrier) {
            entry.window = entry
                .window
                .min(HTTP_WINDOW_PER_REQUEST * http.in_flight_max);
        }
        entries.push(entry);
    }
    Ok(Carriers::new(entries))
}

fn entry(settings: &Settings, (carrier, kind): Started) -> Entry {
    let id = carrier.id();
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    Entry {
        carrier,
        kind,
        window: settings.window(id),
        segments_per_second: settings.segments_per_second(id),
        answer_deadline_ms: match kind {
            Kind::Simulator => SIMULATOR_ANSWER_DEADLINE_MS,
            Kind::Telnyx | Kind::Twilio | Kind::WhatsApp | Kind::Smpp => ANSWER_DEADLINE_MS,
        },
        receipt_deadline_ms: ms(settings.receipt_deadline(id)),
        parked_age_max_ms: ms(settings.parked_receipt_age_max(id)),
    }
}

fn start_one(
    settings: &Settings,
    carrier: &CarrierSettings,
    sink: &Arc<dyn CarrierSink>,
) -> Result<Started, Box<dyn Error + Send + Sync>> {
    let (name, sink) = (&carrier.name, Arc::clone(sink));
    let callback_url = settings.callbacks.callback_url(name).unwrap_or_default();
    let http = || http(carrier).expect("the protocol is spoken over HTTP");
    Ok(match carrier.protocol() {
        ProtocolSettings::Telnyx(own) => {
            let settings = telnyx_settings(http(), callback_url, own);
            (Arc::new(telnyx::start(&settings, sink)?), Kind::Telnyx)
        }
        ProtocolSettings::Twilio(own) => {
            let settings = twilio_settings(http(), callback_url, own);
            (Arc::new(twilio::start(&settings, sink)?), Kind::Twilio)
        }
        ProtocolSettings::WhatsApp(own) => {
            let settings = whatsapp_settings(http(), own)?;
            (Arc::new(whatsapp::start(&settings, sink)?), Kind::WhatsApp)
        }
        ProtocolSettings::Smpp(own) => {
            let started = smpp::start(carrier.carrier_id(), name, own, sink)?;
            (started, Kind::Smpp)
        }
    })
}

/// The connection of a carrier over HTTP; `None` for one that speaks another protocol.
fn http(carrier: &CarrierSettings) -> Option<HttpSettings> {
    let (base_url, in_flight_max, timeout, ca_file) = match carrier.protocol() {
        ProtocolSettings::Telnyx(own) => (
            &own.base_url,
            own.in_flight_max,
            own.timeout(),
            own.ca_file(),
        ),
        ProtocolSettings::Twilio(own) => (
            &own.base_url,
            own.in_flight_max,
            own.timeout(),
            own.ca_file(),
        ),
        ProtocolSettings::WhatsApp(own) => (
            &own.base_url,
            own.in_flight_max,
            own.timeout(),
            own.ca_file(),
        ),
        ProtocolSettings::Smpp(_) => return None,
    };
    Some(HttpSettings {
        in_flight_max,
        timeout,
        ca_file: ca_file.map(Path::to_owned),
        ..HttpSettings::new(carrier.carrier_id(), &carrier.name, base_url)
    })
}

fn telnyx_settings(
    http: HttpSettings,
    callback_url: String,
    own: &TelnyxSettings,
) -> telnyx::TelnyxSettings {
    telnyx::TelnyxSettings {
        http,
        api_key: own.api_key.expose().to_owned(),
        public_key: own.public_key.clone(),
        messaging_profile_id: own.messaging_profile_id().map(str::to_owned),
        callback_url,
        tolerance: own.tolerance(),
    }
}

fn twilio_settings(
    http: HttpSettings,
    callback_url: String,
    own: &TwilioSettings,
) -> twilio::TwilioSettings {
    twilio::TwilioSettings {
        http,
        account_sid: own.account_sid.clone(),
        auth_token: own.auth_token.expose().to_owned(),
        api_key: own
            .api_key()
            .map(|(sid, secret)| (sid.to_owned(), secret.expose().to_owned())),
        messaging_service_sid: own.messaging_service_sid().map(str::to_owned),
        callback_url,
        clock: twilio::system_clock(),
    }
}

fn whatsapp_settings(
    http: HttpSettings,
    own: &WhatsAppSettings,
) -> Result<whatsapp::WhatsAppSettings, Box<dyn Error + Send + Sync>> {
    let mut numbers = Vec::with_capacity(own.numbers.len());
    for entry in &own.numbers {
        let number = E164::parse(&entry.number, Validation::Syntax)?;
        numbers.push((number, entry.phone_number_id.clone()));
    }
    Ok(whatsapp::WhatsAppSettings {
        http,
        version: own.version.clone(),
        access_token: own.access_token.expose().to_owned(),
        app_secret: own.app_secret.expose().to_owned(),
        verify_token: own.verify_token.expose().to_owned(),
        numbers,
    })
}

fn simulator_settings(settings: &Settings) -> SimulatorSettings {
    let simulator = &settings.simulator;
    let seed = match simulator.seed {
        0 => SystemClock::default().now().0.cast_unsigned(),
        seed => seed,
    };
    SimulatorSettings {
        submit_delay_ms: simulator.submit_delay_ms,
        receipt_delay_ms: simulator.receipt_delay_ms,
        receipt_jitter_ms: simulator.receipt_jitter_ms,
        loss: simulator.loss,
        duplication: simulator.duplication,
        reordering: simulator.reordering,
        throttling: simulator.throttling,
        rate_max: simulator.rate_max,
        seed,
    }
}
