//! `[mail]`: who mails come from, what takes them, and where replies come in.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::carriers::SecretSlot;
use crate::schema::mail::SMTP_PASSWORD;
use crate::secret::Secret;

/// `[mail]`: who mails come from, what takes them, and where replies come in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MailSettings {
    /// The address that mails come from; bounces go there.
    pub from: String,
    /// The name beside it.
    pub public_name: String,
    /// The maildir that mails go to without a server; empty for one in the data directory, see
    /// [`crate::Settings::maildir`].
    pub maildir: PathBuf,
    /// The most bytes of a message's files that go with its mail, all of them together; 0 for none.
    pub attachments_bytes_max: usize,
    /// The server that takes mails.
    pub smtp: SmtpSettings,
    /// Replies to forwarded messages.
    pub replies: ReplySettings,
}

/// `[mail.smtp]`: the server that takes mails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SmtpSettings {
    /// Its name or address; empty for none: mails go into the maildir.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How connections are protected.
    pub security: SmtpSecurity,
    /// The user name; empty where it asks for none.
    pub username: String,
    /// The password.
    #[serde(skip_serializing_if = "Secret::stands_elsewhere")]
    pub password: Secret,
    /// The file that holds the password instead.
    #[serde(skip_serializing_if = "crate::sections::is_unset")]
    pub password_file: PathBuf,
    /// How long connecting, and each command, may take.
    pub timeout_ms: u64,
    /// The most connections at once.
    pub connections_max: usize,
    /// A PEM file of further certificate authorities that are trusted; empty for none.
    pub extra_root_certificates: PathBuf,
}

/// How connections to the mail server are protected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SmtpSecurity {
    /// TLS after `STARTTLS` (RFC 3207), or no mail.
    #[default]
    Starttls,
    /// TLS from the first byte (RFC 8314, 3).
    Tls,
    /// Not at all.
    None,
}

/// `[mail.replies]`: replies to forwarded messages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReplySettings {
    /// Where replies are listened for by LMTP; empty for nowhere. See
    /// [`ReplySettings::listen_address`].
    pub listen: String,
    /// The maildir that replies are delivered to; empty for none.
    pub maildir: PathBuf,
    /// The domain of reply addresses, `reply+TOKEN@domain`; empty for none.
    pub domain: String,
}

impl Default for MailSettings {
    fn default() -> Self {
        Self {
            from: "didfarm@localhost".to_owned(),
            public_name: "didfarm".to_owned(),
            maildir: PathBuf::new(),
            attachments_bytes_max: 5 * 1024 * 1024,
            smtp: SmtpSettings::default(),
            replies: ReplySettings::default(),
        }
    }
}

impl MailSettings {
    pub(crate) fn secrets(&mut self) -> Vec<SecretSlot<'_>> {
        vec![SecretSlot {
            file_key: "smtp.password_file",
            file: &self.smtp.password_file,
            secret: &mut self.smtp.password,
            allowed: &SMTP_PASSWORD,
        }]
    }
}

impl Default for SmtpSettings {
    fn default() -> Self {
        Self {
            host: String::new(),
            port: 587,
            security: SmtpSecurity::default(),
            username: String::new(),
            password: Secret::default(),
            password_file: PathBuf::new(),
            timeout_ms: 30_000,
            connections_max: 4,
            extra_root_certificates: PathBuf::new(),
        }
    }
}

impl SmtpSettings {
    /// Returns `host`, if one is set.
    pub fn host(&self) -> Option<&str> {
        super::set(&self.host)
    }

    /// Returns user name and password, if they are set.
    pub fn credentials(&self) -> Option<(&str, &str)> {
        super::set(&self.username).map(|name| (name, self.password.expose()))
    }

    /// Returns `timeout_ms`.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    /// Returns `extra_root_certificates`, unless there are none.
    pub fn extra_root_certificates(&self) -> Option<&Path> {
        super::set_path(&self.extra_root_certificates)
    }
}

impl ReplySettings {
    /// Returns `listen`, unless it is empty.
    pub fn listen_address(&self) -> Option<SocketAddr> {
        self.listen.parse().ok()
    }

    /// Returns `maildir`, if one is set.
    pub fn maildir(&self) -> Option<&Path> {
        super::set_path(&self.maildir)
    }

    /// Returns `domain`, if one is set.
    pub fn domain(&self) -> Option<&str> {
        super::set(&self.domain)
    }
}
