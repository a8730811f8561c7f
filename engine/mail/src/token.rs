//! The token in a reply address: which conversation of which account a mail answers, and how.
//!
//! `reply+<token>@domain`. The token is 25 bytes in Crockford's base 32: seven of the conversation id,
//! whose highest bit says that the answer goes by WhatsApp, four of the account id, and fourteen of an
//! HMAC-SHA256 over both. Whoever holds a token can answer
//! that one conversation, and make no other. Mail systems change the case of local parts (RFC 5321, 2.4,
//! forbids it, and they do), so case does not count.

use std::fmt;

use didfarm_core::channel::Channel;
use didfarm_core::ids::{AccountId, ConversationId, ID_MAX};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// What every reply address begins with.
pub const PREFIX: &str = "reply+";
/// Fewest bytes of the server's secret.
pub const SECRET_BYTES_MIN: usize = 32;
/// Digits of a token: 25 bytes of five bits each.
pub const TOKEN_CHARS: usize = 40;

const CONVERSATION_BYTES: usize = 7;
const ACCOUNT_BYTES: usize = 4;
/// Set in the conversation's first byte for WhatsApp; ids need 53 of the 56 bits.
const WHATSAPP_BIT: u8 = 0x80;
const IDS_BYTES: usize = CONVERSATION_BYTES + ACCOUNT_BYTES;
/// 112 bits: a guess meets one in 5 · 10^33.
const MAC_BYTES: usize = 14;
const TOKEN_BYTES: usize = IDS_BYTES + MAC_BYTES;
/// Keeps this use of the secret apart from any other.
const PURPOSE: &[u8] = b"didfarm reply address 1\0";
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

const _: () = assert!(TOKEN_BYTES * 8 == TOKEN_CHARS * 5);

/// The secret is too short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the secret of reply addresses needs at least {SECRET_BYTES_MIN} bytes")]
pub struct SecretTooShort;

/// Why a local part answers no conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It does not begin with [`PREFIX`]: the mail is for somebody else.
    #[error("not a reply address")]
    NotReply,
    /// What follows is not [`TOKEN_CHARS`] digits of the alphabet: it was cut or mistyped.
    #[error("the reply address is damaged")]
    Damaged,
    /// It was not made with our secret.
    #[error("the reply address is not genuine")]
    Forged,
}

/// What a mail answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyTarget {
    /// The conversation.
    pub conversation: ConversationId,
    /// Whose it is.
    pub account: AccountId,
    /// What the answered message came by, and the answer goes by.
    pub channel: Channel,
}

/// Makes and reads reply addresses. The first secret makes them, every one is accepted.
#[derive(Clone)]
pub struct Tokens {
    keys: Vec<Hmac<Sha256>>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

impl Tokens {
    /// Takes the server's secret, and those before it that old mails were sent with.
    ///
    /// # Errors
    ///
    /// [`SecretTooShort`] if one has fewer than [`SECRET_BYTES_MIN`] bytes.
    pub fn new(secret: &[u8], earlier: &[&[u8]]) -> Result<Tokens, SecretTooShort> {
        let keys = std::iter::once(&secret)
            .chain(earlier)
            .map(|secret| {
                if secret.len() < SECRET_BYTES_MIN {
                    return Err(SecretTooShort);
                }
                Ok(Hmac::new_from_slice(secret).expect("HMAC takes a key of any length"))
            })
            .collect::<Result<_, _>>()?;
        Ok(Tokens { keys })
    }

    /// The local part of what answers so, 46 octets in lower case.
    pub fn mint(&self, target: ReplyTarget) -> String {
        let ReplyTarget {
            conversation,
            account,
            channel,
        } = target;
        let mut bytes = [0; TOKEN_BYTES];
        bytes[..CONVERSATION_BYTES].copy_from_slice(&conversation.0.to_be_bytes()[1..]);
        if channel == Channel::WhatsApp {
            bytes[0] |= WHATSAPP_BIT;
        }
        bytes[CONVERSATION_BYTES..IDS_BYTES].copy_from_slice(&account.0.to_be_bytes());
        let proof = proof(&self.keys[0], &bytes[..IDS_BYTES]);
        bytes[IDS_BYTES..].copy_from_slice(&proof);
        let mut local = String::with_capacity(PREFIX.len() + TOKEN_CHARS);
        local.push_str(PREFIX);
        local.extend(spell(&bytes));
        local
    }

