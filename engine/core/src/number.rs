//! A number that we host: who owns it and which channels it carries.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::add_on::{AddOn, SmsMonth, SmsPayment};
use crate::auto_reply::AutoReplyRules;
use crate::channel::Channel;
use crate::e164::{E164, NumberType};
use crate::ids::{AccountId, NumberId};
use crate::mail::ADDRESS_BYTES_MAX;
use crate::refusal::Refusal;
use crate::time::Timestamp;

/// Whether a number may carry anything yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NumberState {
    /// It waits for provisioning or for regulatory verification.
    #[serde(rename = "p")]
    Provisioning,
    /// It carries messages.
    #[serde(rename = "a")]
    Active,
}

/// The state of one number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Number {
    /// Its id.
    pub id: NumberId,
    /// Who owns it.
    pub account: AccountId,
    /// The number itself.
    pub e164: E164,
    /// Whether it may carry anything.
    pub state: NumberState,
    /// The SMS toggle.
    pub sms: bool,
    /// The WhatsApp toggle.
    pub whatsapp: bool,
    /// Where every inbound message is mailed to.
    pub forward_to: Option<Box<str>>,
    /// What it answers by itself.
    pub auto_reply: Option<Arc<AutoReplyRules>>,
    /// The months of SMS on it; `None` until it first had one.
    pub add_on: Option<AddOn>,
}

/// What an operator or its owner asks of a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NumberCommand {
    /// Lets it carry messages.
    Activate,
    /// Sets both toggles.
    SetChannels {
        /// The SMS toggle.
        sms: bool,
        /// The WhatsApp toggle.
        whatsapp: bool,
    },
    /// Sets where every inbound message is mailed to; `None` for nowhere.
    SetForwarding(Option<Box<str>>),
    /// Sets what it answers by itself; `None` for nothing.
    SetAutoReply(Option<Arc<AutoReplyRules>>),
}

/// What happened to a number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NumberEvent {
    /// It came to an account.
    #[serde(rename = "n")]
    Added(Number),
    /// It may carry messages.
    #[serde(rename = "a")]
    Activated,
    /// Its toggles were set.
    #[serde(rename = "c")]
    ChannelsSet {
        /// The SMS toggle.
        sms: bool,
        /// The WhatsApp toggle.
        whatsapp: bool,
    },
    /// Where inbound messages are mailed to was set.
    #[serde(rename = "f")]
    ForwardingSet(Option<Box<str>>),
    /// What it answers by itself was set.
    #[serde(rename = "r")]
    AutoReplySet(Option<Arc<AutoReplyRules>>),
    /// A month of SMS on it was paid from its owner's wallet.
    #[serde(rename = "p")]
    SmsPaid(SmsPayment),
    /// The wallet did not cover the next month of SMS: the toggle is off.
    #[serde(rename = "u")]
    SmsSuspended,
}

impl Number {
    /// Decides to host a number.
    ///
    /// # Errors
    /// [`Refusal::NumberNotActive`] and [`Refusal::SmsNotAvailable`] as [`Number::decide`].
    pub fn decide_add(number: Number) -> Result<NumberEvent, Refusal> {
        number.check_channels(number.sms, number.whatsapp)?;
        Ok(NumberEvent::Added(number))
    }

    /// Decides an operator's command.
    ///
    /// # Errors
    /// [`Refusal::NumberNotActive`] while it is provisioning, [`Refusal::SmsNotAvailable`] where its
    /// country and type carry no SMS.
    pub fn decide(&self, command: NumberCommand) -> Result<NumberEvent, Refusal> {
        match command {
            NumberCommand::Activate => Ok(NumberEvent::Activated),
            NumberCommand::SetChannels { sms, whatsapp } => {
                self.check_channels(sms, whatsapp)?;
                Ok(NumberEvent::ChannelsSet { sms, whatsapp })
            }
            NumberCommand::SetForwarding(address) => {
                let fits = address
                    .as_ref()
                    .is_none_or(|address| address.len() <= ADDRESS_BYTES_MAX);
                fits.then_some(NumberEvent::ForwardingSet(address))
                    .ok_or(Refusal::AddressUnfit)
            }
            NumberCommand::SetAutoReply(rules) => Ok(NumberEvent::AutoReplySet(rules)),
        }
    }

