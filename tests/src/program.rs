//! The program under test, and its commands that run to their end.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

/// The longest that a command may take.
const COMMAND_BOUND: Duration = Duration::from_secs(60);
/// The pause between two looks at a command that is to end.
const COMMAND_POLL: Duration = Duration::from_millis(2);

/// Where the program is.
#[derive(Debug, Clone)]
pub struct Program {
    path: PathBuf,
    first: Option<OsString>,
}

/// A command that has ended.
#[derive(Debug)]
pub struct Finished {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// What it said on stdout.
    pub stdout: String,
    /// What it said on stderr.
    pub stderr: String,
}

impl Program {
    /// The binary at a path.
    pub fn at(path: impl Into<PathBuf>) -> Program {
        Program {
            path: path.into(),
            first: None,
        }
    }

    /// This very process's binary, which is the program when its first argument is `first`.
    ///
    /// # Errors
    /// The system does not know where it is.
    pub fn this(first: &str) -> std::io::Result<Program> {
        Ok(Program {
            path: std::env::current_exe()?,
            first: Some(first.into()),
        })
    }

    /// A command line of it, with none of the settings that this process's environment may hold.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.args(&self.first);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("DIDFARM") {
                command.env_remove(name);
            }
        }
        command.env("RUST_BACKTRACE", "1");
        command
    }

    /// Runs a command to its end.
    ///
    /// # Panics
    /// When it has not ended after a minute.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Finished {
        finish(self.command().args(arguments))
    }

    /// Audits a stopped store, with a list of expected messages if there is one.
    ///
    /// # Panics
    /// When it finds a breach, or cannot open the store.
    pub fn verify(&self, data_dir: &Path, expect: Option<&Path>) -> String {
        let mut command = self.command();
        command.arg("verify").arg("--data-dir").arg(data_dir);
        if let Some(list) = expect {
            command.arg("--expect").arg(list);
        }
        let finished = finish(&mut command);
        assert_eq!(finished.code, Some(0), "verify: {finished:#?}");
        finished.stdout
    }
}

impl Finished {
    /// What it printed, which is JSON.
    ///
    /// # Panics
    /// When it failed or printed anything else.
    pub fn json(&self) -> Value {
        assert_eq!(self.code, Some(0), "{self:#?}");
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {self:#?}"))
    }

    /// Asserts that it failed with this code and one clear sentence, and gives the sentence.
    ///
    /// # Panics
    /// When it did not, or said what only a programmer understands.
    pub fn failed(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{self:#?}");
        one_sentence(&self.stderr)
    }
}

/// Runs a command to its end.
///
/// # Panics
/// When it has not ended after a minute.
pub fn finish(command: &mut Command) -> Finished {
    use std::io::{Read, Seek};
    let (mut stdout, mut stderr) = (file(), file());
    let mut child = command
        .stdin(std::process::Stdio::null())
        .stdout(stdout.try_clone().expect("an open file can be cloned"))
        .stderr(stderr.try_clone().expect("an open file can be cloned"))
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let until = Instant::now() + COMMAND_BOUND;
    let read = |file: &mut std::fs::File| {
        let mut text = String::new();
        file.rewind().expect("a file has a beginning");
        file.read_to_string(&mut text).expect("commands write text");
        text
    };
    loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return Finished {
                code: status.code(),
                stdout: read(&mut stdout),
                stderr: read(&mut stderr),
            };
        }
        if Instant::now() > until {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{command:?} has not ended: {}", read(&mut stderr));
        }
        std::thread::sleep(COMMAND_POLL);
    }
}

/// A file rather than a pipe: it never fills, whatever a command says before it ends.
fn file() -> std::fs::File {
    tempfile::tempfile().expect("the machine has room for temporary files")
}

/// The one line on stderr that is no log line: what a person is told. There is no backtrace.
///
/// # Panics
/// When there is none or more than one, or a panic shows.
pub fn one_sentence(stderr: &str) -> &str {
    for word in ["panicked", "RUST_BACKTRACE", "stack backtrace"] {
        assert!(!stderr.contains(word), "a panic shows:\n{stderr}");
    }
    let told: Vec<&str> = stderr
        .lines()
        .filter_map(|line| line.strip_prefix("didfarm: "))
        .collect();
    assert_eq!(told.len(), 1, "not one sentence:\n{stderr}");
    told[0]
}
