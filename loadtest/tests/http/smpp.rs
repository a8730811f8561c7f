//! The message center, driven by a foreign client: crate smpp34.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use didfarm_loadtest::carriers::{Carriers, CarriersPlan, IdSpelling, Protocol};
use serde_json::json;
use smpp34::client::{BIND_TYPE, SMSC, SmppClient, SmppClientListener};
use smpp34::{SmppConnectionInformation, deliver_sm, deliver_sm_resp};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use crate::carriers::plan;
use crate::client::{PATIENCE, send_json, wait_until};

/// What the foreign client was told.
struct Listener {
    bound: UnboundedSender<SMSC>,
    delivered: UnboundedSender<deliver_sm>,
}

#[async_trait]
impl SmppClientListener for Listener {
    async fn on_smsc_bound(&self, smsc: SMSC, _session: &String) {
        self.bound.send(smsc).unwrap();
    }

    async fn on_deliver_sm(
        &self,
        request: deliver_sm,
        _connection: &SmppConnectionInformation,
        _session: &String,
    ) -> deliver_sm_resp {
        let accepted = request.clone().accept();
        self.delivered.send(request).unwrap();
        accepted
    }
}

struct Client {
    client: SmppClient,
    smsc: SMSC,
    delivered: UnboundedReceiver<deliver_sm>,
}

impl Client {
    async fn bind(carriers: &Carriers, kind: BIND_TYPE) -> Self {
        let (bound, mut smsc) = unbounded_channel();
        let (deliver, delivered) = unbounded_channel();
        let listener = Listener {
            bound,
            delivered: deliver,
        };
        let address = carriers.smpp();
        let mut client = SmppClient::new(
            address.ip().to_string(),
            address.port(),
            false,
            kind,
            "esme".into(),
            "secret".into(),
            String::new(),
            1,
            1,
            String::new(),
            Arc::new(listener),
            50,
        );
        client.start().await;
        let smsc = timeout(PATIENCE, smsc.recv()).await.unwrap().unwrap();
        Self {
            client,
            smsc,
            delivered,
        }
    }

    async fn submit(&self, to: &str) -> (u32, Option<String>) {
        let builder = self
            .smsc
            .submit_sm()
            .source_addr("31201234567")
            .destination_addr(to);
        let answer = builder
            .registered_delivery(1)
            .short_message(b"hello")
            .send()
            .await
            .unwrap();
        (answer.command_status(), answer.message_id.clone())
    }

    async fn next(&mut self) -> deliver_sm {
        timeout(PATIENCE, self.delivered.recv())
            .await
            .unwrap()
            .unwrap()
    }
}

/// `receipted_message_id` (SMPP 3.4, 5.3.2.12).
const RECEIPTED_MESSAGE_ID: u16 = 0x001e;
/// `message_state` (SMPP 3.4, 5.3.2.35).
const MESSAGE_STATE: u16 = 0x0427;

fn tlv(delivered: &deliver_sm, tag: u16) -> Vec<u8> {
    let found = delivered.tlvs.iter().find(|tlv| tlv.tag == tag).unwrap();
    found.value.clone()
}

