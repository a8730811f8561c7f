//! One request and its answer: what every handler is given, and what is done to every answer.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use actix_web::dev::Payload;
use actix_web::http::{ConnectionType, header};
use actix_web::web::Bytes;
use actix_web::{FromRequest, Handler, HttpRequest, HttpResponse, Resource, web};
use didfarm_runtime::account::AccountHandle;
use didfarm_runtime::health::Readiness;

use crate::body::BodyBounds;
use crate::front::Front;
use crate::metrics::Route;
use crate::problem::Problem;
use crate::query::Query;
use crate::request_id::{self, X_REQUEST_ID};
use crate::{auth, body};

/// A request that is being answered.
pub(crate) struct Exchange {
    front: Rc<Front>,
    request: HttpRequest,
    payload: Payload,
    /// Whether the payload was taken in whole.
    read: bool,
    started: Instant,
}

impl FromRequest for Exchange {
    type Error = Infallible;
    type Future = Ready<Result<Exchange, Infallible>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let front = request
            .app_data::<Rc<Front>>()
            .expect("every app is made with its front");
        ready(Ok(Exchange {
            front: Rc::clone(front),
            request: request.clone(),
            payload: payload.take(),
            read: false,
            started: Instant::now(),
        }))
    }
}

impl Exchange {
    /// What the worker's handlers share.
    pub(crate) fn front(&self) -> &Front {
        &self.front
    }

    /// The request's head.
    pub(crate) fn request(&self) -> &HttpRequest {
        &self.request
    }

    /// State that only some routes need.
    pub(crate) fn state<T: 'static>(&self) -> &T {
        self.request
            .app_data()
            .expect("the app of this route is made with this state")
    }

    /// The account that the bearer key opens.
    ///
    /// # Errors
    /// `unauthorized`.
    pub(crate) fn account(&self) -> Result<Arc<AccountHandle>, Problem> {
        auth::account(&self.front.engine, self.request.headers())
    }

    /// The bearer credentials, if the request brings any.
    pub(crate) fn bearer(&self) -> Option<&str> {
        auth::bearer(self.request.headers())
    }

    /// The request's JSON text, within the worker's bounds.
    ///
    /// # Errors
    /// `unsupported_media_type`, `payload_too_large`, `request_timeout`, `body_incomplete`.
    pub(crate) async fn json(&mut self) -> Result<Bytes, Problem> {
        body::check_media_type(self.request.headers())?;
        let bounds = self.front.bounds;
        self.take(bounds).await
    }

    /// The same within other bounds.
    ///
    /// # Errors
    /// As [`Exchange::json`].
    pub(crate) async fn json_within(&mut self, bounds: BodyBounds) -> Result<Bytes, Problem> {
        body::check_media_type(self.request.headers())?;
        self.take(bounds).await
    }

    /// The body, for whoever reads it while it is answered.
    pub(crate) fn take_payload(&mut self) -> Payload {
        std::mem::replace(&mut self.payload, Payload::None)
    }

    /// The same of a route whose body may be left out: `{}` then.
    ///
    /// # Errors
    /// As [`Exchange::json`].
    pub(crate) async fn json_or_nothing(&mut self) -> Result<Bytes, Problem> {
        let headers = self.request.headers();
        let is_declared = headers.contains_key(header::CONTENT_TYPE)
            || headers.contains_key(header::TRANSFER_ENCODING);
        match body::declared_bytes(headers) {
            None | Some(0) if !is_declared => Ok(Bytes::from_static(b"{}")),
            _ => self.json().await,
        }
    }

    /// The request's body byte for byte, of whatever media type, within these bounds.
    ///
    /// # Errors
    /// `unsupported_encoding`, `payload_too_large`, `request_timeout`, `body_incomplete`.
    pub(crate) async fn raw(&mut self, bounds: BodyBounds) -> Result<Bytes, Problem> {
        body::check_not_encoded(self.request.headers())?;
        self.take(bounds).await
    }

    async fn take(&mut self, bounds: BodyBounds) -> Result<Bytes, Problem> {
        let declared_bytes = body::declared_bytes(self.request.headers());
        let read = body::read(&mut self.payload, declared_bytes, bounds).await;
        self.read = read.is_ok();
        read
    }

    /// The parameters behind the `?`.
    ///
    /// # Errors
    /// `validation_failed`.
    pub(crate) fn query(&self) -> Result<Query, Problem> {
        Query::parse(self.request.query_string())
    }

    /// The id in the path; what is no id names nothing that there is.
    ///
    /// # Errors
    /// `not_found`.
    pub(crate) fn path_id<T: std::str::FromStr>(&self) -> Result<T, Problem> {
        let text = self.request.match_info().get("id");
        text.and_then(|text| text.parse().ok())
            .ok_or_else(Problem::not_found)
    }

    /// A part of the path by its name.
    pub(crate) fn path_text(&self, name: &str) -> Option<&str> {
        self.request.match_info().get(name)
    }

    /// Adds what every answer carries, and counts it.
    async fn finish(
        mut self,
        route: Route,
        outcome: Result<HttpResponse, Problem>,
        render: Render,
    ) -> HttpResponse {
        let given = request_id::given(self.request.headers());
        let request_id = given.unwrap_or_else(|| self.front.request_ids.fresh());
        let mut response = outcome.unwrap_or_else(|problem| render(problem, &request_id));
        response.headers_mut().insert(X_REQUEST_ID, request_id);
        if self.front.engine.readiness() == Readiness::Draining {
            response
                .head_mut()
                .set_connection_type(ConnectionType::Close);
        }
        let elapsed = self.started.elapsed();
        self.front.meters.observe(route, response.status(), elapsed);
        if self.read || matches!(self.payload, Payload::None) {
            return response;
        }
        // A refused request's body that is here already costs its connection nothing.
        if body::is_here(&mut self.payload, self.front.bounds).await {
            return response;
        }
        body::end_connection_after(response, self.payload)
    }
}

