//! Webhooks: what is sent, where it may go, how it is signed, and one attempt over HTTP.
//!
//! To whom and when is decided elsewhere; nothing here stores, queues or logs.
//!
//! | Module | Holds |
//! |---|---|
//! | [`url`] | the URL of a webhook endpoint, judged when it is registered |
//! | [`guard`] | the addresses that may be connected to |
//! | [`connect`] | connections to exactly the addresses that the guard has judged |
//! | [`attempt`] | one POST and what came of it |
//! | [`fetch`] | a file behind a link, in bounds |
//! | [`signing`] | signatures of the Standard Webhooks specification |
//! | [`payload`] | what is sent, in both forms of the product |
//! | [`twilio`] | what is sent in Twilio's dialect, and its signature |
//! | [`content`] | public JSON of what a message holds besides its text |

pub mod attempt;
pub mod connect;
pub mod content;
pub mod fetch;
pub mod guard;
pub mod payload;
pub mod signing;
pub mod twilio;
pub mod url;

pub use attempt::{Attempted, Request, Sender, SenderError, SenderSettings, Target};
pub use connect::{Resolve, SystemResolver};
pub use fetch::{FetchError, Fetched, Fetcher};
pub use guard::AddressGuard;
pub use signing::{Keyring, KeyringError, Secret, SecretError, WebhookId, WebhookIdError};
pub use url::{EndpointUrl, Policy, Ports, UrlError};
