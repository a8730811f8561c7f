//! What the door asks of the webhook supervisor.

use std::time::Duration;

use didfarm_core::ids::{AccountId, EndpointId, EventId, NumberId};
use didfarm_core::time::Timestamp;
use didfarm_core::webhook::EventType;
use didfarm_core::webhook::endpoint::EndpointSettings;
use didfarm_core::webhook::recovery::RecoveryFilter;
use tokio::sync::oneshot;

use crate::admission::Permit;
use crate::idempotency::Guard;
use crate::webhooks::{
    AuthToken, Created, EndpointView, InboundUrl, InboundUrlSet, NewEndpoint, Rotated, WebhookError,
};

/// Who waits for an answer.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, WebhookError>>;

/// A command of an account, with the permit that it holds until it is answered.
pub(crate) struct Asked {
    pub(crate) account: AccountId,
    pub(crate) command: Command,
    pub(crate) permit: Permit,
}

/// What is asked. URLs were judged by the door.
pub(crate) enum Command {
    /// With its idempotency key, if it has one.
    Create(Box<NewEndpoint>, Option<Box<Guard>>, Reply<Created>),
    /// The settings that the change was made from, and what they become.
    Change(
        EndpointId,
        Box<(EndpointSettings, EndpointSettings)>,
        Reply<EndpointView>,
    ),
    Rotate(EndpointId, Option<Duration>, Reply<Rotated>),
    /// Answers with since when it may have missed events, if it was disabled.
    Enable(EndpointId, Reply<(EndpointView, Option<Timestamp>)>),
    Disable(EndpointId, Reply<EndpointView>),
    Delete(EndpointId, Reply<()>),
    View(EndpointId, Reply<EndpointView>),
    List(Reply<Vec<EndpointView>>),
    Resend(EndpointId, EventId, Reply<Timestamp>),
    Recover(EndpointId, RecoveryFilter, u32, Reply<EndpointView>),
    CancelRecovery(EndpointId, Reply<EndpointView>),
    Test(EndpointId, Vec<EventType>, Reply<Vec<(EventId, EventType)>>),
    /// The account is to have a status endpoint.
    WantStatus(Reply<EndpointId>),
    RenewToken(Reply<AuthToken>),
    InboundUrl(NumberId, Reply<Option<InboundUrl>>),
    SetInboundUrl(NumberId, Option<Box<str>>, Reply<InboundUrlSet>),
}
