//! What settings owe each other, and the files that they name: what no single value can break.

mod abuse;
mod carriers;
mod mail;
mod prices;
mod routes;
mod secrets;

use std::collections::HashMap;

use crate::layers::Layers;
use crate::problem::Problem;
use crate::sections::AccountSettings;
use crate::settings::Settings;

/// Reads the secrets, the price list and the list of ranges that stand in files of their own, and returns the problems between settings
/// whose values are each allowed.
///
/// A rule is skipped where one of its values was refused already: what stands in its place is a
/// default that nobody chose.
pub(crate) fn check_agreement(settings: &mut Settings, layers: &Layers) -> Vec<Problem> {
    let mut agreement = Agreement {
        layers,
        found: Vec::new(),
    };
    agreement.secrets(settings);
    agreement.prices(settings);
    agreement.abuse(settings);
    agreement.addresses(settings);
    agreement.bounds(settings);
    agreement.carriers(settings);
    agreement.routes(settings);
    agreement.mail(settings);
    agreement.accounts(&settings.accounts);
    agreement.found
}

struct Agreement<'a> {
    layers: &'a Layers,
    found: Vec<Problem>,
}

impl Agreement<'_> {
    fn addresses(&mut self, settings: &Settings) {
        let (http, ops) = (settings.http.listen, settings.ops.listen);
        if http == ops && http.port() != 0 {
            self.report(
                "ops.listen",
                "http.listen",
                format!("must differ from http.listen, which is {http} too"),
            );
        }
    }

    fn bounds(&mut self, settings: &Settings) {
        let (store, delivery) = (&settings.store, &settings.delivery);
        let circuit = &settings.circuit;
        self.not_above(
            ("store.group_bytes_max", store.group_bytes_max),
            ("store.segment_bytes", store.segment_bytes),
        );
        self.not_above(
            ("delivery.validity_ms", delivery.validity_ms),
            ("delivery.validity_max_ms", delivery.validity_max_ms),
        );
        self.not_above(
            ("circuit.open_ms", circuit.open_ms),
            ("circuit.open_ms_max", circuit.open_ms_max),
        );
        let webhooks = &settings.webhooks;
        self.not_above(
            ("webhooks.connect_timeout_ms", webhooks.connect_timeout_ms),
            ("webhooks.timeout_ms", webhooks.timeout_ms),
        );
        self.not_above(
            (
                "webhooks.endpoint_in_flight_max",
                webhooks.endpoint_in_flight_max as u64,
            ),
            ("webhooks.in_flight_max", webhooks.in_flight_max as u64),
        );
    }

    fn not_above(&mut self, (path, value): (&str, u64), (bound_path, bound): (&str, u64)) {
        if value > bound {
            let sentence = format!("must not be above {bound_path}, {value} is above {bound}");
            self.report(path, bound_path, sentence);
        }
    }

    fn accounts(&mut self, accounts: &[AccountSettings]) {
        let mut names = HashMap::new();
        let mut keys = HashMap::new();
        let mut numbers = HashMap::new();
        for (index, account) in accounts.iter().enumerate() {
            let path = format!("accounts[{index}]");
            self.once(&mut names, &account.name, format!("{path}.name"));
            if let Some(key) = &account.api_key {
                self.once(&mut keys, key.expose(), format!("{path}.api_key"));
            }
            for (index, number) in account.numbers.iter().enumerate() {
                let path = format!("{path}.numbers[{index}]");
                self.once(&mut numbers, &number.e164, format!("{path}.e164"));
                if !number.sms && !number.whatsapp {
                    let sentence = "must have a channel; set sms or whatsapp to true";
                    self.report(&path, &path, sentence.to_owned());
                }
            }
        }
    }

    fn once<'t>(&mut self, seen: &mut HashMap<&'t str, String>, text: &'t str, path: String) {
        if text.is_empty() {
            return; // Refused before, or missing: not a value that could be there twice.
        }
        match seen.get(text) {
            Some(first) => {
                let sentence = format!("must differ from {first}");
                self.report(&path, first, sentence);
            }
            None => {
                seen.insert(text, path);
            }
        }
    }

    fn report(&mut self, path: &str, other: &str, sentence: String) {
        if self.was_refused(path) || self.was_refused(other) {
            return;
        }
        let other_origin = self.layers.origin(other);
        let origin = self.layers.origin(path);
        let sentence = if origin == other_origin {
            sentence
        } else {
            format!("{sentence}; {other} comes from {other_origin}")
        };
        self.found.push(Problem {
            path: path.to_owned(),
            origin,
            sentence,
        });
    }

    /// Tells whether the value at a path, something inside it or a table around it was refused.
    fn was_refused(&self, path: &str) -> bool {
        self.layers.problems.iter().any(|problem| {
            is_at_or_inside(&problem.path, path) || is_at_or_inside(path, &problem.path)
        })
    }
}

fn is_at_or_inside(path: &str, around: &str) -> bool {
    path.strip_prefix(around)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}
