//! The didfarm binary.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    didfarm::run(std::env::args_os(), didfarm::FaultPoints::default())
}
