//! The shapes of pools.

use didfarm_core::e164::E164;
use didfarm_core::ids::{NumberId, PoolId};
use didfarm_runtime::pools::{PoolNumber, PoolView};
use didfarm_webhooks::twilio::sid;
use serde::Serialize;

use super::Shown;

/// A pool.
#[derive(Serialize)]
pub(crate) struct Pool<'a> {
    id: Shown<PoolId>,
    /// What it is called in Twilio's dialect.
    messaging_service_sid: String,
    name: &'a str,
    numbers: Vec<Member>,
}

/// A number of a pool.
#[derive(Serialize)]
struct Member {
    id: Shown<NumberId>,
    number: Shown<E164>,
    healthy: bool,
    /// The share that was delivered, in percent; `null` of nothing.
    delivered_share: Option<u32>,
    counted: u32,
}

impl<'a> Pool<'a> {
    pub(crate) fn of(pool: &'a PoolView) -> Pool<'a> {
        Pool {
            id: Shown(pool.id),
            messaging_service_sid: sid::pool(pool.id),
            name: &pool.name,
            numbers: pool.numbers.iter().map(Member::of).collect(),
        }
    }
}

impl Member {
    fn of(member: &PoolNumber) -> Member {
        Member {
            id: Shown(member.number.id),
            number: Shown(member.number.e164),
            healthy: member.is_healthy,
            delivered_share: member.counted.share_percent(),
            counted: member.counted.messages,
        }
    }
}
