//! Journal and records together when the power goes: at every operation of a scripted run, before and
//! after it, with every kind of loss of the journal's disk and every state that the records may be
//! left in, a restart finds what was acknowledged, whole, in order and once.

#[path = "verify/farm.rs"]
mod farm;
#[path = "verify/guards.rs"]
mod guards;
#[path = "verify/hooks.rs"]
mod hooks;
#[path = "recovery/model.rs"]
mod model;
#[path = "recovery/script.rs"]
mod script;
#[path = "recovery/told.rs"]
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use didfarm_core::event::Entry;
use didfarm_store::disk::Disk;
use didfarm_store::disk::sim::{CrashSide, PowerLoss, SimDisk};
use didfarm_store::journal::{Journal, JournalSettings};
use didfarm_store::records::Records;
use didfarm_store::records::round::Round;
use didfarm_store::seq::Seq;
use didfarm_store::shelf::{MemoryShelf, Shelf};
use didfarm_store::store::recover;
use model::Model;

const SIDES: [CrashSide; 2] = [CrashSide::Before, CrashSide::After];
/// So short that most of the script's segments are trimmed before it ends.
const SEGMENT_BYTES: u64 = 1 << 10;
/// Groups between two rounds, and rounds between two checkpoints.
const ROUND_GROUPS: usize = 3;
const CHECKPOINT_ROUNDS: usize = 3;
/// Seeds that are tried to reach every state that the records may be left in.
const SHELF_SEEDS: u64 = 16;

/// The two halves of a machine's storage.
#[derive(Clone)]
struct Machine {
    disk: SimDisk,
    shelf: Arc<MemoryShelf>,
}

/// What a run knew when it ended.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// The last entry that was reported durable.
    durable: Seq,
    /// The last entry that the records held at their last sync.
    synced: Seq,
    /// Segments that were trimmed.
    trimmed: usize,
}

/// The machine crashed: nothing more can be done.
struct Crash;

impl Machine {
    fn new() -> Machine {
        Machine {
            disk: SimDisk::new(),
            shelf: Arc::new(MemoryShelf::new()),
        }
    }

    fn power_loss(&self, loss: PowerLoss, shelf_seed: u64) -> Machine {
        Machine {
            disk: self.disk.power_loss(loss),
            shelf: Arc::new(self.shelf.power_loss(shelf_seed)),
        }
    }

    fn records(&self) -> Records {
        let shelf: Arc<dyn Shelf> = self.shelf.clone();
        Records::new(shelf)
    }

    /// Opens journal and records and replays, in the order of `Store::open`.
    fn open(&self) -> Result<(Journal<Entry>, Records), String> {
        let records = self.records();
        let from = records.meta().unwrap().seq;
        let settings = JournalSettings {
            segment_bytes: SEGMENT_BYTES,
            keep_bytes: 0,
            free_bytes_min: 0,
            ..JournalSettings::default()
        };
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let journal = Journal::open(disk, settings, from).map_err(|error| error.to_string())?;
        recover(&records, &journal, from).map_err(|error| error.to_string())?;
        Ok((journal, records))
    }

    /// Every file of the journal with its bytes.
    fn files(&self) -> BTreeMap<String, Option<Vec<u8>>> {
        let names = self.disk.names().unwrap();
        names
            .into_iter()
            .map(|name| {
                let content = self.disk.content(&name);
                (name, content)
            })
            .collect()
    }

    /// Seeds that leave the records in states of their own, all that there are.
    fn shelf_seeds(&self) -> Vec<u64> {
        let mut seen = BTreeSet::new();
        let seed = |seed: &u64| {
            let records = Records::new(Arc::new(self.shelf.power_loss(*seed)));
            seen.insert(records.meta().unwrap().seq)
        };
        (0..SHELF_SEEDS).filter(seed).collect()
    }
}

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

/// One process that appends the script, in groups of one to three entries, and follows with rounds
/// and checkpoints as the keeper does.
struct Run<'a> {
    model: &'a Model,
    machine: &'a Machine,
    known: Known,
}

