//! Mail addresses: one mailbox at one domain, in ASCII.

use std::fmt;

use crate::text::one_line;

/// Longest local part, in octets (RFC 5321, 4.5.3.1.1).
pub const LOCAL_PART_BYTES_MAX: usize = 64;
/// Longest domain, in octets (RFC 1035, 2.3.4, without the root).
pub const DOMAIN_BYTES_MAX: usize = 253;
/// Longest address, in octets: a path of 256 without its angle brackets (RFC 5321, 4.5.3.1.3).
pub const ADDRESS_BYTES_MAX: usize = 254;
/// Longest label of a domain, in octets (RFC 1035, 2.3.4).
const LABEL_BYTES_MAX: usize = 63;
/// Longest display name that is written, in characters.
const NAME_CHARS_MAX: usize = 100;

/// Why a text is no address that mail is sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// There is nothing.
    #[error("an email address must not be empty")]
    Empty,
    /// There is no `@` with something on both sides.
    #[error("an email address has the form name@domain")]
    NoAt,
    /// It is longer than [`ADDRESS_BYTES_MAX`], or its local part than [`LOCAL_PART_BYTES_MAX`].
    #[error("the email address is too long: at most 64 characters before the @ and 254 in all")]
    TooLong,
    /// It holds what is not ASCII.
    #[error("the email address must be ASCII: write an international domain in its xn-- form")]
    NotAscii,
    /// What stands before the `@` is no dot-atom (RFC 5322, 3.2.3); quoted local parts are not taken.
    #[error("the part before the @ holds a character or a dot that is not allowed there")]
    LocalPart,
    /// What stands behind the `@` is no domain name.
    #[error("the part behind the @ is not a domain name")]
    Domain,
}

/// An address that mail is sent to or comes from: `name@domain`, a dot-atom and a domain name.
///
/// It can hold no space, control character, angle bracket or comma, so it is safe in a header and in an
/// SMTP command as it stands.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Address {
    text: Box<str>,
    at: usize,
}

impl Address {
    /// Reads an address; the domain is put in lower case, the local part is kept as it is.
    ///
    /// # Errors
    ///
    /// [`AddressError`] says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Address, AddressError> {
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        if !text.is_ascii() {
            return Err(AddressError::NotAscii);
        }
        let (local, domain) = text.rsplit_once('@').ok_or(AddressError::NoAt)?;
        if local.is_empty() || domain.is_empty() {
            return Err(AddressError::NoAt);
        }
        if local.len() > LOCAL_PART_BYTES_MAX || text.len() > ADDRESS_BYTES_MAX {
            return Err(AddressError::TooLong);
        }
        if !local
            .split('.')
            .all(|atom| !atom.is_empty() && atom.bytes().all(is_atom_byte))
        {
            return Err(AddressError::LocalPart);
        }
        if !is_domain(domain) {
            return Err(AddressError::Domain);
        }
        let at = local.len();
        let text = format!("{local}@{}", domain.to_ascii_lowercase()).into();
        Ok(Address { text, at })
    }

    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands before the `@`.
    pub fn local_part(&self) -> &str {
        &self.text[..self.at]
    }

    /// What stands behind the `@`, in lower case.
    pub fn domain(&self) -> &str {
        &self.text[self.at + 1..]
    }

    /// The same address as `lettre` has it.
    pub(crate) fn to_lettre(&self) -> lettre::Address {
        lettre::Address::new_dangerous(self.local_part(), self.domain())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address(…@{})", self.domain())
    }
}

/// `atext` of RFC 5322, 3.2.3.
fn is_atom_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

fn is_domain(domain: &str) -> bool {
    domain.len() <= DOMAIN_BYTES_MAX
        && domain.split('.').all(|label| {
            (1..=LABEL_BYTES_MAX).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
}

/// An address with the name that people see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    name: Option<Box<str>>,
    address: Address,
}

impl Mailbox {
    /// Puts a name to an address; line breaks and controls in the name become spaces.
    pub fn new(name: Option<&str>, address: Address) -> Mailbox {
        let name = name
            .map(|name| one_line(name, NAME_CHARS_MAX))
            .filter(|name| !name.is_empty())
            .map(String::into_boxed_str);
        Mailbox { name, address }
    }

    /// The address.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The name, one line.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    pub(crate) fn to_lettre(&self) -> lettre::message::Mailbox {
        lettre::message::Mailbox::new(
            self.name.as_deref().map(str::to_owned),
            self.address.to_lettre(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_as_written_with_its_domain_in_lower_case() {
        let address = Address::parse("Ann.Lee+sms@Mail.Example.COM").unwrap();
        assert_eq!(address.as_str(), "Ann.Lee+sms@mail.example.com");
        assert_eq!(
            (address.local_part(), address.domain()),
            ("Ann.Lee+sms", "mail.example.com")
        );
        assert!(!format!("{address:?}").contains("Ann"));
        for text in [
            "root@localhost",
            "o'hara@x-y.example",
            "a@xn--bcher-kva.example",
        ] {
            assert!(Address::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_its_reason() {
        use AddressError::{Domain, Empty, LocalPart, NoAt, NotAscii, TooLong};
        let long = format!("{}@example.com", "a".repeat(65));
        let longer = format!("a@{}", "abcdefgh.".repeat(28) + "com");
        let label = format!("a@{}.com", "b".repeat(64));
        for (text, expected) in [
            ("", Empty),
            ("ann", NoAt),
            ("@example.com", NoAt),
            ("ann@", NoAt),
            (&*long, TooLong),
            (&*longer, TooLong),
            ("jürgen@example.com", NotAscii),
            ("ann@bücher.example", NotAscii),
            ("ann lee@example.com", LocalPart),
            ("\"ann\"@example.com", LocalPart),
            (".ann@example.com", LocalPart),
            ("a..b@example.com", LocalPart),
            ("a@b@example.com", LocalPart),
            ("ann@example.com\r\nBcc: x@y.example", LocalPart),
            ("ann\n@example.com", LocalPart),
            ("<ann@example.com>", LocalPart),
            ("ann@example..com", Domain),
            ("ann@-example.com", Domain),
            ("ann@example.com.", Domain),
            ("ann@exa mple.com", Domain),
            ("ann@example.com>", Domain),
            ("ann@[127.0.0.1]", Domain),
            (&*label, Domain),
        ] {
            assert_eq!(Address::parse(text), Err(expected), "{text:?}");
        }
    }
}
