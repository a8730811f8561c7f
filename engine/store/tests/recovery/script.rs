//! The script of the recovery tests: everything that can happen to messages and money, decided by core.

use didfarm_core::abuse::country::Countries;
use didfarm_core::abuse::range::RangeKind;
use didfarm_core::abuse::stop::{ReleasedBy, StopCause, TrafficRange, TrafficStop};
use didfarm_core::account::{AccountCommand, ListedBy};
use didfarm_core::batch::{BatchEvent, BatchState};
use didfarm_core::channel::Channel;
use didfarm_core::consent::{ConsentCause, ConsentChange};
use didfarm_core::conversation::INBOUND_KNOWN_MAX;
use didfarm_core::delivery::receipt::Claim;
use didfarm_core::delivery::{Input, Outcome};
use didfarm_core::event::Entry;
use didfarm_core::idempotency::GuardedAnswer;
use didfarm_core::ids::{
    AccountId, CarrierId, ConversationId, EndpointId, MessageId, NumberId, PoolId,
};
use didfarm_core::mail::{AfterTry, MailKind};
use didfarm_core::money::Micros;
use didfarm_core::reason::Reason;
use didfarm_core::webhook::attempt::AfterAttempt;
use didfarm_core::webhook::endpoint::{DisableCause, EndpointEvent};
use didfarm_core::webhook::{EventType, Fact};

use crate::farm::{Farm, part, receipt_input};

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
    names_and_parts(&mut farm, shop);
    late_ends(&mut farm, office);
    let [ours, theirs] = webhooks(&mut farm, (acme, office), globex);
    changes(&mut farm, (acme, ours), theirs);
    mails(&mut farm, acme, ours);
    keys(&mut farm, acme, office);
    consents(&mut farm, shop);
    batches(&mut farm, acme, office);
    traffic(&mut farm, acme);
    pools(&mut farm, acme, office);
    farm.entries
}

/// A pool that is made, changed and taken away, and one that stays.
fn pools(farm: &mut Farm, acme: AccountId, office: NumberId) {
    let create = || AccountCommand::CreatePool {
        name: "codes".into(),
        numbers: vec![office],
    };
    farm.operate(acme, create());
    let id = PoolId::of(acme, 1);
    let change = AccountCommand::ChangePool {
        id,
        name: Some("alerts".into()),
        numbers: None,
    };
    farm.operate(acme, change);
    farm.operate(acme, AccountCommand::DeletePool(id));
    farm.operate(acme, create());
}

/// A batch whose rows go, are cancelled and are refused; it is paused, goes on and is cancelled.
fn batches(farm: &mut Farm, acme: AccountId, office: NumberId) {
    let batch = farm.batch(acme);
    farm.guard(acme, 5, GuardedAnswer::Batch(batch));
    let first = farm.row(batch, 0, office, PEERS[0]);
    farm.refuse_row(acme, batch, 1);
    farm.note(acme, batch, BatchEvent::StateSet(BatchState::Paused));
    let second = farm.row(batch, 2, office, PEERS[1]);
    farm.note(acme, batch, BatchEvent::Completed);
    farm.note(acme, batch, BatchEvent::StateSet(BatchState::Running));
    farm.start(first);
    farm.note(acme, batch, BatchEvent::StateSet(BatchState::Cancelled));
    farm.input(second, Input::Cancel);
}

/// Opted out of templates, then of everything, in again, and out again; what waited does not go.
fn consents(farm: &mut Farm, shop: NumberId) {
    let waits = farm.send(shop, PEERS[2], Channel::Sms, "too late");
    let inbound = farm.receive(shop, PEERS[2], Channel::Sms, "stop", Some("in-stop"));
    let conversation = ConversationId(inbound.extent().0);
    let (out, back) = (ConsentChange::OptedOut, ConsentChange::OptedIn);
    farm.consent(conversation, out, ConsentCause::WhatsApp);
    farm.consent(conversation, out, ConsentCause::Keyword);
    farm.input(
        waits,
        Input::Forbid {
            reason: Reason::OptedOut,
        },
    );
    farm.consent(conversation, back, ConsentCause::Agent);
    // What a carrier says of a message from before that would be nothing new.
    farm.send(shop, PEERS[2], Channel::Sms, "welcome back");
    farm.consent(conversation, out, ConsentCause::Carrier);
}

/// Countries and kinds are set; one range is stopped and released, another stays stopped.
fn traffic(farm: &mut Farm, acme: AccountId) {
    let countries = Countries::new(["NL", "BE"]).unwrap();
    let by = ListedBy::Operator;
    farm.operate(acme, AccountCommand::SetDestinations(by, Some(countries)));
    let kinds = [RangeKind::Satellite].into_iter().collect();
    farm.operate(acme, AccountCommand::SetRangesOpen(kinds));
    let [released, _] = [3_161_234, 3_161_235].map(|prefix| {
        let stop = TrafficStop {
            range: TrafficRange::Prefix(prefix),
            cause: StopCause::Window,
            messages: 3,
            since: farm.now(),
            ends_at: None,
        };
        farm.stop(acme, stop);
        stop.range
    });
    farm.operate(acme, AccountCommand::Release(ReleasedBy::Account, released));
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

/// Taken, refused, throttled and taken by another carrier, in doubt, taken in several segments; one stays queued.
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
    let reason = Reason::Throttled;
    farm.input(*throttled, Input::NotTaken { reason });
    farm.input(*in_doubt, Input::NoAnswer);
    farm.join(3);
    farm.start_on(*throttled, CarrierId(2));
    farm.accepted(*throttled, 1, true);
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
    farm.accepted(message, 1, true);
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
    farm.drive(message, receipt_input(message, 0, claim, false))
}

