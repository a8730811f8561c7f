//! The door for Twilio's callbacks. The address is part of what is signed, so our id of the message at
//! its end is as good as the rest.

use super::form::Form;
use super::read;
use super::signature::{Signature, is_json};
use crate::callback::{Callback, CallbackDoor, CallbackRequest, NotGenuine, Reply, Unreadable};

/// Verifies and reads the callbacks.
pub(super) struct TwilioDoor {
    pub(super) signature: Signature,
}

impl CallbackDoor for TwilioDoor {
    fn verify(&self, request: &CallbackRequest<'_>) -> Result<(), NotGenuine> {
        self.signature.verify(request)
    }

    fn read(&self, request: &CallbackRequest<'_>) -> Result<Callback, Unreadable> {
        let form = if is_json(request) {
            Form::of_json(request.body)
        } else {
            Form::of_form(request.body)
        };
        let form = form.ok_or_else(|| Unreadable {
            detail: "no JSON object, or too many parameters".to_owned(),
        })?;
        Ok(read::read(&form, request.tail))
    }

    fn reply(&self) -> Reply {
        Reply {
            content_type: "text/xml",
            body: "<Response/>",
        }
    }
}
