//! When answers and receipts come.

use std::sync::Arc;
use std::time::{Duration, Instant};

use didfarm_carriers::simulator::{Simulator, SimulatorSettings};
use didfarm_carriers::{Carrier, CarrierEvent, Submit};

use crate::recording::{Recorder, Seen, settle, settle_to, sms, whatsapp};

fn is_answer(seen: &Seen) -> bool {
    matches!(seen.event, CarrierEvent::Answer(..))
}

#[test]
fn nothing_comes_before_its_delay() {
    let settings = SimulatorSettings {
        submit_delay_ms: 3,
        receipt_delay_ms: 40,
        receipt_jitter_ms: 30,
        reordering: 0.3,
        duplication: 0.3,
        seed: 7,
        ..SimulatorSettings::default()
    };
    let recorder = Arc::new(Recorder::default());
    let simulator = Simulator::start(settings, Arc::clone(&recorder) as _);
    // Rounds begin at any fraction of a millisecond.
    for round in 0..15 {
        let before = recorder.seen().len();
        let submitted = Instant::now();
        simulator.submit((1..=5).map(|id| sms(round * 5 + id, 1_234)).collect());
        settle(&simulator);
        let seen = recorder.seen();
        assert_eq!(
            seen[before..].iter().filter(|seen| is_answer(seen)).count(),
            5
        );
        for seen in &seen[before..] {
            let delay_ms = if is_answer(seen) { 3 } else { 43 };
            assert!(
                seen.at - submitted >= Duration::from_millis(delay_ms),
                "{seen:?}"
            );
        }
    }
}

#[test]
fn jitter_spreads_receipts() {
    let settings = SimulatorSettings {
        receipt_jitter_ms: 50,
        ..SimulatorSettings::default()
    };
    let recorder = Arc::new(Recorder::default());
    let simulator = Simulator::start(settings, Arc::clone(&recorder) as _);
    simulator.submit((1..=5_000).map(|id| sms(id, 1_234)).collect());
    let seen = recorder.wait_for(10_000);
    let (first, last) = (seen.first().unwrap().at, seen.last().unwrap().at);
    assert!(last - first >= Duration::from_millis(40));
}

#[test]
fn a_whatsapp_message_is_read_one_delay_after_it_was_delivered() {
    let settings = SimulatorSettings {
        receipt_delay_ms: 30,
        ..SimulatorSettings::default()
    };
    let recorder = Arc::new(Recorder::default());
    let simulator = Simulator::start(settings, Arc::clone(&recorder) as _);
    let submitted = Instant::now();
    simulator.submit(vec![whatsapp(1, 1_234)]);
    let seen = recorder.wait_for(3);
    assert!(seen[1].at - submitted >= Duration::from_millis(30));
    assert!(seen[2].at - submitted >= Duration::from_millis(60));
}

#[test]
fn an_idle_or_long_waiting_simulator_takes_new_work_at_once() {
    let settings = SimulatorSettings {
        receipt_delay_ms: 3_600_000,
        ..SimulatorSettings::default()
    };
    let recorder = Arc::new(Recorder::default());
    let simulator = Simulator::start(settings, Arc::clone(&recorder) as _);
    for id in 1..=1_000 {
        simulator.submit(vec![Submit {
            segments: 2,
            ..sms(id, 1_234)
        }]);
        let seen = recorder.wait_for(id as usize);
        assert!(seen.iter().all(is_answer));
    }
    settle_to(&simulator, 2_000);
}
