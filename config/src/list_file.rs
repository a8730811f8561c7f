//! Files with lists that stand in for those that are built in: prices, ranges.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The most bytes of a list; a larger file is some other file.
const BYTES_MAX: u64 = 1024 * 1024;

/// Reads the list in a file, `what` it is to be; the fault that `parse` finds says where it is.
pub(crate) fn read<T>(
    path: &Path,
    what: &str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<T, String> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(BYTES_MAX + 1).read_to_string(&mut text))
        .map_err(|error| format!("must be a file that can be read; reading it failed: {error}"))?;
    if text.len() as u64 > BYTES_MAX {
        return Err(format!("must be a file of {BYTES_MAX} bytes at most"));
    }
    parse(&text).map_err(|fault| format!("must be a sound {what}; {fault}"))
}
