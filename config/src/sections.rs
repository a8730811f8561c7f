//! The sections of the settings, one file for each group of them.

mod accounts;
mod engine;
mod front;
mod money;
mod simulator;
mod store;

pub use accounts::{AccountSettings, HostedNumber};
pub use engine::EngineSettings;
pub use front::{
    HttpSettings, LimitSettings, LogFormat, LogSettings, NumberSettings, NumberValidation,
    OpsSettings,
};
pub use money::PriceSettings;
pub use simulator::SimulatorSettings;
pub use store::StoreSettings;

use std::num::NonZeroUsize;

/// Returns the cores that this process may use; one where that cannot be told.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}
