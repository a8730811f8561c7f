//! Keys of endpoints' events, of what waits for endpoints, of attempts, and of mails.

use didfarm_core::ids::{AccountId, EndpointId, EventId, MailId};
use didfarm_core::time::Timestamp;
use didfarm_core::webhook::attempt::Attempt;

use super::{id, join};
use crate::records::MAILS_GIVEN_UP_MAX;

/// Where an attempt stands among those of its endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptPlace {
    /// When it began.
    pub at: Timestamp,
    /// The event.
    pub event: EventId,
    /// Which attempt of this event at this endpoint it was, from 1.
    pub ordinal: u16,
}

impl AttemptPlace {
    /// Where an attempt stands.
    pub fn of(attempt: &Attempt) -> AttemptPlace {
        AttemptPlace {
            at: attempt.at,
            event: attempt.event,
            ordinal: attempt.ordinal,
        }
    }
}

/// The key of an event.
pub fn event(account: AccountId, event: EventId) -> [u8; 12] {
    join(&account.0.to_be_bytes(), &event.0.to_be_bytes())
}

/// Account and event back from [`event`].
pub fn event_of(key: &[u8]) -> Option<(AccountId, EventId)> {
    let (account, rest) = key.split_first_chunk()?;
    let event = rest.try_into().ok()?;
    Some((
        AccountId(u32::from_be_bytes(*account)),
        EventId(u64::from_be_bytes(event)),
    ))
}

/// The key of an event that waits for an endpoint.
pub fn pending(endpoint: EndpointId, due: Timestamp, event: EventId) -> [u8; 20] {
    let place: [u8; 16] = join(&due.0.to_be_bytes(), &event.0.to_be_bytes());
    join(&endpoint.0.to_be_bytes(), &place)
}

/// Endpoint, due time and event back from [`pending`].
pub fn pending_of(key: &[u8]) -> Option<(EndpointId, Timestamp, EventId)> {
    let (endpoint, rest) = key.split_first_chunk()?;
    let (due, event) = rest.split_first_chunk()?;
    let event = event.try_into().ok()?;
    Some((
        EndpointId(u32::from_be_bytes(*endpoint)),
        Timestamp(i64::from_be_bytes(*due)),
        EventId(u64::from_be_bytes(event)),
    ))
}

/// The key of a part of an attempt: part 0 is the attempt, the others are the rest of its body.
pub fn attempt(endpoint: EndpointId, place: AttemptPlace, part: u8) -> [u8; 23] {
    let at = (!place.at.0.cast_unsigned()).to_be_bytes();
    let head: [u8; 12] = join(&endpoint.0.to_be_bytes(), &at);
    let ordinal: [u8; 3] = join(&place.ordinal.to_be_bytes(), &[part]);
    let tail: [u8; 11] = join(&place.event.0.to_be_bytes(), &ordinal);
    join(&head, &tail)
}

/// Endpoint, place and part back from [`attempt`].
pub fn attempt_of(key: &[u8]) -> Option<(EndpointId, AttemptPlace, u8)> {
    let (endpoint, rest) = key.split_first_chunk()?;
    let (at, rest) = rest.split_first_chunk()?;
    let (event, rest) = rest.split_first_chunk()?;
    let [high, low, part] = rest.try_into().ok()?;
    let place = AttemptPlace {
        at: Timestamp((!u64::from_be_bytes(*at)).cast_signed()),
        event: EventId(u64::from_be_bytes(*event)),
        ordinal: u16::from_be_bytes([high, low]),
    };
    Some((EndpointId(u32::from_be_bytes(*endpoint)), place, part))
}

/// The key of a mail that waits.
pub fn mail(due: Timestamp, mail: MailId) -> [u8; 16] {
    join(&due.0.to_be_bytes(), &mail.0.to_be_bytes())
}

/// Due time and mail back from [`mail`].
pub fn mail_of(key: &[u8]) -> Option<(Timestamp, MailId)> {
    let (due, mail) = key.split_first_chunk()?;
    let mail = mail.try_into().ok()?;
    Some((
        Timestamp(i64::from_be_bytes(*due)),
        MailId(u64::from_be_bytes(mail)),
    ))
}

/// The key of the n-th mail that was given up, which takes the place of the one a ring's length before.
pub fn mail_given_up(n: u64) -> [u8; 8] {
    id(n % MAILS_GIVEN_UP_MAX)
}
