//! Webhooks: what happens is told to whom it concerns, and to nobody else, whatever fails on the way.

mod addresses;
mod filters;
mod payloads;
mod recovery;
mod refusals;
mod retries;

use didfarm_tests::customer::Customer;
use didfarm_tests::daemon::Daemon;
use didfarm_tests::options::Options;
use didfarm_tests::program::Program;
use serde_json::{Value, json};

const PEER: &str = "+31612345678";

async fn start(options: Options) -> (Daemon, Customer) {
    let program = Program::at(env!("CARGO_BIN_EXE_didfarm-under-test"));
    let daemon = Daemon::start(&program, options).await;
    let customer = daemon.customer();
    (daemon, customer)
}

/// An endpoint's settings with a filter that lets inbound messages pass only.
fn received_only(more: Value) -> Value {
    let mut settings = more;
    settings["event_types"] = json!(["message.received"]);
    settings
}
