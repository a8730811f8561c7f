//! Reading numbers' auto-reply rules, which lie beside the numbers.

use std::ops::Bound;

use didfarm_core::auto_reply::AutoReplyRules;
use didfarm_core::ids::NumberId;

use super::Take;
use crate::records::codec::CodecError;
use crate::records::keys::{self, MAPS};
use crate::records::rules::Joining;
use crate::records::{Records, RecordsError};

/// How often rules are read that a round replaces meanwhile.
const TRIES_MAX: usize = 4;

impl Records {
    /// The rules of one number.
    pub(super) fn rules(&self, number: NumberId) -> Result<Option<AutoReplyRules>, RecordsError> {
        let mut tries = 1;
        loop {
            let mut found = None;
            match self.each_rules(Some(number), |_, rules| found = Some(rules)) {
                Err(RecordsError::Record { .. }) if tries < TRIES_MAX => tries += 1,
                read => return read.map(|()| found),
            }
        }
    }

    /// Walks the rules of every number, or of one.
    pub(super) fn each_rules(
        &self,
        only: Option<NumberId>,
        mut visit: impl FnMut(NumberId, AutoReplyRules),
    ) -> Result<(), RecordsError> {
        let mut open = (NumberId(0), Joining::default());
        let mut close = |(number, rules): (NumberId, Joining)| {
            if !rules.is_empty() {
                visit(
                    number,
                    rules.rules().map_err(|source| unreadable(number, source))?,
                );
            }
            Ok(())
        };
        let from = only.map_or(Bound::Unbounded, |number| {
            Bound::Included(keys::auto_reply(number, 0).to_vec())
        });
        self.each_raw(MAPS.auto_replies, from, |key, value| {
            let of = keys::auto_reply_of(key);
            let wanted = of.filter(|(number, _)| only.is_none_or(|only| only == *number));
            let Some((number, part)) = wanted else {
                return Ok(Take::Stop);
            };
            if number != open.0 {
                close(std::mem::replace(&mut open, (number, Joining::default())))?;
            }
            if !open.1.add(part, value) {
                let detail = format!("part {part} does not follow the others");
                return Err(unreadable(number, CodecError::Malformed { detail }));
            }
            Ok(Take::Next)
        })?;
        close(open)
    }
}

fn unreadable(number: NumberId, source: CodecError) -> RecordsError {
    RecordsError::Record {
        kind: "auto-reply",
        key: number.to_string(),
        source,
    }
}
