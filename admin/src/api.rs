//! The customers' API: two dialects over one engine.

mod conversations;
mod messages;
mod portal;
mod send;

use actix_web::web::{self, ServiceConfig};

use crate::exchange::{Exchange, resource, serve};
use crate::metrics::Route;
use crate::problem::Asked;

pub(crate) use self::send::{read_channel, read_number};

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
            resource("/api/v1/sms/messages/{id}", "GET")
                .route(web::get().to(serve(Route::ReadMessage, messages::read))),
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
        );
}

/// What a read asked of the engine.
fn asked(exchange: &Exchange) -> Asked {
    asked_by(exchange, "from")
}

fn asked_by(exchange: &Exchange, number_field: &'static str) -> Asked {
    Asked {
        number_field,
        retry_after: exchange.front().engine.retry_after(),
    }
}