impl Run<'_> {
    /// Runs the script with a clean stop in the middle, as far as the machine goes.
    fn whole(model: &Model, machine: &Machine) -> Known {
        let mut run = Run {
            model,
            machine,
            known: Known::default(),
        };
        let last = model.last();
        for upto in [Seq(last.0 / 2), last] {
            if run.process(upto).is_err() {
                assert!(machine.disk.crashed(), "only a crash ends the script");
                break;
            }
        }
        run.known
    }

    fn process(&mut self, upto: Seq) -> Result<(), Crash> {
        let (journal, records) = self.machine.open().map_err(|_| Crash)?;
        let mut reader = journal.reader(records.meta().unwrap().seq.next());
        let mut groups = 0;
        while self.known.durable < upto {
            self.group(&journal, upto)?;
            groups += 1;
            if groups % ROUND_GROUPS == 0 {
                let durable = journal.durable();
                records
                    .apply_round(&mut reader, durable)
                    .map_err(|_| Crash)?;
            }
            if groups % (ROUND_GROUPS * CHECKPOINT_ROUNDS) == 0 {
                self.checkpoint(&journal, &records)?;
            }
        }
        let durable = journal.durable();
        records
            .apply_round(&mut reader, durable)
            .map_err(|_| Crash)?;
        self.checkpoint(&journal, &records)?;
        journal.close().map_err(|_| Crash)
    }

    fn group(&mut self, journal: &Journal<Entry>, upto: Seq) -> Result<(), Crash> {
        let next = self.known.durable.0;
        let end = upto.0.min(next + 1 + next % 3);
        let mut entries = self.model.entries[next as usize..end as usize].to_vec();
        let last = journal.append_all(&mut entries);
        assert_eq!(last, Seq(end));
        let waited = journal.wait_durable(last);
        self.known.durable = journal.durable();
        waited.map_err(|_| Crash)
    }

    fn checkpoint(&mut self, journal: &Journal<Entry>, records: &Records) -> Result<(), Crash> {
        let applied = records.meta().unwrap().seq;
        records.shelf().sync().unwrap();
        self.known.synced = applied;
        self.known.trimmed += journal.trim(applied).map_err(|_| Crash)?;
        Ok(())
    }
}

/// Restarts the machine and asserts that all is there that has to be; returns the last entry.
fn assert_recovered(machine: &Machine, model: &Model, known: Known, what: &str) -> Seq {
    let from = machine.records().meta().unwrap().seq;
    assert!(from >= known.synced, "{what}: the records lost a sync");
    let (journal, records) = machine
        .open()
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    let last = journal.durable();
    assert!(
        last >= known.durable,
        "{what}: {last} survived of {known:?}"
    );
    assert!(last <= model.last(), "{what}");
    model.assert_at(&records, last, known.durable, what);
    go_on(&journal, &records, model, what);
    last
}

/// The restarted machine takes the script's next entry as if nothing had happened.
fn go_on(journal: &Journal<Entry>, records: &Records, model: &Model, what: &str) {
    let last = journal.durable();
    let Some(entry) = model.entries.get(last.0 as usize) else {
        return;
    };
    let next = journal.append(entry.clone());
    assert_eq!(next, last.next(), "{what}");
    journal.wait_durable(next).unwrap();
    let mut reader = journal.reader(next);
    let applied = records.apply_round(&mut reader, next).unwrap();
    assert_eq!(applied, Some(next), "{what}");
    model.assert_at(records, next, next, what);
}