/// A peer that is known by two names, more ids than its conversation keeps, and parts that wait and are
/// joined with the message that they come to.
fn names_and_parts(farm: &mut Farm, shop: NumberId) {
    let whatsapp = Channel::WhatsApp;
    farm.receive_as(shop, ("US.1", Some("+31600000001")), whatsapp, "hi", None);
    for place in 0..=INBOUND_KNOWN_MAX {
        let id = format!("many-{place}");
        farm.receive(shop, "+31600000001", whatsapp, "hi again", Some(&id));
    }
    farm.join(INBOUND_KNOWN_MAX);
    for (reference, place) in [(1, 1), (2, 1), (1, 3)] {
        farm.hold(part(PEERS[0], "+14155550100", reference, place));
    }
    farm.join_parts(part(PEERS[0], "+14155550100", 1, 2).key);
    farm.receive(shop, PEERS[0], Channel::Sms, "in three parts", None);
    farm.join(2);
}

/// Taken by what a receipt says, given up and taken after all, expired; a receipt of nobody ages out.
fn late_ends(farm: &mut Farm, office: NumberId) {
    let [by_receipt, given_up, expired] = ["by receipt", "given up", "expired"]
        .map(|body| farm.send(office, PEERS[1], Channel::Sms, body));
    farm.start(by_receipt);
    farm.named_receipt(by_receipt, Claim::Read);
    farm.start(given_up);
    farm.input(given_up, Input::NoAnswer);
    farm.input(given_up, Input::GiveUp);
    farm.accepted(given_up, 1, true);
    farm.input(expired, Input::Delayed);
    farm.input(expired, Input::Expired);
    farm.park("of nobody either");
    farm.age_out("of nobody");
}

/// Endpoints of both accounts and what becomes of their events: delivered, retried, exhausted, waiting.
fn webhooks(
    farm: &mut Farm,
    (acme, office): (AccountId, NumberId),
    globex: AccountId,
) -> [EndpointId; 2] {
    let ours = farm.endpoint(acme);
    let also_ours = farm.endpoint(acme);
    let theirs = farm.endpoint(globex);
    let message = farm.receive(office, PEERS[0], Channel::Sms, "for the hook", None);
    let received = farm.offer_at_once(acme, Fact::MessageReceived(message), &[ours, also_ours]);
    let low = Fact::WalletLow {
        balance: Micros::new(1),
        threshold: Micros::new(2),
    };
    let [exhausted, waiting] = [0, 1].map(|_| farm.offer(globex, low.clone(), &[theirs]));
    farm.delivered(ours, received);
    farm.failed(also_ours, received);
    farm.failed(theirs, exhausted);
    farm.join(2);
    farm.failed(also_ours, received);
    farm.attempted(theirs, exhausted, AfterAttempt::Exhausted, "no");
    farm.failed(theirs, waiting);
    farm.change(also_ours, EndpointEvent::Disabled(DisableCause::Customer));
    farm.drop_pending(also_ours);
    [ours, theirs]
}

/// Missed while disabled, sent again by hand, dropped with its endpoint, forgotten.
fn changes(farm: &mut Farm, (acme, ours): (AccountId, EndpointId), theirs: EndpointId) {
    let example = Fact::Example(EventType::MessageReceived);
    farm.change(ours, EndpointEvent::Disabled(DisableCause::Failing));
    let missed = farm.offer(acme, example.clone(), &[ours]);
    farm.change(ours, EndpointEvent::Enabled);
    farm.redeliver(ours, missed);
    farm.delivered(ours, missed);
    let old = farm.offer(acme, example.clone(), &[ours]);
    farm.delivered(ours, old);
    farm.forget(acme, &[old]);
    farm.offer(acme, example, &[ours]);
    farm.change(theirs, EndpointEvent::Deleted);
    farm.drop_pending(theirs);
}

/// Sent, sent later, given up; and rules by which a number answers by itself.
fn mails(farm: &mut Farm, acme: AccountId, ours: EndpointId) {
    let kind = || MailKind::EndpointDisabled {
        endpoint: ours,
        cause: DisableCause::Failing,
    };
    let [sent, later, given_up] = [0; 3].map(|_| farm.mail(acme, kind()));
    farm.tried(sent, AfterTry::Sent);
    let why = Box::from("greylisted");
    let due = farm.now().plus_ms(60_000);
    farm.tried(later, AfterTry::Later { due, why });
    let why = Box::from("no such user");
    farm.tried(given_up, AfterTry::GivenUp { why });
    farm.rules(NumberId(1), &["we are closed"]);
    farm.rules(NumberId(2), &["we are closed too"]);
    farm.rules(NumberId(1), &[]);
}

/// What was asked for with a key: a message, an endpoint, a mail; one key is forgotten.
fn keys(farm: &mut Farm, acme: AccountId, office: NumberId) {
    let message = farm.send(office, PEERS[0], Channel::Sms, "with a key");
    let first = farm.guard(acme, 1, GuardedAnswer::Message(message, None));
    let endpoint = farm.endpoint(acme);
    farm.guard_endpoint(acme, 2, endpoint);
    let cause = DisableCause::Failing;
    let mail = farm.mail(acme, MailKind::EndpointDisabled { endpoint, cause });
    farm.guard(acme, 3, GuardedAnswer::Mail(mail));
    farm.forget_keys(&[&first]);
    let message = farm.send(office, PEERS[1], Channel::Sms, "with a key too");
    farm.guard(acme, 4, GuardedAnswer::Message(message, None));
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
