//! The price list that stands in a file of its own.

use std::sync::Arc;

use super::Agreement;
use crate::prices;
use crate::settings::Settings;

impl Agreement<'_> {
    /// Puts the rows of the named list in the place of those that are built in.
    pub(super) fn prices(&mut self, settings: &mut Settings) {
        let price = &mut settings.price;
        if price.list_file.as_os_str().is_empty() {
            return;
        }
        match prices::read(&price.list_file) {
            Ok(rows) => price.rows = Arc::new(rows),
            Err(sentence) => {
                self.report("price.list_file", "price.list_file", sentence);
            }
        }
    }
}
