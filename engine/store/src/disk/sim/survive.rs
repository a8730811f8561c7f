//! What a power loss leaves of the changes that were never synced.

use super::{
    NameChange, Names, PowerLoss,
    file::{Change, Node},
};

/// Is what a medium writes as one.
const SECTOR_BYTES: u64 = 512;

/// Returns the names that survive.
pub(super) fn names(durable: &Names, pending: &[NameChange], loss: PowerLoss) -> Names {
    let mut names = durable.clone();
    let mut dice = Dice::of(loss, "");
    let prefix = dice.below(pending.len() as u64 + 1);
    for (index, change) in pending.iter().enumerate() {
        let kept = match loss {
            PowerLoss::Dropped => false,
            PowerLoss::Kept => true,
            PowerLoss::Torn { .. } => (index as u64) < prefix,
            PowerLoss::Sectors { .. } => dice.coin(),
        };
        if kept {
            change.apply(&mut names);
        }
    }
    names
}

/// Returns the content of one file that survives.
pub(super) fn content(name: &str, node: &Node, loss: PowerLoss) -> Vec<u8> {
    let mut content = node.held().to_vec();
    let mut dice = Dice::of(loss, name);
    let total: u64 = node.pending().iter().map(weight).sum();
    let mut budget = dice.below(total + 1);
    for change in node.pending() {
        match loss {
            PowerLoss::Dropped => {}
            PowerLoss::Kept => change.apply(&mut content),
            PowerLoss::Torn { .. } => {
                torn(change, budget, &mut content);
                budget = budget.saturating_sub(weight(change));
            }
            PowerLoss::Sectors { .. } => sectors(change, &mut dice, &mut content),
        }
    }
    content
}

/// Returns how many of the bytes, among which a tear is chosen, are in the change.
fn weight(change: &Change) -> u64 {
    match change {
        Change::Write(_, bytes) => bytes.len() as u64,
        Change::Len(_) => 1,
    }
}

fn torn(change: &Change, budget: u64, content: &mut Vec<u8>) {
    match change {
        Change::Write(offset, bytes) => {
            let kept = bytes.len().min(budget as usize);
            Change::Write(*offset, bytes[..kept].to_vec()).apply(content);
        }
        Change::Len(_) if budget > 0 => change.apply(content),
        Change::Len(_) => {}
    }
}

fn sectors(change: &Change, dice: &mut Dice, content: &mut Vec<u8>) {
    let Change::Write(offset, bytes) = change else {
        if dice.coin() {
            change.apply(content);
        }
        return;
    };
    let end = offset + bytes.len() as u64;
    let mut start = *offset;
    while start < end {
        let stop = end.min((start / SECTOR_BYTES + 1) * SECTOR_BYTES);
        if dice.coin() {
            let part = &bytes[(start - offset) as usize..(stop - offset) as usize];
            Change::Write(start, part.to_vec()).apply(content);
        }
        start = stop;
    }
}

/// Is a small seeded generator (splitmix64): the same seed and name give the same loss.
struct Dice(u64);

impl Dice {
    fn of(loss: PowerLoss, name: &str) -> Self {
        let seed = match loss {
            PowerLoss::Dropped | PowerLoss::Kept => 0,
            PowerLoss::Torn { seed } | PowerLoss::Sectors { seed } => seed,
        };
        let salt = u64::from(crc32c::crc32c(name.as_bytes()));
        Self(seed ^ (salt << 32))
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        value ^ (value >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound
    }

    fn coin(&mut self) -> bool {
        self.roll() & 1 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Access, CrashSide, Crashed, Disk, SimDisk};
    use super::*;

    fn disk_with_synced_file() -> SimDisk {
        let disk = SimDisk::new();
        let file = disk.create("a", 2048).unwrap();
        file.write_at(&[1; 2048], 0).unwrap();
        file.sync_data().unwrap();
        disk.sync_dir().unwrap();
        disk
    }

    #[test]
    fn dropped_loses_exactly_what_was_not_synced() {
        let disk = disk_with_synced_file();
        let file = disk.open("a", Access::Write).unwrap();
        file.write_at(&[2; 2048], 0).unwrap();
        disk.create("b", 10).unwrap();
        let dropped = disk.power_loss(PowerLoss::Dropped);
        assert_eq!(dropped.content("a").unwrap(), vec![1; 2048]);
        assert_eq!(dropped.content("b"), None);
        let kept = disk.power_loss(PowerLoss::Kept);
        assert_eq!(kept.content("a").unwrap(), vec![2; 2048]);
        assert_eq!(kept.content("b").unwrap(), vec![0; 10]);
    }

    #[test]
    fn torn_keeps_a_prefix_and_sectors_keep_whole_sectors() {
        let disk = disk_with_synced_file();
        let file = disk.open("a", Access::Write).unwrap();
        file.write_at(&[2; 2048], 0).unwrap();
        let torn = disk.power_loss(PowerLoss::Torn { seed: 5 });
        let content = torn.content("a").unwrap();
        let cut = content.iter().position(|byte| *byte == 1).unwrap();
        assert!(content[cut..].iter().all(|byte| *byte == 1));
        let mut seen = [false; 3];
        for seed in 0..20 {
            let part = disk.power_loss(PowerLoss::Sectors { seed });
            for sector in part.content("a").unwrap().chunks(512) {
                assert!(sector.iter().all(|byte| *byte == sector[0]));
                seen[sector[0] as usize] = true;
            }
        }
        assert_eq!(seen, [false, true, true]);
    }

    #[test]
    fn a_failed_sync_shows_bytes_that_no_later_sync_makes_durable() {
        let disk = disk_with_synced_file();
        let file = disk.open("a", Access::Write).unwrap();
        disk.fail_sync_at(disk.syncs() + 1);
        file.write_at(&[2; 4], 0).unwrap();
        file.sync_data().unwrap_err();
        file.write_at(&[3; 4], 4).unwrap();
        file.sync_data().unwrap();
        assert_eq!(disk.content("a").unwrap()[..9], [2, 2, 2, 2, 3, 3, 3, 3, 1]);
        let left = disk.power_loss(PowerLoss::Dropped).content("a").unwrap();
        assert_eq!(left[..9], [1, 1, 1, 1, 3, 3, 3, 3, 1]);
    }

    #[test]
    fn every_operation_fails_from_the_crash_on() {
        for (side, byte) in [(CrashSide::Before, 1), (CrashSide::After, 2)] {
            let disk = disk_with_synced_file();
            let file = disk.open("a", Access::Write).unwrap();
            disk.crash_at(disk.operations() + 1, side);
            let error = file.write_at(&[2], 0).unwrap_err();
            assert!(error.get_ref().unwrap().is::<Crashed>());
            file.sync_data().unwrap_err();
            disk.names().unwrap_err();
            let kept = disk.power_loss(PowerLoss::Kept);
            assert_eq!(kept.content("a").unwrap()[0], byte);
        }
    }

    #[test]
    fn allocating_more_than_is_free_leaves_nothing_behind() {
        let disk = SimDisk::new();
        disk.set_free_bytes(100);
        let full = disk.create("a", 101).err().unwrap();
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
        disk.create("a", 60).unwrap();
        assert_eq!(disk.free_bytes().unwrap(), 40);
        disk.remove("a").unwrap();
        assert_eq!(disk.free_bytes().unwrap(), 100);
    }
}
