//! What an SMPP account is told in the settings.

use std::fmt;
use std::path::PathBuf;

use didfarm_core::ids::CarrierId;

use super::text::DefaultCoding;
use crate::id_rule::IdRule;

/// Longest `system_id`, in bytes (SMPP 3.4, 5.2.1).
pub const SYSTEM_ID_BYTES_MAX: usize = 15;
/// Longest password that is taken, in bytes. SMPP 3.4, 5.2.2 says 8; some carriers issue longer ones.
pub const PASSWORD_BYTES_MAX: usize = 64;
/// Longest `system_type`, in bytes (SMPP 3.4, 5.2.3).
pub const SYSTEM_TYPE_BYTES_MAX: usize = 12;
/// Longest `service_type`, in bytes (SMPP 3.4, 5.2.11).
pub const SERVICE_TYPE_BYTES_MAX: usize = 5;
/// The most binds of one carrier.
pub const BINDS_MAX: u16 = 32;
/// The largest window, in unanswered `submit_sm` of one bind.
pub const WINDOW_MAX: u32 = 10_000;

/// How an address is numbered (SMPP 3.4, 5.2.5 and 5.2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbering {
    /// Type of number.
    pub ton: u8,
    /// Numbering plan.
    pub npi: u8,
}

impl Numbering {
    /// An international number by E.164.
    pub const E164: Numbering = Numbering { ton: 1, npi: 1 };
    /// A short code: network specific.
    pub const SHORT_CODE: Numbering = Numbering { ton: 3, npi: 0 };
}

/// Which sessions a bind is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BindMode {
    /// One session for both ways.
    #[default]
    Transceiver,
    /// Two sessions: one submits, one receives.
    TransmitterReceiver,
}

/// The reference that segments of one message share (3GPP TS 23.040, 9.2.3.24.1 and 9.2.3.24.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Concatenation {
    /// 8 bits.
    #[default]
    Udh8,
    /// 16 bits. Its header is an octet longer; where the message would need one more segment for it than
    /// were counted, 8 bits are used.
    Udh16,
}

/// TLS towards the SMSC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// The name that its certificate must be for.
    pub server_name: String,
    /// A PEM file of authorities that are trusted beside the public ones.
    pub ca_file: Option<PathBuf>,
}

/// One account at one SMSC. [`SmppSettings::check`] says whether it can be used.
#[derive(Clone, PartialEq, Eq)]
pub struct SmppSettings {
    /// Which carrier it is.
    pub id: CarrierId,
    /// Its name in the settings.
    pub name: String,
    /// `host:port` of the SMSC.
    pub address: String,
    /// TLS, where the SMSC wants it.
    pub tls: Option<TlsSettings>,
    /// Who we are, at most [`SYSTEM_ID_BYTES_MAX`].
    pub system_id: String,
    /// Our password, at most [`PASSWORD_BYTES_MAX`].
    pub password: String,
    /// What kind of system we are, at most [`SYSTEM_TYPE_BYTES_MAX`]; mostly empty.
    pub system_type: String,
    /// Which sessions a bind is made of.
    pub bind: BindMode,
    /// How many binds are held, 1 to [`BINDS_MAX`].
    pub binds: u16,
    /// How many `submit_sm` of one bind may be unanswered, 1 to [`WINDOW_MAX`].
    pub window: u32,
    /// After how much silence of the SMSC the link is checked, in milliseconds.
    pub enquire_link_ms: u64,
    /// How long an answer may take, in milliseconds.
    pub answer_timeout_ms: u64,
    /// How long the connection and its TLS handshake may take, in milliseconds.
    pub connect_timeout_ms: u64,
    /// How long is waited before the first new attempt, in milliseconds.
    pub reconnect_ms_min: u64,
    /// How long is waited at most, and after a refused password, in milliseconds.
    pub reconnect_ms_max: u64,
    /// How our numbers are numbered. Short codes go as [`Numbering::SHORT_CODE`].
    pub source: Numbering,
    /// How peers are numbered.
    pub destination: Numbering,
    /// What `data_coding` 0 means here, both ways.
    pub default_coding: DefaultCoding,
    /// How its message ids are compared.
    pub ids: IdRule,
    /// How segments of one message name it.
    pub concatenation: Concatenation,
    /// Which receipts are asked for (SMPP 3.4, 5.2.17): 1 is every final one.
    pub registered_delivery: u8,
    /// The `service_type` of what we submit, at most [`SERVICE_TYPE_BYTES_MAX`]; mostly empty.
    pub service_type: String,
}

