//! What the webhook supervisor starts from: the endpoints of the records. What waits for them is read later.

use std::sync::Arc;

use didfarm_core::ids::AccountId;
use didfarm_core::webhook::endpoint::EndpointState;
use didfarm_store::records::round::EndpointRecord;
use didfarm_store::records::{Records, RecordsError};
use rustc_hash::FxHashMap;

use crate::offers::Subscription;
use crate::shared::Shared;

/// The records' view of endpoints.
pub(crate) struct Endpoints {
    pub(super) records: Vec<EndpointRecord>,
    pub(super) next: u32,
}

impl Endpoints {
    /// Reads the records.
    pub(crate) fn read(records: &Records) -> Result<Endpoints, RecordsError> {
        let mut found = Vec::new();
        records.each_endpoint(|record| found.push(record))?;
        Ok(Endpoints {
            records: found,
            next: records.meta()?.endpoint_next,
        })
    }

    /// Has everyone know which endpoints there are, before anything happens.
    pub(crate) fn publish(&self, shared: &Shared) {
        let mut lists: FxHashMap<AccountId, Vec<Subscription>> = FxHashMap::default();
        for EndpointRecord { endpoint, .. } in &self.records {
            if endpoint.state != EndpointState::Deleted {
                lists
                    .entry(endpoint.account)
                    .or_default()
                    .push(Subscription::of(endpoint));
            }
        }
        for (account, list) in lists {
            if let Some(account) = shared.directory.account(account) {
                account.set_subscriptions(Arc::from(list));
            }
        }
    }
}
