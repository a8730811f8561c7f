//! Submits and queries of one connection.

use std::sync::Arc;

use jiff::Timestamp;
use rusmpp::CommandStatus;
use rusmpp::pdus::{QuerySm, QuerySmResp, SubmitSm, SubmitSmResp};
use rusmpp::tlvs::TlvValue;
use rusmpp::types::{COctetString, EmptyOrFullCOctetString};
use rusmpp::values::MessageState;

use super::Session;
use crate::carriers::record::{Event, Protocol, Submitted};
use crate::carriers::smsc::outbound::Outbound;
use crate::carriers::world::Verdict;

impl Session {
    /// Answers a submit, perhaps with a receipt before the answer.
    pub(super) fn submit(&mut self, sequence: u32, submit: &SubmitSm) {
        let Some(bind) = self.bind.as_ref().filter(|bind| bind.transmits) else {
            return self.answer(
                CommandStatus::EsmeRinvbndsts,
                sequence,
                SubmitSmResp::default(),
            );
        };
        let submitted = submitted(&bind.system_id, submit);
        if submitted.to.is_empty() {
            self.world.counts.add(Protocol::Smpp, |counts| {
                counts.submits += 1;
                counts.refused += 1;
            });
            return self.answer(
                CommandStatus::EsmeRinvdstadr,
                sequence,
                SubmitSmResp::default(),
            );
        }
        match self.world.judge(Protocol::Smpp, submitted) {
            Verdict::Throttle => {
                self.answer(
                    CommandStatus::EsmeRthrottled,
                    sequence,
                    SubmitSmResp::default(),
                );
            }
            Verdict::Refuse => {
                self.answer(
                    CommandStatus::EsmeRinvdstadr,
                    sequence,
                    SubmitSmResp::default(),
                );
            }
            Verdict::Ignore => {}
            Verdict::Take {
                record,
                early,
                answered,
            } => {
                if let Some(event) = early
                    && self.world.has_place(Protocol::Smpp)
                {
                    self.world
                        .counts
                        .add(Protocol::Smpp, |counts| counts.receipts += 1);
                    record.tell(event);
                    self.deliver_before_the_answer(Outbound::receipt(Arc::clone(&record), event));
                }
                if answered {
                    let id = self.world.esmes.ids.in_answer(&record.id);
                    let id = COctetString::from_string(id);
                    let id = id.expect("an id has 64 characters at most");
                    self.answer(
                        CommandStatus::EsmeRok,
                        sequence,
                        SubmitSmResp::new(id, vec![]),
                    );
                }
            }
        }
    }

    /// Answers a query.
    pub(super) fn query(&mut self, sequence: u32, query: &QuerySm) {
        let id = self.world.esmes.ids.of_answer(query.message_id.as_str());
        let known = id.and_then(|id| self.world.book().find(&id));
        let Some(record) = known.filter(|record| record.protocol == Protocol::Smpp) else {
            return self.answer(
                CommandStatus::EsmeRqueryfail,
                sequence,
                QuerySmResp::default(),
            );
        };
        let (state, error_code) = match record.told() {
            Event::Taken | Event::Sent => (MessageState::Enroute, 0),
            Event::Failed => (MessageState::Undeliverable, 1),
            Event::Delivered | Event::Read => (MessageState::Delivered, 0),
        };
        let date = match state {
            MessageState::Enroute => EmptyOrFullCOctetString::empty(),
            // SMPP 3.4, 7.1.1: YYMMDDhhmmsstnnp, in UTC.
            _ => {
                let date = Timestamp::now().strftime("%y%m%d%H%M%S000+").to_string();
                EmptyOrFullCOctetString::from_string(date).expect("a date has 16 characters")
            }
        };
        let answer = QuerySmResp::new(query.message_id.clone(), date, state, error_code);
        self.answer(CommandStatus::EsmeRok, sequence, answer);
    }
}

fn submitted(system_id: &str, submit: &SubmitSm) -> Submitted {
    let payload = submit.tlvs().iter().find_map(|tlv| match tlv.value() {
        Some(TlvValue::MessagePayload(payload)) => Some(payload.value.clone().into_vec()),
        _ => None,
    });
    let octets = payload.unwrap_or_else(|| submit.short_message().clone().into_vec());
    let wants_receipt = u8::from(submit.registered_delivery) & 0b11 != 0;
    Submitted {
        account: system_id.into(),
        from: submit.source_addr.as_str().into(),
        to: submit.destination_addr.as_str().into(),
        body: String::from_utf8_lossy(&octets).into(),
        callback: if wants_receipt { "deliver_sm" } else { "" }.into(),
        ..Submitted::default()
    }
}
