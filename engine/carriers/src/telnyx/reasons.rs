//! Telnyx's error codes (Messaging Error Code Reference, and API Error Codes of API v2).

use didfarm_core::reason::Reason::{
    Blocked, CarrierError, Expired, InvalidDestination, OptedOut, Rejected, Spam, Throttled,
    Unreachable,
};

use crate::reasons::CodeRow;

/// The code of a request that timed out inside: whether the message was taken is not known.
pub(super) const REQUEST_TIMEOUT: u32 = 10_008;

/// Every code that we know, sorted.
pub const TABLE: &[CodeRow] = &[
    CodeRow::last(10_001, Rejected, "inactive phone number"),
    CodeRow::last(10_002, InvalidDestination, "invalid phone number"),
    CodeRow::last(10_003, Rejected, "invalid URL"),
    CodeRow::last(10_004, Rejected, "missing required parameter"),
    CodeRow::again(10_005, CarrierError, "resource not found"),
    CodeRow::again(10_009, CarrierError, "authentication failed"),
    CodeRow::again(10_010, CarrierError, "authorization failed"),
    CodeRow::again(10_011, Throttled, "too many requests"),
    CodeRow::last(10_015, Rejected, "bad request"),
    CodeRow::last(
        10_016,
        InvalidDestination,
        "phone number is not in +E.164 form",
    ),
    CodeRow::again(20_100, CarrierError, "insufficient funds"),
    CodeRow::last(
        40_001,
        InvalidDestination,
        "not routable: a landline or a wireless number without a route",
    ),
    CodeRow::again(40_002, Spam, "blocked as spam, for now"),
    CodeRow::last(40_003, Spam, "blocked as spam, for good"),
    CodeRow::last(40_004, Rejected, "rejected by the destination"),
    CodeRow::last(40_005, Expired, "expired during transmission"),
    CodeRow::again(40_006, Unreachable, "recipient's server unavailable"),
    CodeRow::last(40_007, Rejected, "loop detected"),
    CodeRow::last(40_008, Unreachable, "undeliverable"),
    CodeRow::last(40_009, Rejected, "invalid message body"),
    CodeRow::last(40_010, Rejected, "not registered for 10DLC"),
    CodeRow::again(40_011, Throttled, "too many requests upstream"),
    CodeRow::last(40_012, InvalidDestination, "invalid destination number"),
    CodeRow::last(40_013, Rejected, "invalid source number"),
    CodeRow::last(40_014, Expired, "expired in the queue"),
    CodeRow::last(40_015, Spam, "blocked as spam inside"),
    CodeRow::again(40_016, Throttled, "10DLC sending limit of T-Mobile reached"),
    CodeRow::last(40_017, Spam, "rejected as spam by AT&T"),
    CodeRow::again(40_018, Throttled, "10DLC sending limit of AT&T reached"),
    CodeRow::last(40_300, OptedOut, "blocked after a STOP message"),
    CodeRow::last(40_301, Rejected, "unsupported message type"),
    CodeRow::last(40_302, Rejected, "message too large"),
    CodeRow::last(40_304, Rejected, "invalid combination of content and type"),
    CodeRow::last(40_305, Rejected, "invalid 'from' address"),
    CodeRow::last(40_306, Rejected, "alphanumeric sender not configured"),
    CodeRow::last(40_307, Rejected, "alphanumeric sender mismatch"),
    CodeRow::last(40_308, Rejected, "invalid 'from' address for MMS"),
    CodeRow::last(40_309, Rejected, "destination region not allowed"),
    CodeRow::last(40_310, InvalidDestination, "invalid 'to' address"),
    CodeRow::again(
        40_311,
        CarrierError,
        "invalid secret of the messaging profile",
    ),
    CodeRow::again(40_312, CarrierError, "messaging profile disabled"),
    CodeRow::again(40_313, CarrierError, "messaging profile has no secret"),
    CodeRow::again(40_314, CarrierError, "messaging disabled on the account"),
    CodeRow::last(40_315, Blocked, "'from' address in bad standing"),
    CodeRow::last(40_316, Rejected, "no content"),
    CodeRow::last(40_317, Rejected, "invalid MMS content"),
    CodeRow::again(40_318, Throttled, "message queue full"),
    CodeRow::last(
        40_319,
        Rejected,
        "message type incompatible with an alphanumeric sender",
    ),
    CodeRow::again(40_320, CarrierError, "'from' address unusable for now"),
    CodeRow::again(
        40_321,
        CarrierError,
        "no usable number in the messaging profile",
    ),
    CodeRow::last(40_322, Spam, "blocked for its content"),
];

#[cfg(test)]
mod tests {
    #[test]
    fn the_table_stands_in_the_document_and_didfarm_write_docs_1_regenerates_it() {
        crate::reasons::document::hold("Telnyx", super::TABLE, |code| code.to_string());
    }
}
