//! The ledger of replies: which were sent, and which were begun, so that a mail that comes again is sent
//! once.
//!
//! Before a reply is sent, it is noted with the conversation's last message; afterwards it is noted as
//! sent. When a crash leaves only the first, the messages behind that one tell whether it was sent. The
//! first note is synced before anything is sent; the second need not be, as the first leads to the same.
//!
//! One that certainly was not sent is struck out: when it comes again it is a new one.
//!
//! A file of lines: `begun KEY MESSAGE .`, `sent KEY .` and `unsent KEY .`, where the dot says that the line is whole. It
//! is written anew when it is opened, and when it has grown.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use didfarm_core::ids::MessageId;
use rustc_hash::{FxHashMap, FxHashSet};

/// Replies that are known; an older one that comes again is taken for a new one.
const KNOWN_MAX: usize = 10_000;
/// Lines of the file before it is written anew.
const LINES_MAX: usize = 4 * KNOWN_MAX;
/// Bytes of a key.
pub(super) const KEY_BYTES: usize = 16;

/// What a reply is known by.
pub(super) type Key = [u8; KEY_BYTES];

/// Why a reply is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// It was sent.
    Sent,
    /// It is being sent.
    InHand,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It was begun when this was the conversation's last message.
    Begun(MessageId),
    Sent,
    /// It was begun and certainly not sent.
    Unsent,
}

/// The ledger.
#[derive(Debug)]
pub(super) struct Ledger {
    book: Mutex<Book>,
}

#[derive(Debug)]
struct Book {
    path: PathBuf,
    file: File,
    lines: usize,
    /// Whether the last line may have been cut off.
    is_torn: bool,
    states: FxHashMap<Key, State>,
    /// In the order in which they were begun.
    order: VecDeque<Key>,
    in_hand: FxHashSet<Key>,
}

/// A reply that is being dealt with; it is let go when dropped.
#[derive(Debug)]
pub(super) struct InHand {
    ledger: Arc<Ledger>,
    key: Key,
    begun: Option<MessageId>,
}

