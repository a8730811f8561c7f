//! What a message's status claims.

use didfarm_core::delivery::receipt::Claim;
use didfarm_core::reason::Reason;

use super::reasons::TABLE;
use crate::reasons::row_of;

/// What a status claims, and why when that is a failure; `None` for one that claims nothing.
///
/// | Status | Claim |
/// |---|---|
/// | `accepted`, `scheduled`, `queued`, `sending`, unknown ones | none |
/// | `sent`, `partially_delivered` | en route; nothing is final |
/// | `delivered` | delivered |
/// | `read` | read |
/// | `undelivered`, `failed` | failed, for the reason of the error code |
/// | `canceled` | failed, `rejected` |
pub(super) fn claim_of(status: &str, code: Option<u32>) -> Option<(Claim, Option<Reason>)> {
    let claim = match status {
        "sent" | "partially_delivered" => (Claim::EnRoute, None),
        "delivered" => (Claim::Delivered, None),
        "read" => (Claim::Read, None),
        "undelivered" | "failed" => {
            let row = code.and_then(|code| row_of(TABLE, code));
            (
                Claim::Failed,
                Some(row.map_or(Reason::Unknown, |row| row.reason)),
            )
        }
        "canceled" => (Claim::Failed, Some(Reason::Rejected)),
        _ => return None,
    };
    Some(claim)
}

/// Whether a status is that of an inbound message.
pub(super) fn is_inbound(status: &str) -> bool {
    matches!(status, "received" | "receiving")
}
