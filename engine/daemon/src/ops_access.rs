//! How commands find a running daemon: its operators' address and token, kept in the data directory.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

const TOKEN_FILE: &str = "ops.token";
const ADDRESS_FILE: &str = "ops.addr";
const TOKEN_BYTES: usize = 32;

/// The token that opens the operators' commands; made once, readable by the daemon's user only.
pub(crate) fn token(data_dir: &Path) -> io::Result<Arc<str>> {
    match fs::read_to_string(data_dir.join(TOKEN_FILE)) {
        Ok(token) if !token.trim().is_empty() => Ok(token.trim().into()),
        Ok(_) => make_token(data_dir),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make_token(data_dir),
        Err(error) => Err(error),
    }
}

fn make_token(data_dir: &Path) -> io::Result<Arc<str>> {
    let mut random = [0u8; TOKEN_BYTES];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let token: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    write_private(&data_dir.join(TOKEN_FILE), &token)?;
    Ok(token.into())
}

/// Notes where the operators' listener is.
pub(crate) fn note_address(data_dir: &Path, address: SocketAddr) -> io::Result<()> {
    write_private(&data_dir.join(ADDRESS_FILE), &address.to_string())
}

/// Where the operators' listener of the daemon on this directory is.
pub(crate) fn address(data_dir: &Path) -> io::Result<SocketAddr> {
    let text = fs::read_to_string(data_dir.join(ADDRESS_FILE))?;
    text.trim()
        .parse()
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it holds no address"))
}

/// The token of the daemon on this directory.
pub(crate) fn known_token(data_dir: &Path) -> io::Result<String> {
    fs::read_to_string(data_dir.join(TOKEN_FILE)).map(|token| token.trim().into())
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "{text}")
}
