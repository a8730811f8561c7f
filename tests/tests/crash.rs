//! The crash loop, short enough for every change.
//!
//! A thousand cycles: `cargo run --release -p didfarm-tests --bin crash-loop -- --cycles 1000`.

use didfarm_tests::crash::dice::fresh_seed;
use didfarm_tests::crash::{self, Plan};
use didfarm_tests::program::Program;

#[tokio::test]
async fn nothing_acknowledged_is_lost_doubled_or_wrong_over_twenty_kills() {
    let plan = Plan {
        cycles: 20,
        cycles_per_store: 10,
        connections: 32,
        seed: fresh_seed(),
    };
    // Shown when the test fails: `crash-loop --seed` repeats it.
    println!("seed {}", plan.seed);
    let program = Program::at(env!("CARGO_BIN_EXE_didfarm-under-test"));
    let report = crash::run(&program, &plan, |report| println!("{report:?}")).await;
    let report = report.unwrap_or_else(|error| panic!("seed {}: {error:#}", plan.seed));
    assert_eq!(report.cycles, 20);
    assert!(report.acknowledged > 1_000, "{report:?}");
}
