//! A number that we host: who owns it and which channels it carries.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::auto_reply::AutoReplyRules;
use crate::channel::Channel;
use crate::e164::{E164, NumberType};
use crate::ids::{AccountId, NumberId};
use crate::mail::ADDRESS_BYTES_MAX;
use crate::refusal::Refusal;

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
        }
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
