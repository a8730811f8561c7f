//! The simulator's own inbound route. It is open: the simulator is a carrier for trying things out.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{self, ServiceConfig};
use didfarm_carriers::callback::{BODY_BYTES_MAX, Inbound};
use didfarm_core::e164::E164;
use didfarm_core::ids::{CarrierId, CarrierMessageId};
use didfarm_core::peer::Peer;
use serde::Deserialize;

use crate::api::read_channel;
use crate::exchange::{Exchange, resource, serve};
use crate::fields::Text;
use crate::json;
use crate::metrics::Route;
use crate::present::{self, v1};
use crate::problem::{Asked, Code, Problem};
use crate::query::read_number;

/// Adds the route.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config.service(
        resource("/carriers/simulator/inbound", "POST")
            .route(web::post().to(serve(Route::SimulatorInbound, simulator_inbound))),
    );
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InboundBody<'a> {
    #[serde(borrow)]
    from: Option<Text<'a>>,
    #[serde(borrow)]
    to: Option<Text<'a>>,
    #[serde(borrow)]
    body: Option<Text<'a>>,
    #[serde(borrow)]
    channel: Option<Text<'a>>,
    #[serde(borrow)]
    id: Option<Text<'a>>,
}

/// `POST /carriers/simulator/inbound`: 200 means stored.
async fn simulator_inbound(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let body = exchange.json().await?;
    let inbound = read(&body)?;
    let engine = &exchange.front().engine;
    let asked = Asked {
        number_field: "to",
        retry_after: engine.retry_after(),
    };
    let received = engine
        .receive(CarrierId::SIMULATOR, inbound)
        .await
        .map_err(|error| asked.receive(error))?;
    Ok(present::json(StatusCode::OK, &v1::Received::of(received)))
}

fn read(body: &[u8]) -> Result<Inbound, Problem> {
    let InboundBody {
        from,
        to,
        body,
        channel,
        id,
    } = json::parse(body)?;
    let body = body.as_deref().ok_or_else(|| Problem::missing("body"))?;
    if body.len() > BODY_BYTES_MAX {
        let detail = format!("an inbound text may have {BODY_BYTES_MAX} bytes at most");
        return Err(Problem::of_field(Code::PayloadTooLarge, "body", detail));
    }
    Ok(Inbound {
        id: id.as_deref().map(carrier_message_id).transpose()?,
        from: Peer::Number(number("from", from.as_deref())?),
        alias: None,
        to: number("to", to.as_deref())?,
        channel: read_channel(channel.as_deref())?,
        body: Arc::from(body),
        content: None,
    })
}

/// Reads a number as carriers have it: a peer's may be a short code.
fn number(field: &str, text: Option<&str>) -> Result<E164, Problem> {
    let text = text.ok_or_else(|| Problem::missing(field))?;
    read_number(text).ok_or_else(|| {
        let detail =
            "write + and up to 15 digits, country code first, without spaces or punctuation";
        Problem::of_field(Code::InvalidNumber, field, detail)
    })
}

fn carrier_message_id(id: &str) -> Result<CarrierMessageId, Problem> {
    if (1..=CarrierMessageId::BYTES_MAX).contains(&id.len()) {
        Ok(CarrierMessageId(id.into()))
    } else {
        Err(Problem::invalid(
            "id",
            format!("must have 1 to {} bytes", CarrierMessageId::BYTES_MAX),
        ))
    }
}

#[cfg(test)]
mod tests {
    use didfarm_core::channel::Channel;

    use super::*;

    #[test]
    fn an_inbound_message_is_read() {
        let text = r#"{"from":"+31612345678","to":"+31201234567","body":"hi","channel":"whatsapp","id":"c-1"}"#;
        let inbound = read(text.as_bytes()).unwrap();
        assert_eq!(inbound.from, E164::from_digits(31_612_345_678).unwrap());
        assert_eq!(inbound.to, E164::from_digits(31_201_234_567).unwrap());
        assert_eq!((inbound.channel, &*inbound.body), (Channel::WhatsApp, "hi"));
        assert_eq!(inbound.id, Some(CarrierMessageId("c-1".into())));
    }

    #[test]
    fn a_text_over_the_bound_is_too_large() {
        let body = "x".repeat(BODY_BYTES_MAX + 1);
        let text = format!(r#"{{"from":"+31612345678","to":"+31201234567","body":"{body}"}}"#);
        assert_eq!(
            read(text.as_bytes()).unwrap_err().code(),
            Code::PayloadTooLarge
        );
    }

    #[test]
    fn an_id_of_no_length_or_too_much_is_refused() {
        for id in [String::new(), "x".repeat(CarrierMessageId::BYTES_MAX + 1)] {
            assert_eq!(
                carrier_message_id(&id).unwrap_err().code(),
                Code::ValidationFailed
            );
        }
    }
}
