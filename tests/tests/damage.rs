//! Damage: each kind ends in one clear sentence that says what to do, and nothing is silently missing.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use didfarm_tests::customer::NUMBER;
use didfarm_tests::daemon::Daemon;
use didfarm_tests::options::Options;
use didfarm_tests::peers::peer;
use didfarm_tests::program::{Finished, Program};
use serde_json::json;

/// The exit code of an audit that found a breach.
const BREACH: i32 = 1;
/// The exit code of a store that does not open.
const STORE: i32 = 66;
const MESSAGES: u32 = 200;

fn program() -> Program {
    Program::at(env!("CARGO_BIN_EXE_didfarm-under-test"))
}

/// Damages a file.
type Damage = fn(&Path);

/// A store that was stopped, and the messages in it.
struct Stopped {
    daemon: Daemon,
    expected: PathBuf,
}

impl Stopped {
    /// Fills a store and stops it, by SIGTERM or with -9.
    async fn new(options: Options, clean: bool) -> Stopped {
        Stopped::with_bodies(options, clean, 0).await
    }

    /// The same with bodies of at least so many characters.
    async fn with_bodies(options: Options, clean: bool, chars_min: usize) -> Stopped {
        let mut daemon = Daemon::start(&program(), options).await;
        let customer = daemon.customer();
        let mut lines = String::new();
        for n in 0..MESSAGES {
            let body = format!("message {n} {}", "x".repeat(chars_min));
            let id = customer.sent_id(&peer(n % 20), &body).await;
            lines.push_str(&format!("{id}\t{body}\n"));
        }
        let wrote = json!({ "from": peer(0), "to": NUMBER, "body": "inbound" });
        customer.inbound(&wrote).await.expect(200);
        if clean {
            assert!(daemon.terminate().await.success());
        } else {
            daemon.kill9();
        }
        let expected = daemon.folder().join("expected");
        fs::write(&expected, lines).unwrap();
        Stopped { daemon, expected }
    }

    fn dir(&self) -> &Path {
        self.daemon.data_dir()
    }

    /// The journal's last segment, with how many bytes of it are in use.
    fn journal(&self) -> (PathBuf, u64) {
        let mut segments: Vec<_> = fs::read_dir(self.dir().join("journal"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|end| end == "journal"))
            .collect();
        segments.sort();
        let last = segments.pop().unwrap();
        let bytes = fs::read(&last).unwrap();
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap() as u64 + 1;
        (last, used)
    }

    /// Tries to start on it, which is to fail with a sentence.
    async fn refuses(&self) -> String {
        let failed = Daemon::fail(&program(), Options::new().data_dir(self.dir())).await;
        failed.failed(STORE).to_owned()
    }

    /// Starts on it and finds everything.
    async fn is_whole(&mut self) {
        self.daemon.restart().await;
        let rows = self
            .daemon
            .customer()
            .all("/api/v1/portal/sms?limit=100")
            .await;
        assert_eq!(rows.len() as u32, MESSAGES + 1);
        assert!(self.daemon.terminate().await.success());
        self.daemon.verify(Some(&self.expected));
    }

    fn repair(&self) -> Finished {
        self.daemon.run(&["repair"])
    }
}

fn flip(path: &Path, offset: u64) {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let mut byte = [0u8];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ 0x40], offset).unwrap();
}

/// Settings under which the records stay behind the journal: a restart replays nearly all of it.
fn lazy_records() -> Options {
    Options::new().set("store.checkpoint_interval_ms", 600_000)
}

#[tokio::test]
async fn a_flipped_bit_in_the_journals_middle_is_named() {
    let stopped = Stopped::new(lazy_records(), false).await;
    let (segment, used) = stopped.journal();
    flip(&segment, used / 2);
    let sentence = stopped.refuses().await;
    let file = segment.file_name().unwrap().to_str().unwrap();
    assert!(
        sentence.contains(file) && sentence.contains("damaged at byte"),
        "{sentence}"
    );
    assert!(
        sentence.contains("restore this file from a backup"),
        "{sentence}"
    );
    let verify = stopped.daemon.run(&["verify"]);
    assert!(verify.failed(BREACH).contains("damaged at byte"));
    // A repair reads the journal before it touches anything.
    assert!(stopped.repair().failed(STORE).contains("damaged at byte"));
    // The very byte put back, all is well.
    let mut stopped = stopped;
    flip(&segment, used / 2);
    stopped.is_whole().await;
}

#[tokio::test]
async fn a_damaged_header_of_the_journal_is_named() {
    let mut stopped = Stopped::new(lazy_records(), false).await;
    let (segment, _) = stopped.journal();
    flip(&segment, 9);
    let sentence = stopped.refuses().await;
    assert!(
        sentence.contains("header") && sentence.contains("restore"),
        "{sentence}"
    );
    flip(&segment, 9);
    stopped.is_whole().await;
}

#[tokio::test]
async fn a_torn_tail_is_cut_and_nothing_acknowledged_is_missing() {
    let mut stopped = Stopped::new(lazy_records(), false).await;
    let (segment, used) = stopped.journal();
    let used = used.next_multiple_of(64);
    let file = OpenOptions::new().write(true).open(&segment).unwrap();
    // The beginning of a frame that never became durable: rubbish up to where the crash cut it.
    let rubbish: Vec<u8> = (0..777u32).map(|n| (n * 131 % 251 + 1) as u8).collect();
    file.write_all_at(&rubbish, used).unwrap();
    stopped.is_whole().await;
}

