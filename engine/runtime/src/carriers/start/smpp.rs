//! Starting an SMPP carrier: its settings, as the module wants them.

use std::error::Error;
use std::sync::Arc;

use didfarm_carriers::id_rule::{IdRule, Spelling};
use didfarm_carriers::smpp::settings::{
    BindMode, Concatenation, Numbering, SmppSettings, TlsSettings,
};
use didfarm_carriers::smpp::{DefaultCoding, SmppCarrier};
use didfarm_carriers::{Carrier, CarrierSink};
use didfarm_config::{SmppBind, SmppCoding, SmppConcatenation, SmppIds, SmppSettings as Own};
use didfarm_core::ids::CarrierId;

/// Starts it.
pub(super) fn start(
    id: CarrierId,
    name: &str,
    own: &Own,
    sink: Arc<dyn CarrierSink>,
) -> Result<Arc<dyn Carrier>, Box<dyn Error + Send + Sync>> {
    let settings = SmppSettings {
        tls: own.tls.then(|| TlsSettings {
            server_name: own.server_name().to_owned(),
            ca_file: own.ca_file().map(ToOwned::to_owned),
        }),
        system_id: own.system_id.clone(),
        password: own.password.expose().to_owned(),
        system_type: own.system_type.clone(),
        bind: match own.bind {
            SmppBind::Transceiver => BindMode::Transceiver,
            SmppBind::Separate => BindMode::TransmitterReceiver,
        },
        binds: u16::try_from(own.binds)?,
        window: u32::try_from(own.window)?,
        enquire_link_ms: own.enquire_link_ms,
        answer_timeout_ms: own.answer_timeout_ms,
        connect_timeout_ms: own.connect_timeout_ms,
        reconnect_ms_min: own.reconnect_ms_min,
        reconnect_ms_max: own.reconnect_ms_max,
        source: Numbering {
            ton: own.source_ton,
            npi: own.source_npi,
        },
        destination: Numbering {
            ton: own.destination_ton,
            npi: own.destination_npi,
        },
        default_coding: match own.default_coding {
            SmppCoding::Gsm7 => DefaultCoding::Gsm7,
            SmppCoding::Latin1 => DefaultCoding::Latin1,
            SmppCoding::Ascii => DefaultCoding::Ascii,
        },
        ids: IdRule {
            answers: spelling(own.answer_ids),
            receipts: spelling(own.receipt_ids),
            fold_case: own.fold_case,
            strip_zeros: own.strip_zeros,
        },
        concatenation: match own.concatenation {
            SmppConcatenation::Udh8 => Concatenation::Udh8,
            SmppConcatenation::Udh16 => Concatenation::Udh16,
        },
        service_type: own.service_type.clone(),
        ..SmppSettings::new(id, name, &own.address)
    };
    settings.check()?;
    Ok(Arc::new(SmppCarrier::start(settings, sink)?))
}

fn spelling(ids: SmppIds) -> Spelling {
    match ids {
        SmppIds::Text => Spelling::AsIs,
        SmppIds::Decimal => Spelling::Decimal,
        SmppIds::Hexadecimal => Spelling::Hexadecimal,
    }
}
