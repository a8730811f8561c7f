//! Idempotency keys at the door: claiming one, and what a request was answered with the first time.

use std::sync::Arc;

use didfarm_core::channel::Direction;
use didfarm_core::idempotency::{Fingerprint, KeyHash, Slot};
use didfarm_core::ids::{AccountId, MessageId};
use didfarm_core::message::Message;
use didfarm_core::peer::Peer;
use didfarm_core::time::Timestamp;
use didfarm_core::webhook::endpoint::Endpoint;
use didfarm_store::records::round::GuardedRow;
use didfarm_webhooks::Secret;
use tokio::sync::oneshot;

use super::EngineHandle;
use super::reads::damaged;
use crate::idempotency::sweep::is_kept;
use crate::idempotency::table::Look;
use crate::idempotency::{
    ClaimError, Claimed, GuardedRoute, IdempotencyKey, fingerprint_of, hash_of,
};
use crate::meters::idempotency::KeyOutcome;
use crate::read::ReadError;
use crate::send::{SentMessage, Unavailable};
use crate::shared::Shared;
use crate::webhooks::{Created, EndpointView};

impl EngineHandle {
    /// Claims a key for a request with this body: the request is to be carried out, or to be answered as
    /// the first one with the key was.
    ///
    /// # Errors
    /// See [`ClaimError`].
    pub async fn claim(
        &self,
        account: AccountId,
        route: GuardedRoute,
        key: &IdempotencyKey,
        body: &[u8],
    ) -> Result<Claimed, ClaimError> {
        let shared = &self.shared;
        let pair = (hash_of(account, route, key), fingerprint_of(body));
        let claimed = claim(shared, account, pair).await;
        shared.keys.count(match &claimed {
            Ok(Claimed::Fresh(_)) => KeyOutcome::Begun,
            Ok(Claimed::Done(_)) => KeyOutcome::Replayed,
            Err(ClaimError::InProgress) => KeyOutcome::InProgress,
            Err(ClaimError::Reused) => KeyOutcome::Reused,
            Err(ClaimError::Unread(_)) => return claimed,
        });
        claimed
    }

    /// A message as its acceptance was answered; `send_at` as it was then.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn sent_message(
        &self,
        account: AccountId,
        id: MessageId,
        send_at: Option<Timestamp>,
    ) -> Result<SentMessage, ReadError> {
        let message = self.message(account, id).await?;
        let sent = message.and_then(|message| sent_again(message, send_at));
        sent.ok_or_else(|| ReadError::Damaged {
            sentence: format!("an idempotency key leads to {id}, which is no message sent"),
        })
    }

    /// An endpoint as its making was answered.
    pub fn created_endpoint(&self, endpoint: Box<Endpoint>) -> Created {
        let keys = endpoint.keys.first().map(|live| &live.keys);
        let private = keys.and_then(|keys| keys.private_key.as_ref());
        let private = private.and_then(|private| Secret::parse(&private.0).ok());
        let secret = keys.map(|keys| keys.secret.clone());
        Created {
            secret: secret.expect("an endpoint is made with keys"),
            public_key: private.and_then(|private| private.public_key()),
            view: EndpointView {
                endpoint: *endpoint,
                pending: 0,
            },
        }
    }
}

async fn claim(
    shared: &Arc<Shared>,
    account: AccountId,
    (key, fingerprint): (KeyHash, Fingerprint),
) -> Result<Claimed, ClaimError> {
    let applied = shared.keeper.applied();
    let pair = (key, fingerprint);
    let guard = match shared.keys.look(account, pair, shared.now(), applied) {
        Look::Claimed(guard) => guard,
        Look::InProgress => return Err(ClaimError::InProgress),
        Look::Reused => return Err(ClaimError::Reused),
        Look::Done(answer) => return Ok(Claimed::Done(answer)),
    };
    // Only after the claim: whatever was done under the key before is in the table or in the records.
    let slots = shared.keys.slots_of(key);
    if slots.is_empty() {
        return Ok(Claimed::Fresh(guard));
    }
    match stored(shared, slots, key).await? {
        None => Ok(Claimed::Fresh(guard)),
        Some(row) if row.fingerprint != fingerprint => Err(ClaimError::Reused),
        Some(row) => Ok(Claimed::Done(row.answer)),
    }
}

/// What the records as they are hold of a key in the first of these slots, unless it is too old.
async fn stored(
    shared: &Arc<Shared>,
    slots: Vec<Slot>,
    key: KeyHash,
) -> Result<Option<GuardedRow>, ReadError> {
    let permit = shared.admission.admit().ok_or(Unavailable::Busy)?;
    let (reply, answer) = oneshot::channel();
    let engine = Arc::clone(shared);
    shared.readers.run(Box::new(move || {
        let _permit = permit;
        // The asker may leave now.
        let _ = reply.send(find(&engine, &slots, key));
    }));
    let found = answer.await;
    found.unwrap_or(Err(ReadError::Unavailable(Unavailable::Faulted)))
}

fn find(shared: &Shared, slots: &[Slot], key: KeyHash) -> Result<Option<GuardedRow>, ReadError> {
    for slot in slots {
        let row = shared.records.guarded(*slot, key).map_err(damaged)?;
        if let Some(row) = row {
            let is_kept = is_kept(shared, &row, shared.now()).map_err(damaged)?;
            return Ok(is_kept.then_some(row));
        }
    }
    Ok(None)
}

/// An outbound message as its acceptance was answered: nothing of that ever changes but its time.
fn sent_again(message: Message, send_at: Option<Timestamp>) -> Option<SentMessage> {
    let Peer::Number(from) = message.from else {
        return None;
    };
    (message.direction == Direction::Outbound).then_some(SentMessage {
        id: message.id,
        conversation: message.conversation,
        number: message.number,
        from,
        to: message.to,
        channel: message.channel,
        body: message.body,
        content: message.content,
        encoding: message.encoding,
        segments: message.segments,
        charge: message.charge,
        created_at: message.created_at,
        send_at,
        limit: None,
        smart_encoded: None,
    })
}