    /// Reads a local part in either case.
    ///
    /// # Errors
    ///
    /// [`TokenError`] says whether it is none of ours, damaged or forged.
    pub fn read(&self, local_part: &str) -> Result<ReplyTarget, TokenError> {
        let token = local_part
            .get(..PREFIX.len())
            .filter(|prefix| prefix.eq_ignore_ascii_case(PREFIX))
            .map(|_| &local_part[PREFIX.len()..])
            .ok_or(TokenError::NotReply)?;
        let bytes = unspell(token).ok_or(TokenError::Damaged)?;
        let (ids, given) = bytes.split_at(IDS_BYTES);
        // Every key is tried, so that the time does not tell which one fits.
        let genuine = self.keys.iter().fold(0u8, |genuine, key| {
            genuine | proof(key, ids).ct_eq(given).unwrap_u8()
        });
        if genuine == 0 {
            return Err(TokenError::Forged);
        }
        let number = |bytes: &[u8]| bytes.iter().fold(0u64, |n, byte| n << 8 | u64::from(*byte));
        let (first, rest) = (ids[0], &ids[1..CONVERSATION_BYTES]);
        let conversation = number(&[first & !WHATSAPP_BIT]) << (8 * rest.len()) | number(rest);
        let account = number(&ids[CONVERSATION_BYTES..]);
        if !(1..=ID_MAX).contains(&conversation) {
            return Err(TokenError::Forged);
        }
        let account = u32::try_from(account).expect("four bytes");
        Ok(ReplyTarget {
            conversation: ConversationId(conversation),
            account: AccountId(account),
            channel: match first & WHATSAPP_BIT {
                0 => Channel::Sms,
                _ => Channel::WhatsApp,
            },
        })
    }
}

fn proof(key: &Hmac<Sha256>, ids: &[u8]) -> [u8; MAC_BYTES] {
    let mut mac = key.clone();
    mac.update(PURPOSE);
    mac.update(ids);
    let whole = mac.finalize().into_bytes();
    whole[..MAC_BYTES].try_into().expect("SHA-256 has 32 bytes")
}

fn spell(bytes: &[u8; TOKEN_BYTES]) -> impl Iterator<Item = char> + '_ {
    bytes.chunks_exact(5).flat_map(|five| {
        let bits = five
            .iter()
            .fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
        (0..8)
            .rev()
            .map(move |digit| char::from(ALPHABET[(bits >> (digit * 5) & 31) as usize]))
    })
}

fn unspell(token: &str) -> Option<[u8; TOKEN_BYTES]> {
    if token.len() != TOKEN_CHARS {
        return None;
    }
    let mut bytes = [0; TOKEN_BYTES];
    for (digits, five) in token
        .as_bytes()
        .chunks_exact(8)
        .zip(bytes.chunks_exact_mut(5))
    {
        let bits = digits.iter().try_fold(0u64, |bits, digit| {
            let digit = digit.to_ascii_lowercase();
            let place = ALPHABET.iter().position(|known| *known == digit)?;
            Some(bits << 5 | place as u64)
        })?;
        five.copy_from_slice(&bits.to_be_bytes()[3..]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tokens(byte: u8) -> Tokens {
        Tokens::new(&[byte; 32], &[]).unwrap()
    }

    fn target(conversation: u64, account: u32, channel: Channel) -> ReplyTarget {
        ReplyTarget {
            conversation: ConversationId(conversation),
            account: AccountId(account),
            channel,
        }
    }

    proptest! {
        #[test]
        fn what_is_minted_is_read_in_any_case(
            conversation in 1..=ID_MAX,
            account in any::<u32>(),
            channel in prop_oneof![Just(Channel::Sms), Just(Channel::WhatsApp)],
        ) {
            let ids = target(conversation, account, channel);
            let local = tokens(1).mint(ids);
            let address = crate::address::Address::parse(&format!("{local}@a.example"));
            prop_assert!(address.is_ok());
            prop_assert_eq!(tokens(1).read(&local), Ok(ids));
            prop_assert_eq!(tokens(1).read(&local.to_uppercase()), Ok(ids));
        }

        #[test]
        fn no_changed_digit_is_accepted(place in 0..TOKEN_CHARS, turn in 1usize..32) {
            let mut local = tokens(1).mint(target(77, 3, Channel::Sms)).into_bytes();
            let digit = &mut local[PREFIX.len() + place];
            let known = ALPHABET.iter().position(|known| known == digit).unwrap();
            *digit = ALPHABET[(known + turn) % 32];
            let local = String::from_utf8(local).unwrap();
            prop_assert_eq!(tokens(1).read(&local), Err(TokenError::Forged));
        }

        #[test]
        fn any_text_is_judged_without_a_panic(text in any::<String>()) {
            prop_assert!(tokens(1).read(&text).is_err());
        }
    }

    #[test]
    fn what_is_no_token_of_ours_is_refused_with_its_reason() {
        let local = tokens(1).mint(target(5, 9, Channel::WhatsApp));
        let replaced = local.replacen(PREFIX, "replies+", 1);
        for (text, expected) in [
            ("", TokenError::NotReply),
            ("postmaster", TokenError::NotReply),
            (&*replaced, TokenError::NotReply),
            ("reply+", TokenError::Damaged),
            (&local[..local.len() - 1], TokenError::Damaged),
            (&format!("{local}0"), TokenError::Damaged),
            (
                &format!("{}u", &local[..local.len() - 1]),
                TokenError::Damaged,
            ),
            (&format!("reply+{}", "0".repeat(40)), TokenError::Forged),
        ] {
            assert_eq!(tokens(1).read(text), Err(expected), "{text}");
        }
        assert_eq!(tokens(2).read(&local), Err(TokenError::Forged));
    }

    #[test]
    fn an_earlier_secret_still_reads_and_no_longer_mints() {
        let rotated = Tokens::new(&[2; 32], &[&[1; 32]]).unwrap();
        let ids = target(5, 9, Channel::Sms);
        assert_eq!(rotated.read(&tokens(1).mint(ids)), Ok(ids));
        assert_eq!(rotated.mint(ids), tokens(2).mint(ids));
        assert!(Tokens::new(&[2; 31], &[]).is_err());
        assert!(Tokens::new(&[2; 32], &[&[1; 31]]).is_err());
        assert!(!format!("{rotated:?}").contains('2'));
    }
}
