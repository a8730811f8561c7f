//! The journal when the power goes: at every operation, before and after it, and with every
//! kind of loss, what was reported durable is there and nothing else is wrong.

#[path = "journal/kit.rs"]
mod kit;

use didfarm_store::{
    disk::sim::{CrashSide, PowerLoss, SimDisk},
    journal::{Journal, JournalReader},
    seq::Seq,
};
use kit::{Fact, commit_each, drain, fact, facts, open, settings, sim};

const LAST: u64 = 200;
const SIDES: [CrashSide; 2] = [CrashSide::Before, CrashSide::After];

fn losses(seed: u64) -> [PowerLoss; 6] {
    let other = seed ^ 0xABCD_EF01;
    [
        PowerLoss::Dropped,
        PowerLoss::Kept,
        PowerLoss::Torn { seed },
        PowerLoss::Torn { seed: other },
        PowerLoss::Sectors { seed },
        PowerLoss::Sectors { seed: other },
    ]
}

/// Is what a run knew when it ended.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    durable: u64,
    checkpoint: u64,
}

/// Appends `LAST` entries in groups of one to three, trims now and then, closes and reopens in
/// the middle, and stops at the first sign of a crash.
fn script(disk: &SimDisk) -> Known {
    let mut known = Known::default();
    let mut next = 1;
    for part in [LAST / 2, LAST] {
        let opened = Journal::<Fact>::open(sim(disk), settings(), Seq(known.checkpoint));
        let Ok(journal) = opened else {
            assert!(
                disk.crashed(),
                "only a crash keeps the journal from opening"
            );
            return known;
        };
        while next <= part {
            let upto = part.min(next + next % 3);
            let last = journal.append_all(&mut facts(next..=upto));
            let waited = journal.wait_durable(last);
            known.durable = journal.durable().0;
            if waited.is_err() {
                return known;
            }
            next = upto + 1;
            if next % 40 == 0 {
                known.checkpoint = next - 5;
                drop(journal.trim(Seq(known.checkpoint)));
            }
        }
        if journal.close().is_err() {
            return known;
        }
    }
    known
}

fn assert_survived(disk: &SimDisk, known: Known, what: &str) -> u64 {
    let opened = Journal::<Fact>::open(sim(disk), settings(), Seq(known.checkpoint));
    let journal = opened.unwrap_or_else(|error| panic!("{what}: {error}"));
    let last = journal.durable().0;
    assert!(
        last >= known.durable,
        "{what}: {last} survived of {known:?}"
    );
    assert!(last <= LAST, "{what}");
    let kept = journal.first_seq_kept();
    assert!(kept.0 <= known.checkpoint + 1, "{what}");
    let mut reader = journal.reader(kept);
    let all = drain(&mut reader, Seq::MAX).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(all.len() as u64, last + 1 - kept.0, "{what}");
    for (seq, entry) in all {
        assert_eq!(entry, fact(seq.0), "{what}");
    }
    commit_each(&journal, last + 1..=last + 2);
    last
}

#[test]
fn no_power_loss_takes_an_acknowledged_entry() {
    let whole = SimDisk::new();
    assert_eq!(script(&whole).durable, LAST);
    let operations = whole.operations();
    let mut cut_somewhere = false;
    for operation in 1..=operations {
        for side in SIDES {
            let disk = SimDisk::new();
            disk.crash_at(operation, side);
            let known = script(&disk);
            for loss in losses(operation) {
                let what = format!("operation {operation}, {side:?}, {loss:?}");
                let last = assert_survived(&disk.power_loss(loss), known, &what);
                cut_somewhere |= last == known.durable && known.durable < LAST;
            }
        }
    }
    assert!(
        operations > 200,
        "only {operations}: the script does too little"
    );
    assert!(cut_somewhere, "some losses do take what nobody was told of");
}

#[test]
fn no_power_loss_after_a_kill_takes_an_acknowledged_entry() {
    let whole = SimDisk::new();
    script(&whole);
    for operation in 1..=whole.operations() {
        for side in SIDES {
            let disk = SimDisk::new();
            disk.crash_at(operation, side);
            let mut known = script(&disk);
            disk.restart();
            let journal = open(&sim(&disk), known.checkpoint);
            assert!(journal.durable().0 >= known.durable);
            known.durable = journal.durable().0;
            for loss in losses(operation) {
                let what = format!("restarted after operation {operation}, {side:?}, {loss:?}");
                assert_survived(&disk.power_loss(loss), known, &what);
            }
        }
    }
}

/// Returns a disk whose journal has a torn tail behind `LAST / 2` entries.
fn torn() -> SimDisk {
    let disk = SimDisk::new();
    let journal = open(&sim(&disk), 0);
    commit_each(&journal, 1..=LAST / 2);
    disk.crash_at(disk.operations() + 2, CrashSide::Before);
    let last = journal.append_all(&mut facts(LAST / 2 + 1..=LAST / 2 + 20));
    journal.wait_durable(last).unwrap_err();
    let tears = (0..).map(|seed| disk.power_loss(PowerLoss::Torn { seed }));
    let is_torn = |disk: &SimDisk| {
        let mut reader = JournalReader::<Fact>::open(sim(disk), Seq(1));
        let reader = reader.as_mut().unwrap();
        drain(reader, Seq::MAX).unwrap();
        reader.torn_tail().is_some_and(|tail| tail.bytes > 100)
    };
    tears
        .into_iter()
        .find(is_torn)
        .expect("some tear leaves rubbish")
}

#[test]
fn no_power_loss_during_recovery_does_harm() {
    let known = Known {
        durable: LAST / 2,
        checkpoint: LAST / 4,
    };
    for seed in 0.. {
        let mut crashed = false;
        for side in SIDES {
            let disk = torn().power_loss(PowerLoss::Kept);
            disk.crash_at(seed + 1, side);
            let opened = Journal::<Fact>::open(sim(&disk), settings(), Seq(known.checkpoint));
            crashed |= opened.is_err();
            drop(opened);
            for loss in losses(seed) {
                let what = format!("operation {seed} of recovery, {side:?}, {loss:?}");
                assert_survived(&disk.power_loss(loss), known, &what);
            }
        }
        if !crashed {
            assert!(seed > 2, "recovery does something");
            break;
        }
    }
}

#[test]
fn a_kill_without_a_power_loss_keeps_everything_written() {
    let disk = SimDisk::new();
    let journal = open(&sim(&disk), 0);
    commit_each(&journal, 1..=10);
    disk.crash_at(disk.operations() + 2, CrashSide::Before);
    let seq = journal.append(fact(11));
    journal.wait_durable(seq).unwrap_err();
    disk.restart();
    assert_eq!(open(&sim(&disk), 0).durable(), Seq(11));
}
