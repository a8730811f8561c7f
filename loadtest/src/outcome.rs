//! The state that a message must end in, and whether it did.

use std::collections::HashSet;

use didfarm_core::delivery::receipt::Claim;
use didfarm_core::delivery::status::Status;
use didfarm_core::delivery::{Delivery, Input, Outcome as Decided};
use didfarm_core::ids::{CarrierId, CarrierMessageId};
use didfarm_core::route::{Route, RouteReason};

use crate::reading::{ReadMessage, Sought, Verdict, differs};

/// A message and the state that its receipts bring it to, whatever their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The message's id, as the API spells it.
    pub id: String,
    /// Its public status.
    pub status: Status,
    /// Whether it was read.
    pub read: bool,
}

impl Outcome {
    /// The state that a message comes to when a carrier takes it and then claims this, in this order.
    pub fn of(id: String, claims: &[(CarrierMessageId, Claim)]) -> Self {
        let mut ids: Vec<_> = claims.iter().map(|(id, _)| id.clone()).collect();
        ids.sort_unstable();
        ids.dedup();
        let route = Route {
            carrier: CarrierId::SIMULATOR,
            reason: RouteReason::Preferred,
        };
        let accepted = Input::Accepted {
            ids,
            indexed: false,
        };
        let receipts = claims.iter().map(|(id, claim)| Input::Receipt {
            id: id.clone(),
            claim: *claim,
            reason: None,
            named: true,
        });
        let mut delivery = Delivery::new();
        for input in [Input::Start { route }, accepted]
            .into_iter()
            .chain(receipts)
        {
            match delivery.decide(input) {
                Decided::Moved(event) | Decided::Contradiction(event) => delivery.evolve(&event),
                Decided::Duplicate | Decided::Late | Decided::OutOfPlace => {}
            }
        }
        Self {
            id,
            status: delivery.status(),
            read: delivery.is_read(),
        }
    }
}

impl Sought for Outcome {
    fn id(&self) -> &str {
        &self.id
    }

    fn judge(&self, read: &ReadMessage) -> Verdict {
        let Some(status) = Status::parse(&read.status) else {
            return differs("status", self.status.as_str(), &read.status);
        };
        if status > self.status {
            return differs("status", self.status.as_str(), &read.status);
        }
        let is_read = read.read_at.is_some();
        if is_read && !self.read {
            return Verdict::Misreported("it must not be read and is".to_owned());
        }
        if let Some(twice) = step_twice(read) {
            return Verdict::Doubled(format!("its status became {twice:?} twice"));
        }
        match (status == self.status, is_read == self.read) {
            (true, true) => Verdict::Settled,
            (true, false) => Verdict::NotYet("it must be read and is not yet".to_owned()),
            (false, _) => Verdict::NotYet(format!(
                "its status must come to {:?} and is still {:?}",
                self.status.as_str(),
                read.status
            )),
        }
    }
}

/// A status with the same reason that a message took twice: a duplicate that was not known as one. Before it is sent
/// a message may well go back and forth.
fn step_twice(read: &ReadMessage) -> Option<&str> {
    let mut steps = HashSet::new();
    let told = read
        .status_history
        .iter()
        .filter(|step| Status::parse(&step.status).is_some_and(|status| status >= Status::Sent));
    for step in told {
        if !steps.insert((&step.status, &step.reason)) {
            return Some(&step.status);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: Status, read: bool, shown: &str) -> Verdict {
        let outcome = Outcome {
            id: "msg_1".into(),
            status,
            read,
        };
        outcome.judge(&serde_json::from_str(shown).unwrap())
    }

    fn shown(status: &str, read_at: &str, history: &str) -> String {
        format!(
            r#"{{"id":"msg_1","to":"+1","body":"x","status":"{status}","read_at":{read_at},"status_history":[{history}]}}"#
        )
    }

    #[test]
    fn the_order_of_claims_does_not_matter() {
        let id = CarrierMessageId("c".into());
        let all = [Claim::EnRoute, Claim::Failed, Claim::Delivered, Claim::Read];
        for first in all {
            for second in all {
                let of = |claims: [Claim; 2]| {
                    Outcome::of("msg_1".into(), &claims.map(|claim| (id.clone(), claim)))
                };
                assert_eq!(of([first, second]), of([second, first]));
            }
        }
        let failed = Outcome::of("msg_1".into(), &[(id.clone(), Claim::Failed)]);
        assert_eq!((failed.status, failed.read), (Status::Failed, false));
        let read = Outcome::of("msg_1".into(), &[(id, Claim::Read)]);
        assert_eq!((read.status, read.read), (Status::Delivered, true));
    }

    #[test]
    fn every_departure_has_its_verdict() {
        let sent = shown("sent", "null", "");
        let delivered = shown("delivered", "null", "");
        let read = shown("delivered", r#""2026-04-05T14:22:08Z""#, "");
        assert_eq!(
            judged(Status::Delivered, false, &delivered),
            Verdict::Settled
        );
        assert_eq!(judged(Status::Delivered, true, &read), Verdict::Settled);
        for (verdict, waits) in [
            (judged(Status::Delivered, false, &sent), true),
            (judged(Status::Delivered, true, &delivered), true),
            (judged(Status::Sent, false, &delivered), false),
            (judged(Status::Delivered, false, &read), false),
            (
                judged(Status::Sent, false, &shown("gone", "null", "")),
                false,
            ),
        ] {
            assert_eq!(matches!(verdict, Verdict::NotYet(_)), waits, "{verdict:?}");
            assert_eq!(
                matches!(verdict, Verdict::Misreported(_)),
                !waits,
                "{verdict:?}"
            );
        }
    }

    #[test]
    fn a_status_that_came_twice_is_doubled_unless_its_reason_changed() {
        let step = |status, reason: &str| format!(r#"{{"status":"{status}","reason":{reason}}}"#);
        let history = |second: &str| {
            let steps = [
                step("sent", "null"),
                step("sent", second),
                step("delivered", "null"),
            ];
            judged(
                Status::Delivered,
                false,
                &shown("delivered", "null", &steps.join(",")),
            )
        };
        assert_eq!(history(r#""unconfirmed""#), Verdict::Settled);
        assert!(matches!(history("null"), Verdict::Doubled(_)));
        let steps = [
            step("sending", "null"),
            step("sending", r#""throttled""#),
            step("sending", "null"),
        ];
        let again = shown("delivered", "null", &steps.join(","));
        assert_eq!(judged(Status::Delivered, false, &again), Verdict::Settled);
    }
}