/// A setting cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// A text is longer than the protocol has room for, or not printable ASCII.
    #[error("{field} must be printable ASCII of at most {bytes_max} bytes")]
    Text {
        /// Which.
        field: &'static str,
        /// How long it may be.
        bytes_max: usize,
    },
    /// A number is out of its range.
    #[error("{field} must be {min} to {max}")]
    Range {
        /// Which.
        field: &'static str,
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
}

impl SmppSettings {
    /// An account with everything else at its default: one plain transceiver with a window of 100.
    pub fn new(id: CarrierId, name: &str, address: &str) -> SmppSettings {
        SmppSettings {
            id,
            name: name.to_owned(),
            address: address.to_owned(),
            tls: None,
            system_id: String::new(),
            password: String::new(),
            system_type: String::new(),
            bind: BindMode::Transceiver,
            binds: 1,
            window: 100,
            enquire_link_ms: 30_000,
            answer_timeout_ms: 10_000,
            connect_timeout_ms: 10_000,
            reconnect_ms_min: 500,
            reconnect_ms_max: 30_000,
            source: Numbering::E164,
            destination: Numbering::E164,
            default_coding: DefaultCoding::Gsm7,
            ids: IdRule::default(),
            concatenation: Concatenation::Udh8,
            registered_delivery: 1,
            service_type: String::new(),
        }
    }

    /// Checks that every setting can be used.
    ///
    /// # Errors
    /// [`SettingsError`] names the first that cannot.
    pub fn check(&self) -> Result<(), SettingsError> {
        for (field, text, bytes_max) in [
            ("system_id", &self.system_id, SYSTEM_ID_BYTES_MAX),
            ("password", &self.password, PASSWORD_BYTES_MAX),
            ("system_type", &self.system_type, SYSTEM_TYPE_BYTES_MAX),
            ("service_type", &self.service_type, SERVICE_TYPE_BYTES_MAX),
        ] {
            let printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
            if text.len() > bytes_max || !printable {
                return Err(SettingsError::Text { field, bytes_max });
            }
        }
        for (field, value, min, max) in [
            ("binds", self.binds.into(), 1, BINDS_MAX.into()),
            ("window", self.window.into(), 1, WINDOW_MAX.into()),
            ("enquire_link_ms", self.enquire_link_ms, 1, u64::MAX),
            ("answer_timeout_ms", self.answer_timeout_ms, 1, u64::MAX),
            ("connect_timeout_ms", self.connect_timeout_ms, 1, u64::MAX),
            (
                "reconnect_ms_min",
                self.reconnect_ms_min,
                1,
                self.reconnect_ms_max,
            ),
        ] {
            if !(min..=max).contains(&value) {
                return Err(SettingsError::Range { field, min, max });
            }
        }
        Ok(())
    }
}

impl fmt::Debug for SmppSettings {
    /// Shows where it goes and who it is, never the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmppSettings")
            .field("name", &self.name)
            .field("address", &self.address)
            .field("system_id", &self.system_id)
            .field("bind", &self.bind)
            .field("binds", &self.binds)
            .field("window", &self.window)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_its_field_is_refused_before_any_bind() {
        let settings = || SmppSettings::new(CarrierId(2), "a", "localhost:2775");
        assert_eq!(settings().check(), Ok(()));
        let mut long = settings();
        long.system_id = "x".repeat(SYSTEM_ID_BYTES_MAX + 1);
        assert!(matches!(long.check(), Err(SettingsError::Text { .. })));
        let mut zero = settings();
        zero.password = "a\0b".to_owned();
        assert!(matches!(zero.check(), Err(SettingsError::Text { .. })));
        let mut shut = settings();
        shut.window = 0;
        assert!(matches!(shut.check(), Err(SettingsError::Range { .. })));
    }

    #[test]
    fn the_password_is_not_shown() {
        let mut settings = SmppSettings::new(CarrierId(2), "a", "localhost:2775");
        settings.password = "verysecret".to_owned();
        assert!(!format!("{settings:?}").contains("verysecret"));
    }
}