#[tokio::test]
async fn a_file_that_ends_early_behind_its_last_entry_is_no_damage() {
    let mut stopped = Stopped::new(lazy_records(), false).await;
    let (segment, used) = stopped.journal();
    let file = OpenOptions::new().write(true).open(&segment).unwrap();
    file.set_len(used.next_multiple_of(64)).unwrap();
    stopped.is_whole().await;
}

#[tokio::test]
async fn a_tail_that_is_gone_after_a_clean_stop_is_named() {
    let stopped = Stopped::new(Options::new(), true).await;
    let (segment, used) = stopped.journal();
    let file = OpenOptions::new().write(true).open(&segment).unwrap();
    file.set_len(used - 200).unwrap();
    let sentence = stopped.refuses().await;
    assert!(sentence.contains("restore"), "{sentence}");
}

#[tokio::test]
async fn a_missing_journal_segment_is_named() {
    let options = lazy_records()
        .set("store.segment_bytes", 65_536)
        .set("store.group_bytes_max", 65_536);
    let mut stopped = Stopped::with_bodies(options, false, 1_500).await;
    let mut segments: Vec<_> = fs::read_dir(stopped.dir().join("journal"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "journal"))
        .collect();
    segments.sort();
    assert!(
        segments.len() >= 3,
        "the journal has too few segments: {segments:?}"
    );
    let (missing, aside) = (&segments[1], stopped.daemon.folder().join("aside"));
    fs::rename(missing, &aside).unwrap();
    let sentence = stopped.refuses().await;
    assert!(
        sentence.contains("put the missing segment back"),
        "{sentence}"
    );
    fs::rename(&aside, missing).unwrap();
    // Without its beginning the journal still serves a start, but a repair needs all of it.
    stopped.is_whole().await;
    fs::rename(&segments[0], &aside).unwrap();
    let sentence = stopped.repair();
    assert!(
        sentence
            .failed(STORE)
            .contains("cannot be rebuilt from it alone")
    );
    stopped.is_whole().await;
}

#[tokio::test]
async fn damaged_records_are_named_and_repaired_from_the_journal() {
    let damages: [(&str, Damage); 3] = [
        ("cut in half", |db| {
            let file = OpenOptions::new().write(true).open(db).unwrap();
            file.set_len(file.metadata().unwrap().len() / 2).unwrap();
        }),
        ("overwritten", |db| {
            let bytes = fs::read(db).unwrap();
            let rubbish: Vec<u8> = bytes
                .iter()
                .map(|byte| byte.wrapping_mul(31) ^ 0xa5)
                .collect();
            fs::write(db, rubbish).unwrap();
        }),
        ("emptied", |db| {
            let bytes = fs::metadata(db).unwrap().len() as usize;
            fs::write(db, vec![0u8; bytes]).unwrap();
        }),
    ];
    let mut stopped = Stopped::new(Options::new(), true).await;
    let db = stopped.dir().join("records").join("db");
    for (kind, damage) in damages {
        damage(&db);
        let failed =
            Daemon::start_or_fail(&program(), Options::new().data_dir(stopped.dir())).await;
        // Records that look like new ones are simply built again from the journal.
        if let Some(finished) = failed {
            let sentence = finished.failed(STORE);
            assert!(sentence.contains("didfarm repair"), "{kind}: {sentence}");
            let repaired = stopped.repair();
            assert_eq!(repaired.code, Some(0), "{kind}: {repaired:#?}");
            assert!(
                repaired
                    .stdout
                    .contains("the records are rebuilt up to seq"),
                "{kind}"
            );
            assert!(repaired.stdout.contains("records.damaged-"), "{kind}");
        }
        stopped.is_whole().await;
    }
}

#[tokio::test]
async fn flipped_bits_in_the_records_are_never_silent() {
    let mut stopped = Stopped::new(Options::new(), true).await;
    let db = stopped.dir().join("records").join("db");
    let sound = fs::read(&db).unwrap();
    let used = sound.iter().rposition(|byte| *byte != 0).unwrap();
    for eighth in 0..8 {
        flip(&db, (used * eighth / 8 + used / 16) as u64);
        let started =
            Daemon::start_or_fail(&program(), Options::new().data_dir(stopped.dir())).await;
        let verified =
            stopped
                .daemon
                .run(&["verify", "--expect", stopped.expected.to_str().unwrap()]);
        assert!(!verified.stderr.contains("panicked"), "{verified:#?}");
        match (started, verified.code) {
            // It was in a place that means nothing any more.
            (None, Some(0)) => {}
            (None, Some(BREACH | STORE)) => assert!(!verified.stderr.is_empty()),
            (Some(finished), _) => assert!(!finished.failed(STORE).is_empty()),
            (None, _) => panic!("{verified:#?}"),
        }
        let repaired = stopped.repair();
        assert_eq!(repaired.code, Some(0), "{repaired:#?}");
        stopped.is_whole().await;
    }
}

#[tokio::test]
async fn what_is_no_store_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for command in ["verify", "repair"] {
        let finished = program().run([command, "--data-dir", folder.path().to_str().unwrap()]);
        assert!(
            finished.failed(STORE).contains("no journal"),
            "{finished:#?}"
        );
    }
    let file = folder.path().join("file");
    fs::write(&file, b"not a directory").unwrap();
    let failed = Daemon::fail(&program(), Options::new().data_dir(&file)).await;
    assert!(failed.failed(STORE).contains(file.to_str().unwrap()));
}
