//! What the settings of mail owe each other.

use super::Agreement;
use crate::sections::{ReplySettings, SmtpSettings};
use crate::settings::Settings;

impl Agreement<'_> {
    pub(super) fn mail(&mut self, settings: &Settings) {
        self.smtp_login(&settings.mail.smtp);
        self.replies(settings);
    }

    fn smtp_login(&mut self, smtp: &SmtpSettings) {
        let is_in_file = !smtp.password_file.as_os_str().is_empty();
        // What was read from the file stands there by now, and is none of the settings.
        let is_given = !smtp.password.stands_elsewhere();
        let key = match is_in_file {
            true => "mail.smtp.password_file",
            false => "mail.smtp.password",
        };
        if is_in_file && is_given {
            let sentence = "must not stand beside mail.smtp.password; there must be one of the two";
            self.report(key, "mail.smtp.password", sentence.to_owned());
        }
        match (smtp.username.is_empty(), is_in_file || is_given) {
            (true, true) => {
                let sentence = format!("must be set, because {key} is");
                self.report("mail.smtp.username", key, sentence);
            }
            (false, false) => {
                let sentence = "must be set, or password_file, because mail.smtp.username is";
                self.report(key, "mail.smtp.username", sentence.to_owned());
            }
            (true, false) | (false, true) => {}
        }
    }

    fn replies(&mut self, settings: &Settings) {
        let ReplySettings {
            listen,
            maildir,
            domain,
        } = &settings.mail.replies;
        let is_served = !listen.is_empty() || !maildir.as_os_str().is_empty();
        match (domain.is_empty(), is_served) {
            (true, true) => {
                let key = match listen.is_empty() {
                    true => "mail.replies.maildir",
                    false => "mail.replies.listen",
                };
                let sentence = format!("must be set, because {key} is");
                self.report("mail.replies.domain", key, sentence);
            }
            (false, false) => {
                let sentence = "must be set, or maildir, because mail.replies.domain is: replies \
                                would reach nobody";
                self.report(
                    "mail.replies.listen",
                    "mail.replies.domain",
                    sentence.to_owned(),
                );
            }
            (true, false) | (false, true) => {}
        }
        let listens = [
            ("http.listen", settings.http.listen),
            ("ops.listen", settings.ops.listen),
        ];
        let own = settings.mail.replies.listen_address();
        let taken = listens
            .into_iter()
            .find(|(_, address)| own.is_some_and(|own| own == *address && own.port() != 0));
        if let Some((other, address)) = taken {
            let sentence = format!("must differ from {other}, which is {address} too");
            self.report("mail.replies.listen", other, sentence);
        }
        if maildir.as_os_str() == settings.maildir().as_os_str() {
            let sentence = "must differ from mail.maildir, which mails are written to";
            self.report("mail.replies.maildir", "mail.maildir", sentence.to_owned());
        }
    }
}
