//! Typed settings of the daemon: their defaults, where they may come from, and what is allowed.
//!
//! Settings are loaded in layers, each one winning over the one before:
//!
//! 1. the defaults, which are also written out line by line in `config/didfarm.toml`;
//! 2. a TOML file, when one is given;
//! 3. environment variables, `DIDFARM__SECTION__KEY=value`; a list is set as a whole, such as
//!    `DIDFARM__ROUTES='[{ targets = [{ carrier = "simulator" }] }]'`, never an entry of it;
//! 4. flags of the command line.
//!
//! Every layer is checked on its own against one table of what is allowed (`schema`), so that a
//! mistake is reported with the place that it came from, all mistakes at once, and also when a
//! later layer would have hidden it. Of files only the settings themselves and the secrets that they
//! name are read; nothing here reads a clock, opens a socket or starts a thread.

mod address;
mod agreement;
mod allowed;
mod check;
mod filter;
mod layers;
mod list_file;
mod prices;
mod problem;
mod ranges;
mod routing;
mod schema;
mod secret;
mod sections;
mod settings;

pub use layers::{ENVIRONMENT_PREFIX, FILE_BYTES_MAX, Overrides, process_environment};
pub use problem::{Origin, Problem, SettingsErrors};
pub use routing::SIMULATOR;
pub use secret::Secret;
pub use sections::{
    AbuseSettings, AccountSettings, CallbackSettings, CaptureSettings, CarrierSettings,
    CircuitSettings, ConsentSettings, DeliverySettings, EngineSettings, HostedNumber, HttpSettings,
    LimitSettings, LogFormat, LogSettings, MailSettings, NumberSettings, NumberValidation,
    OpsSettings, PoolSettings, PriceSettings, ProtocolSettings, ReplySettings, RouteChannel,
    RouteSettings, SimulatorSettings, SmppBind, SmppCoding, SmppConcatenation, SmppIds,
    SmppSettings, SmtpSecurity, SmtpSettings, StoreSettings, TargetSettings, TelnyxSettings,
    TwilioSettings, WebhookSettings, WhatsAppNumber, WhatsAppSettings,
};
pub use settings::Settings;
