//! What a figure was measured on, and how: a result without it cannot be compared.

use std::fmt;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// Machine, commit and command of this run.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Cores that this process may use.
    pub cores: usize,
    /// The processor's model name.
    pub cpu: String,
    /// The commit of the working directory, marked when files differ from it.
    pub commit: String,
    /// The command as it can be given again.
    pub command: String,
}

impl Machine {
    /// Looks around.
    pub fn here() -> Self {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        Self {
            cores: cores(),
            cpu: cpu_model(&std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default()),
            commit: commit(),
            command: format!(
                "cargo run{} -p didfarm-benches -- {}",
                PROFILE,
                arguments.join(" ")
            ),
        }
    }
}

const PROFILE: &str = if cfg!(debug_assertions) {
    ""
} else {
    " --release"
};

/// Cores that this process may use; at least one.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A folder for one run, removed at its end; in the system's temporary one unless another is given.
///
/// # Errors
/// The operating system's.
pub fn scratch_dir(parent: Option<&Path>) -> std::io::Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("didfarm-bench-");
    match parent {
        Some(parent) => builder.tempdir_in(parent),
        None => builder.tempdir(),
    }
}

fn cpu_model(cpuinfo: &str) -> String {
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    model.map_or_else(
        || "unknown processor".to_owned(),
        |(_, name)| name.trim().to_owned(),
    )
}

fn commit() -> String {
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else {
        return "none yet".to_owned();
    };
    match git(&["status", "--porcelain", "--untracked-files=no"]) {
        Some(changes) if changes.is_empty() => commit,
        _ => format!("{commit}, with changes"),
    }
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if cfg!(debug_assertions) {
            writeln!(
                f,
                "Debug build: these figures say nothing about a release.\n"
            )?;
        }
        let Self {
            cores,
            cpu,
            commit,
            command,
        } = self;
        write!(
            f,
            "Machine: {cores} cores, {cpu}. Commit: {commit}. Command: `{command}`."
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_read_off_the_kernels_page() {
        assert_eq!(
            cpu_model("processor\t: 0\nmodel\t\t: 1\nmodel name\t: AMD EPYC\n"),
            "AMD EPYC"
        );
        assert_eq!(cpu_model(""), "unknown processor");
    }
}
