//! `/api/v1/limits`: every limit that the account's messages go through, with its present use.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use didfarm_core::channel::Channel;

use super::asked;
use crate::exchange::Exchange;
use crate::limit;
use crate::present::limits::{AccountLevel, Level, NumberLevel, PairLevel};
use crate::present::{self, Data};
use crate::problem::Problem;

/// `GET /api/v1/limits`
pub(super) async fn list(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let account = exchange.account()?;
    exchange.query()?.finish()?;
    let engine = &exchange.front().engine;
    let limits = engine.limits(&account).await;
    let limits = limits.map_err(|error| asked(exchange).send(error.into()))?;
    let mut data = vec![Level::Account(AccountLevel::of(&limits.account))];
    for number in engine.numbers(account.id()) {
        for channel in Channel::ALL {
            let Some(per_second) = limits.number_per_second[channel as usize] else {
                continue;
            };
            let is_on = match channel {
                Channel::Sms => number.sms,
                Channel::WhatsApp => number.whatsapp,
            };
            if !is_on {
                continue;
            }
            let mut busy = limits.numbers.iter();
            let busy = busy.find(|busy| (busy.number, busy.channel) == (number.id, channel));
            data.push(Level::Number(NumberLevel::of(
                &number,
                (channel, per_second),
                busy,
            )));
        }
    }
    data.extend(limits.pair.map(PairLevel::of).map(Level::Pair));
    let mut response = present::json(StatusCode::OK, &Data { data });
    let policy = limit::policy(account.limit());
    response
        .headers_mut()
        .insert(limit::RATE_LIMIT_POLICY, policy);
    Ok(response)
}
