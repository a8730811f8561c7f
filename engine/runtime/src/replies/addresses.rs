//! Reply addresses: `reply+TOKEN@domain`.

use didfarm_mail::address::{Address, AddressError};
use didfarm_mail::token::{PREFIX, ReplyTarget, TOKEN_CHARS, TokenError, Tokens};

/// Why mail for an address is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoReplyAddress {
    /// It is of another domain.
    #[error("this server takes replies only")]
    Domain,
    /// It answers no conversation.
    #[error(transparent)]
    Token(#[from] TokenError),
}

/// Makes and reads them.
pub(crate) struct ReplyAddresses {
    tokens: Tokens,
    domain: Box<str>,
}

impl ReplyAddresses {
    /// Those of a domain.
    ///
    /// # Errors
    /// No address of ours fits the domain.
    pub(crate) fn new(tokens: Tokens, domain: &str) -> Result<ReplyAddresses, AddressError> {
        // As long as any.
        let local = format!("{PREFIX}{}", "0".repeat(TOKEN_CHARS));
        let longest = Address::parse(&format!("{local}@{domain}"))?;
        Ok(ReplyAddresses {
            tokens,
            domain: longest.domain().into(),
        })
    }

    /// The domain.
    pub(crate) fn domain(&self) -> &str {
        &self.domain
    }

    /// The address of what answers so.
    pub(crate) fn of(&self, target: ReplyTarget) -> Address {
        let local = self.tokens.mint(target);
        Address::parse(&format!("{local}@{}", self.domain))
            .expect("an address as long as this was taken")
    }

    /// Which conversation an address answers, in either case.
    ///
    /// # Errors
    /// [`NoReplyAddress`] says why it answers none.
    pub(crate) fn read(&self, address: &str) -> Result<ReplyTarget, NoReplyAddress> {
        let (local, domain) = address.rsplit_once('@').ok_or(NoReplyAddress::Domain)?;
        if !domain.eq_ignore_ascii_case(&self.domain) {
            return Err(NoReplyAddress::Domain);
        }
        Ok(self.tokens.read(local)?)
    }

    /// The conversations whose reply addresses stand in a text.
    pub(crate) fn find(&self, text: &str) -> Vec<ReplyTarget> {
        let word = |c: char| c.is_whitespace() || matches!(c, '<' | '>' | ',' | ';' | '"');
        let mut found = Vec::new();
        for read in text.split(word).filter_map(|word| self.read(word).ok()) {
            if !found.contains(&read) {
                found.push(read);
            }
        }
        found
    }
}
