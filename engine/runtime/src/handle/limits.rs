//! Limits at the door: what an account's messages go through, with its present use.

use didfarm_core::channel::Channel;
use tokio::sync::oneshot;

use super::EngineHandle;
use crate::account::AccountHandle;
use crate::actors::delivery::DeliveryInput;
use crate::limits::{AccountLimit, Limits, PairLimit};
use crate::send::Unavailable;

impl EngineHandle {
    /// The limits that an account's messages go through.
    ///
    /// # Errors
    /// [`Unavailable`] while the delivery supervisor is being rebuilt.
    pub async fn limits(&self, account: &AccountHandle) -> Result<Limits, Unavailable> {
        let (reply, answer) = oneshot::channel();
        let asked = DeliveryInput::Limits(account.id(), reply);
        self.shared.delivery.push(asked);
        let numbers = answer.await.map_err(|_| Unavailable::Faulted)?;
        let limits = &self.shared.settings.limits;
        let some = |per_second: u32| (per_second > 0).then_some(per_second);
        Ok(Limits {
            account: AccountLimit {
                limit: account.limit(),
                used: account.used(),
                waiting: account.in_line(),
                waiting_max: self.backlog_max(account),
            },
            numbers,
            number_per_second: Channel::ALL.map(|channel| match channel {
                Channel::Sms => some(limits.number_segments_per_second),
                Channel::WhatsApp => some(limits.whatsapp_per_second),
            }),
            pair: (limits.pair_interval_ms > 0).then_some(PairLimit {
                interval_ms: limits.pair_interval_ms,
                burst: limits.pair_burst,
            }),
        })
    }
}
