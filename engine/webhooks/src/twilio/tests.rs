//! Tests of the forms: what is told of a message, and in which words.

use didfarm_core::delivery::status::Status;
use didfarm_core::reason::Reason;

use super::status::Told;
use super::*;

#[test]
fn every_status_has_its_word() {
    let word = |status, is_read, is_taken| {
        Told {
            status,
            is_read,
            is_taken,
        }
        .word()
    };
    for (status, plain, read, taken) in [
        (Status::Scheduled, "scheduled", "scheduled", "scheduled"),
        (Status::Queued, "queued", "queued", "queued"),
        (Status::Sending, "sending", "sending", "sending"),
        (Status::Sent, "sent", "read", "sent"),
        (Status::Cancelled, "canceled", "canceled", "canceled"),
        (Status::Failed, "failed", "failed", "undelivered"),
        (Status::Delivered, "delivered", "read", "delivered"),
    ] {
        assert_eq!(word(status, false, false), plain, "{status}");
        assert_eq!(word(status, true, false), read, "{status}");
        assert_eq!(word(status, false, true), taken, "{status}");
    }
}

#[test]
fn only_what_failed_has_a_code_and_every_reason_has_one() {
    for reason in Reason::ALL.iter().copied().map(Some).chain([None]) {
        let failure = failure::of(Status::Failed, reason).expect("what failed has a code");
        assert!((20_000..70_000).contains(&failure.code), "{reason:?}");
        assert_eq!(failure::of(Status::Sending, reason), None);
    }
}