    /// The month of SMS that a setting asks to be paid: none but for a toggle that goes on, and none while a
    /// month goes on that is paid.
    pub fn owed_by(&self, event: &NumberEvent, now: Timestamp) -> Option<SmsMonth> {
        let goes_on = match event {
            NumberEvent::ChannelsSet { sms, .. } => *sms && !self.sms,
            NumberEvent::Added(_)
            | NumberEvent::Activated
            | NumberEvent::ForwardingSet(_)
            | NumberEvent::AutoReplySet(_)
            | NumberEvent::SmsPaid(_)
            | NumberEvent::SmsSuspended => false,
        };
        let is_paid = self.add_on.is_some_and(|add_on| add_on.covers(now));
        let first = SmsMonth {
            since: now,
            month: 0,
        };
        (goes_on && !is_paid).then_some(first)
    }

    /// The month of SMS that is to be paid for the number to keep its SMS.
    pub fn owed(&self, now: Timestamp) -> Option<SmsMonth> {
        if !self.sms {
            return None;
        }
        let add_on = self.add_on.unwrap_or(AddOn {
            since: now,
            month: 0,
            paid_until: now,
        });
        (!add_on.covers(now)).then(|| SmsMonth {
            since: add_on.since,
            month: add_on.month_at(now),
        })
    }

    /// Whether a payment is for a month that is paid already: it is no new fact then, and moves no money.
    pub fn has_paid(&self, month: SmsMonth) -> bool {
        let SmsMonth { since, month } = month;
        self.add_on.is_some_and(|add_on| add_on.has(since, month))
    }

    fn check_channels(&self, sms: bool, whatsapp: bool) -> Result<(), Refusal> {
        match self.state {
            NumberState::Provisioning if sms || whatsapp => Err(Refusal::NumberNotActive),
            NumberState::Active if sms && !sms_available(self.e164) => {
                Err(Refusal::SmsNotAvailable)
            }
            NumberState::Provisioning | NumberState::Active => Ok(()),
        }
    }

    /// Whether the number may send on the channel.
    ///
    /// # Errors
    /// [`Refusal::NumberNotActive`] or [`Refusal::ChannelDisabled`].
    pub fn may_carry(&self, channel: Channel) -> Result<(), Refusal> {
        let enabled = match channel {
            Channel::Sms => self.sms,
            Channel::WhatsApp => self.whatsapp,
        };
        match self.state {
            NumberState::Provisioning => Err(Refusal::NumberNotActive),
            NumberState::Active if !enabled => Err(Refusal::ChannelDisabled { channel }),
            NumberState::Active => Ok(()),
        }
    }

    /// Applies what happened.
    pub fn evolve(&mut self, event: &NumberEvent) {
        match event {
            NumberEvent::Added(number) => *self = number.clone(),
            NumberEvent::Activated => self.state = NumberState::Active,
            NumberEvent::ChannelsSet { sms, whatsapp } => {
                self.sms = *sms;
                self.whatsapp = *whatsapp;
            }
            NumberEvent::ForwardingSet(address) => self.forward_to = address.clone(),
            NumberEvent::AutoReplySet(rules) => self.auto_reply = rules.clone(),
            NumberEvent::SmsPaid(payment) => {
                if !self.has_paid(payment.month) {
                    let SmsMonth { since, month } = payment.month;
                    self.add_on = Some(AddOn::paid(since, month));
                }
            }
            NumberEvent::SmsSuspended => self.sms = false,
        }
    }
}

