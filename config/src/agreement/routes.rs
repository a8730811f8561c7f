//! What routes owe carriers, and carriers routes.

use std::collections::{HashMap, HashSet};

use super::Agreement;
use crate::sections::{CarrierSettings, RouteSettings};
use crate::settings::Settings;

impl Agreement<'_> {
    pub(super) fn routes(&mut self, settings: &Settings) {
        let carriers = Carriers::of(&settings.carriers);
        let names_hold = carriers.complete && !self.is_refused_itself("carriers");
        let mut rules = HashMap::new();
        for (index, route) in settings.routes.iter().enumerate() {
            let path = format!("routes[{index}]");
            self.numbers(&path, route);
            self.targets(&path, route, &carriers, names_hold);
            self.one_rule(&mut rules, path, route);
        }
        self.every_carrier_is_routed(settings);
    }

    fn numbers(&mut self, path: &str, route: &RouteSettings) {
        let mut numbers = HashMap::new();
        for (index, number) in route.numbers.iter().enumerate() {
            self.once(&mut numbers, number, format!("{path}.numbers[{index}]"));
        }
    }

    fn targets(
        &mut self,
        path: &str,
        route: &RouteSettings,
        carriers: &Carriers<'_>,
        names_hold: bool,
    ) {
        let mut names = HashMap::new();
        for (index, target) in route.targets.iter().enumerate() {
            let name = target.carrier.as_str();
            let path = format!("{path}.targets[{index}].carrier");
            self.once(&mut names, name, path.clone());
            match carriers.by_name.get(name) {
                Some(carrier) => self.channel(&path, route, carrier),
                None if name.is_empty() || name == crate::SIMULATOR || !names_hold => {}
                None => {
                    let sentence = format!("must be the name of a carrier; {}", carriers.names());
                    self.report(&path, &path, sentence);
                }
            }
        }
    }

    fn channel(&mut self, path: &str, route: &RouteSettings, carrier: &CarrierSettings) {
        let (Some(channel), Some(protocol)) = (route.channel.one(), carrier.any_protocol()) else {
            return;
        };
        if !protocol.carries(channel) {
            let (name, protocol) = (&carrier.name, protocol.as_str());
            let label = channel.label();
            let sentence =
                format!("must carry {label}, for which the route is; {name} is {protocol}");
            self.report(path, path, sentence);
        }
    }

    /// Of two rules for the same messages the second would never speak.
    fn one_rule<'s>(
        &mut self,
        rules: &mut HashMap<(Vec<&'s str>, &'s str, crate::RouteChannel), String>,
        path: String,
        route: &'s RouteSettings,
    ) {
        let mut numbers: Vec<&str> = route.numbers.iter().map(String::as_str).collect();
        numbers.sort_unstable();
        match rules.get(&(numbers.clone(), route.prefix.as_str(), route.channel)) {
            Some(first) => {
                let sentence = format!("must differ from {first}, which is for the same messages");
                self.report(&path, first, sentence);
            }
            None => {
                rules.insert((numbers, &route.prefix, route.channel), path);
            }
        }
    }

    fn every_carrier_is_routed(&mut self, settings: &Settings) {
        let targets = || settings.routes.iter().flat_map(|route| &route.targets);
        let incomplete = self.is_refused_itself("routes")
            || settings.routes.iter().any(|route| route.targets.is_empty())
            || targets().any(|target| target.carrier.is_empty());
        if incomplete {
            return; // What was refused may have named it.
        }
        let routed: HashSet<&str> = targets().map(|target| target.carrier.as_str()).collect();
        for (index, carrier) in settings.carriers.iter().enumerate() {
            if !carrier.name.is_empty() && !routed.contains(carrier.name.as_str()) {
                let path = format!("carriers[{index}].name");
                let sentence = "must stand in the targets of a route; it would get no messages";
                self.report(&path, &path, sentence.to_owned());
            }
        }
    }

    fn is_refused_itself(&self, path: &str) -> bool {
        let mut problems = self.layers.problems.iter();
        problems.any(|problem| problem.path == path)
    }
}

struct Carriers<'s> {
    by_name: HashMap<&'s str, &'s CarrierSettings>,
    /// Whether every carrier has the name that was meant.
    complete: bool,
}

impl<'s> Carriers<'s> {
    fn of(carriers: &'s [CarrierSettings]) -> Self {
        let named = carriers.iter().filter(|carrier| !carrier.name.is_empty());
        Self {
            by_name: named.map(|c| (c.name.as_str(), c)).collect(),
            complete: carriers.iter().all(|carrier| !carrier.name.is_empty()),
        }
    }

    fn names(&self) -> String {
        let mut names: Vec<&str> = self.by_name.keys().copied().collect();
        names.sort_unstable();
        names.push(crate::SIMULATOR);
        format!("there are {}", names.join(", "))
    }
}
