//! Replies that a mail server delivers by LMTP or SMTP.

use std::sync::Arc;

use didfarm_mail::lmtp::{Incoming, Intake, Verdict};
use didfarm_mail::reply;

use super::answer::{Outcome, ReplyDesk};

/// Who takes them.
pub(super) struct ReplyIntake(pub(super) Arc<ReplyDesk>);

impl Intake for ReplyIntake {
    async fn recipient(&self, address: &str) -> Verdict {
        match self.0.addresses().read(address) {
            Ok(_) => Verdict::Accept,
            Err(error) => {
                self.0.misaddressed();
                Verdict::Refuse(error.to_string())
            }
        }
    }

    async fn message(&self, recipient: &str, message: Incoming<'_>) -> Verdict {
        let target = match self.0.addresses().read(recipient) {
            Ok(target) => target,
            Err(error) => return Verdict::Refuse(error.to_string()),
        };
        let letter = match reply::read(message.bytes, message.sender.is_none()) {
            Ok(letter) => letter,
            Err(error) => return Verdict::Refuse(error.to_string()),
        };
        let key = ReplyDesk::key(target.conversation, &letter, message.bytes);
        match self.0.answer(target, key, letter).await {
            Outcome::Sent | Outcome::Repeated | Outcome::Automatic => Verdict::Accept,
            Outcome::Refused(why) => Verdict::Refuse(why),
            Outcome::Later(why) => Verdict::Later(why),
        }
    }
}
