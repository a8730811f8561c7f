//! Accounts and numbers of a round, and the ledger.

use didfarm_core::account::{Account, AccountEvent};
use didfarm_core::ids::{AccountId, NumberId};
use didfarm_core::number::NumberEvent;

use super::{At, LedgerCause, LedgerEntry, Round};
use crate::records::{RecordsError, codec, keys, rules};

impl Round<'_> {
    pub(super) fn account(
        &mut self,
        at: At,
        id: AccountId,
        event: &AccountEvent,
    ) -> Result<(), RecordsError> {
        let record = self.accounts.get(self.shelf, keys::id(id.get()))?;
        if let AccountEvent::Created { name, rate_limit } = event {
            *record = Some(Account::created(id, name, *rate_limit, at.time));
            self.meta.counts.accounts += 1;
            self.meta.account_next = self.meta.account_next.max(id.0 + 1);
            return Ok(());
        }
        let Some(account) = record else {
            return Err(at.missing(format!("account {id}")));
        };
        account.evolve(event);
        let (amount, cause) = match event {
            AccountEvent::ToppedUp(amount) => (Some(*amount), LedgerCause::TopUp),
            AccountEvent::Charged { message, .. } => {
                (event.amount(), LedgerCause::Charge(*message))
            }
            AccountEvent::Refunded { message, .. } => {
                if let Some(message) = self.messages.get(self.shelf, keys::id(message.0))? {
                    message.refunded = true;
                }
                (event.amount(), LedgerCause::Refund(*message))
            }
            AccountEvent::Created { .. }
            | AccountEvent::KeyAdded(_)
            | AccountEvent::RateLimitSet(_)
            | AccountEvent::EmailSet(_)
            | AccountEvent::LowBalanceSet(_)
            | AccountEvent::QuietHoursSet(_) => return Ok(()),
        };
        let Some(amount) = amount else { return Ok(()) };
        let entry = LedgerEntry {
            at: at.time,
            amount,
            cause,
        };
        let key = keys::ledger(id, at.seq, at.place).to_vec();
        self.ledger.push((key, Some(codec::encode(&entry))));
        self.meta.counts.ledger += 1;
        Ok(())
    }

    /// Moves a number. Its auto-reply rules have rows of their own.
    pub(super) fn number(
        &mut self,
        at: At,
        id: NumberId,
        event: &NumberEvent,
    ) -> Result<(), RecordsError> {
        let record = self.numbers.get(self.shelf, keys::id(id.get()))?;
        if let NumberEvent::Added(number) = event {
            let mut number = number.clone();
            let rules = number.auto_reply.take();
            self.auto_replies.extend(rules::rows(id, rules.as_deref()));
            *record = Some(number);
            self.meta.counts.numbers += 1;
            self.meta.number_next = self.meta.number_next.max(id.0 + 1);
            return Ok(());
        }
        let Some(number) = record else {
            return Err(at.missing(format!("number {id}")));
        };
        number.evolve(event);
        if let NumberEvent::AutoReplySet(rules) = event {
            number.auto_reply = None;
            self.auto_replies.extend(rules::rows(id, rules.as_deref()));
        }
        Ok(())
    }
}
