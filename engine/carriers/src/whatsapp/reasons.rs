//! The error codes of the WhatsApp Cloud API and of the Graph API under it.
//!
//! Meta, WhatsApp Business Platform, "Error codes": decisions rest on `code`, never on titles, which
//! change. A code about the business account, its token, its payment or its registration says nothing of
//! the message: another carrier may take it, or this one once the account is in order. A code by which
//! Meta shuts the account out for what it sends is final, so that routing does not carry it around.

use didfarm_core::reason::Reason;

use crate::reasons::{CodeRow, row_of};
use Reason::{
    Blocked, CarrierError, InvalidDestination, OptedOut, Rejected, Spam, Throttled, Unreachable,
    WindowClosed,
};

/// The first of the codes of missing permissions, which stands for all of them.
const PERMISSIONS: u32 = 200;
/// The last of them.
const PERMISSIONS_LAST: u32 = 299;

/// Every code that we know, sorted.
pub const REASONS: &[CodeRow] = &[
    CodeRow::again(0, CarrierError, "the app could not be authenticated"),
    CodeRow::again(1, CarrierError, "invalid request or a fault inside"),
    CodeRow::again(2, CarrierError, "down or overloaded for now"),
    CodeRow::again(3, CarrierError, "the app lacks a capability or permission"),
    CodeRow::again(4, Throttled, "the app calls too often"),
    CodeRow::again(
        10,
        CarrierError,
        "a permission was not granted or was removed",
    ),
    CodeRow::again(17, Throttled, "the token's user calls too often"),
    CodeRow::again(32, Throttled, "the page calls too often"),
    CodeRow::last(33, Rejected, "a parameter's value is not valid"),
    CodeRow::last(100, Rejected, "a parameter is not supported or misspelled"),
    CodeRow::again(102, CarrierError, "the session has ended"),
    CodeRow::again(190, CarrierError, "the access token has expired"),
    CodeRow::again(PERMISSIONS, CarrierError, "a permission is missing"),
    CodeRow::last(368, Blocked, "the account is blocked over a policy"),
    CodeRow::again(613, Throttled, "calls over a custom limit"),
    CodeRow::again(
        80_007,
        Throttled,
        "the business account has reached its rate",
    ),
    CodeRow::again(130_429, Throttled, "the number has reached its throughput"),
    CodeRow::last(
        130_472,
        Rejected,
        "held back: the peer is part of an experiment",
    ),
    CodeRow::last(
        130_497,
        Blocked,
        "the account may not write to this country",
    ),
    CodeRow::again(131_000, CarrierError, "failed to send, cause unknown"),
    CodeRow::again(131_005, CarrierError, "access denied"),
    CodeRow::last(131_008, Rejected, "a parameter is missing"),
    CodeRow::last(131_009, Rejected, "a parameter's value is not valid"),
    CodeRow::again(131_016, CarrierError, "a service is down for now"),
    CodeRow::last(
        131_021,
        InvalidDestination,
        "sender and recipient are the same",
    ),
    CodeRow::last(
        131_026,
        Unreachable,
        "undeliverable: no WhatsApp, an old one, or terms not accepted",
    ),
    CodeRow::last(
        131_030,
        InvalidDestination,
        "not among a test number's recipients",
    ),
    CodeRow::last(131_031, Blocked, "the account is locked"),
    CodeRow::again(
        131_037,
        CarrierError,
        "the number's display name is not approved",
    ),
    CodeRow::again(131_042, CarrierError, "the account has a payment problem"),
    CodeRow::again(
        131_045,
        CarrierError,
        "the number is not registered properly",
    ),
    CodeRow::last(
        131_047,
        WindowClosed,
        "more than 24 hours since the peer's last message",
    ),
    CodeRow::last(
        131_048,
        Spam,
        "held back: messages of this number were taken for spam",
    ),
    CodeRow::last(
        131_049,
        Rejected,
        "held back: the peer gets enough marketing",
    ),
    CodeRow::last(131_050, OptedOut, "the peer stopped marketing messages"),
    CodeRow::last(131_051, Rejected, "the type of message is not supported"),
    CodeRow::last(131_052, Rejected, "the media could not be downloaded"),
    CodeRow::last(131_053, Rejected, "the media could not be uploaded"),
    CodeRow::again(131_056, Throttled, "too many messages to the same peer"),
    CodeRow::again(131_057, CarrierError, "the account is under maintenance"),
    CodeRow::last(
        132_000,
        Rejected,
        "the number of template parameters is wrong",
    ),
    CodeRow::last(132_001, Rejected, "no such template in this language"),
    CodeRow::last(132_005, Rejected, "the filled template is too long"),
    CodeRow::last(132_007, Rejected, "the template breaks a policy"),
    CodeRow::last(
        132_012,
        Rejected,
        "a template parameter has the wrong format",
    ),
    CodeRow::last(132_015, Rejected, "the template is paused"),
    CodeRow::last(132_016, Rejected, "the template is disabled"),
    CodeRow::last(132_068, Rejected, "the flow is blocked"),
    CodeRow::last(132_069, Rejected, "the flow is throttled"),
    CodeRow::again(133_004, CarrierError, "a server is down for now"),
    CodeRow::again(133_010, CarrierError, "the number is not registered"),
    CodeRow::again(133_016, Throttled, "the number was registered too often"),
    CodeRow::last(
        135_000,
        Rejected,
        "failed to send over the request's parameters",
    ),
];

/// The row of a code.
pub(super) fn row(code: i64) -> Option<&'static CodeRow> {
    let code = u32::try_from(code).ok()?;
    match code {
        PERMISSIONS..=PERMISSIONS_LAST => row_of(REASONS, PERMISSIONS),
        code => row_of(REASONS, code),
    }
}

/// Why a message that Meta had taken failed.
pub(super) fn of_receipt(code: i64) -> Reason {
    row(code).map_or(Reason::Unknown, |row| row.reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reasons::document;

    fn spelled(code: u32) -> String {
        match code {
            PERMISSIONS => format!("{PERMISSIONS}–{PERMISSIONS_LAST}"),
            code => code.to_string(),
        }
    }

    #[test]
    fn the_document_has_this_table_or_is_written_anew_with_didfarm_write_docs_1() {
        document::hold("WhatsApp Cloud API", REASONS, spelled);
    }

    #[test]
    fn every_code_of_the_permissions_has_their_row() {
        for code in [200, 201, 250, 299] {
            assert_eq!(row(code).map(|row| row.code), Some(PERMISSIONS));
        }
        for code in [199, 300, -1, i64::MAX] {
            assert_eq!(row(code), None);
        }
    }
}
