//! `/2010-04-01`: the API of Twilio's messages, so that its libraries work with another base address.
//!
//! It is a third dialect over the same engine: `access` says who asks, `form` what a request holds, `send` and
//! `messages` carry it out, `resource` and `problem` say how it is answered.

mod access;
mod account;
mod form;
mod messages;
mod problem;
mod resource;
mod send;

use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, Resource};

use crate::exchange::{Exchange, serve_as};
use crate::metrics::Route;
use crate::problem::Problem;

/// Adds the routes.
pub(crate) fn routes(config: &mut ServiceConfig) {
    let scope = web::scope("/2010-04-01")
        .service(
            resource("/Accounts/{account}/Messages.json", "GET, POST")
                .route(web::post().to(serve(Route::TwilioSend, send::send)))
                .route(web::get().to(serve(Route::TwilioMessages, messages::list))),
        )
        .service(
            resource("/Accounts/{account}/Messages/{message}.json", "GET, POST")
                .route(web::get().to(serve(Route::TwilioMessage, messages::read)))
                .route(web::post().to(serve(Route::TwilioMessage, messages::change))),
        )
        .service(
            resource("/Accounts/{account}.json", "GET")
                .route(web::get().to(serve(Route::TwilioAccount, account::read))),
        )
        .default_service(web::to(serve(Route::Other, not_found)));
    config.service(scope);
}

async fn not_found(_: &mut Exchange) -> Result<HttpResponse, Problem> {
    Err(Problem::not_found())
}

fn serve<F>(route: Route, handler: F) -> impl actix_web::Handler<(Exchange,), Output = HttpResponse>
where
    F: AsyncFn(&mut Exchange) -> Result<HttpResponse, Problem> + Clone + 'static,
{
    serve_as(route, problem::respond, handler)
}

/// A resource that answers a method without a route as Twilio does.
fn resource(path: &str, allow: &'static str) -> Resource {
    let refuse = async move |_: &mut Exchange| Err(Problem::method_not_allowed(allow));
    web::resource(path).default_service(web::to(serve(Route::Other, refuse)))
}
