//! Accounts and numbers of a round, and the ledger.

use didfarm_core::account::{Account, AccountEvent};
use didfarm_core::add_on::SmsPayment;
use didfarm_core::ids::{AccountId, NumberId};
use didfarm_core::message::Accepted;
use didfarm_core::money::Micros;
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
        let balance = account.balance;
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
            | AccountEvent::QuietHoursSet(_)
            | AccountEvent::SpendCapSet(_)
            | AccountEvent::DestinationsSet(..)
            | AccountEvent::RangesOpenSet(_)
            | AccountEvent::TrafficStopped(_)
            | AccountEvent::TrafficReleased { .. } => return Ok(()),
            AccountEvent::PoolSet(pool) => {
                self.pools.put(keys::id(pool.id.get()), (**pool).clone());
                return Ok(());
            }
            AccountEvent::PoolRemoved(id) => {
                *self.pools.get(self.shelf, keys::id(id.get()))? = None;
                return Ok(());
            }
        };
        if let Some(amount) = amount {
            self.enter(at, id, (amount, balance), cause);
        }
        Ok(())
    }

    /// Charges an accepted message.
    pub(super) fn charge(&mut self, at: At, fact: &Accepted) -> Result<(), RecordsError> {
        let cause = match fact.auto_reply {
            Some(_) => LedgerCause::AutoReply(fact.message),
            None => LedgerCause::Charge(fact.message),
        };
        let account = self.spend(at, fact.account, fact.charge, cause)?;
        account.spending = account.spending.with(fact.charge, at.time);
        Ok(())
    }

    /// Takes money from an account that is there.
    fn spend(
        &mut self,
        at: At,
        id: AccountId,
        price: Micros,
        cause: LedgerCause,
    ) -> Result<&mut Account, RecordsError> {
        let out_of_range = || at.missing(format!("a price below {price}"));
        let amount = Micros::ZERO.checked_sub(price).ok_or_else(out_of_range)?;
        let balance = {
            let account = self.known_account(at, id)?;
            account.add(amount);
            account.balance
        };
        self.enter(at, id, (amount, balance), cause);
        self.known_account(at, id)
    }

    fn known_account(&mut self, at: At, id: AccountId) -> Result<&mut Account, RecordsError> {
        let record = self.accounts.get(self.shelf, keys::id(id.get()))?;
        record
            .as_mut()
            .ok_or_else(|| at.missing(format!("account {id}")))
    }

    /// Enters a movement of money into the ledger: what it adds, and the balance after it.
    fn enter(
        &mut self,
        at: At,
        id: AccountId,
        (amount, balance): (Micros, Micros),
        cause: LedgerCause,
    ) {
        let entry = LedgerEntry {
            at: at.time,
            amount,
            balance,
            cause,
        };
        let key = keys::ledger(id, at.seq, at.place).to_vec();
        self.ledger.push((key, Some(codec::encode(&entry))));
        self.meta.counts.ledger += 1;
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
        let paid = match event {
            NumberEvent::SmsPaid(payment) if !number.has_paid(payment.month) => Some(*payment),
            NumberEvent::SmsPaid(_)
            | NumberEvent::Added(_)
            | NumberEvent::Activated
            | NumberEvent::ChannelsSet { .. }
            | NumberEvent::ForwardingSet(_)
            | NumberEvent::AutoReplySet(_)
            | NumberEvent::SmsSuspended => None,
        };
        number.evolve(event);
        let account = number.account;
        if let NumberEvent::AutoReplySet(rules) = event {
            number.auto_reply = None;
            self.auto_replies.extend(rules::rows(id, rules.as_deref()));
        }
        if let Some(SmsPayment { month, amount }) = paid {
            self.spend(at, account, amount, LedgerCause::SmsMonthly(id, month))?;
        }
        Ok(())
    }
}
