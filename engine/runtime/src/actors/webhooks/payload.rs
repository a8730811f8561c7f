//! What an attempt tells: an event with everything that its payload needs, rendered once for each form.

use std::mem::size_of;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use didfarm_core::e164::E164;
use didfarm_core::message::Message;
use didfarm_core::time::Timestamp;
use didfarm_core::webhook::WebhookEvent;
use didfarm_core::webhook::endpoint::PayloadForm;
use didfarm_webhooks::payload::{Facts, render};

/// What a payload takes besides the texts that are told, in bytes, roughly and of both forms.
const PAYLOAD_BYTES: usize = 1_024;

/// An event that is ready to be sent. Every endpoint that is sent it shares it.
pub(crate) struct Material {
    event: Arc<WebhookEvent>,
    at: Timestamp,
    message: Option<Arc<Message>>,
    number: Option<E164>,
    endpoint_url: Option<Box<str>>,
    rendered: [OnceLock<Bytes>; PayloadForm::ALL.len()],
}

impl Material {
    pub(crate) fn new(
        event: Arc<WebhookEvent>,
        at: Timestamp,
        message: Option<Arc<Message>>,
        number: Option<E164>,
        endpoint_url: Option<Box<str>>,
    ) -> Material {
        Material {
            event,
            at,
            message,
            number,
            endpoint_url,
            rendered: Default::default(),
        }
    }

    /// The payload in one form: JSON.
    pub(crate) fn payload(&self, form: PayloadForm) -> Bytes {
        let rendered = self.rendered[form as usize].get_or_init(|| {
            let facts = Facts {
                event: &self.event,
                at: self.at,
                message: self.message.as_deref(),
                number: self.number,
                endpoint_url: self.endpoint_url.as_deref(),
            };
            render(form, &facts)
        });
        rendered.clone()
    }

    /// Where the message that it tells of wants its status told.
    pub(super) fn status_url(&self) -> Option<&str> {
        self.message.as_ref()?.status_url.as_deref()
    }

    /// About how much memory it takes, in bytes, rendered in both forms.
    pub(super) fn weight(&self) -> usize {
        let body = self
            .message
            .as_ref()
            .map_or(0, |message| message.body.len());
        size_of::<Material>() + size_of::<Message>() + PAYLOAD_BYTES + 3 * body
    }
}
