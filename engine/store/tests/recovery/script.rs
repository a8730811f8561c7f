//! The script of the recovery tests: everything that can happen to messages and money, decided by core.

use didfarm_core::account::AccountCommand;
use didfarm_core::channel::Channel;
use didfarm_core::delivery::receipt::Claim;
use didfarm_core::delivery::{Input, Outcome};
use didfarm_core::event::Entry;
use didfarm_core::ids::{AccountId, MessageId, NumberId};
use didfarm_core::money::Micros;
use didfarm_core::reason::Reason;

use crate::farm::{Farm, carrier_id};

const PEERS: [&str; 3] = ["+31612345678", "+4915123456789", "+447700900123"];

/// Decides the whole script and returns its entries in order.
pub fn entries() -> Vec<Entry> {
    let mut farm = Farm::default();
    let acme = farm.account("Acme", 120_000);
    let globex = farm.account("Globex", 150_000);
    let office = farm.number(acme, "+31201234567");
    let shop = farm.number(globex, "+14155550100");
    let first = sends(&mut farm, office);
    submits(&mut farm, &first);
    inbound(&mut farm, office, shop);
    early_receipts(&mut farm, shop);
    farm.operate(acme, AccountCommand::TopUp(Micros::new(64_000)));
    let second = sends(&mut farm, shop);
    receipts(&mut farm, &first);
    submits(&mut farm, &second);
    contradictions(&mut farm, globex, &second);
    let third = sends(&mut farm, office);
    submits(&mut farm, &third);
    receipts(&mut farm, &third);
    farm.entries
}

/// One message to each peer and three more to the first, one of them of several segments.
fn sends(farm: &mut Farm, number: NumberId) -> Vec<MessageId> {
    let mut sent = Vec::new();
    for (place, peer) in PEERS.into_iter().enumerate() {
        sent.push(farm.send(number, peer, Channel::Sms, &format!("hello {place}")));
    }
    for body in ["again", "and again", &"long ".repeat(50)] {
        sent.push(farm.send(number, PEERS[0], Channel::Sms, body));
    }
    sent
}

/// Taken, refused, throttled and taken later, in doubt, taken in several segments; one stays queued.
fn submits(farm: &mut Farm, sent: &[MessageId]) {
    let [taken, refused, throttled, in_doubt, _queued, long] = sent else {
        panic!("there are six")
    };
    farm.submitted(*taken, 1);
    for message in [*refused, *throttled, *in_doubt] {
        farm.start(message);
    }
    farm.join(3);
    let reason = Reason::Rejected;
    farm.input(*refused, Input::Refused { reason });
    farm.input(*throttled, Input::Throttled);
    farm.input(*in_doubt, Input::NoAnswer);
    farm.join(3);
    farm.submitted(*throttled, 1);
    farm.submitted(*long, 2);
}

fn inbound(farm: &mut Farm, office: NumberId, shop: NumberId) {
    let (sms, whatsapp) = (Channel::Sms, Channel::WhatsApp);
    farm.receive(office, PEERS[0], sms, "thanks", Some("in-1"));
    farm.receive(shop, PEERS[1], whatsapp, "is it open?", Some("in-2"));
    farm.send(shop, PEERS[1], whatsapp, "until six");
    farm.receive(office, PEERS[2], sms, "who is this?", None);
}

/// A receipt that comes before the submit answer is parked and claimed with the answer, as one entry.
fn early_receipts(farm: &mut Farm, shop: NumberId) {
    let message = farm.send(shop, PEERS[2], Channel::Sms, "early");
    let id = format!("{message}-0");
    farm.start(message);
    farm.park(&id);
    farm.park("of nobody");
    let ids = vec![carrier_id(&id)];
    farm.input(message, Input::Accepted { ids });
    farm.unpark(&id);
    farm.receipt(message, 0, Claim::Delivered);
    farm.join(3);
}

/// Delivered, delivered again, read; failed; the segments of a long one apart.
fn receipts(farm: &mut Farm, sent: &[MessageId]) {
    let (taken, throttled, long) = (sent[0], sent[2], sent[5]);
    farm.receipt(taken, 0, Claim::EnRoute);
    farm.receipt(long, 1, Claim::Delivered);
    farm.receipt(taken, 0, Claim::Delivered);
    let before = farm.entries.len();
    assert_eq!(again(farm, taken, Claim::Delivered), Outcome::Duplicate);
    assert_eq!(farm.entries.len(), before, "a duplicate is no entry");
    farm.receipt(taken, 0, Claim::Read);
    farm.receipt(throttled, 0, Claim::Failed);
    farm.receipt(long, 0, Claim::Delivered);
}

fn again(farm: &mut Farm, message: MessageId, claim: Claim) -> Outcome {
    let id = carrier_id(&format!("{message}-0"));
    let reason = None;
    farm.drive(message, Input::Receipt { id, claim, reason })
}

/// A receipt that says the opposite of the one before it, an answer after the doubt, no receipt at all.
fn contradictions(farm: &mut Farm, account: AccountId, sent: &[MessageId]) {
    let (taken, throttled, in_doubt) = (sent[0], sent[2], sent[3]);
    farm.receipt(taken, 0, Claim::Failed);
    let outcome = again(farm, taken, Claim::Delivered);
    assert!(matches!(outcome, Outcome::Contradiction(_)), "{outcome:?}");
    farm.operate(account, AccountCommand::TopUp(Micros::new(8_000)));
    let reason = Reason::Rejected;
    farm.input(in_doubt, Input::Refused { reason });
    farm.input(throttled, Input::NoReceipt);
}
