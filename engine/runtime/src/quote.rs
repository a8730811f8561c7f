//! What a message would cost: the dry run of a send. It changes nothing and needs no money.

use std::borrow::Cow;
use std::sync::Arc;

use didfarm_core::money::Micros;
use didfarm_core::peer::Peer;
use didfarm_core::price::PriceList;
use didfarm_core::refusal::Refusal;
use didfarm_core::segments::{Encoding, Forcing, count, forcing, smart_encoded, split};

use crate::account::AccountHandle;
use crate::handle::EngineHandle;
use crate::send::Sender;

/// A message to be priced. The body is within the product's bound.
#[derive(Debug, Clone)]
pub struct QuoteRequest {
    /// Our number, if it is to be checked.
    pub from: Option<Sender>,
    /// The peer.
    pub to: Peer,
    /// The text.
    pub body: Arc<str>,
    /// Whether look-alikes from GSM-7 would take the place of what forces UCS-2.
    pub smart_encoding: bool,
}

/// What one text comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotedText {
    /// The text.
    pub body: Arc<str>,
    /// How it is encoded.
    pub encoding: Encoding,
    /// Its length in septets or UTF-16 code units.
    pub units: u32,
    /// How many segments it takes.
    pub segments: u16,
    /// The characters of each segment.
    pub segment_chars: Vec<usize>,
    /// What it costs.
    pub price: Micros,
}

/// What a message would cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// The text as it was given.
    pub given: QuotedText,
    /// The characters of it that force UCS-2.
    pub forcing: Vec<Forcing>,
    /// The text with look-alikes from GSM-7, where that is worth it.
    pub smart: Option<QuotedText>,
    /// What one segment costs.
    pub segment_price: Micros,
    /// What a send that asks for the same would be charged.
    pub charge: Micros,
}

impl EngineHandle {
    /// Prices a message.
    ///
    /// # Errors
    /// [`Refusal::NumberUnknown`] for a sender that is none of the account's numbers, and
    /// [`Refusal::InsufficientBalance`] for what no wallet holds.
    pub fn quote(&self, account: &AccountHandle, request: QuoteRequest) -> Result<Quote, Refusal> {
        if let Some(from) = request.from {
            self.own_number(account, from)?;
        }
        quote(self.prices(), &request, account.balance())
    }
}

fn quote(prices: &PriceList, request: &QuoteRequest, available: Micros) -> Result<Quote, Refusal> {
    let text = |body: Arc<str>| quoted(prices, &request.to, body, available);
    let given = text(Arc::clone(&request.body))?;
    let smart = match smart_encoded(&request.body) {
        Cow::Borrowed(_) => None,
        Cow::Owned(smart) => Some(text(smart.into())?),
    };
    let sent = smart.as_ref().filter(|_| request.smart_encoding);
    Ok(Quote {
        charge: sent.unwrap_or(&given).price,
        forcing: forcing(&request.body),
        segment_price: prices.segment(&request.to),
        given,
        smart,
    })
}

fn quoted(
    prices: &PriceList,
    to: &Peer,
    body: Arc<str>,
    available: Micros,
) -> Result<QuotedText, Refusal> {
    let counted = count(&body);
    let segment_chars = split(&body).into_iter().map(|part| part.chars().count());
    Ok(QuotedText {
        encoding: counted.encoding,
        units: counted.units,
        segments: counted.segments,
        segment_chars: segment_chars.collect(),
        price: crate::send::charge(prices, to, counted.segments, available)?,
        body,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(body: &str, smart_encoding: bool) -> Quote {
        let request = QuoteRequest {
            from: None,
            to: Peer::parse("+31612345678").unwrap(),
            body: body.into(),
            smart_encoding,
        };
        quote(&PriceList::default(), &request, Micros::ZERO).unwrap()
    }

    #[test]
    fn the_charge_is_that_of_the_text_that_would_be_sent() {
        let body = format!("{}—", "a".repeat(140));
        let (plain, smart) = (asked(&body, false), asked(&body, true));
        assert_eq!(plain.given, smart.given);
        assert_eq!(
            (plain.given.segments, plain.charge),
            (3, Micros::new(24_000))
        );
        assert_eq!(plain.given.segment_chars, [67, 67, 7]);
        assert_eq!(smart.charge, Micros::new(8_000));
        assert_eq!(smart.smart.unwrap().body.as_ref(), body.replace('—', "-"));
        assert_eq!(asked("plain", true).smart, None);
    }
}
