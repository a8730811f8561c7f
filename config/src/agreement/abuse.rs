//! The list of ranges that stands in a file of its own, and the countries of the list of destinations.

use std::sync::Arc;

use super::Agreement;
use crate::ranges;
use crate::settings::Settings;

impl Agreement<'_> {
    /// Puts the named list of ranges in the place of the one that is built in, and checks the countries.
    pub(super) fn abuse(&mut self, settings: &mut Settings) {
        let abuse = &mut settings.abuse;
        if let Err(error) = abuse.countries() {
            let (path, sentence) = ("abuse.destinations", format!("must be countries; {error}"));
            self.report(path, path, sentence);
        }
        if abuse.ranges_file.as_os_str().is_empty() {
            return;
        }
        match ranges::read(&abuse.ranges_file) {
            Ok(ranges) => abuse.ranges = Arc::new(ranges),
            Err(sentence) => self.report("abuse.ranges_file", "abuse.ranges_file", sentence),
        }
    }
}
