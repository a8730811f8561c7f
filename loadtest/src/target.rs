//! The address under test, from a plain `http://host:port` URL.

use std::net::{SocketAddr, ToSocketAddrs};

/// Why a target URL cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The URL is not `http://host:port` without a path.
    #[error(
        "the target {url:?} is not of the form http://host:port; give it without a path and without TLS"
    )]
    Form {
        /// The URL as given.
        url: String,
    },
    /// The host has no address.
    #[error("the target {url:?} has no address; check the host name and the port")]
    Unresolved {
        /// The URL as given.
        url: String,
        /// What the resolver said.
        source: std::io::Error,
    },
}

/// One HTTP server, resolved once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Host and port as written in the `Host` header.
    pub authority: String,
    /// The first address that the authority resolves to.
    pub address: SocketAddr,
}

impl Target {
    /// Parses and resolves `http://host:port`; a trailing slash is allowed and port 80 is the default.
    ///
    /// # Errors
    /// [`TargetError`] when the URL has another form or the host does not resolve.
    pub fn parse(url: &str) -> Result<Self, TargetError> {
        let form = || TargetError::Form {
            url: url.to_owned(),
        };
        let authority = url.strip_prefix("http://").ok_or_else(form)?;
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        if authority.is_empty() || authority.contains(['/', '?', '#', '@', ' ']) {
            return Err(form());
        }
        let has_port = authority
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let resolvable = if has_port {
            authority.to_owned()
        } else {
            format!("{authority}:80")
        };
        let unresolved = |source| TargetError::Unresolved {
            url: url.to_owned(),
            source,
        };
        let mut addresses = resolvable.to_socket_addrs().map_err(unresolved)?;
        let address = addresses.next().ok_or_else(|| {
            unresolved(std::io::Error::from(std::io::ErrorKind::AddrNotAvailable))
        })?;
        Ok(Self {
            authority: authority.to_owned(),
            address,
        })
    }
}

impl From<SocketAddr> for Target {
    fn from(address: SocketAddr) -> Self {
        Self {
            authority: address.to_string(),
            address,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_url_is_resolved() {
        let target = Target::parse("http://127.0.0.1:8080/").unwrap();
        assert_eq!(target.authority, "127.0.0.1:8080");
        assert_eq!(target.address, "127.0.0.1:8080".parse().unwrap());
        assert_eq!(
            Target::parse("http://127.0.0.1").unwrap().address.port(),
            80
        );
    }

    #[test]
    fn other_forms_are_refused() {
        for url in [
            "https://127.0.0.1:1",
            "127.0.0.1:1",
            "http://",
            "http://h:1/path",
            "http://a@h:1",
        ] {
            assert!(
                matches!(Target::parse(url), Err(TargetError::Form { .. })),
                "{url}"
            );
        }
    }
}
