//! What an attempt needs of its endpoint: where it goes, what signs it, which payload it carries.

use didfarm_core::time::Timestamp;
use didfarm_core::webhook::endpoint::{Endpoint, PayloadForm};
use didfarm_webhooks::twilio::signature::FormKey;
use didfarm_webhooks::{EndpointUrl, Keyring, Secret, Target};

/// An endpoint as attempts see it, made anew when its settings or keys change.
pub(crate) struct Face {
    /// `None` where each message names its own.
    pub(super) target: Option<Target>,
    pub(super) keyring: Keyring,
    pub(super) form: PayloadForm,
    /// What signs forms: the newest secret, as it is spelled.
    pub(super) form_key: Option<FormKey>,
    /// When the first of the keys stops signing.
    until: Option<Timestamp>,
}

impl Face {
    /// `None` when the keys cannot be read.
    pub(super) fn of(
        endpoint: &Endpoint,
        url: Option<&EndpointUrl>,
        now: Timestamp,
    ) -> Option<Face> {
        let mut secrets = Vec::new();
        for keys in endpoint.signing(now) {
            secrets.push(Secret::parse(&keys.secret.0).ok()?);
            if let Some(private) = &keys.private_key {
                secrets.push(Secret::parse(&private.0).ok()?);
            }
        }
        secrets.truncate(didfarm_webhooks::signing::SECRETS_MAX);
        Some(Face {
            target: url.map(Target::new),
            keyring: Keyring::new(secrets).ok()?,
            form: endpoint.settings.form,
            form_key: form_key(endpoint, now),
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

fn form_key(endpoint: &Endpoint, now: Timestamp) -> Option<FormKey> {
    match endpoint.settings.form {
        PayloadForm::Message | PayloadForm::Sms => None,
        PayloadForm::Twilio => {
            let newest = endpoint.signing(now).next()?;
            Some(FormKey::new(&newest.secret.0))
        }
    }
}
