//! Addresses by name: a host with its port, and the base address of an HTTP service.

use std::net::IpAddr;

/// The most characters of a host's name (RFC 1035, 2.3.4).
const HOST_CHARS_MAX: usize = 253;
/// The most characters of a name between two dots (RFC 1035, 2.3.4).
const LABEL_CHARS_MAX: usize = 63;
/// The most characters of a mail address (RFC 5321, 4.5.3.1.3).
const MAIL_ADDRESS_CHARS_MAX: usize = 254;
/// The most characters of what stands before its `@` (RFC 5321, 4.5.3.1.1).
const LOCAL_PART_CHARS_MAX: usize = 64;
/// The most characters of a base address: what is appended to it still fits any carrier's fields.
pub(crate) const BASE_URL_CHARS_MAX: usize = 1_000;

/// A host, and its port where one is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Authority<'a> {
    /// A name or an IP address, an IPv6 address without its brackets.
    pub(crate) host: &'a str,
    /// Never 0.
    pub(crate) port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// Reads `host`, `host:port`, `[address]` or `[address]:port`.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']')?;
                let is_v6 = host.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6());
                let port = if port.is_empty() {
                    None
                } else {
                    Some(port.strip_prefix(':')?)
                };
                (is_v6.then_some(host)?, port)
            }
            None => {
                let (host, port) = match text.split_once(':') {
                    Some((host, port)) => (host, Some(port)),
                    None => (text, None),
                };
                (is_name(host).then_some(host)?, port)
            }
        };
        let port = port.map_or(Some(None), |port| parse_port(port).map(Some))?;
        Some(Self { host, port })
    }

    fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

/// `str::parse` would take a sign.
fn parse_port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0)
}

/// Tells whether a text is a host's name or an IPv4 address.
fn is_name(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=LABEL_CHARS_MAX).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let last = text.rsplit('.').next().unwrap_or("");
    let looks_like_ip = last.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= HOST_CHARS_MAX
        && text.split('.').all(is_label)
        && (!looks_like_ip || text.parse::<IpAddr>().is_ok())
}

/// Tells whether a text names a host: a name or an IP address, without a port or brackets.
pub(crate) fn is_host(text: &str) -> bool {
    is_name(text) || text.parse::<IpAddr>().is_ok()
}

/// Tells whether a text is an IP address with a port.
pub(crate) fn is_socket_address(text: &str) -> bool {
    text.parse::<std::net::SocketAddr>().is_ok()
}

/// Tells whether a text is a mail address in ASCII: a dot-atom (RFC 5322, 3.2.3) and a domain.
pub(crate) fn is_mail_address(text: &str) -> bool {
    let is_atom = |atom: &str| {
        let in_atom =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
        !atom.is_empty() && atom.bytes().all(in_atom)
    };
    text.len() <= MAIL_ADDRESS_CHARS_MAX
        && text.rsplit_once('@').is_some_and(|(local, domain)| {
            local.len() <= LOCAL_PART_CHARS_MAX && local.split('.').all(is_atom) && is_name(domain)
        })
}

/// Tells whether a text is `host:port`.
pub(crate) fn is_host_and_port(text: &str) -> bool {
    Authority::parse(text).is_some_and(|authority| authority.port.is_some())
}

/// Tells whether a text is the base address of an HTTP service, to which paths are appended: https,
/// or http where nothing leaves the machine; no user, no query, no trailing slash.
pub(crate) fn is_base_url(text: &str) -> bool {
    let (encrypted, rest) = match text.strip_prefix("https://") {
        Some(rest) => (true, rest),
        None => match text.strip_prefix("http://") {
            Some(rest) => (false, rest),
            None => return false,
        },
    };
    let path_from = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(path_from);
    let in_path = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~%".contains(&byte);
    text.len() <= BASE_URL_CHARS_MAX
        && Authority::parse(authority).is_some_and(|host| encrypted || host.is_loopback())
        && path.bytes().all(in_path)
        && !path.ends_with('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_addresses_are_encrypted_or_on_loopback() {
        for text in [
            "https://api.telnyx.com",
            "https://sms.example.org:8443/didfarm",
            "https://192.0.2.1",
            "https://[2001:db8::1]:443",
            "http://localhost:8080",
            "http://127.0.0.1",
            "http://127.9.9.9:1/a/b",
            "http://[::1]:8080",
        ] {
            assert!(is_base_url(text), "{text}");
        }
    }

    #[test]
    fn what_paths_cannot_be_appended_to_is_no_base_address() {
        for text in [
            "",
            "https://",
            "api.telnyx.com",
            "http://api.telnyx.com",
            "http://localhost.example.org",
            "http://128.0.0.1",
            "ftp://localhost",
            "HTTPS://api.telnyx.com",
            "https://api.telnyx.com/",
            "https://api.telnyx.com/v2/",
            "https://api.telnyx.com?x=1",
            "https://api.telnyx.com/#a",
            "https://user@api.telnyx.com",
            "https://api.telnyx.com:0",
            "https://api.telnyx.com:+1",
            "https://api.telnyx.com:65536",
            "https://api.telnyx.com:",
            "https://api..telnyx.com",
            "https://-a.example.org",
            "https://1.2.3",
            "https://[127.0.0.1]",
            "https://[::1",
            "https://a b",
        ] {
            assert!(!is_base_url(text), "{text}");
        }
    }

    #[test]
    fn a_host_and_its_port_come_apart() {
        let parts = |text| Authority::parse(text).map(|a| (a.host, a.port));
        assert_eq!(
            parts("smsc-1.example.org:2775"),
            Some(("smsc-1.example.org", Some(2775)))
        );
        assert_eq!(parts("[::1]:2775"), Some(("::1", Some(2775))));
        assert_eq!(parts("localhost"), Some(("localhost", None)));
        assert!(is_host_and_port("10.0.0.1:2775") && !is_host_and_port("10.0.0.1"));
        assert!(is_host("::1") && is_host("a_b.example") && !is_host("a:1") && !is_host(""));
    }
}
