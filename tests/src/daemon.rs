//! A real daemon on free ports, over a data directory of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::customer::{Customer, text};
use crate::http::Client;
use crate::operator::Operator;
use crate::options::{DEMO_KEY, Options};
use crate::process::Process;
use crate::program::{Finished, Program, finish};
use crate::wait::eventually;

/// The longest that a start may take.
pub const START_BOUND: Duration = Duration::from_secs(60);
/// The longest that a stop may take: the grace of the default settings, and some more.
pub const STOP_BOUND: Duration = Duration::from_secs(20);

/// A daemon. Dropping it kills it and removes its directory.
#[derive(Debug)]
pub struct Daemon {
    process: Process,
    program: Program,
    options: Options,
    address: String,
    ops: String,
    started: Value,
    data_dir: PathBuf,
    home: TempDir,
}

/// What a start came to.
#[derive(Debug)]
enum Start {
    Running(Process, Value),
    Failed(Finished),
}

impl Daemon {
    /// Starts one and waits until it takes work.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(program: &Program, options: Options) -> Daemon {
        let home = tempfile::tempdir().expect("the machine has room for temporary files");
        let data_dir = options.data_dir.clone();
        let data_dir = data_dir.unwrap_or_else(|| home.path().join("data"));
        let mut command = command(program, &options, &data_dir, home.path());
        match start(&mut command).await {
            Start::Running(process, started) => {
                let daemon = Daemon {
                    process,
                    program: program.clone(),
                    options,
                    address: text(&started, "listen"),
                    ops: text(&started, "ops"),
                    started,
                    data_dir,
                    home,
                };
                daemon.until_ready().await;
                daemon
            }
            Start::Failed(finished) => panic!("the daemon does not start: {finished:#?}"),
        }
    }

    /// Starts one that is to fail, and gives what it said.
    ///
    /// # Panics
    /// When it starts.
    pub async fn fail(program: &Program, options: Options) -> Finished {
        let failed = Daemon::start_or_fail(program, options).await;
        failed.unwrap_or_else(|| panic!("the daemon starts"))
    }

    /// Starts one on a data directory and kills it as soon as it runs; what it said when it does not.
    pub async fn start_or_fail(program: &Program, options: Options) -> Option<Finished> {
        let home = tempfile::tempdir().expect("the machine has room for temporary files");
        let data_dir = options.data_dir.clone();
        let data_dir = data_dir.unwrap_or_else(|| home.path().join("data"));
        match start(&mut command(program, &options, &data_dir, home.path())).await {
            Start::Failed(finished) => Some(finished),
            Start::Running(_, _) => None,
        }
    }

    /// Starts it again on the same directory, with the same settings, on other ports, and waits until it
    /// takes work.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn restart(&mut self) {
        self.restart_unready().await;
        self.until_ready().await;
    }

    /// Starts it again and waits only until it listens.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn restart_unready(&mut self) {
        let mut command = command(
            &self.program,
            &self.options,
            &self.data_dir,
            self.home.path(),
        );
        match start(&mut command).await {
            Start::Running(process, started) => {
                self.process = process;
                self.address = text(&started, "listen");
                self.ops = text(&started, "ops");
                self.started = started;
            }
            Start::Failed(finished) => panic!("the daemon does not start again: {finished:#?}"),
        }
    }

    /// Starts it again and ends it with SIGKILL after so long, wherever it is by then.
    pub async fn start_and_kill9(&mut self, after: Duration) {
        let mut command = command(
            &self.program,
            &self.options,
            &self.data_dir,
            self.home.path(),
        );
        let mut process = Process::start(&mut command);
        tokio::time::sleep(after).await;
        process.kill9();
    }

    /// Changes what the next restart starts with.
    pub fn reconfigure(&mut self, change: impl FnOnce(Options) -> Options) {
        self.options = change(std::mem::take(&mut self.options));
    }

    /// Ends it with SIGKILL.
    pub fn kill9(&mut self) {
        self.process.kill9();
    }

    /// Sends SIGTERM, without waiting.
    pub fn ask_to_stop(&self) {
        self.process.terminate();
    }

    /// Ends it with SIGTERM and waits until it has ended.
    ///
    /// # Panics
    /// When it does not end within [`STOP_BOUND`].
    pub async fn terminate(&mut self) -> ExitStatus {
        self.process.terminate();
        self.ended().await
    }

    /// Waits until it has ended.
    ///
    /// # Panics
    /// When it does not end within [`STOP_BOUND`].
    pub async fn ended(&mut self) -> ExitStatus {
        let ended = self.process.wait(STOP_BOUND).await;
        ended.unwrap_or_else(|| panic!("the daemon did not end in {STOP_BOUND:?}"))
    }

    /// Whether it runs.
    pub fn is_running(&mut self) -> bool {
        self.process.ended().is_none()
    }

    /// What it said on stderr since its last start.
    pub fn stderr(&self) -> String {
        self.process.stderr()
    }

    /// The line that it printed when it was started last.
    pub fn started(&self) -> &Value {
        &self.started
    }

    /// Its process id.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Where customers call.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Where operators call.
    pub fn ops_address(&self) -> &str {
        &self.ops
    }

    /// Its data directory.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// A folder for the test's own files, gone with the daemon.
    pub fn folder(&self) -> &Path {
        self.home.path()
    }

    /// The demo account's customer, with connections of its own.
    pub fn customer(&self) -> Customer {
        Customer::new(Client::new(), &self.address, Some(DEMO_KEY))
    }

    /// Somebody without a key.
    pub fn stranger(&self) -> Customer {
        Customer::new(Client::new(), &self.address, None)
    }

    /// An operator who has the token.
    ///
    /// # Panics
    /// When there is no token in the data directory.
    pub fn operator(&self) -> Operator {
        let token = std::fs::read_to_string(self.data_dir.join("ops.token"));
        let token = token.expect("a running daemon has a token");
        Operator(Customer::new(Client::new(), &self.ops, Some(token.trim())))
    }

    /// Runs a command against it, as `["account", "create", "--name", "Acme"]`.
    pub fn run(&self, arguments: &[&str]) -> Finished {
        let mut command = self.program.command();
        finish(
            command
                .args(arguments)
                .arg("--data-dir")
                .arg(&self.data_dir),
        )
    }

    /// Audits its stopped store, with a list of expected messages if there is one.
    ///
    /// # Panics
    /// When it finds a breach.
    pub fn verify(&self, expect: Option<&Path>) -> String {
        self.program.verify(&self.data_dir, expect)
    }

    /// Waits until it takes work.
    pub async fn until_ready(&self) {
        let operator = self.operator();
        eventually("the daemon is ready", START_BOUND, async || {
            (operator.get("/readyz").await.status == 200).then_some(())
        })
        .await;
    }
}

fn command(program: &Program, options: &Options, data_dir: &Path, home: &Path) -> Command {
    let mut command = program.command();
    command.args(["serve", "--listen", "127.0.0.1:0"]);
    command.args(["--ops-listen", "127.0.0.1:0"]);
    command.arg("--data-dir").arg(data_dir);
    command.envs(
        options
            .environment
            .iter()
            .map(|(name, value)| (name, value)),
    );
    if let Some(toml) = &options.config {
        let path = home.join("didfarm.toml");
        std::fs::write(&path, toml).expect("the test's folder can be written");
        command.arg("--config").arg(path);
    }
    command
}

async fn start(command: &mut Command) -> Start {
    let mut process = Process::start(command);
    if let Some(line) = process.first_line(START_BOUND).await {
        let started = serde_json::from_str(&line);
        let started = started.unwrap_or_else(|error| panic!("not JSON ({error}): {line}"));
        return Start::Running(process, started);
    }
    match process.wait(START_BOUND).await {
        Some(status) => Start::Failed(Finished {
            code: status.code(),
            stdout: String::new(),
            stderr: process.stderr(),
        }),
        None => panic!("the daemon neither starts nor ends"),
    }
}