impl Ledger {
    /// Opens the file, or makes it. Lines that are none, as a loss of power leaves them, are passed over.
    ///
    /// # Errors
    /// Those of the file system.
    pub(super) fn open(path: &Path) -> io::Result<Ledger> {
        let (mut states, mut order) = (FxHashMap::default(), VecDeque::new());
        match File::open(path) {
            Ok(file) => read(file, &mut states, &mut order)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let (file, lines) = write_anew(path, &states, &order)?;
        Ok(Ledger {
            book: Mutex::new(Book {
                path: path.to_owned(),
                file,
                lines,
                is_torn: false,
                states,
                order,
                in_hand: FxHashSet::default(),
            }),
        })
    }

    /// Takes a reply in hand, unless it is known.
    pub(super) fn take(self: &Arc<Self>, key: Key) -> Result<InHand, Known> {
        let mut book = self.lock();
        let begun = match book.states.get(&key) {
            Some(State::Sent) => return Err(Known::Sent),
            Some(State::Begun(after)) => Some(*after),
            Some(State::Unsent) | None => None,
        };
        if !book.in_hand.insert(key) {
            return Err(Known::InHand);
        }
        Ok(InHand {
            ledger: Arc::clone(self),
            key,
            begun,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InHand {
    /// The conversation's last message when the reply was begun before.
    pub(super) fn begun(&self) -> Option<MessageId> {
        self.begun
    }

    /// Notes durably that the reply is being sent, behind this message. One that was begun before stays
    /// behind the message of that time.
    ///
    /// # Errors
    /// Those of the file system; the reply must not be sent then.
    pub(super) fn begin(&self, after: MessageId) -> io::Result<()> {
        if self.begun.is_some() {
            return Ok(());
        }
        let mut book = self.ledger.lock();
        book.write(&line(&self.key, State::Begun(after)))?;
        book.file.sync_data()?;
        note(&mut book, self.key, State::Begun(after));
        Ok(())
    }

    /// Notes that the reply was sent.
    pub(super) fn sent(&self) {
        let mut book = self.ledger.lock();
        note(&mut book, self.key, State::Sent);
        if let Err(error) = book.write(&line(&self.key, State::Sent)) {
            tracing::warn!(%error, "a reply that was sent could not be noted; if it comes again, the messages tell");
        }
    }

    /// Notes that the reply was certainly not sent.
    pub(super) fn unsent(&self) {
        let mut book = self.ledger.lock();
        note(&mut book, self.key, State::Unsent);
        if let Err(error) = book.write(&line(&self.key, State::Unsent)) {
            tracing::warn!(%error, "that a reply was not sent could not be noted");
        }
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        self.ledger.lock().in_hand.remove(&self.key);
    }
}

impl Book {
    fn write(&mut self, line: &str) -> io::Result<()> {
        if self.lines >= LINES_MAX {
            (self.file, self.lines) = write_anew(&self.path, &self.states, &self.order)?;
        }
        self.lines += 1;
        let written = match self.is_torn {
            true => self.file.write_all(b"\n"),
            false => Ok(()),
        };
        let written = written.and_then(|()| self.file.write_all(line.as_bytes()));
        self.is_torn = written.is_err();
        written
    }
}

fn note(book: &mut Book, key: Key, state: State) {
    let Book { states, order, .. } = book;
    set(states, order, key, state);
}

fn set(states: &mut FxHashMap<Key, State>, order: &mut VecDeque<Key>, key: Key, state: State) {
    if states.insert(key, state).is_none() {
        order.push_back(key);
    }
    if order.len() > KNOWN_MAX
        && let Some(oldest) = order.pop_front()
    {
        states.remove(&oldest);
    }
}

fn read(
    file: File,
    states: &mut FxHashMap<Key, State>,
    order: &mut VecDeque<Key>,
) -> io::Result<()> {
    for line in BufReader::new(file).split(b'\n') {
        if let Some((key, state)) = parse(&line?) {
            set(states, order, key, state);
        }
    }
    Ok(())
}

/// Writes what is known into a new file in the place of the old, and opens it for more.
fn write_anew(
    path: &Path,
    states: &FxHashMap<Key, State>,
    order: &VecDeque<Key>,
) -> io::Result<(File, usize)> {
    let aside = path.with_extension("new");
    let mut text = String::new();
    for key in order {
        if let Some(state) = states.get(key) {
            text.push_str(&line(key, *state));
        }
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&aside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&aside, path)?;
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok((file, order.len()))
}

fn line(key: &Key, state: State) -> String {
    let key: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    match state {
        State::Begun(after) => format!("begun {key} {} .\n", after.get()),
        State::Sent => format!("sent {key} .\n"),
        State::Unsent => format!("unsent {key} .\n"),
    }
}

fn parse(line: &[u8]) -> Option<(Key, State)> {
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    let word = words.next()?;
    let digits = words.next()?;
    let mut key = [0; KEY_BYTES];
    if digits.len() != 2 * KEY_BYTES || !digits.is_ascii() {
        return None;
    }
    for (place, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * place..2 * place + 2], 16).ok()?;
    }
    let state = match (word, words.next()?, words.next()) {
        ("begun", after, Some(".")) => State::Begun(MessageId(after.parse().ok()?)),
        ("sent", ".", None) => State::Sent,
        ("unsent", ".", None) => State::Unsent,
        _ => return None,
    };
    words.next().is_none().then_some((key, state))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &Path) -> Arc<Ledger> {
        Arc::new(Ledger::open(path).unwrap())
    }

    #[test]
    fn a_reply_is_sent_once_and_one_that_was_begun_says_behind_what() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger");
        let ledger = open(&path);
        let in_hand = ledger.take([1; 16]).unwrap();
        assert_eq!(in_hand.begun(), None);
        assert_eq!(ledger.take([1; 16]).unwrap_err(), Known::InHand);
        in_hand.begin(MessageId(77)).unwrap();
        drop(in_hand);

        let ledger = open(&path);
        let in_hand = ledger.take([1; 16]).unwrap();
        assert_eq!(in_hand.begun(), Some(MessageId(77)));
        in_hand.begin(MessageId(99)).unwrap();
        drop(in_hand);
        let in_hand = ledger.take([1; 16]).unwrap();
        assert_eq!(in_hand.begun(), Some(MessageId(77)));
        in_hand.sent();
        drop(in_hand);
        assert_eq!(ledger.take([1; 16]).unwrap_err(), Known::Sent);
        assert_eq!(open(&path).take([1; 16]).unwrap_err(), Known::Sent);
        assert!(open(&path).take([2; 16]).is_ok());
    }

    #[test]
    fn a_reply_that_was_not_sent_is_a_new_one_when_it_comes_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger");
        let ledger = open(&path);
        let in_hand = ledger.take([5; 16]).unwrap();
        in_hand.begin(MessageId(77)).unwrap();
        in_hand.unsent();
        drop(in_hand);
        assert_eq!(ledger.take([5; 16]).unwrap().begun(), None);
        let in_hand = open(&path).take([5; 16]).unwrap();
        assert_eq!(in_hand.begun(), None);
        in_hand.begin(MessageId(90)).unwrap();
        assert_eq!(
            open(&path).take([5; 16]).unwrap().begun(),
            Some(MessageId(90))
        );
    }

    #[test]
    fn a_torn_or_foreign_line_is_passed_over_and_the_next_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger");
        let whole = line(&[3; 16], State::Sent);
        let torn = line(&[4; 16], State::Begun(MessageId(51)));
        let torn = torn.strip_suffix("1 .\n").unwrap();
        fs::write(&path, format!("{whole}\nnonsense\n{whole} x\n{torn}")).unwrap();
        let ledger = open(&path);
        assert_eq!(ledger.take([3; 16]).unwrap_err(), Known::Sent);
        let in_hand = ledger.take([4; 16]).unwrap();
        assert_eq!(in_hand.begun(), None);
        in_hand.begin(MessageId(6)).unwrap();
        drop(in_hand);
        let begun = open(&path).take([4; 16]).unwrap().begun();
        assert_eq!(begun, Some(MessageId(6)));
    }

    #[test]
    fn the_file_and_what_is_known_stay_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger");
        let ledger = open(&path);
        let key = |n: u32| {
            let mut key = [0; KEY_BYTES];
            key[..4].copy_from_slice(&n.to_be_bytes());
            key
        };
        let count = u32::try_from(LINES_MAX + KNOWN_MAX).unwrap();
        for n in 0..count {
            ledger.take(key(n)).unwrap().sent();
        }
        assert!(ledger.take(key(0)).is_ok());
        let kept = u32::try_from(KNOWN_MAX).unwrap();
        assert_eq!(ledger.take(key(count - kept)).unwrap_err(), Known::Sent);
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= LINES_MAX, "{lines}");
        drop(ledger);
        assert_eq!(open(&path).take(key(count - 1)).unwrap_err(), Known::Sent);
    }
}
