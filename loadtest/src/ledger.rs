//! The messages that the daemon has accepted: kept for reading them back, and written to a file as they come.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

/// One accepted message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The id from the answer.
    pub id: Box<str>,
    /// The message's number in the run, which gives its peer and its body.
    pub sequence: u64,
}

/// How many ids were given to more than one accepted message, each surplus counted.
pub fn doubled(accepted: &[Accepted]) -> u64 {
    let mut seen = HashSet::with_capacity(accepted.len());
    accepted
        .iter()
        .filter(|accepted| !seen.insert(&*accepted.id))
        .count() as u64
}

/// At most `sample_max` messages, evenly spread over all of them and always with the last.
pub fn sample(accepted: &[Accepted], sample_max: usize) -> Vec<Accepted> {
    if accepted.len() <= sample_max {
        return accepted.to_vec();
    }
    (1..=sample_max)
        .map(|nth| accepted[nth * accepted.len() / sample_max - 1].clone())
        .collect()
}

/// The file of acknowledged messages: one line each, id, tab, body.
///
/// A line is one unbuffered write, so that it is the operating system's before the next message is sent.
#[derive(Debug)]
pub struct AckedFile(Mutex<File>);

impl AckedFile {
    /// Opens the file for appending, and creates it if there is none.
    ///
    /// # Errors
    /// The operating system's.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        Ok(Self(Mutex::new(
            OpenOptions::new().create(true).append(true).open(path)?,
        )))
    }

    /// Appends one acknowledged message.
    ///
    /// # Errors
    /// The operating system's.
    pub fn append(&self, id: &str, body: &str) -> std::io::Result<()> {
        let line = format!("{id}\t{body}\n");
        self.0
            .lock()
            .expect("a writer of the acked file does not panic")
            .write_all(line.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(count: u64) -> Vec<Accepted> {
        (0..count)
            .map(|sequence| Accepted {
                id: format!("msg_{sequence}").into(),
                sequence,
            })
            .collect()
    }

    #[test]
    fn a_sample_is_even_and_ends_with_the_last() {
        let sequences = |count, max| -> Vec<u64> {
            sample(&accepted(count), max)
                .iter()
                .map(|accepted| accepted.sequence)
                .collect()
        };
        assert_eq!(sequences(10, 5), [1, 3, 5, 7, 9]);
        assert_eq!(sequences(10, 3), [2, 5, 9]);
        assert_eq!(sequences(3, 10), [0, 1, 2]);
        assert_eq!(sequences(0, 10), [0_u64; 0]);
    }

    #[test]
    fn an_id_given_twice_is_doubled() {
        let mut all = accepted(5);
        assert_eq!(doubled(&all), 0);
        all.push(Accepted {
            id: "msg_0".into(),
            sequence: 5,
        });
        all.push(Accepted {
            id: "msg_0".into(),
            sequence: 6,
        });
        assert_eq!(doubled(&all), 2);
    }

    #[test]
    fn acknowledged_messages_are_appended_line_by_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("acked");
        AckedFile::open(&path)
            .unwrap()
            .append("msg_1", "one")
            .unwrap();
        AckedFile::open(&path)
            .unwrap()
            .append("msg_2", "two")
            .unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "msg_1\tone\nmsg_2\ttwo\n"
        );
    }
}
