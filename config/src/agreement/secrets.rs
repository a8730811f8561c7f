//! The secrets that stand in files of their own.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::Agreement;
use crate::allowed::Allowed;
use crate::secret::Secret;
use crate::sections::carriers::SecretSlot;
use crate::settings::Settings;

/// The most bytes of a secret's file; a larger one is some other file.
const SECRET_FILE_BYTES_MAX: u64 = 16 * 1024;

impl Agreement<'_> {
    /// Puts every secret in its place; none is left empty without a problem.
    pub(super) fn secrets(&mut self, settings: &mut Settings) {
        for (index, carrier) in settings.carriers.iter_mut().enumerate() {
            for slot in carrier.secrets() {
                self.secret(&format!("carriers[{index}]"), slot);
            }
        }
        for slot in settings.mail.secrets() {
            self.secret("mail", slot);
        }
    }

    fn secret(&mut self, section: &str, slot: SecretSlot<'_>) {
        if slot.file.as_os_str().is_empty() || !slot.secret.stands_elsewhere() {
            return; // It stands in the settings, or was refused there.
        }
        match read(slot.file, slot.allowed) {
            Ok(text) => *slot.secret = Secret::from_file(text),
            Err(sentence) => {
                let path = format!("{section}.{}", slot.file_key);
                self.report(&path, &path, sentence);
            }
        }
    }
}

/// Reads a secret without the line break that editors end a file with; what is wrong is said
/// without a word of what the file holds.
fn read(path: &Path, allowed: &Allowed) -> Result<String, String> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| {
            file.take(SECRET_FILE_BYTES_MAX + 1)
                .read_to_string(&mut text)
        })
        .map_err(|error| format!("must be a file that can be read; reading it failed: {error}"))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if allowed.admits_text(text) {
        Ok(text.to_owned())
    } else {
        Err(format!("must be a file that holds {}", allowed.sentence()))
    }
}
