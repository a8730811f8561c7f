//! What an attempt needs of its endpoint: where it goes, what signs it, which payload it carries.

use didfarm_core::time::Timestamp;
use didfarm_core::webhook::endpoint::{Endpoint, PayloadForm};
use didfarm_webhooks::{EndpointUrl, Keyring, Secret, Target};

/// An endpoint as attempts see it, made anew when its settings or keys change.
pub(crate) struct Face {
    pub(super) target: Target,
    pub(super) keyring: Keyring,
    pub(super) form: PayloadForm,
    /// When the first of the keys stops signing.
    until: Option<Timestamp>,
}

impl Face {
    /// `None` when the keys cannot be read.
    pub(super) fn of(endpoint: &Endpoint, url: &EndpointUrl, now: Timestamp) -> Option<Face> {
        let mut secrets = Vec::new();
        for keys in endpoint.signing(now) {
            secrets.push(Secret::parse(&keys.secret.0).ok()?);
            if let Some(private) = &keys.private_key {
                secrets.push(Secret::parse(&private.0).ok()?);
            }
        }
        secrets.truncate(didfarm_webhooks::signing::SECRETS_MAX);
        Some(Face {
            target: Target::new(url),
            keyring: Keyring::new(secrets).ok()?,
            form: endpoint.settings.form,
            until: endpoint
                .keys
                .iter()
                .filter_map(|live| live.until)
                .filter(|until| *until > now)
                .min(),
        })
    }

    /// Whether it still says what signs.
    pub(super) fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}
