//! The shapes of `/ops`: prefixed ids, amounts as exact numbers of euros.

use didfarm_core::abuse::country::Country;
use didfarm_core::delivery::InFlight;
use didfarm_core::e164::E164;
use didfarm_core::event::ParkedReceipt;
use didfarm_core::ids::{AccountId, NumberId};
use didfarm_core::number::Number;
use didfarm_core::reason::Reason;
use didfarm_core::time::Timestamp;
use didfarm_runtime::carriers::{CarrierFace, CarrierView};
use didfarm_runtime::operate::{AccountView, NewKey};
use didfarm_runtime::read::AgedReceipt;
use serde::Serialize;
use serde_json::value::RawValue;

use super::abuse::{countries, kinds};
use super::portal::state_word;
use super::{CURRENCY, Fraction, Named, Shown, euros};

/// An account.
#[derive(Serialize)]
pub(crate) struct Account<'a> {
    id: Shown<AccountId>,
    name: &'a str,
    rate_per_second: u32,
    burst: u32,
    email: Option<&'a str>,
    balance: Box<RawValue>,
    currency: &'static str,
    low_balance: Box<RawValue>,
    spend_cap: Option<Box<RawValue>>,
    spent_today: Box<RawValue>,
    destinations: Option<Vec<Shown<Country>>>,
    destinations_open: Option<Vec<Shown<Country>>>,
    ranges_open: Vec<&'static str>,
    key_ids: &'a [String],
}

impl<'a> Account<'a> {
    pub(crate) fn of(view: &'a AccountView) -> Account<'a> {
        Account {
            id: Shown(view.id),
            name: &view.name,
            rate_per_second: view.rate_limit.per_second,
            burst: view.rate_limit.burst,
            email: view.email.as_deref(),
            balance: euros(view.balance),
            currency: CURRENCY,
            low_balance: euros(view.low_balance),
            spend_cap: view.spend_cap.map(euros),
            spent_today: euros(view.spent_today),
            destinations: countries(view.destinations.as_ref()),
            destinations_open: countries(view.destinations_open.as_ref()),
            ranges_open: kinds(view.ranges_open),
            key_ids: &view.key_ids,
        }
    }
}

/// A new key: the only answer that shows it whole.
#[derive(Serialize)]
pub(crate) struct Key<'a> {
    key_id: &'a str,
    api_key: &'a str,
}

impl<'a> Key<'a> {
    pub(crate) fn of(key: &'a NewKey) -> Key<'a> {
        Key {
            key_id: &key.id,
            api_key: &key.secret,
        }
    }
}

/// A number.
#[derive(Serialize)]
pub(crate) struct HostedNumber {
    id: Shown<NumberId>,
    account_id: Shown<AccountId>,
    e164: Shown<E164>,
    sms: bool,
    whatsapp: bool,
    status: &'static str,
    sms_paid_until: Option<Fraction>,
}

impl HostedNumber {
    pub(crate) fn of(number: &Number) -> HostedNumber {
        HostedNumber {
            id: Shown(number.id),
            account_id: Shown(number.account),
            e164: Shown(number.e164),
            sms: number.sms,
            whatsapp: number.whatsapp,
            status: state_word(number.state),
            sms_paid_until: number.add_on.map(|add_on| Fraction(add_on.paid_until)),
        }
    }
}

/// A number that is out of service after repeated faults.
#[derive(Serialize)]
pub(crate) struct Quarantined {
    pub(crate) id: Shown<NumberId>,
}

/// A number that is back in service.
#[derive(Serialize)]
pub(crate) struct Released {
    pub(crate) id: Shown<NumberId>,
    pub(crate) released: bool,
}

/// A carrier, and how it is; that is not known before the engine has looked.
#[derive(Serialize)]
pub(crate) struct Carrier<'a> {
    name: &'a str,
    kind: &'static str,
    callbacks: bool,
    circuit: Option<&'static str>,
    waiting: Option<usize>,
    outstanding: Option<usize>,
    window: Option<usize>,
    segments_per_second: Option<u32>,
    segments_last_second: Option<u32>,
}

