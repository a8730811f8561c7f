//! Tests of the command line's shape.

use clap::CommandFactory;

use super::*;

fn command(line: &str) -> Option<Command> {
    Cli::try_parse_from(line.split(' ')).ok()?.command
}

#[test]
fn the_shape_has_no_contradiction() {
    Cli::command().debug_assert();
}

#[test]
fn a_message_is_resolved_as_sent_or_as_failed_and_as_nothing_else() {
    let resolve = |outcome: &str| command(&format!("didfarm message resolve 65537 --as {outcome}"));
    let outcome = |command| match command {
        Some(Command::Message(MessageCommand::Resolve {
            outcome, message, ..
        })) => {
            assert_eq!(message, "65537");
            Some(outcome)
        }
        _ => None,
    };
    assert_eq!(outcome(resolve("sent")), Some(MessageOutcome::Sent));
    assert_eq!(outcome(resolve("failed")), Some(MessageOutcome::Failed));
    assert_eq!(outcome(resolve("delivered")), None);
    assert!(command("didfarm message resolve 65537").is_none());
}

#[test]
fn lists_for_operators_have_a_bound() {
    for (line, rows) in [
        ("didfarm receipt parked", 100),
        ("didfarm receipt aged-out --limit 7", 7),
        ("didfarm message in-doubt --limit 1000", 1_000),
    ] {
        let limit = match command(line) {
            Some(Command::Receipt(
                ReceiptCommand::Parked { rows, .. } | ReceiptCommand::AgedOut { rows, .. },
            ))
            | Some(Command::Message(MessageCommand::InDoubt { rows, .. })) => rows.limit,
            other => panic!("{line} is {other:?}"),
        };
        assert_eq!(limit, rows, "{line}");
    }
    assert!(matches!(
        command("didfarm carrier list"),
        Some(Command::Carrier(CarrierCommand::List { .. }))
    ));
}
