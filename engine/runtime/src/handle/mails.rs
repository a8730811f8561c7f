//! Mails at the door: one is durable before it is answered, and operators see what waits.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use didfarm_core::ids::MailId;
use didfarm_core::mail::{Mail, MailKind};
use didfarm_core::time::Timestamp;
use didfarm_mail::address::Address;
use didfarm_store::records::Records;
use didfarm_store::records::read::Take;
use tokio::sync::oneshot;

use super::EngineHandle;
use super::reads::damaged;
use crate::account::AccountHandle;
use crate::actors::mails::{Forward, MailInput};
use crate::actors::partition::faulted;
use crate::idempotency::Guard;
use crate::mails::{DueMail, FORWARD_BYTES_MAX, ForwardRequest, GivenUpMail, MailError};
use crate::read::{PAGE_ROWS_MAX, ReadError};
use crate::send::Unavailable;

impl EngineHandle {
    /// Takes a message that a customer wants forwarded by mail, under an idempotency key if there is a
    /// guard: when this returns `Ok`, it is durable and will be sent.
    ///
    /// # Errors
    /// See [`MailError`]; nothing is kept of the mail then.
    pub async fn forward_to_email(
        &self,
        account: &Arc<AccountHandle>,
        request: ForwardRequest,
        guard: Option<Box<Guard>>,
    ) -> Result<MailId, MailError> {
        let shared = &self.shared;
        shared.gate()?;
        let number = self.own_number(account, request.number)?;
        let to = Address::parse(&request.to)?;
        let bytes = request.body.len();
        if bytes > FORWARD_BYTES_MAX {
            return Err(MailError::TextTooLong { bytes });
        }
        let permit = shared.admission.admit().ok_or(Unavailable::Busy)?;
        account.take().map_err(|wait| MailError::RateLimited {
            limit: account.limit(),
            wait,
        })?;
        let mail = Mail {
            id: MailId(shared.mail_next.fetch_add(1, Ordering::Relaxed)),
            account: account.id(),
            to: to.as_str().into(),
            kind: MailKind::Forward {
                number: number.e164,
                from: request.from,
                body: request.body,
                received_at: request.received_at,
            },
        };
        let (reply, answer) = oneshot::channel();
        let forward = Forward {
            mail,
            guard,
            reply,
            permit,
        };
        shared.mails.push(MailInput::Forward(Box::new(forward)));
        faulted(answer.await)
    }

    /// The mails that wait, by when they are due, at most [`PAGE_ROWS_MAX`], and how many there are.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn waiting_mails(&self, limit: usize) -> Result<(Vec<DueMail>, u64), ReadError> {
        let limit = limit.clamp(1, PAGE_ROWS_MAX);
        let read = move |records: &Records| {
            let total = records.meta().map_err(damaged)?.counts.mails;
            let rows = records
                .mails_due(None, Timestamp(i64::MAX), limit)
                .map_err(damaged)?;
            let mails = rows.into_iter();
            let mails = mails.map(|(due, waiting)| DueMail { due, waiting });
            Ok((mails.collect(), total))
        };
        self.shared.read(read).await
    }

    /// The mails that were given up, newest first, at most [`PAGE_ROWS_MAX`], and how many there ever
    /// were.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn given_up_mails(&self, limit: usize) -> Result<(Vec<GivenUpMail>, u64), ReadError> {
        let limit = limit.clamp(1, PAGE_ROWS_MAX);
        let read = move |records: &Records| {
            let total = records.meta().map_err(damaged)?.mails_given_up_total;
            let mut mails = Vec::new();
            let visit = |mail| {
                mails.push(mail);
                match mails.len() < limit {
                    true => Take::Next,
                    false => Take::Stop,
                }
            };
            records.each_given_up_mail(visit).map_err(damaged)?;
            Ok((mails, total))
        };
        self.shared.read(read).await
    }
}
