//! The next month of SMS on a number: paid from its owner's wallet, or SMS is off until it is.

use actix::{Context, Handler, Message};
use didfarm_core::ids::NumberId;
use didfarm_core::number::NumberEvent;

use super::NumberActor;

/// A month of SMS may be over.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct RenewSms {
    pub(crate) number: NumberId,
}

impl Handler<RenewSms> for NumberActor {
    type Result = ();

    fn handle(&mut self, renew: RenewSms, _: &mut Context<Self>) {
        let at = self.context.engine().now();
        // Asked anew: whoever looked saw the number as it was when it last became durable.
        let owed = self.context.number.borrow().owed(at);
        let Some(month) = owed else { return };
        match self.reserve_month(month) {
            Ok(None) => {}
            Ok(Some(month)) => {
                let paid = vec![NumberEvent::SmsPaid(month.payment)];
                self.apply(at, paid, Some(month.reservation), None);
            }
            Err(refusal) => {
                tracing::info!(number = %renew.number, %refusal, "SMS on a number is suspended");
                self.apply(at, vec![NumberEvent::SmsSuspended], None, None);
            }
        }
    }
}
