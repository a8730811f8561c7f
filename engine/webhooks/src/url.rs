//! The URL of a webhook endpoint, judged when it is registered.
//!
//! A name is judged again, by its addresses, on every connection; see [`connect`](crate::connect).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use ::url::{Host, Url};
use http::Uri;
use thiserror::Error;

use crate::guard::AddressGuard;

/// The longest URL, in bytes, as it is given and in its normal form.
pub const URL_BYTES_MAX: usize = 2048;
/// The longest host name and the longest label of it, in bytes (RFC 1035, 2.3.4).
const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;
/// The first port that no service of a system's own has.
const UNPRIVILEGED_PORT_MIN: u16 = 1024;

/// Which ports an endpoint may have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Ports {
    /// 80, 443 and every port from 1024.
    #[default]
    Usual,
    /// These and no others.
    Only(Box<[u16]>),
}

impl Ports {
    fn permit(&self, port: u16) -> bool {
        match self {
            Ports::Usual => matches!(port, 80 | 443) || port >= UNPRIVILEGED_PORT_MIN,
            Ports::Only(ports) => ports.contains(&port),
        }
    }
}

/// What the operator's settings say of endpoints' URLs.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Judges literal addresses. Plain HTTP is spoken to what it permits beyond the public addresses: loopback
    /// and the nets that the operator allows.
    pub guard: Arc<AddressGuard>,
    /// Host names, in lower case, to which plain HTTP is spoken.
    pub http_hosts: Box<[Box<str>]>,
    /// Which ports an endpoint may have.
    pub ports: Ports,
}

/// Why a URL is no endpoint's.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UrlError {
    /// It is too long.
    #[error("the url has {bytes} bytes, {URL_BYTES_MAX} are the most")]
    TooLong {
        /// Its length, or that of its normal form.
        bytes: usize,
    },
    /// Spaces, control characters and backslashes, which readers of URLs understand in different ways.
    #[error("the url holds a space, a control character or a backslash")]
    Characters,
    /// Neither `https://` nor `http://`.
    #[error("the url does not start with https://")]
    Scheme,
    /// Plain HTTP to a host to which it is not allowed.
    #[error("plain http is not allowed to this host, use https")]
    PlainHttp,
    /// A user name or a password.
    #[error("the url holds a user name or a password")]
    Userinfo,
    /// A fragment.
    #[error("the url holds a fragment")]
    Fragment,
    /// It cannot be read.
    #[error("the url is malformed")]
    Malformed,
    /// What stands for the host is no name of one.
    #[error("the host is no valid name")]
    Host,
    /// The host ends in a dot.
    #[error("the host ends in a dot")]
    TrailingDot,
    /// The port is not allowed.
    #[error("port {port} is not allowed")]
    Port {
        /// The port.
        port: u16,
    },
    /// An address to which nothing is sent.
    #[error("the host is an address that webhooks are not sent to")]
    ForbiddenAddress,
}

/// The URL of a webhook endpoint, in its normal form: host in ASCII and lower case, addresses in their usual
/// spelling, no default port.
#[derive(Clone, PartialEq, Eq)]
pub struct EndpointUrl {
    text: Box<str>,
    uri: Uri,
}

impl EndpointUrl {
    /// Reads and judges a URL.
    ///
    /// # Errors
    /// A [`UrlError`] that says what is wrong; the first rule that is broken is named.
    pub fn parse(text: &str, policy: &Policy) -> Result<EndpointUrl, UrlError> {
        check_text(text)?;
        let url = Url::parse(text).map_err(|_| UrlError::Malformed)?;
        if url.fragment().is_some() {
            return Err(UrlError::Fragment);
        }
        let port = url.port_or_known_default().ok_or(UrlError::Malformed)?;
        match url.host().ok_or(UrlError::Host)? {
            Host::Domain(name) => check_name(name, url.scheme(), policy)?,
            Host::Ipv4(ip) => check_literal(ip.into(), port, url.scheme(), policy)?,
            Host::Ipv6(ip) => check_literal(ip.into(), port, url.scheme(), policy)?,
        }
        if port == 0 || !policy.ports.permit(port) {
            return Err(UrlError::Port { port });
        }
        check_length(url.as_str())?;
        Ok(EndpointUrl {
            uri: url.as_str().parse().map_err(|_| UrlError::Malformed)?,
            text: String::from(url).into_boxed_str(),
        })
    }