/// How a problem becomes an answer, in one dialect or another; beside it is the request's id.
pub(crate) type Render = fn(Problem, &header::HeaderValue) -> HttpResponse;

/// Makes a handler of a function that answers with a response or a [`Problem`].
pub(crate) fn serve<F>(route: Route, handler: F) -> impl Handler<(Exchange,), Output = HttpResponse>
where
    F: AsyncFn(&mut Exchange) -> Result<HttpResponse, Problem> + Clone + 'static,
{
    serve_as(route, Problem::respond, handler)
}

/// The same with problems in a dialect of their own.
pub(crate) fn serve_as<F>(
    route: Route,
    render: Render,
    handler: F,
) -> impl Handler<(Exchange,), Output = HttpResponse>
where
    F: AsyncFn(&mut Exchange) -> Result<HttpResponse, Problem> + Clone + 'static,
{
    move |mut exchange: Exchange| {
        let handler = handler.clone();
        async move {
            let outcome = handler(&mut exchange).await;
            exchange.finish(route, outcome, render).await
        }
    }
}

/// A resource that answers a method without a route with 405 and the methods in `allow`.
pub(crate) fn resource(path: &str, allow: &'static str) -> Resource {
    let refuse = async move |_: &mut Exchange| Err(Problem::method_not_allowed(allow));
    web::resource(path).default_service(web::to(serve(Route::Other, refuse)))
}

/// The handler of every path without a resource.
pub(crate) fn not_found() -> impl Handler<(Exchange,), Output = HttpResponse> {
    serve(Route::Other, async |_: &mut Exchange| {
        Err(Problem::not_found())
    })
}

/// An answer that is not to be kept by anybody on the way.
pub(crate) fn uncached(mut response: HttpResponse) -> HttpResponse {
    response.headers_mut().insert(
        header::CACHE_CONTROL,
        header::HeaderValue::from_static("no-store"),
    );
    response
}
