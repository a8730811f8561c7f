//! What can go wrong with the journal, sorted by what to do next.

use std::io;

use super::format::EncodeError;
use crate::seq::Seq;

/// Says why the journal cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum JournalReadError {
    /// A segment's header is damaged.
    #[error(
        "the header of {file}, whose first entry should be seq {first}, is damaged: restore this file from a backup"
    )]
    BadHeader {
        /// The file.
        file: String,
        /// The seq that its name says it starts at.
        first: Seq,
    },
    /// A segment is of a format that this program does not know.
    #[error(
        "{file}, whose first entry should be seq {first}, has journal format {version}, which this didfarm does not know: start the version that wrote it"
    )]
    UnknownVersion {
        /// The file.
        file: String,
        /// The seq that its name says it starts at.
        first: Seq,
        /// The format's version.
        version: u32,
    },
    /// A frame is damaged that was committed, because later data stands behind it or because
    /// it was reported durable.
    #[error(
        "{file} is damaged at byte {offset}, where seq {seq} should start, and committed entries follow: restore this file from a backup"
    )]
    BadFrame {
        /// The file.
        file: String,
        /// Where the frame starts.
        offset: u64,
        /// The seq that should start there.
        seq: Seq,
    },
    /// A sound frame has another seq than the one before it calls for.
    #[error(
        "{file} goes on with seq {found} at byte {offset} where seq {expected} should be: files of different journals are mixed, restore the whole journal directory from one backup"
    )]
    Gap {
        /// The file.
        file: String,
        /// Where the frame starts.
        offset: u64,
        /// The seq that should be there.
        expected: Seq,
        /// The seq that is there.
        found: Seq,
    },
    /// No segment holds an entry that must be there (or a reader fell behind the trimming).
    #[error(
        "seq {wanted} is in no segment file, the journal goes on only with {file} at seq {found}: put the missing segment back from a backup"
    )]
    MissingSegment {
        /// The first seq that is not there.
        wanted: Seq,
        /// The next file that is there.
        file: String,
        /// The seq that it starts at.
        found: Seq,
    },
    /// A sound frame holds an entry that does not decode.
    #[error(
        "seq {seq} in {file}, in the frame at byte {offset}, is intact but does not decode ({reason}): start the version that wrote it"
    )]
    Undecodable {
        /// The file.
        file: String,
        /// Where the frame starts.
        offset: u64,
        /// The entry.
        seq: Seq,
        /// What the decoder says.
        reason: String,
    },
    /// The system reports an error.
    #[error("{file} cannot be read at seq {seq}: check the disk and the file's permissions")]
    Io {
        /// The file or directory.
        file: String,
        /// The seq that was looked for.
        seq: Seq,
        /// What the system reported.
        #[source]
        source: io::Error,
    },
}

/// Says why the journal cannot be opened. Nothing on disk has been changed then, but for
/// [`JournalOpenError::Io`].
#[derive(Debug, thiserror::Error)]
pub enum JournalOpenError {
    /// What is there cannot be read.
    #[error(transparent)]
    Read(#[from] JournalReadError),
    /// The records hold more than the journal: it is an old one.
    #[error(
        "the journal behind the records: it ends at seq {last} in {file}, the records hold everything up to seq {checkpoint}: restore journal and records from the same backup"
    )]
    BehindRecords {
        /// The last file, or the directory.
        file: String,
        /// The journal's last entry.
        last: Seq,
        /// The last entry that the records hold.
        checkpoint: Seq,
    },
    /// The journal was closed after an entry that is not there any more.
    #[error(
        "the journal lost its tail after a clean stop: it ends at seq {last} in {file} but was closed at seq {closed}: restore that file from a backup"
    )]
    TailLost {
        /// The last file, or the directory.
        file: String,
        /// The journal's last entry.
        last: Seq,
        /// The last entry at the clean stop.
        closed: Seq,
    },
    /// The system reports an error while the journal is made ready for writing.
    #[error("{file} cannot be made ready at seq {seq}: check the disk's health and free space")]
    Io {
        /// The file or directory.
        file: String,
        /// The entry that is to be written next.
        seq: Seq,
        /// What the system reported.
        #[source]
        source: io::Error,
    },
}

/// Says why nothing becomes durable any more.
#[derive(Debug, thiserror::Error)]
pub enum FatalJournal {
    /// A write failed.
    #[error("writing seq {seq} to {file} failed: check the disk, then start again")]
    Write {
        /// The file.
        file: String,
        /// The group's first entry.
        seq: Seq,
        /// What the system reported.
        #[source]
        source: io::Error,
    },
    /// A sync failed: what the page cache holds can no longer be trusted.
    #[error("syncing seq {seq} to {file} failed: check the disk, then start again")]
    Sync {
        /// The file.
        file: String,
        /// The group's first entry.
        seq: Seq,
        /// What the system reported.
        #[source]
        source: io::Error,
    },
    /// The next segment could not be made.
    #[error(
        "the segment {file} for seq {seq} cannot be made: make room on the disk, then start again"
    )]
    Segment {
        /// The file.
        file: String,
        /// The group's first entry.
        seq: Seq,
        /// What the system reported.
        #[source]
        source: io::Error,
    },
    /// An entry cannot be written at all.
    #[error("seq {seq} cannot be encoded: report it, then start again")]
    Encode {
        /// The entry.
        seq: Seq,
        /// What is wrong with it.
        #[source]
        source: EncodeError,
    },
    /// The writer's thread panicked.
    #[error("the journal's writer panicked at seq {seq}: report it, then start again")]
    Panicked {
        /// The last durable entry.
        seq: Seq,
    },
}

/// Says that the writer has stopped: the entry will not become durable in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the journal has stopped after seq {durable}: end the process and start again")]
pub struct JournalStopped {
    /// The last durable entry.
    pub durable: Seq,
}

/// Says why the journal was not closed cleanly; what was durable is so still.
#[derive(Debug, thiserror::Error)]
pub enum JournalCloseError {
    /// The writer had stopped: entries were lost that nobody was told of.
    #[error(transparent)]
    Stopped(#[from] JournalStopped),
    /// The mark of the clean stop could not be written.
    #[error(
        "the mark {file} of the clean stop cannot be written: check the disk, nothing else is to be done"
    )]
    Mark {
        /// The file.
        file: String,
        /// What the system reported.
        #[source]
        source: io::Error,
    },
}

/// Says why a segment that is free to go is still there; the next trim tries again.
#[derive(Debug, thiserror::Error)]
#[error("the segment {file} cannot be removed: check the permissions of the journal's directory")]
pub struct JournalTrimError {
    /// The file.
    pub file: String,
    /// What the system reported.
    #[source]
    pub source: io::Error,
}
