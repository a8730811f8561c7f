//! Record bytes: one version byte, then rmp in positional form. The leaf around them has the checksum.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The version that is written, and the only one that is read.
const VERSION: u8 = 3;

/// Why record bytes cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Another didfarm wrote it.
    #[error(
        "it has version {found}, this didfarm reads version {VERSION} only: use the didfarm that wrote it"
    )]
    Version {
        /// The version found.
        found: u8,
    },
    /// The bytes are no record of this kind.
    #[error("it does not decode: {detail}")]
    Malformed {
        /// What the decoder said.
        detail: String,
    },
}

/// The bytes of a record.
pub fn encode<T: Serialize>(record: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(192);
    bytes.push(VERSION);
    rmp_serde::encode::write(&mut bytes, record).expect("records serialise into memory");
    bytes
}

/// The record that bytes hold.
///
/// # Errors
/// A version or a shape that this didfarm does not know.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    match bytes {
        [VERSION, record @ ..] => {
            rmp_serde::from_slice(record).map_err(|error| CodecError::Malformed {
                detail: error.to_string(),
            })
        }
        [found, ..] => Err(CodecError::Version { found: *found }),
        [] => Err(CodecError::Malformed {
            detail: "no bytes".into(),
        }),
    }
}
