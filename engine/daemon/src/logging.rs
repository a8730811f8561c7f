//! Logs: to stderr, for people or as JSON lines.

use didfarm_config::{LogFormat, LogSettings};
use tracing_subscriber::EnvFilter;

/// Starts logging. The first call wins.
pub(crate) fn start(settings: &LogSettings) {
    let filter = EnvFilter::try_new(&settings.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = match settings.format {
        LogFormat::Human => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    // A test that runs two commands in one process has logging already.
    drop(started);
}
