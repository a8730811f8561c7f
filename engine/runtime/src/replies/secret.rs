//! The installation's secret of mail, kept in the data directory: what reply addresses are made with.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use didfarm_mail::token::Tokens;
use sha2::{Digest, Sha256};

const FILE: &str = "mail.secret";
const BYTES: usize = 32;
/// Bytes of the tag: 48 bits, so that no two installations of one sender share it.
const TAG_BYTES: usize = 6;

/// The secret. It shows itself to nobody.
pub(crate) struct MailSecret([u8; BYTES]);

impl MailSecret {
    /// Where it lies.
    pub(crate) fn path(data_dir: &Path) -> PathBuf {
        data_dir.join(FILE)
    }

    /// The secret of this data directory; made once, readable by the daemon's user only. Reply addresses
    /// of earlier mails are good for as long as the file stays.
    ///
    /// # Errors
    /// Those of the file system, and `InvalidData` for a file that holds no secret.
    pub(crate) fn open(data_dir: &Path) -> io::Result<MailSecret> {
        let path = MailSecret::path(data_dir);
        match fs::read_to_string(&path) {
            Ok(text) => MailSecret::read(text.trim())
                .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it holds no secret")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => MailSecret::make(&path),
            Err(error) => Err(error),
        }
    }

    fn read(text: &str) -> Option<MailSecret> {
        let mut bytes = [0; BYTES];
        if text.len() != 2 * BYTES || !text.is_ascii() {
            return None;
        }
        for (place, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * place..2 * place + 2], 16).ok()?;
        }
        Some(MailSecret(bytes))
    }

    /// Writes it aside first: a file that is there is whole.
    fn make(path: &Path) -> io::Result<MailSecret> {
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let aside = path.with_extension("new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&aside)?;
        writeln!(file, "{text}")?;
        file.sync_all()?;
        fs::rename(&aside, path)?;
        if let Some(folder) = path.parent() {
            fs::File::open(folder)?.sync_all()?;
        }
        Ok(MailSecret(bytes))
    }

    /// What makes and reads reply addresses.
    pub(crate) fn tokens(&self) -> Tokens {
        Tokens::new(&self.0, &[]).expect("the secret is long enough")
    }

    /// What sets the mails of this installation apart from those of others. It gives nothing away.
    pub(crate) fn tag(&self) -> String {
        let mut digest = Sha256::new();
        digest.update(b"didfarm mail tag 1\0");
        digest.update(self.0);
        let digest = digest.finalize();
        let tag = digest[..TAG_BYTES].iter();
        tag.map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_secret_is_made_once_for_the_daemons_user_alone() {
        let dir = tempfile::tempdir().unwrap();
        let first = MailSecret::open(dir.path()).unwrap();
        let again = MailSecret::open(dir.path()).unwrap();
        assert!(first.0 == again.0 && first.0 != [0; BYTES]);
        let mode = fs::metadata(MailSecret::path(dir.path())).unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, 0o600);
        let other = tempfile::tempdir().unwrap();
        let other = MailSecret::open(other.path()).unwrap();
        assert_ne!(first.tag(), other.tag());
    }

    #[test]
    fn a_file_that_holds_no_secret_is_an_error_and_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["", "abc", &"g".repeat(64), &"é".repeat(32)] {
            fs::write(MailSecret::path(dir.path()), text).unwrap();
            assert!(MailSecret::open(dir.path()).is_err(), "{text}");
            let kept = fs::read_to_string(MailSecret::path(dir.path())).unwrap();
            assert_eq!(kept, text);
        }
    }
}