impl<'a> Carrier<'a> {
    pub(crate) fn of(face: &'a CarrierFace, view: Option<&CarrierView>) -> Carrier<'a> {
        let rate = view.and_then(|view| view.rate);
        Carrier {
            name: &face.name,
            kind: face.kind.as_str(),
            callbacks: face.door.is_some(),
            circuit: view.map(|view| view.circuit),
            waiting: view.map(|view| view.waiting),
            outstanding: view.map(|view| view.outstanding),
            window: view.map(|view| view.window),
            segments_per_second: rate.map(|(per_second, _)| per_second),
            segments_last_second: rate.map(|(_, used)| used),
        }
    }
}

/// A message in doubt. The peer and the text are the customer's: they are not shown here.
#[derive(Serialize)]
pub(crate) struct InDoubt<'a> {
    id: Named,
    account_id: Shown<AccountId>,
    number_id: Shown<NumberId>,
    carrier: Option<&'a str>,
    submits: u16,
    charge: Box<RawValue>,
    currency: &'static str,
    accepted_at: Fraction,
    in_doubt_since: Fraction,
}

impl<'a> InDoubt<'a> {
    pub(crate) fn of(in_flight: &InFlight, carrier: Option<&'a str>) -> InDoubt<'a> {
        InDoubt {
            id: Named(in_flight.message.spelled()),
            account_id: Shown(in_flight.account),
            number_id: Shown(in_flight.number),
            carrier,
            submits: in_flight.delivery.submits,
            charge: euros(in_flight.charge),
            currency: CURRENCY,
            accepted_at: Fraction(in_flight.accepted_at),
            in_doubt_since: Fraction(in_flight.phase_at),
        }
    }
}

/// A message that was in doubt, and what it counts as now.
#[derive(Serialize)]
pub(crate) struct Resolved {
    pub(crate) id: Named,
    pub(crate) outcome: &'static str,
}

/// A receipt whose message is not known.
#[derive(Serialize)]
pub(crate) struct Parked<'a> {
    carrier: Option<&'a str>,
    carrier_message_id: &'a str,
    claim: &'static str,
    reason: Option<&'static str>,
    parked_at: Fraction,
}

impl<'a> Parked<'a> {
    pub(crate) fn of(
        at: Timestamp,
        receipt: &'a ParkedReceipt,
        carrier: Option<&'a str>,
    ) -> Parked<'a> {
        Parked {
            carrier,
            carrier_message_id: &receipt.id.0,
            claim: receipt.claim.as_str(),
            reason: receipt.reason.map(Reason::as_str),
            parked_at: Fraction(at),
        }
    }
}

/// A receipt whose message never came.
#[derive(Serialize)]
pub(crate) struct AgedOut<'a> {
    #[serde(flatten)]
    receipt: Parked<'a>,
    aged_out_at: Fraction,
}

impl<'a> AgedOut<'a> {
    pub(crate) fn of(aged: &'a AgedReceipt, carrier: Option<&'a str>) -> AgedOut<'a> {
        AgedOut {
            receipt: Parked::of(aged.parked_at, &aged.receipt, carrier),
            aged_out_at: Fraction(aged.aged_at),
        }
    }
}

/// The last receipts whose messages never came, and how many there ever were.
#[derive(Serialize)]
pub(crate) struct AgedOutList<'a> {
    pub(crate) data: Vec<AgedOut<'a>>,
    pub(crate) total: u64,
}

/// How the daemon is.
#[derive(Serialize)]
pub(crate) struct Health {
    pub(crate) status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<&'static str>,
}

#[cfg(test)]
mod tests {
    use didfarm_core::delivery::receipt::Claim;
    use didfarm_core::ids::{CarrierId, CarrierMessageId};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_receipt_that_aged_out_is_shown_with_both_times() {
        let aged = AgedReceipt {
            parked_at: Timestamp(0),
            aged_at: Timestamp(1_000_000),
            receipt: ParkedReceipt {
                carrier: CarrierId(2),
                id: CarrierMessageId("wamid.1".into()),
                claim: Claim::Failed,
                reason: Some(Reason::Spam),
            },
        };
        let data = vec![AgedOut::of(&aged, Some("nl-wa"))];
        assert_eq!(
            serde_json::to_value(AgedOutList { data, total: 7 }).unwrap(),
            json!({
                "data": [{
                    "carrier": "nl-wa",
                    "carrier_message_id": "wamid.1",
                    "claim": "failed",
                    "reason": "spam",
                    "parked_at": "1970-01-01T00:00:00.000000Z",
                    "aged_out_at": "1970-01-01T00:00:01.000000Z",
                }],
                "total": 7,
            })
        );
    }
}
