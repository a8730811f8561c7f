//! The control routes, on the port of the endpoints.
//!
//! `GET /_sink/report` figures; `GET /_sink/ids?path=/ok` the webhook-ids that came, one a line; `GET
//! /_sink/requests?path=/ok` the latest requests; `POST /_sink/reset` forgets everything.

use http::{Method, Response};
use serde_json::json;

use super::book::Book;
use super::listener::{Content, json, refusal, text};
use crate::form::Form;

/// Answers a request to `/_sink/{route}`.
pub fn answer(book: &Book, method: &Method, route: &str, query: Option<&str>) -> Response<Content> {
    let form = Form::parse(query.unwrap_or_default().as_bytes());
    let path = form.as_ref().ok().and_then(|form| form.get("path"));
    match (method, route, path) {
        (&Method::GET, "report", _) => json(200, json!(book.report())),
        (&Method::GET, "requests", path) => json(200, json!(book.latest(path))),
        (&Method::GET, "ids", Some(path)) => {
            text(book.ids(path).into_iter().map(|id| id + "\n").collect())
        }
        (&Method::GET, "ids", None) => refusal(400, "say whose ids, as /_sink/ids?path=/ok"),
        (&Method::POST, "reset", _) => {
            book.reset();
            json(200, json!(book.report()))
        }
        _ => refusal(
            404,
            "there is GET /_sink/report, /_sink/ids and /_sink/requests, and POST /_sink/reset",
        ),
    }
}
