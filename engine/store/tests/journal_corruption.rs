//! The journal of randomly damaged files: an error or an unaltered prefix, never anything else.

#[path = "journal/kit.rs"]
mod kit;

use didfarm_store::{
    disk::{
        Disk,
        sim::{PowerLoss, SimDisk},
    },
    journal::{Journal, JournalReader},
    seq::Seq,
};
use kit::{Fact, assert_facts, drain, fact, open, settings, sim};
use proptest::prelude::*;

const LAST: u64 = 100;

/// Is the content of a closed journal, made once.
fn closed_files() -> &'static [(String, Vec<u8>)] {
    static FILES: std::sync::OnceLock<Vec<(String, Vec<u8>)>> = std::sync::OnceLock::new();
    FILES.get_or_init(|| {
        let disk = SimDisk::new();
        let journal = open(&sim(&disk), 0);
        for upto in (5..=LAST).step_by(5) {
            let last = journal.append_all(&mut (upto - 4..=upto).map(fact).collect());
            journal.wait_durable(last).unwrap();
        }
        journal.close().unwrap();
        let synced = disk.power_loss(PowerLoss::Dropped);
        let mut names = synced.names().unwrap();
        names.retain(|name| !name.ends_with(".spare"));
        let read = |name: String| (name.clone(), synced.content(&name).unwrap());
        names.into_iter().map(read).collect()
    })
}

#[derive(Clone, Debug)]
enum Harm {
    Byte(prop::sample::Index, prop::sample::Index, u8),
    Zeros(prop::sample::Index, prop::sample::Index, usize),
    Cut(prop::sample::Index, prop::sample::Index),
    Gone(prop::sample::Index),
}

fn harm() -> impl Strategy<Value = Harm> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        8 => (index(), index(), 1_u8..).prop_map(|(f, at, bits)| Harm::Byte(f, at, bits)),
        2 => (index(), index(), 1_usize..600).prop_map(|(f, at, n)| Harm::Zeros(f, at, n)),
        1 => (index(), index()).prop_map(|(f, at)| Harm::Cut(f, at)),
        1 => index().prop_map(Harm::Gone),
    ]
}

impl Harm {
    fn inflict(&self, files: &mut Vec<(String, Vec<u8>)>) {
        let (Self::Byte(file, ..) | Self::Zeros(file, ..) | Self::Cut(file, _) | Self::Gone(file)) =
            self;
        if files.is_empty() {
            return;
        }
        let file = file.index(files.len());
        let content = &mut files[file].1;
        let len = content.len().max(1);
        match self {
            Self::Gone(_) => drop(files.remove(file)),
            _ if content.is_empty() => {}
            Self::Byte(_, at, bits) => content[at.index(len)] ^= bits,
            Self::Cut(_, at) => content.truncate(at.index(len)),
            Self::Zeros(_, at, count) => {
                let start = at.index(len);
                content[start..len.min(start + count)].fill(0);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn damage_gives_an_error_or_an_unaltered_prefix(
        harms in prop::collection::vec(harm(), 1..4),
        checkpoint in 0..=LAST,
    ) {
        let mut files = closed_files().to_vec();
        for harm in &harms {
            harm.inflict(&mut files);
        }
        let disk = SimDisk::new();
        for (name, content) in files {
            disk.put(&name, content);
        }
        if let Ok(mut reader) = JournalReader::<Fact>::open(sim(&disk), Seq(1)) {
            let mut next = 1;
            while let Ok(Some(group)) = reader.next_group(Seq::MAX) {
                for (seq, entry) in group {
                    prop_assert_eq!((seq, entry), (Seq(next), fact(next)));
                    next += 1;
                }
            }
        }
        if let Ok(journal) = Journal::<Fact>::open(sim(&disk), settings(), Seq(checkpoint)) {
            let durable = journal.durable();
            prop_assert!((checkpoint..=LAST).contains(&durable.0));
            let all = drain(&mut journal.reader(Seq(checkpoint + 1)), Seq::MAX).unwrap();
            assert_facts(&all, checkpoint + 1, durable.0);
        }
    }
}
