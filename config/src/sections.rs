//! The sections of the settings, one file for each group of them.

mod abuse;
mod accounts;
mod callbacks;
pub(crate) mod carriers;
mod consent;
mod delivery;
mod engine;
mod front;
mod mail;
mod money;
mod pools;
mod routes;
mod simulator;
mod store;
mod webhooks;

pub use abuse::AbuseSettings;
pub use accounts::{AccountSettings, HostedNumber};
pub use callbacks::{CallbackSettings, CaptureSettings};
pub use carriers::{
    CarrierSettings, ProtocolSettings, SmppBind, SmppCoding, SmppConcatenation, SmppIds,
    SmppSettings, TelnyxSettings, TwilioSettings, WhatsAppNumber, WhatsAppSettings,
};
pub use consent::ConsentSettings;
pub use delivery::{CircuitSettings, DeliverySettings};
pub use engine::EngineSettings;
pub use front::{
    HttpSettings, LimitSettings, LogFormat, LogSettings, NumberSettings, NumberValidation,
    OpsSettings,
};
pub use mail::{MailSettings, ReplySettings, SmtpSecurity, SmtpSettings};
pub use money::PriceSettings;
pub use pools::PoolSettings;
pub use routes::{RouteChannel, RouteSettings, TargetSettings};
pub use simulator::SimulatorSettings;
pub use store::StoreSettings;
pub use webhooks::WebhookSettings;

use std::num::NonZeroUsize;
use std::path::Path;

/// Returns the cores that this process may use; one where that cannot be told.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Returns a text unless it is empty, which stands for none.
fn set(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// Returns a path unless it is empty, which stands for none.
fn set_path(path: &Path) -> Option<&Path> {
    (!is_unset(path)).then_some(path)
}

fn is_unset(path: &Path) -> bool {
    path.as_os_str().is_empty()
}
