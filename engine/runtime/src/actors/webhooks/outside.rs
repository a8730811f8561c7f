//! The engine around the hub.

use std::sync::Arc;

use didfarm_core::e164::E164;
use didfarm_core::ids::{AccountId, EventId, NumberId};
use didfarm_core::mail::MailKind;
use didfarm_core::time::Timestamp;
use didfarm_webhooks::{EndpointUrl, UrlError};

use super::turn::Outside;
use crate::offers::Offer;
use crate::shared::Shared;

/// The engine as the hub sees it.
pub(super) struct Engine(pub(super) Arc<Shared>);

impl Outside for Engine {
    fn event_id(&self, now: Timestamp) -> EventId {
        self.0.next_event(now)
    }

    fn ids_ahead_ms(&self, now: Timestamp) -> u64 {
        self.0.ids_ahead_ms(now)
    }

    fn mail(&self, at: Timestamp, account: AccountId, kind: MailKind) -> Option<Offer> {
        let address = self.0.directory.account(account)?.email()?;
        Some(self.0.mail(at, account, &address, kind))
    }

    fn number(&self, id: NumberId) -> Option<E164> {
        self.0.directory.number(id).map(|number| number.e164)
    }

    fn url(&self, text: &str) -> Result<EndpointUrl, UrlError> {
        self.0.reach.read(text)
    }
}
