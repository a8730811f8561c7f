//! `/api/v1/wallet/ledger`: every movement of money, in pages and as one export.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use actix_web::web::Bytes;
use didfarm_core::ids::AccountId;
use didfarm_runtime::EngineHandle;
use didfarm_runtime::read::ReadError;
use didfarm_runtime::wallet::{LedgerEnd, LedgerFilter, LedgerPlace, Movement, MovementKind};
use futures_util::stream;

use super::asked;
use crate::cursor;
use crate::exchange::{Exchange, uncached};
use crate::present::wallet::{CSV_HEAD, Row};
use crate::present::{self, Listed};
use crate::problem::Problem;
use crate::query::{Query, one_of};

/// Rows on a page unless the request says otherwise.
const LIMIT_DEFAULT: usize = 50;
/// The room that a line of an export takes, about.
const LINE_BYTES: usize = 192;

/// `GET /api/v1/wallet/ledger`: newest first.
pub(super) async fn ledger(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let account = exchange.account()?.id();
    let mut query = exchange.query()?;
    let filter = take_filter(&mut query)?;
    let limit = query.take_limit(&["limit", "per_page"], LIMIT_DEFAULT)?;
    let after = query
        .take("cursor")
        .map(|cursor| cursor::decode_ledger(account, &cursor))
        .transpose()?;
    query.finish()?;
    let engine = &exchange.front().engine;
    let read = engine.ledger(account, filter, after, limit).await;
    let page = read.map_err(|error| asked(exchange).read(error))?;
    let rows = page.rows.iter().map(Row::of).collect();
    let next_cursor = page.next.map(|place| cursor::encode_ledger(account, place));
    Ok(present::json(
        StatusCode::OK,
        &Listed::new(rows, next_cursor),
    ))
}

/// How an export is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Csv,
    Ndjson,
}

impl Format {
    const ALL: [Format; 2] = [Format::Csv, Format::Ndjson];

    const fn as_str(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Ndjson => "ndjson",
        }
    }

    fn parse(word: &str) -> Option<Format> {
        Format::ALL
            .into_iter()
            .find(|format| format.as_str() == word)
    }

    const fn media_type(self) -> HeaderValue {
        match self {
            Format::Csv => HeaderValue::from_static("text/csv; charset=utf-8; header=present"),
            Format::Ndjson => HeaderValue::from_static("application/x-ndjson"),
        }
    }

    const fn file(self) -> HeaderValue {
        match self {
            Format::Csv => HeaderValue::from_static("attachment; filename=\"ledger.csv\""),
            Format::Ndjson => HeaderValue::from_static("attachment; filename=\"ledger.ndjson\""),
        }
    }

    fn head(self) -> &'static [u8] {
        match self {
            Format::Csv => CSV_HEAD,
            Format::Ndjson => &[],
        }
    }

    fn write(self, movement: &Movement, out: &mut Vec<u8>) {
        let row = Row::of(movement);
        match self {
            Format::Csv => row.write_csv(out),
            Format::Ndjson => row.write_ndjson(out),
        }
    }
}

/// An export under way: what is still to be written.
struct Export {
    engine: EngineHandle,
    account: AccountId,
    filter: LedgerFilter,
    format: Format,
    end: LedgerEnd,
    after: Option<LedgerPlace>,
    is_begun: bool,
    is_over: bool,
}

impl Export {
    /// The next piece; nothing at the end. A read that fails cuts the answer off, so that nobody takes it
    /// for whole.
    async fn next(mut self) -> Option<(Result<Bytes, ReadError>, Export)> {
        if self.is_over {
            return None;
        }
        let read = self
            .engine
            .ledger_export(self.account, self.filter, self.after, self.end)
            .await;
        let page = match read {
            Ok(page) => page,
            Err(error) => {
                self.is_over = true;
                return Some((Err(error), self));
            }
        };
        let mut piece = Vec::with_capacity(LINE_BYTES * (page.rows.len() + 1));
        if !std::mem::replace(&mut self.is_begun, true) {
            piece.extend_from_slice(self.format.head());
        }
        page.rows
            .iter()
            .for_each(|movement| self.format.write(movement, &mut piece));
        self.is_over = page.next.is_none();
        self.after = page.next;
        Some((Ok(piece.into()), self))
    }
}

/// `GET /api/v1/wallet/ledger/export`: oldest first, as far as it went when the request came.
pub(super) async fn export(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let account = exchange.account()?;
    let mut query = exchange.query()?;
    let filter = take_filter(&mut query)?;
    let format = query.take_as(
        "format",
        &one_of(&Format::ALL, Format::as_str),
        Format::parse,
    )?;
    let format = format.unwrap_or(Format::Csv);
    query.finish()?;
    let account = Arc::clone(&account).id();
    let engine = exchange.front().engine.clone();
    let export = Export {
        end: engine.ledger_end(),
        engine,
        account,
        filter,
        format,
        after: None,
        is_begun: false,
        is_over: false,
    };
    let response = HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, format.media_type()))
        .insert_header((CONTENT_DISPOSITION, format.file()))
        .streaming(stream::unfold(export, Export::next));
    Ok(uncached(response))
}

fn take_filter(query: &mut Query) -> Result<LedgerFilter, Problem> {
    Ok(LedgerFilter {
        kind: query.take_as(
            "kind",
            &one_of(&MovementKind::ALL, MovementKind::as_str),
            MovementKind::parse,
        )?,
        since: query.take_time("since")?,
        until: query.take_time("until")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::document_of;

    #[test]
    fn every_filter_is_read_and_a_bad_one_is_refused_by_its_name() {
        let text = "kind=sms_monthly&since=2026-04-05T14:22:08Z&until=2026-04-06T00:00:00Z";
        let mut query = Query::parse(text).unwrap();
        let filter = take_filter(&mut query).unwrap();
        query.finish().unwrap();
        assert_eq!(filter.kind, Some(MovementKind::SmsMonthly));
        assert!(filter.since < filter.until);
        for name in ["kind", "since", "until"] {
            let mut query = Query::parse(&format!("{name}=nonsense")).unwrap();
            let document = document_of(take_filter(&mut query).unwrap_err());
            assert_eq!(document["errors"][0]["field"], name);
        }
    }
}
