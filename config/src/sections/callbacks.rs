//! `[callbacks]` and `[capture]`: what carriers bring by HTTP, and keeping it to be sent again.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// `[callbacks]`: what carriers bring by HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CallbackSettings {
    /// The address under which carriers reach `http.listen`, without a trailing slash; empty when
    /// they do not.
    pub public_base_url: String,
    /// The most bytes of a callback's body.
    pub body_bytes_max: usize,
}

impl Default for CallbackSettings {
    fn default() -> Self {
        Self {
            public_base_url: String::new(),
            body_bytes_max: 3 * 1024 * 1024,
        }
    }
}

impl CallbackSettings {
    /// Returns the public address of a carrier's callbacks, if there is any:
    /// `{public_base_url}/carriers/{name}`.
    pub fn callback_url(&self, carrier: &str) -> Option<String> {
        let base = super::set(&self.public_base_url)?;
        Some(format!("{base}/carriers/{carrier}"))
    }
}

/// `[capture]`: the raw callbacks in rotating files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CaptureSettings {
    /// Whether callbacks are captured.
    pub enabled: bool,
    /// The directory of the files; empty for one in the data directory, see
    /// [`crate::Settings::capture_dir`].
    pub dir: PathBuf,
    /// The size at which a file is closed and the next begun.
    pub file_bytes_max: u64,
    /// The most files; the oldest goes first.
    pub files_max: usize,
    /// The most bytes that wait to be written; what does not fit is not captured, and counted.
    pub queue_bytes_max: usize,
}

impl Default for CaptureSettings {
    fn default() -> Self {
        Self {
            enabled: false,
            dir: PathBuf::new(),
            file_bytes_max: 64 * 1024 * 1024,
            files_max: 16,
            queue_bytes_max: 8 * 1024 * 1024,
        }
    }
}
