//! What a recipient's status claims.

use didfarm_core::delivery::receipt::Claim;
use didfarm_core::reason::Reason;
use serde_json::value::RawValue;

use super::reasons::TABLE;
use super::wire;
use crate::reasons::row_of;

/// What a status claims, and why when that is a failure; `None` for one that claims nothing.
///
/// | Status | Claim |
/// |---|---|
/// | `queued`, `sending`, unknown ones | none |
/// | `sent`, `delivery_unconfirmed` | en route; nothing is final |
/// | `delivered` | delivered |
/// | `read` | read |
/// | `sending_failed`, `delivery_failed`, `expired` | failed, for the reason of the first known code |
pub(super) fn claim_of(status: &str, errors: Option<&RawValue>) -> Option<(Claim, Option<Reason>)> {
    let without_code = match status {
        "sent" | "delivery_unconfirmed" => return Some((Claim::EnRoute, None)),
        "delivered" => return Some((Claim::Delivered, None)),
        "read" => return Some((Claim::Read, None)),
        "sending_failed" | "delivery_failed" => Reason::Unknown,
        "expired" => Reason::Expired,
        _ => return None,
    };
    let reason = wire::codes(errors).find_map(|code| row_of(TABLE, code));
    Some((
        Claim::Failed,
        Some(reason.map_or(without_code, |row| row.reason)),
    ))
}