    /// The normal form.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The normal form, as HTTP libraries take it.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }
}

impl fmt::Display for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Shows where it leads; path and query may hold a customer's token.
impl fmt::Debug for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.uri.scheme_str().unwrap_or_default();
        let authority = self
            .uri
            .authority()
            .map_or("", |authority| authority.as_str());
        write!(f, "EndpointUrl({scheme}://{authority}/…)")
    }
}

fn check_length(text: &str) -> Result<(), UrlError> {
    match text.len() {
        0..=URL_BYTES_MAX => Ok(()),
        bytes => Err(UrlError::TooLong { bytes }),
    }
}

/// Judges what a lenient reader would repair in silence.
fn check_text(text: &str) -> Result<(), UrlError> {
    check_length(text)?;
    if text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\') {
        return Err(UrlError::Characters);
    }
    let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
    if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
        return Err(UrlError::Scheme);
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match &rest[..end] {
        "" => Err(UrlError::Host),
        authority if authority.contains('@') => Err(UrlError::Userinfo),
        _ => Ok(()),
    }
}

fn check_name(name: &str, scheme: &str, policy: &Policy) -> Result<(), UrlError> {
    if name.ends_with('.') {
        return Err(UrlError::TrailingDot);
    }
    let is_label = |label: &str| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    if name.len() > NAME_BYTES_MAX || !name.split('.').all(is_label) {
        return Err(UrlError::Host);
    }
    // RFC 6761, 6.3: these names are loopback by definition.
    let is_loopback = name == "localhost" || name.ends_with(".localhost");
    if is_loopback && !policy.guard.permits(Ipv4Addr::LOCALHOST.into()) {
        return Err(UrlError::ForbiddenAddress);
    }
    let is_http_host = is_loopback || policy.http_hosts.iter().any(|host| **host == *name);
    if scheme == "http" && !is_http_host {
        return Err(UrlError::PlainHttp);
    }
    Ok(())
}

fn check_literal(ip: IpAddr, port: u16, scheme: &str, policy: &Policy) -> Result<(), UrlError> {
    if !policy.guard.permits_socket(SocketAddr::new(ip, port)) {
        return Err(UrlError::ForbiddenAddress);
    }
    let spelling = ip.to_canonical().to_string();
    let is_http_host =
        policy.guard.allows(ip) || policy.http_hosts.iter().any(|host| **host == *spelling);
    if scheme == "http" && !is_http_host {
        return Err(UrlError::PlainHttp);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_length_is_exact_and_holds_for_the_normal_form_too() {
        let policy = Policy::default();
        let padded = |bytes: usize| format!("https://a.example/{}", "x".repeat(bytes - 18));
        assert!(EndpointUrl::parse(&padded(URL_BYTES_MAX), &policy).is_ok());
        let error = EndpointUrl::parse(&padded(URL_BYTES_MAX + 1), &policy).unwrap_err();
        assert_eq!(
            error,
            UrlError::TooLong {
                bytes: URL_BYTES_MAX + 1
            }
        );
        let grows = format!("https://a.example/{}", "ü".repeat(500));
        let error = EndpointUrl::parse(&grows, &policy).unwrap_err();
        assert_eq!(
            error,
            UrlError::TooLong {
                bytes: 18 + 6 * 500
            }
        );
    }

    #[test]
    fn debug_shows_neither_path_nor_query() {
        let url = EndpointUrl::parse("https://a.example/in/t0ken?key=s3cret", &Policy::default())
            .unwrap();
        assert_eq!(format!("{url:?}"), "EndpointUrl(https://a.example/…)");
        assert_eq!(url.as_str(), "https://a.example/in/t0ken?key=s3cret");
    }
}
