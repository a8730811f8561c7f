//! `GET /api/v1/sms/opt-outs/export`: every opt-out with its evidence, page by page as the caller reads.

use std::fmt::Write as _;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::HttpResponse;
use actix_web::body::{BodySize, MessageBody};
use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use actix_web::web::Bytes;
use didfarm_core::ids::AccountId;
use didfarm_runtime::EngineHandle;
use didfarm_runtime::consent::{OptOutFilter, OptOutView};
use didfarm_runtime::read::{PAGE_ROWS_MAX, Page, Position, ReadError};

use super::take_filter;
use crate::api::asked;
use crate::exchange::Exchange;
use crate::present::consent::{CSV_HEAD, OptOut, write_csv};
use crate::problem::Problem;

/// How an export is written.
#[derive(Clone, Copy)]
enum Form {
    /// A JSON document a line.
    Ndjson,
    /// RFC 4180.
    Csv,
}

impl Form {
    const WORDS: &'static str = "ndjson or csv";

    fn parse(text: &str) -> Option<Form> {
        match text {
            "ndjson" => Some(Form::Ndjson),
            "csv" => Some(Form::Csv),
            _ => None,
        }
    }

    fn headers(self) -> (HeaderValue, HeaderValue) {
        let (media_type, file) = match self {
            Form::Ndjson => (
                "application/x-ndjson",
                "attachment; filename=\"opt-outs.ndjson\"",
            ),
            Form::Csv => (
                "text/csv; charset=utf-8; header=present",
                "attachment; filename=\"opt-outs.csv\"",
            ),
        };
        (
            HeaderValue::from_static(media_type),
            HeaderValue::from_static(file),
        )
    }

    fn head(self) -> &'static str {
        match self {
            Form::Ndjson => "",
            Form::Csv => CSV_HEAD,
        }
    }

    fn write(self, view: &OptOutView, to: &mut String) {
        match self {
            Form::Csv => write_csv(view, to),
            Form::Ndjson => {
                let line = serde_json::to_string(&OptOut::of(view));
                let line = line.expect("answers have string keys only");
                writeln!(to, "{line}").expect("writing to a string does not fail");
            }
        }
    }
}

type Read = Pin<Box<dyn Future<Output = Result<Page<OptOutView, Position>, ReadError>>>>;

/// What is still to be read.
enum Rest {
    /// A page that is here, or on its way.
    Page(Read),
    /// Nothing.
    End,
}

/// The body: a page of rows in memory at a time. A read that fails cuts it, so that no caller takes a
/// part for the whole.
struct Export {
    engine: EngineHandle,
    account: AccountId,
    filter: OptOutFilter,
    form: Form,
    head: &'static str,
    rest: Rest,
}

impl Export {
    fn read(&self, after: Option<Position>) -> Read {
        let engine = self.engine.clone();
        let (account, filter) = (self.account, self.filter);
        Box::pin(async move { engine.opt_outs(account, filter, after, PAGE_ROWS_MAX).await })
    }
}

impl MessageBody for Export {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let export = self.get_mut();
        loop {
            let Rest::Page(read) = &mut export.rest else {
                return Poll::Ready(None);
            };
            let page = match read.as_mut().poll(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => {
                    export.rest = Rest::End;
                    return Poll::Ready(Some(Err(Box::new(error))));
                }
                Poll::Ready(Ok(page)) => page,
            };
            export.rest = match page.next {
                Some(position) => Rest::Page(export.read(Some(position))),
                None => Rest::End,
            };
            let mut text = std::mem::take(&mut export.head).to_owned();
            for view in &page.rows {
                export.form.write(view, &mut text);
            }
            // A page may have looked through rows that do not fit, and found none.
            if !text.is_empty() {
                return Poll::Ready(Some(Ok(Bytes::from(text))));
            }
        }
    }
}

/// `GET /api/v1/sms/opt-outs/export`
pub(super) async fn export(exchange: &mut Exchange) -> Result<HttpResponse, Problem> {
    let account = exchange.account()?.id();
    let mut query = exchange.query()?;
    let form = query.take_as("format", Form::WORDS, Form::parse)?;
    let form = form.unwrap_or(Form::Ndjson);
    let filter = take_filter(exchange, &mut query, account)?;
    query.finish()?;
    let mut body = Export {
        engine: exchange.front().engine.clone(),
        account,
        filter: filter.unwrap_or_default(),
        form,
        head: form.head(),
        rest: Rest::End,
    };
    let first = match filter {
        Some(_) => body.read(None).await,
        None => Ok(Page {
            rows: Vec::new(),
            next: None,
        }),
    };
    let first = first.map_err(|error| asked(exchange).read(error))?;
    body.rest = Rest::Page(Box::pin(std::future::ready(Ok(first))));
    let (media_type, disposition) = form.headers();
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, media_type))
        .insert_header((CONTENT_DISPOSITION, disposition))
        .body(body))
}