fn text(delivered: &deliver_sm) -> String {
    String::from_utf8(delivered.short_message.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_submit_has_an_id_and_one_receipt_by_text_and_by_tlv() {
    let carriers = Carriers::start(&plan()).unwrap();
    let mut client = Client::bind(&carriers, BIND_TYPE::TRX).await;
    let mut ids = BTreeSet::new();
    for _ in 0..200 {
        let (status, id) = client.submit("31612345678").await;
        assert_eq!(status, 0);
        ids.insert(id.unwrap());
    }
    assert_eq!(ids.len(), 200);
    let mut receipted = BTreeSet::new();
    for _ in 0..200 {
        let receipt = client.next().await;
        let text = text(&receipt);
        assert!(text.contains(" stat:DELIVRD err:000 "), "{text}");
        assert_eq!(
            (receipt.esm_class, receipt.source_addr.as_str()),
            (4, "31612345678")
        );
        let id = text
            .strip_prefix("id:")
            .unwrap()
            .split(' ')
            .next()
            .unwrap()
            .to_owned();
        let in_tlv = String::from_utf8(tlv(&receipt, RECEIPTED_MESSAGE_ID)).unwrap();
        assert_eq!(in_tlv.trim_end_matches('\0'), id);
        assert_eq!(tlv(&receipt, MESSAGE_STATE), [2]);
        receipted.insert(id);
    }
    assert_eq!(receipted, ids);
    let id = ids.first().unwrap();
    let answer = client
        .smsc
        .send_query_sm(id.clone(), 1, 1, "31201234567".into())
        .await
        .unwrap();
    assert_eq!((answer.command_status(), answer.message_state), (0, 2));
    assert_eq!((&answer.message_id, answer.final_date.len()), (id, 16));
    let unknown = client
        .smsc
        .send_query_sm("7".into(), 1, 1, "31201234567".into())
        .await;
    assert!(unknown.is_err() || !unknown.unwrap().is_success());
    wait_until("every receipt is acknowledged", || {
        carriers.snapshot().pending == 0
    });
    assert_eq!(carriers.snapshot().protocols[&Protocol::Smpp].acked, 200);
    assert!(client.smsc.send_unbind().await.unwrap().is_success());
    client.client.stop().await;
    wait_until("the bind is gone", || {
        carriers.snapshot().protocols[&Protocol::Smpp].binds == 0
    });
}

/// A client of bytes: smpp34 writes a refusal with a length that is one short.
struct ByteClient(TcpStream);

impl ByteClient {
    fn send(&mut self, id: u32, status: u32, sequence: u32, body: &[u8]) {
        let length = 16 + body.len() as u32;
        let head = [length, id, status, sequence]
            .map(u32::to_be_bytes)
            .concat();
        self.0.write_all(&[&head, body].concat()).unwrap();
    }

    /// The next PDU: its id, status and sequence number, and its body.
    fn read(&mut self) -> ([u32; 3], Vec<u8>) {
        let mut head = [0; 16];
        self.0.read_exact(&mut head).unwrap();
        let word = |at: usize| u32::from_be_bytes(head[at..at + 4].try_into().unwrap());
        let mut body = vec![0; word(0) as usize - 16];
        self.0.read_exact(&mut body).unwrap();
        ([word(4), word(8), word(12)], body)
    }
}

#[test]
fn a_refused_delivery_comes_again_and_ids_may_differ_in_spelling() {
    let plan = CarriersPlan {
        ids: IdSpelling::HexAnswers,
        ..plan()
    };
    let carriers = Carriers::start(&plan).unwrap();
    let stream = TcpStream::connect(carriers.smpp()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut client = ByteClient(stream);
    client.send(0x09, 0, 1, b"esme\0secret\0\0\x34\x01\x01\0");
    assert_eq!(client.read().0, [0x8000_0009, 0, 1]);
    let submit = b"\0\x01\x0131201234567\0\x01\x0131612345678\0\0\0\0\0\0\x01\0\0\0\x02hi";
    client.send(0x04, 0, 2, submit);
    let (head, id) = client.read();
    assert_eq!(head, [0x8000_0004, 0, 2]);
    let id = std::str::from_utf8(&id[..id.len() - 1]).unwrap();
    let decimal = u64::from_str_radix(id, 16).unwrap().to_string();
    for status in [0x64, 0x64, 0] {
        let ([id, _, sequence], body) = client.read();
        assert_eq!(id, 0x05);
        let text = String::from_utf8_lossy(&body).into_owned();
        assert!(text.contains(&format!("id:{decimal} ")), "{text}");
        client.send(
            0x8000_0005,
            status,
            sequence,
            if status == 0 { b"\0" } else { b"" },
        );
    }
    wait_until("the receipt is acknowledged", || {
        carriers.snapshot().pending == 0
    });
    let counts = &carriers.snapshot().protocols[&Protocol::Smpp];
    assert_eq!((counts.receipts, counts.retried, counts.acked), (1, 2, 1));
    assert_eq!(counts.answers[&0x64], 2);
    client.send(0x06, 0, 3, b"");
    assert_eq!(client.read().0, [0x8000_0006, 0, 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_throttled_submit_has_no_id_and_an_unwanted_fate_its_own_answer() {
    let mut plan = plan();
    plan.faults.fates = true;
    let carriers = Carriers::start(&plan).unwrap();
    let mut client = Client::bind(&carriers, BIND_TYPE::TRX).await;
    assert_eq!(client.submit("31610000006").await.0, 0x58);
    assert_eq!(client.submit("31610000006").await.0, 0);
    assert!(text(&client.next().await).contains("stat:DELIVRD"));
    assert_eq!(client.submit("31610000001").await.0, 0x0b);
    assert_eq!(client.submit("31610000002").await.0, 0);
    let failed = client.next().await;
    assert!(text(&failed).contains("stat:UNDELIV err:001"));
    assert_eq!(tlv(&failed, MESSAGE_STATE), [5]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_waits_for_the_next_bind() {
    let mut plan = plan();
    plan.faults.receipt_delay_ms = 1;
    let carriers = Carriers::start(&plan).unwrap();
    let transmitter = Client::bind(&carriers, BIND_TYPE::TX).await;
    let (_, id) = transmitter.submit("31612345678").await;
    send_json(carriers.http(), "/control", &json!({"drop_binds": true})).unwrap();
    wait_until("the bind is gone", || {
        carriers.snapshot().protocols[&Protocol::Smpp].binds == 0
    });
    let mut receiver = Client::bind(&carriers, BIND_TYPE::RX).await;
    assert!(text(&receiver.next().await).starts_with(&format!("id:{} ", id.unwrap())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_inbound_message_comes_in_parts() {
    let carriers = Carriers::start(&plan()).unwrap();
    let mut client = Client::bind(&carriers, BIND_TYPE::TRX).await;
    let body = json!({"protocol": "smpp", "from": "+31612345678", "to": "+31201234567", "body": "abcdef", "parts": 3});
    let http = carriers.http();
    let sent = tokio::task::spawn_blocking(move || send_json(http, "/control/inbound", &body));
    assert_eq!(sent.await.unwrap().unwrap().0, 202);
    let mut parts = Vec::new();
    for _ in 0..3 {
        let part = client.next().await;
        assert_eq!((part.esm_class, part.data_coding), (0x40, 0));
        parts.push(part.short_message);
    }
    // The foreign client hands deliveries on side by side, in any order.
    parts.sort();
    let mut whole = Vec::new();
    for (part, place) in parts.iter().zip(1..) {
        assert_eq!((&part[..3], &part[4..6]), (&[5, 0, 3][..], &[3, place][..]));
        assert_eq!(part[3], parts[0][3]);
        whole.extend_from_slice(&part[6..]);
    }
    assert_eq!(whole, b"abcdef");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_early_receipt_comes_before_the_answer() {
    let mut plan = plan();
    plan.faults.early = 1.0;
    plan.faults.unanswered = 1.0;
    let carriers = Carriers::start(&plan).unwrap();
    let mut client = Client::bind(&carriers, BIND_TYPE::TRX).await;
    let builder = client
        .smsc
        .submit_sm()
        .source_addr("1")
        .destination_addr("31612345678");
    let unanswered = builder.registered_delivery(1).short_message(b"x").send();
    // The answer never comes; the receipt does.
    assert!(
        timeout(Duration::from_millis(300), unanswered)
            .await
            .is_err()
    );
    assert!(text(&client.next().await).contains("stat:DELIVRD"));
}
