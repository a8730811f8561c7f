//! V19: idempotency keys, and what was answered under them.

use didfarm_core::channel::Direction;
use didfarm_core::idempotency::GuardedAnswer;
use didfarm_core::ids::{BatchId, MessageId};

use super::audit::{Audit, Found};
use super::maps::{BATCHES, GUARDED, MESSAGES, hex};
use super::owners::Owners;
use crate::records::keys::{self, MAPS};
use crate::records::round::GuardedRow;

/// Looks at every key.
pub(super) fn check(audit: &mut Audit<'_>, owners: &Owners) {
    audit.walk(&GUARDED, |audit, key, row| {
        audit.report.guarded += 1;
        let subject = || format!("idempotency key {}", hex(key));
        if keys::guarded_of(key).is_none() {
            audit.breach("V10", subject(), "its key is none of its kind");
        }
        let account = row.account;
        if audit.is_whole(MAPS.accounts) && !owners.wallets.contains_key(&account) {
            audit.breach(
                "V19",
                subject(),
                format!("its account {account} does not exist"),
            );
        }
        if let Some(clash) = clash(audit, &row) {
            audit.breach("V19", subject(), clash);
        }
    });
}

/// What is wrong with an answer.
fn clash(audit: &mut Audit<'_>, row: &GuardedRow) -> Option<String> {
    match &row.answer {
        GuardedAnswer::Message(id, _) => message_clash(audit, row, *id),
        GuardedAnswer::Endpoint(endpoint) => {
            audit.highest.endpoint = audit.highest.endpoint.max(endpoint.id.get());
            (endpoint.account != row.account)
                .then(|| format!("the endpoint {} is of another account", endpoint.id))
        }
        GuardedAnswer::Batch(id) => batch_clash(audit, row, *id),
        GuardedAnswer::Pool(pool) => (pool.id.account() != row.account.get())
            .then(|| format!("the pool {} is of another account", pool.id)),
        GuardedAnswer::TopUp(_) => None,
        GuardedAnswer::Mail(id) => {
            audit.highest.mail = audit.highest.mail.max(id.get());
            None
        }
    }
}

/// A key and its batch are of one entry, or the key was carried over by a later one.
fn batch_clash(audit: &mut Audit<'_>, row: &GuardedRow, id: BatchId) -> Option<String> {
    match audit.get(&BATCHES, &keys::batch(row.account, id)) {
        Found::Record(batch) => {
            (row.at < batch.created_at).then(|| format!("its batch {id} was begun at a later time"))
        }
        Found::Missing if audit.is_whole(MAPS.batches) => {
            Some(format!("its batch {id} is not stored"))
        }
        Found::Missing | Found::Unreadable => None,
    }
}

/// A key and its message are of one entry.
fn message_clash(audit: &mut Audit<'_>, row: &GuardedRow, id: MessageId) -> Option<String> {
    let message = match audit.get(&MESSAGES, &keys::id(id.get())) {
        Found::Record(message) => message,
        Found::Missing if audit.is_whole(MAPS.messages) => {
            return Some(format!("its message {id} is not stored"));
        }
        Found::Missing | Found::Unreadable => return None,
    };
    let rules = [
        (message.account == row.account, "is of another account"),
        (message.direction == Direction::Outbound, "is inbound"),
        (message.created_at == row.at, "was accepted at another time"),
    ];
    let broken = rules.into_iter().find(|(holds, _)| !holds);
    broken.map(|(_, clash)| format!("its message {id} {clash}"))
}
