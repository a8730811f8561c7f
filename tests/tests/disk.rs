//! A disk that fills: new work is refused in time, reads go on, and space brings the daemon back by itself.

use std::path::{Path, PathBuf};
use std::time::Duration;

use didfarm_tests::daemon::Daemon;
use didfarm_tests::machine::{SmallDisk, free_bytes, take_space};
use didfarm_tests::operator::Operator;
use didfarm_tests::options::Options;
use didfarm_tests::peers::peer;
use didfarm_tests::program::Program;
use didfarm_tests::wait::eventually;

const BOUND: Duration = Duration::from_secs(20);
/// The size of the disk that is made for the test.
const SMALL_DISK_BYTES: u64 = 96 * 1024 * 1024;
/// What must stay free on it.
const SMALL_FREE_BYTES_MIN: u64 = 32 * 1024 * 1024;
/// How far above the bound the free space stands on a disk that is shared with everybody else: far enough
/// for what the machine writes meanwhile.
const SHARED_MARGIN_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// On a shared disk one test's shortage would be the other's.
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Where the data is kept, and how shortage is made there.
struct Place {
    data_dir: PathBuf,
    ballast: PathBuf,
    free_bytes_min: u64,
    /// How far below the bound the free space is brought.
    short_by_bytes: u64,
    _disk: Option<SmallDisk>,
    _folder: tempfile::TempDir,
}

impl Place {
    /// A small disk of its own where mounting is allowed; else the shared one, with its bound set to just
    /// below what is free now.
    fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("disk");
        std::fs::create_dir(&at).unwrap();
        let disk = SmallDisk::mount(&at, SMALL_DISK_BYTES);
        let (free_bytes_min, short_by_bytes) = match &disk {
            Some(_) => (SMALL_FREE_BYTES_MIN, SMALL_FREE_BYTES_MIN / 2),
            None => (
                free_bytes(&at).unwrap() - SHARED_MARGIN_BYTES,
                SHARED_MARGIN_BYTES,
            ),
        };
        Place {
            data_dir: at.join("data"),
            ballast: at.join("ballast"),
            free_bytes_min,
            short_by_bytes,
            _disk: disk,
            _folder: folder,
        }
    }

    fn options(&self) -> Options {
        Options::new()
            .data_dir(&self.data_dir)
            .set("store.free_bytes_min", self.free_bytes_min)
    }

    fn fill(&self) {
        let free_bytes = free_bytes(&self.data_dir).unwrap();
        let ballast_bytes = free_bytes + self.short_by_bytes - self.free_bytes_min;
        take_space(&self.ballast, ballast_bytes).unwrap();
    }

    fn free(&self) {
        std::fs::remove_file(&self.ballast).unwrap();
    }
}

async fn until_readiness(operator: &Operator, status: u16, reason: Option<&str>) {
    eventually(&format!("readiness says {status}"), BOUND, async || {
        let answer = operator.get("/readyz").await;
        (answer.status == status && answer.json()["reason"].as_str() == reason).then_some(())
    })
    .await;
}

fn program() -> Program {
    Program::at(env!("CARGO_BIN_EXE_didfarm-under-test"))
}

fn writes(dir: &Path) -> bool {
    std::fs::write(dir.join("probe"), b"x").is_ok()
}

#[tokio::test]
async fn a_short_disk_refuses_new_work_serves_reads_and_recovers_by_itself() {
    let _turn = ONE_AT_A_TIME.lock().await;
    let place = Place::new();
    let mut daemon = Daemon::start(&program(), place.options()).await;
    let (customer, operator) = (daemon.customer(), daemon.operator());
    let mut kept = Vec::new();
    for n in 0..50 {
        kept.push(customer.sent_id(&peer(n), "before").await);
    }
    place.fill();
    until_readiness(&operator, 503, Some("disk_short")).await;
    let answer = customer.send_sms(&peer(1), "no room").await;
    let problem = answer.refused(503, "disk_short");
    assert_eq!(problem["title"], "The disk is short of space");
    answer.retry_after_s();
    let wrote = serde_json::json!({ "from": peer(1), "to": "+31201234567", "body": "no room" });
    customer.inbound(&wrote).await.refused(503, "disk_short");
    let account = serde_json::json!({ "name": "No room" });
    operator
        .post("/ops/accounts", &account)
        .await
        .refused(503, "disk_short");
    assert_eq!(operator.get("/healthz").await.status, 200);
    // Reads go on, and what was accepted before is delivered: that takes little, and there is a reserve.
    for id in &kept {
        customer.message_with(id, "delivered").await;
    }
    assert_eq!(
        customer.all("/api/v1/portal/sms?limit=100").await.len(),
        kept.len()
    );
    assert_eq!(customer.conversations().await.len(), kept.len());
    let refused = "didfarm_messages_refused_total{reason=\"disk_short\"}";
    assert_eq!(operator.metric(refused).await, 1.0);
    assert!(writes(daemon.data_dir()), "the reserve is used up");

    place.free();
    until_readiness(&operator, 200, None).await;
    let id = customer.sent_id(&peer(1), "after").await;
    customer.message_with(&id, "delivered").await;
    assert!(daemon.terminate().await.success());
    daemon.verify(None);
}

#[tokio::test]
async fn a_daemon_that_starts_on_a_short_disk_reads_and_waits_for_space() {
    let _turn = ONE_AT_A_TIME.lock().await;
    let place = Place::new();
    let mut daemon = Daemon::start(&program(), place.options()).await;
    let id = daemon.customer().sent_id(&peer(1), "before").await;
    daemon.kill9();
    place.fill();
    daemon.restart_unready().await;
    let (customer, operator) = (daemon.customer(), daemon.operator());
    until_readiness(&operator, 503, Some("disk_short")).await;
    assert_eq!(customer.message(&id).await["body"], "before");
    customer
        .send_sms(&peer(1), "no room")
        .await
        .refused(503, "disk_short");
    place.free();
    until_readiness(&operator, 200, None).await;
    customer.sent(&peer(1), "after").await;
}
