//! `/ops/conversations/{id}/consent`: an operator records that a peer opted out, or in.

use actix_web::HttpResponse;
use didfarm_core::consent::ConsentCause;
use didfarm_core::ids::ConversationId;
use didfarm_runtime::consent::ConsentError;

use super::{asked, check_operator};
use crate::api::read_record;
use crate::exchange::Exchange;
use crate::problem::Problem;

/// `PUT /ops/conversations/{id}/consent`: durable before it is answered.
pub(super) async fn set(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    check_operator(exchange)?;
    let id: ConversationId = exchange.path_id()?;
    let body = exchange.json().await?;
    let record = read_record(&body, ConsentCause::Operator)?;
    let engine = &exchange.front().engine;
    let recorded = engine.record_consent(None, id, record).await;
    recorded.map_err(|error| {
        let detail = error.to_string();
        match error {
            ConsentError::Unknown => Problem::not_found(),
            ConsentError::NoteTooLong => Problem::invalid("note", detail),
            ConsentError::Unreadable(error) => asked(exchange, "id").read(error),
        }
    })?;
    Ok(HttpResponse::NoContent().finish())
}
