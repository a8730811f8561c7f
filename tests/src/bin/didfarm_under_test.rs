//! The didfarm binary as it ships, but for the fault points that a test may set in its environment.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    didfarm::run(
        std::env::args_os(),
        didfarm_tests::faults::from_environment(),
    )
}
