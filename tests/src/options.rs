//! How a daemon is started for a test.

use std::path::PathBuf;

/// The demo account's key.
pub const DEMO_KEY: &str = "didfarm-demo-key-0123456789";

/// The settings that every test starts from: little disk, quick receipts, no limit in the way.
const SETTINGS: [(&str, &str); 9] = [
    ("store.free_bytes_min", "1048576"),
    ("store.segment_bytes", "4194304"),
    ("store.group_bytes_max", "1048576"),
    ("store.sled_cache_bytes", "16777216"),
    ("simulator.receipt_delay_ms", "5"),
    ("simulator.receipt_jitter_ms", "5"),
    ("limits.rate_per_second", "1000000"),
    ("limits.burst", "1000000"),
    ("log.level", "info"),
];

/// What a test asks of its daemon.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) config: Option<String>,
    pub(crate) data_dir: Option<PathBuf>,
}

impl Options {
    /// The settings that every test starts from.
    pub fn new() -> Options {
        let options = Options::default().env("DIDFARM_DEMO_API_KEY", DEMO_KEY);
        SETTINGS
            .iter()
            .fold(options, |options, (path, value)| options.set(path, value))
    }

    /// Sets a setting by its path, such as `limits.burst`.
    pub fn set(self, path: &str, value: impl ToString) -> Options {
        let name = format!("DIDFARM__{}", path.to_uppercase().replace('.', "__"));
        self.env(&name, value)
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: impl ToString) -> Options {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_string()));
        self
    }

    /// Gives it a settings file with this text.
    pub fn config(mut self, toml: &str) -> Options {
        self.config = Some(toml.to_owned());
        self
    }

    /// Keeps its data in this directory, which stays behind.
    pub fn data_dir(mut self, dir: impl Into<PathBuf>) -> Options {
        self.data_dir = Some(dir.into());
        self
    }
}
