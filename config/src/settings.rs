//! All settings together: loading them from their layers, printing them back.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use toml::Value;

use crate::agreement::check_agreement;
use crate::layers::{Layers, Overrides};
use crate::problem::{Problem, SettingsErrors};
use crate::sections::{
    AbuseSettings, AccountSettings, CallbackSettings, CaptureSettings, CarrierSettings,
    CircuitSettings, ConsentSettings, DeliverySettings, EngineSettings, HttpSettings,
    LimitSettings, LogSettings, MailSettings, NumberSettings, OpsSettings, PoolSettings,
    PriceSettings, RouteSettings, SimulatorSettings, StoreSettings, WebhookSettings,
};

/// Every setting of the daemon.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The directory that holds the journal and the records, relative to where the daemon starts.
    pub data_dir: PathBuf,
    /// The customers' and carriers' side of HTTP.
    pub http: HttpSettings,
    /// The operators' side of HTTP.
    pub ops: OpsSettings,
    /// Logs.
    pub log: LogSettings,
    /// What is let in.
    pub limits: LimitSettings,
    /// How phone numbers are checked.
    pub numbers: NumberSettings,
    /// What messages cost.
    pub price: PriceSettings,
    /// The journal and the records.
    pub store: StoreSettings,
    /// The actors.
    pub engine: EngineSettings,
    /// How long messages and receipts wait for what.
    pub delivery: DeliverySettings,
    /// The circuit breaker that every carrier has.
    pub circuit: CircuitSettings,
    /// What carriers bring by HTTP.
    pub callbacks: CallbackSettings,
    /// The raw callbacks in rotating files.
    pub capture: CaptureSettings,
    /// What customers' endpoints are told.
    pub webhooks: WebhookSettings,
    /// How STOP, START and HELP are answered.
    pub consent: ConsentSettings,
    /// Where accounts may send to, and how much.
    pub abuse: AbuseSettings,
    /// When a number of a pool is skipped.
    pub pools: PoolSettings,
    /// Mails, and replies to them.
    pub mail: MailSettings,
    /// The carrier that is none.
    pub simulator: SimulatorSettings,
    /// The other carriers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub carriers: Vec<CarrierSettings>,
    /// Which carriers are for which messages; see [`Settings::route_table`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<RouteSettings>,
    /// The accounts that are made at the first start, when the data directory is empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<AccountSettings>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("didfarm-data"),
            http: HttpSettings::default(),
            ops: OpsSettings::default(),
            log: LogSettings::default(),
            limits: LimitSettings::default(),
            numbers: NumberSettings::default(),
            price: PriceSettings::default(),
            store: StoreSettings::default(),
            engine: EngineSettings::default(),
            delivery: DeliverySettings::default(),
            circuit: CircuitSettings::default(),
            callbacks: CallbackSettings::default(),
            capture: CaptureSettings::default(),
            webhooks: WebhookSettings::default(),
            consent: ConsentSettings::default(),
            abuse: AbuseSettings::default(),
            pools: PoolSettings::default(),
            mail: MailSettings::default(),
            simulator: SimulatorSettings::default(),
            carriers: Vec::new(),
            routes: Vec::new(),
            accounts: Vec::new(),
        }
    }
}

impl Settings {
    /// Loads the settings: defaults, then the file, then the environment, then the command line.
    ///
    /// Of `env` only the variables that start with [`crate::ENVIRONMENT_PREFIX`] are looked at;
    /// [`crate::process_environment`] yields those of this process. Lists (`carriers`,
    /// `routes`, `accounts`) are replaced as a whole by a later layer, tables are merged key by key.
    /// Secrets that stand in files of their own are read here, once.
    ///
    /// # Errors
    ///
    /// Returns every problem of every layer, also of values that a later layer replaces.
    pub fn load(
        file: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
        overrides: Overrides,
    ) -> Result<Self, SettingsErrors> {
        let mut layers = Layers::default();
        if let Some(path) = file {
            layers.add_file(path);
        }
        layers.add_environment(env);
        layers.add_overrides(overrides);

        let merged = Value::Table(std::mem::take(&mut layers.merged));
        match serde_path_to_error::deserialize::<_, Self>(merged) {
            Ok(mut settings) => {
                let mut problems = check_agreement(&mut settings, &layers);
                problems.splice(..0, layers.problems);
                if problems.is_empty() {
                    Ok(settings)
                } else {
                    Err(SettingsErrors::of(problems))
                }
            }
            Err(error) => {
                let path = error.path().to_string();
                let problem = Problem {
                    origin: layers.origin(&path),
                    sentence: format!("must be what it is used as: {}", error.inner().message()),
                    path,
                };
                layers.problems.push(problem);
                Err(SettingsErrors::of(layers.problems))
            }
        }
    }

    /// Returns `capture.dir`, with none resolved to `capture` in the data directory.
    pub fn capture_dir(&self) -> PathBuf {
        if self.capture.dir.as_os_str().is_empty() {
            self.data_dir.join("capture")
        } else {
            self.capture.dir.clone()
        }
    }

    /// Returns `mail.maildir`, with none resolved to `mail` in the data directory.
    pub fn maildir(&self) -> PathBuf {
        if self.mail.maildir.as_os_str().is_empty() {
            self.data_dir.join("mail")
        } else {
            self.mail.maildir.clone()
        }
    }

    /// Writes the settings as TOML that can be loaded again, secrets redacted.
    ///
    /// No redacted secret can be loaded: it has to be filled in first. One that stands in a file of
    /// its own is left out, beside the name of that file.
    ///
    /// # Errors
    ///
    /// Fails for values that no loading yields: a data directory that is not UTF-8, or a number
    /// above what TOML can hold (`i64::MAX`).
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string_pretty(self)
    }
}
