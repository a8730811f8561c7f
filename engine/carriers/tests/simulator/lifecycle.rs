//! Start, end and rate.

use std::sync::{Arc, Mutex, Weak, mpsc};
use std::time::Duration;

use didfarm_carriers::simulator::rate::own_rate;
use didfarm_carriers::simulator::{Simulator, SimulatorSettings};
use didfarm_carriers::{Carrier, CarrierEvent, CarrierSink};
use didfarm_core::ids::CarrierId;

use crate::recording::{Recorder, settle, settle_to, sms};

fn later() -> SimulatorSettings {
    SimulatorSettings {
        receipt_delay_ms: 5,
        receipt_jitter_ms: 20,
        ..SimulatorSettings::default()
    }
}

#[test]
fn dropping_ends_the_thread_with_events_pending() {
    let recorder = Arc::new(Recorder::default());
    let settings = SimulatorSettings {
        receipt_delay_ms: u64::MAX,
        ..later()
    };
    let simulator = Simulator::start(settings, Arc::clone(&recorder) as _);
    simulator.submit((1..=1_000).map(|id| sms(id, 1_234)).collect());
    settle_to(&simulator, 1_000);
    drop(simulator);
    // The thread held the only other reference.
    assert_eq!(Arc::strong_count(&recorder), 1);
}

#[test]
fn dropping_an_idle_simulator_ends_its_thread() {
    let recorder = Arc::new(Recorder::default());
    for _ in 0..100 {
        drop(Simulator::start(later(), Arc::clone(&recorder) as _));
    }
    assert_eq!(Arc::strong_count(&recorder), 1);
}

#[test]
fn nothing_comes_after_the_drop() {
    let recorder = Arc::new(Recorder::default());
    let simulator = Simulator::start(later(), Arc::clone(&recorder) as _);
    simulator.submit((1..=10_000).map(|id| sms(id, 1_234)).collect());
    recorder.wait_for(10_001);
    drop(simulator);
    let at_drop = recorder.seen().len();
    // Another simulator runs for longer than the dropped one had to go.
    let other = Simulator::start(later(), Arc::new(Recorder::default()));
    other.submit((1..=1_000).map(|id| sms(id, 1_234)).collect());
    settle(&other);
    assert_eq!(recorder.seen().len(), at_drop);
    assert_eq!(Arc::strong_count(&recorder), 1);
}

/// A sink that drops the simulator it serves.
struct Dropper {
    simulator: Mutex<Option<Simulator>>,
    gone: mpsc::Sender<()>,
}

impl CarrierSink for Dropper {
    fn deliver(&self, _: CarrierId, _: Vec<CarrierEvent>) {
        // Waits for the test to put it there, if need be.
        let simulator = self.simulator.lock().unwrap().take();
        drop(simulator.expect("nothing is delivered after the drop"));
        self.gone.send(()).unwrap();
    }
}

#[test]
fn a_sink_may_drop_its_simulator() {
    let (gone, went) = mpsc::channel();
    let dropper = Arc::new(Dropper {
        simulator: Mutex::new(None),
        gone,
    });
    let left: Weak<Dropper> = Arc::downgrade(&dropper);
    let mut place = dropper.simulator.lock().unwrap();
    let simulator = Simulator::start(later(), Arc::clone(&dropper) as _);
    simulator.submit((1..=10).map(|id| sms(id, 1_234)).collect());
    *place = Some(simulator);
    drop(place);
    went.recv_timeout(Duration::from_secs(30)).unwrap();
    drop(dropper);
    // The thread ends and lets go of its sink, without another delivery.
    assert!(went.recv_timeout(Duration::from_secs(30)).is_err());
    assert!(left.upgrade().is_none());
}

#[test]
fn the_simulator_knows_itself() {
    let simulator = Simulator::start(later(), Arc::new(Recorder::default()));
    assert_eq!(
        (simulator.id(), simulator.name()),
        (CarrierId::SIMULATOR, "simulator")
    );
    assert_eq!(simulator.pending(), 0);
}

#[test]
fn the_own_rate_accounts_for_every_message() {
    for messages in [1, 999, 1_001, 200_000] {
        assert!(own_rate(messages) > 0.0);
    }
}
