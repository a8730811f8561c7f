//! Throughput of one bind against the puppet, in whatever build the test is.

use std::time::Instant;

use didfarm_carriers::Carrier as _;
use rusmpp::{CommandId, Pdu};

use super::puppet::Stage;
use super::recording::{settings, start, submit_bound, text, texts};

/// Messages and receipts of one run.
const COUNT: u64 = 20_000;
/// What one bind must carry each way in a second.
const EACH_WAY_PER_SECOND_MIN: f64 = 10_000.0;

#[test]
fn one_bind_carries_submits_and_their_receipts_at_once() {
    let stage = Stage::new();
    let mut settings = settings(&stage.address());
    settings.window = 500;
    let (carrier, recorder) = start(settings);
    let smsc = std::thread::spawn(move || {
        let mut puppet = stage.bind();
        let (mut submits, mut durable) = (0u64, 0u64);
        while durable < COUNT {
            let command = puppet.next();
            match command.pdu() {
                Some(Pdu::SubmitSm(_)) => {
                    submits += 1;
                    let id = submits.to_string();
                    puppet.take(&command, &id);
                    puppet.deliver(
                        submits as u32,
                        0x04,
                        format!("id:{id} stat:DELIVRD").as_bytes(),
                    );
                }
                Some(Pdu::DeliverSmResp(_)) => durable += 1,
                _ => assert_eq!(command.id(), CommandId::EnquireLink),
            }
        }
        puppet
    });
    submit_bound(&carrier, &recorder, text(1, "hello"));
    let started = Instant::now();
    for first in (2..=COUNT).step_by(1_000) {
        carrier.submit(texts(first..(first + 1_000).min(COUNT + 1)));
    }
    assert_eq!(recorder.answers(COUNT as usize).len() as u64, COUNT);
    assert_eq!(recorder.receipts(COUNT as usize).len() as u64, COUNT);
    let _puppet = smsc.join().unwrap();
    let each_way = COUNT as f64 / started.elapsed().as_secs_f64();
    println!("{each_way:.0} submits and as many receipts a second");
    assert!(each_way > EACH_WAY_PER_SECOND_MIN, "{each_way:.0} a second");
}
