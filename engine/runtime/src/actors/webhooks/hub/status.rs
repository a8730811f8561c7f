//! The account's status endpoint: made when it is first wanted, and the auth token that signs for it.

use didfarm_core::ids::{AccountId, EndpointId};
use didfarm_core::webhook::EventType;
use didfarm_core::webhook::endpoint::{EndpointSettings, EventFilter, PayloadForm};

use super::Hub;
use super::asking::Decided;
use crate::actors::webhooks::moment::Moment;
use crate::webhooks::{AuthToken, NewEndpoint};

impl Hub {
    /// Makes the account's status endpoint unless there is one.
    pub(super) fn want_status(&mut self, account: AccountId, now: Moment) -> Decided<EndpointId> {
        match self.status_endpoint(account)? {
            Some(id) => Ok(id),
            None => Ok(self
                .create(account, status_endpoint(), now)?
                .view
                .endpoint
                .id),
        }
    }

    /// Makes a new auth token: the one before opens the account until its overlap ends.
    pub(super) fn renew_token(&mut self, account: AccountId, now: Moment) -> Decided<AuthToken> {
        match self.status_endpoint(account)? {
            Some(endpoint) => {
                let rotated = self.rotate(account, endpoint, None, now)?;
                Ok(AuthToken {
                    endpoint,
                    token: rotated.secret,
                    overlap_until: Some(rotated.overlap_until),
                })
            }
            None => {
                let made = self.create(account, status_endpoint(), now)?;
                Ok(AuthToken {
                    endpoint: made.view.endpoint.id,
                    token: made.secret,
                    overlap_until: None,
                })
            }
        }
    }

    fn status_endpoint(&self, account: AccountId) -> Decided<Option<EndpointId>> {
        self.check_whole(account)?;
        let ids = self.by_account.get(&account).into_iter().flatten();
        let mut actors = ids.filter_map(|id| self.endpoints.get(id));
        let found = actors.find(|actor| actor.state.is_status);
        Ok(found.map(|actor| actor.state.id))
    }
}

fn status_endpoint() -> NewEndpoint {
    let settings = EndpointSettings {
        url: "".into(),
        description: "Status callbacks in Twilio's dialect".into(),
        filter: EventFilter {
            types: vec![EventType::MessageStatus],
            ..EventFilter::default()
        },
        form: PayloadForm::Twilio,
        schedule: Default::default(),
        is_ordered: false,
        rate_per_second: None,
    };
    NewEndpoint {
        settings,
        number: None,
        is_asymmetric: false,
        is_status: true,
    }
}
