//! Sids: two letters and 32 hexadecimal digits, which are our id.

use didfarm_core::ids::{AccountId, ID_MAX, MessageId, PoolId};

/// What an account's sid starts with.
const ACCOUNT: &str = "AC";
/// What a message's sid starts with.
const MESSAGE: &str = "SM";
/// What a messaging service's sid starts with.
const POOL: &str = "MG";
/// Digits behind the letters.
const DIGITS: usize = 32;

/// The sid of an account.
pub fn account(id: AccountId) -> String {
    format!("{ACCOUNT}{:032x}", id.get())
}

/// The sid of a message.
pub fn message(id: MessageId) -> String {
    format!("{MESSAGE}{:032x}", id.get())
}

/// The sid of a pool, which is a messaging service there.
pub fn pool(id: PoolId) -> String {
    format!("{POOL}{:032x}", id.get())
}

/// The pool that a sid stands for.
pub fn read_pool(sid: &str) -> Option<PoolId> {
    read(POOL, sid).map(PoolId)
}

/// The account that a sid stands for.
pub fn read_account(sid: &str) -> Option<AccountId> {
    u32::try_from(read(ACCOUNT, sid)?).ok().map(AccountId)
}

/// The message that a sid stands for.
pub fn read_message(sid: &str) -> Option<MessageId> {
    read(MESSAGE, sid).map(MessageId)
}

fn read(letters: &str, sid: &str) -> Option<u64> {
    let digits = sid.strip_prefix(letters)?;
    let fits = digits.len() == DIGITS && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let value = u128::from_str_radix(digits, 16).ok().filter(|_| fits)?;
    let value = u64::try_from(value).ok()?;
    (1..=ID_MAX).contains(&value).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sid_leads_back_to_its_id() {
        for id in [1, 65_537, ID_MAX] {
            assert_eq!(read_message(&message(MessageId(id))), Some(MessageId(id)));
        }
        assert_eq!(read_pool(&pool(PoolId(ID_MAX))), Some(PoolId(ID_MAX)));
        for id in [1, u32::MAX] {
            assert_eq!(read_account(&account(AccountId(id))), Some(AccountId(id)));
        }
        assert_eq!(account(AccountId(42)), format!("AC{}2a", "0".repeat(30)));
    }

    #[test]
    fn what_is_no_sid_leads_nowhere() {
        let zeros = "0".repeat(31);
        for text in [
            String::new(),
            "SM".to_owned(),
            format!("SM{zeros}0"),
            format!("SM{zeros}g"),
            format!("SM+{zeros}"),
            format!("SM{zeros}11"),
            format!("MM{zeros}1"),
            format!("SM{}", "f".repeat(32)),
            format!("SM{}ü", "0".repeat(30)),
        ] {
            assert_eq!(read_message(&text), None, "{text}");
        }
        assert_eq!(read_account(&format!("AC{:032x}", 1u64 << 32)), None);
    }
}