/// Whether numbers of this country and type carry SMS: the product's coverage table, and mobile
/// numbers everywhere else.
pub fn sms_available(number: E164) -> bool {
    let region = number.region();
    match number.number_type() {
        NumberType::Mobile | NumberType::FixedLineOrMobile => true,
        NumberType::FixedLine => {
            matches!(region, Some("US" | "GB" | "NL" | "CA" | "DE" | "FR" | "AU"))
        }
        NumberType::TollFree => matches!(region, Some("US" | "GB" | "NL" | "CA")),
        // Reserved example ranges parse but belong to no plan: the operator knows better than the table.
        NumberType::Unknown => true,
        NumberType::PremiumRate | NumberType::Voip | NumberType::Other => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::e164::Validation;
    use crate::money::Micros;

    fn number(text: &str, state: NumberState, sms: bool) -> Number {
        let e164 = E164::parse(text, Validation::Possible).unwrap();
        Number {
            id: NumberId(1),
            account: AccountId(1),
            e164,
            state,
            sms,
            whatsapp: false,
            forward_to: None,
            auto_reply: None,
            add_on: None,
        }
    }

    #[test]
    fn a_month_is_owed_when_sms_goes_on_and_when_the_month_is_over() {
        let (start, later) = (Timestamp(0), Timestamp(40 * 24 * 3_600 * 1_000_000));
        let mut hosted = number("+31201234567", NumberState::Active, false);
        let on = NumberEvent::ChannelsSet {
            sms: true,
            whatsapp: false,
        };
        assert_eq!(hosted.owed(start), None);
        let month = hosted.owed_by(&on, start).unwrap();
        let paid = NumberEvent::SmsPaid(SmsPayment {
            month,
            amount: Micros::new(750_000),
        });
        hosted.evolve(&on);
        hosted.evolve(&paid);
        assert_eq!(
            (hosted.owed_by(&on, start), hosted.owed(start)),
            (None, None)
        );
        let once = hosted.clone();
        assert!(hosted.has_paid(month));
        hosted.evolve(&paid);
        assert_eq!(hosted, once, "a repeat is no new fact");
        let next = SmsMonth {
            since: start,
            month: 1,
        };
        assert_eq!(hosted.owed(later), Some(next));
        // Without the money it is off, and begins anew when it goes on again.
        hosted.evolve(&NumberEvent::SmsSuspended);
        assert!(hosted.may_carry(Channel::Sms).is_err());
        assert_eq!(hosted.owed(later), None);
        let anew = SmsMonth {
            since: later,
            month: 0,
        };
        assert_eq!(hosted.owed_by(&on, later), Some(anew));
    }

    #[test]
    fn sms_that_goes_off_and_on_within_a_paid_month_is_paid() {
        let mut hosted = number("+31201234567", NumberState::Active, false);
        hosted.add_on = Some(AddOn::first(Timestamp(0)));
        let on = NumberEvent::ChannelsSet {
            sms: true,
            whatsapp: false,
        };
        assert_eq!(hosted.owed_by(&on, Timestamp(1)), None);
        assert!(
            hosted
                .owed_by(&on, AddOn::first(Timestamp(0)).paid_until)
                .is_some()
        );
    }

    #[test]
    fn sms_needs_an_active_number() {
        let waiting = number("+31201234567", NumberState::Provisioning, true);
        assert_eq!(
            Number::decide_add(waiting.clone()),
            Err(Refusal::NumberNotActive)
        );
        assert_eq!(
            waiting.may_carry(Channel::Sms),
            Err(Refusal::NumberNotActive)
        );
    }

    #[test]
    fn the_coverage_table_decides_which_types_carry_sms() {
        for (text, carried) in [
            ("+31201234567", true),   // NL local
            ("+31612345678", true),   // NL mobile
            ("+318001234", true),     // NL toll-free
            ("+498001234567", false), // DE toll-free
            ("+493012345678", true),  // DE local
            ("+34912345678", false),  // ES local
            ("+34612345678", true),   // ES mobile
            ("+31900123456", false),  // NL premium
        ] {
            let asked = Number::decide_add(number(text, NumberState::Active, true));
            assert_eq!(asked.is_ok(), carried, "{text} {asked:?}");
        }
    }

    #[test]
    fn a_channel_carries_only_while_its_toggle_is_on() {
        let mut hosted = number("+31201234567", NumberState::Active, true);
        assert_eq!(hosted.may_carry(Channel::Sms), Ok(()));
        let closed = Err(Refusal::ChannelDisabled {
            channel: Channel::WhatsApp,
        });
        assert_eq!(hosted.may_carry(Channel::WhatsApp), closed);
        let set = hosted
            .decide(NumberCommand::SetChannels {
                sms: false,
                whatsapp: true,
            })
            .unwrap();
        hosted.evolve(&set);
        assert_eq!(hosted.may_carry(Channel::WhatsApp), Ok(()));
        assert!(hosted.may_carry(Channel::Sms).is_err());
    }
}
