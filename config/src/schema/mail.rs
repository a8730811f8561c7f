//! What `[mail]` may be.

use super::rule::{milliseconds, rule, text, text_or_nothing, whole};
use super::{MINUTE_MS, Rule};
use crate::allowed::{Allowed, TEXT_CHARS_MAX};

/// The most characters of a name beside an address, or of a user name.
const NAME_CHARS_MAX: usize = 100;
/// The most characters of a password.
const PASSWORD_CHARS_MAX: usize = 4_096;
/// The most connections to a mail server, which has few for one client.
const CONNECTIONS_MAX: i64 = 64;

/// The most bytes of attachments: what most mail servers take (10 MiB).
const ATTACHMENTS_BYTES_MAX: i64 = 10 * 1024 * 1024;

/// The password of a mail server.
pub(crate) const SMTP_PASSWORD: Allowed = Allowed::Secret {
    chars_max: PASSWORD_CHARS_MAX,
};

/// `[mail]`.
pub(super) const MAIL: &[Rule] = &[
    rule("from", Allowed::MailAddress),
    rule("public_name", text(NAME_CHARS_MAX)),
    rule("maildir", text_or_nothing(TEXT_CHARS_MAX)),
    whole("attachments_bytes_max", "bytes", 0, ATTACHMENTS_BYTES_MAX),
    rule("smtp", Allowed::Section(SMTP)),
    rule("replies", Allowed::Section(REPLIES)),
];

const SMTP: &[Rule] = &[
    rule("host", Allowed::HostOrNothing),
    whole("port", "", 1, 65_535),
    rule("security", Allowed::OneOf(&["starttls", "tls", "none"])),
    rule("username", text_or_nothing(NAME_CHARS_MAX)),
    rule("password", SMTP_PASSWORD),
    rule("password_file", text(TEXT_CHARS_MAX)),
    milliseconds("timeout_ms", 10, 10 * MINUTE_MS),
    whole("connections_max", "connections", 1, CONNECTIONS_MAX),
    rule("extra_root_certificates", text_or_nothing(TEXT_CHARS_MAX)),
];

const REPLIES: &[Rule] = &[
    rule("listen", Allowed::AddressOrNothing),
    rule("maildir", text_or_nothing(TEXT_CHARS_MAX)),
    rule("domain", Allowed::HostOrNothing),
];
