//! The benches that need no daemon, measured briefly: they run, assert their own results and print rows.

use std::process::{Command, Output};

fn bench(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_didfarm-benches"))
        .args(arguments)
        .output()
        .unwrap()
}

fn rows(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn the_echo_floor_prints_its_median() {
    let output = bench(&[
        "floor-echo",
        "--rounds",
        "1",
        "--seconds",
        "0.2",
        "--warm-up-seconds",
        "0.1",
    ]);
    let rows = rows(&output);
    assert!(
        rows.contains("| bare actix-web JSON echo, closed loop, 64 connections (requests/s) |"),
        "{rows}"
    );
    assert!(rows.contains("Command: `cargo run"), "{rows}");
}

#[test]
fn the_journal_floor_prints_a_row_per_group_size() {
    let rows = rows(&bench(&["journal-floor", "--seconds", "0.1"]));
    for group in ["\n| 1 |", "\n| 100 |", "\n| 1000 |"] {
        assert!(rows.contains(group), "{rows}");
    }
}

#[test]
fn the_space_of_a_little_traffic_is_counted_and_printed() {
    let rows = rows(&bench(&["space", "--messages", "2500", "--peers", "300"]));
    for row in [
        "| logical: ",
        "| journal kept, ",
        "| amplification: ",
        "| restart: ",
    ] {
        assert!(rows.contains(row), "{rows}");
    }
}

#[test]
fn a_missing_daemon_is_named() {
    let output = bench(&["sends", "--daemon", "/nonexistent/didfarm"]);
    assert!(!output.status.success());
    assert!(
        String::from_utf8_lossy(&output.stderr)
            .contains("there is no daemon at /nonexistent/didfarm")
    );
}