#[test]
fn every_prefix_of_the_script_is_sound() {
    let model = Model::of(script::entries());
    let records = Records::new(Arc::new(MemoryShelf::new()));
    let machine = Machine::new();
    let known = Run::whole(&model, &machine);
    assert_eq!((known.durable, known.synced), (model.last(), model.last()));
    assert!(known.trimmed > 5, "only {} segments went", known.trimmed);
    let meta = machine.records().meta().unwrap();
    let counts = meta.counts;
    for (kind, count) in [
        ("in flight", counts.in_flight),
        ("parked", counts.parked),
        ("aged", meta.aged_total),
        ("carrier ids", counts.owners),
        ("inbound ids", counts.inbound),
        ("parts", counts.parts),
        ("auto-reply rules", counts.auto_replies),
        ("endpoints", counts.endpoints),
        ("events", counts.events),
        ("pending events", counts.pending),
        ("attempts", counts.attempts),
        ("mails", counts.mails),
        ("opt-outs", counts.opt_outs),
        ("batches", counts.batches),
        ("batch rows", counts.batch_rows),
        ("given up mails", meta.mails_given_up_total),
        ("aliases", counts.pairs - counts.conversations),
    ] {
        assert!(count > 0, "the script leaves {kind}");
    }
    model.assert_at(&records, Seq::ZERO, Seq::ZERO, "nothing");
    for (seq, entry) in (1..).map(Seq).zip(&model.entries) {
        let meta = records.meta().unwrap();
        let mut round = Round::begin(records.shelf(), meta);
        round.apply(seq, entry).unwrap();
        round.commit().unwrap();
        model.assert_at(&records, seq, seq, &format!("up to {seq}"));
    }
}

#[test]
fn no_power_loss_takes_or_doubles_what_was_acknowledged() {
    let model = Model::of(script::entries());
    let whole = Machine::new();
    Run::whole(&model, &whole);
    let operations = whole.disk.operations();
    assert!(operations > 120, "only {operations}: the script is short");
    let (mut cut, mut kept) = (0, 0);
    for operation in 1..=operations {
        for side in SIDES {
            let machine = Machine::new();
            machine.disk.crash_at(operation, side);
            let known = Run::whole(&model, &machine);
            let mut seen = BTreeSet::new();
            for loss in losses(operation) {
                if !seen.insert(machine.power_loss(loss, 0).files()) {
                    continue;
                }
                for seed in machine.shelf_seeds() {
                    let what = format!("operation {operation}, {side:?}, {loss:?}, shelf {seed}");
                    let survivor = machine.power_loss(loss, seed);
                    let last = assert_recovered(&survivor, &model, known, &what);
                    cut += usize::from(last == known.durable);
                    kept += usize::from(last > known.durable);
                }
            }
        }
    }
    assert!(
        cut > 0 && kept > 0,
        "{cut} states without a tail, {kept} with one"
    );
}

#[test]
fn no_power_loss_during_the_recovery_from_another_does_harm() {
    let model = Model::of(script::entries());
    let whole = Machine::new();
    Run::whole(&model, &whole);
    for operation in 1..=whole.disk.operations() {
        let machine = Machine::new();
        let side = SIDES[operation as usize % 2];
        machine.disk.crash_at(operation, side);
        let known = Run::whole(&model, &machine);
        let first = PowerLoss::Torn { seed: operation };
        for second in 1.. {
            // A copy that holds all of the first loss's survivors, durably.
            let survivor = machine.power_loss(first, operation);
            let crashed = crash_again(&survivor, second, SIDES[(operation + second) as usize % 2]);
            let losses = losses(second);
            let loss = losses[(operation + second) as usize % losses.len()];
            let what = format!("operation {operation}, {side:?}, then {second}, {loss:?}");
            let survivor = survivor.power_loss(loss, second);
            assert_recovered(&survivor, &model, known, &what);
            if !crashed {
                break;
            }
        }
    }
}

/// Recovers, makes a checkpoint and crashes at an operation of it; says whether it came to that.
fn crash_again(machine: &Machine, operation: u64, side: CrashSide) -> bool {
    machine.disk.crash_at(operation, side);
    if let Ok((journal, records)) = machine.open() {
        records.shelf().sync().unwrap();
        // What a crash leaves untrimmed is trimmed by a later checkpoint.
        drop(journal.trim(records.meta().unwrap().seq));
    }
    machine.disk.crashed()
}
