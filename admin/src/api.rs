//! The customers' API: two dialects over one engine.

mod account;
pub(crate) mod batches;
mod consent;
mod conversations;
mod events;
mod forwarding;
mod limits;
mod messages;
mod numbers;
mod pools;
mod portal;
mod quote;
mod scheduled;
mod send;
mod stops;
mod wallet;
mod webhooks;

use actix_web::web::{self, ServiceConfig};
use didfarm_core::message::Message;
use didfarm_core::time::Timestamp;
use didfarm_runtime::EngineHandle;

use crate::exchange::{Exchange, resource, serve};
use crate::metrics::Route;
use crate::problem::Asked;

pub(crate) use self::account::read_countries;
pub(crate) use self::consent::read_record;
pub(crate) use self::send::content::linked;
pub(crate) use self::send::{SendBounds, read_channel, read_number};
pub(crate) use self::send::{again, recipient, text, validity};
pub(crate) use self::stops::read_range;

/// Adds the routes. The busiest is first, as they are matched in order.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .service(
            resource("/api/v1/sms/messages", "POST")
                .route(web::post().to(serve(Route::SendMessage, messages::send))),
        )
        .service(
            resource("/api/v1/portal/sms/send", "POST")
                .route(web::post().to(serve(Route::PortalSend, portal::send))),
        )
        .service(
            resource("/api/v1/sms/messages/{id}", "GET, PATCH")
                .route(web::get().to(serve(Route::ReadMessage, messages::read)))
                .route(web::patch().to(serve(Route::ChangeMessage, scheduled::change))),
        )
        .service(
            resource("/api/v1/sms/conversations/{id}/messages", "GET")
                .route(web::get().to(serve(Route::ConversationMessages, conversations::messages))),
        )
        .service(
            resource("/api/v1/sms/conversations", "GET")
                .route(web::get().to(serve(Route::Conversations, conversations::list))),
        )
        .service(
            resource("/api/v1/portal/sms", "GET")
                .route(web::get().to(serve(Route::PortalMessages, portal::list))),
        )
        .service(
            resource("/api/v1/portal/sms/numbers", "GET")
                .route(web::get().to(serve(Route::PortalNumbers, portal::numbers))),
        )
        .service(
            resource("/api/v1/sms/forward-to-email", "POST")
                .route(web::post().to(serve(Route::ForwardToEmail, forwarding::forward))),
        )
        .service(
            resource("/api/v1/sms/numbers/{id}", "GET, PATCH")
                .route(web::get().to(serve(Route::NumberSettings, numbers::read)))
                .route(web::patch().to(serve(Route::NumberSettings, numbers::change))),
        )
        .service(
            resource("/api/v1/events", "GET")
                .route(web::get().to(serve(Route::Events, events::list))),
        )
        .service(
            resource("/api/v1/events/{id}", "GET")
                .route(web::get().to(serve(Route::Events, events::read))),
        )
        .service(
            resource("/api/v1/account", "GET, PATCH")
                .route(web::get().to(serve(Route::Account, account::read)))
                .route(web::patch().to(serve(Route::Account, account::change))),
        )
        .service(
            resource("/api/v1/limits", "GET")
                .route(web::get().to(serve(Route::Limits, limits::list))),
        )
        .configure(batches::routes)
        .service(
            resource("/api/v1/account/twilio", "POST")
                .route(web::post().to(serve(Route::Account, account::renew_token))),
        )
        .configure(scheduled::routes)
        .service(
            resource("/api/v1/sms/quote", "POST")
                .route(web::post().to(serve(Route::Quote, quote::quote))),
        )
        .service(
            resource("/api/v1/wallet/ledger", "GET")
                .route(web::get().to(serve(Route::Ledger, wallet::ledger))),
        )
        .service(
            resource("/api/v1/wallet/ledger/export", "GET")
                .route(web::get().to(serve(Route::LedgerExport, wallet::export))),
        )
        .configure(pools::routes)
        .configure(stops::routes)
        .configure(consent::routes)
        .configure(webhooks::routes);
}

/// The name of the carrier that a message went to last, or that brought it; `None` also for one that the
/// settings no longer name.
fn carrier<'e>(engine: &'e EngineHandle, message: &Message) -> Option<&'e str> {
    let went_to = message.route.map(|route| route.carrier);
    engine.carrier_name(went_to.or(message.brought_by)?)
}

/// The time by this machine's clock.
pub(crate) fn now() -> Timestamp {
    Timestamp(jiff::Timestamp::now().as_microsecond())
}

/// What a read asked of the engine.
fn asked(exchange: &Exchange) -> Asked {
    asked_by(exchange, "from")
}

pub(crate) fn asked_by(exchange: &Exchange, number_field: &'static str) -> Asked {
    Asked {
        number_field,
        retry_after: exchange.front().engine.retry_after(),
    }
}
