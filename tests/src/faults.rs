//! The fault points of the binary under test, set by environment variables.

use didfarm::FaultPoints;

/// A conversation panics on a message with exactly this body.
pub const PANIC_ON_BODY: &str = "DIDFARM_FAULT_PANIC_ON_BODY";
/// The delivery supervisor panics when it takes over a message with exactly this body.
pub const PANIC_IN_DELIVERY_ON_BODY: &str = "DIDFARM_FAULT_PANIC_IN_DELIVERY_ON_BODY";
/// The wall clock is ahead by as many seconds as this file says.
pub const CLOCK_AHEAD_FILE: &str = "DIDFARM_FAULT_CLOCK_AHEAD_FILE";

/// Reads the fault points of this process's environment; all are off unless set.
pub fn from_environment() -> FaultPoints {
    let body = |name| std::env::var(name).ok().map(String::into_boxed_str);
    FaultPoints {
        panic_on_body: body(PANIC_ON_BODY),
        panic_in_delivery_on_body: body(PANIC_IN_DELIVERY_ON_BODY),
        clock_ahead_file: std::env::var_os(CLOCK_AHEAD_FILE).map(Into::into),
    }
}
