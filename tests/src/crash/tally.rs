//! What was sent and what was acknowledged, in the client's own memory.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// A message that the daemon said it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    /// Its id.
    pub id: String,
    /// The peer.
    pub to: String,
    /// The body, which no other message has.
    pub body: String,
    /// How many segments it takes.
    pub segments: u64,
}

/// What one connection did in one cycle.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub(super) acknowledged: Vec<Acknowledged>,
    /// The body of the one message whose answer the kill cut off.
    pub(super) unanswered: Option<String>,
}

/// Everything that was sent to one store.
#[derive(Debug, Default)]
pub(super) struct Tally {
    acknowledged: Vec<Acknowledged>,
    unanswered: HashSet<String>,
    newest: usize,
}

impl Tally {
    /// What is added from now on is the newest.
    pub(super) fn begin_cycle(&mut self) {
        self.newest = self.acknowledged.len();
    }

    pub(super) fn add(&mut self, sent: Sent) {
        self.acknowledged.extend(sent.acknowledged);
        self.unanswered.extend(sent.unanswered);
    }

    pub(super) fn acknowledged(&self) -> &[Acknowledged] {
        &self.acknowledged
    }

    /// What the last cycle acknowledged.
    pub(super) fn newest(&self) -> &[Acknowledged] {
        &self.acknowledged[self.newest..]
    }

    /// Whether a body was sent and its answer never came.
    pub(super) fn is_unanswered(&self, body: &str) -> bool {
        self.unanswered.contains(body)
    }

    /// Writes the list that `verify --expect` reads. Bodies have nothing in them to be escaped.
    pub(super) fn write_expected(&self, path: &Path) -> std::io::Result<()> {
        let mut file = BufWriter::new(File::create(path)?);
        for Acknowledged { id, body, .. } in &self.acknowledged {
            writeln!(file, "{id}\t{body}")?;
        }
        file.flush()
    }
}
