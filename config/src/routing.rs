//! Carriers by their ids, and the routes between them, in the engine's types.

use std::time::Duration;

use didfarm_core::channel::Channel;
use didfarm_core::e164::{E164, Validation};
use didfarm_core::ids::CarrierId;
use didfarm_core::route::{RouteTable, Rule, Target};

use crate::sections::{CarrierSettings, ProtocolSettings, RouteSettings};
use crate::settings::Settings;

/// The name of the carrier that is always there, with the id [`CarrierId::SIMULATOR`].
pub const SIMULATOR: &str = crate::allowed::SIMULATOR;

impl Settings {
    /// Returns a carrier by its id; nothing for the simulator, which has settings of its own.
    pub fn carrier(&self, id: CarrierId) -> Option<&CarrierSettings> {
        self.carriers.iter().find(|c| c.carrier_id() == id)
    }

    /// Returns the id of a carrier by its name.
    pub fn carrier_id(&self, name: &str) -> Option<CarrierId> {
        if name == SIMULATOR {
            return Some(CarrierId::SIMULATOR);
        }
        let carrier = self.carriers.iter().find(|c| c.name == name)?;
        Some(carrier.carrier_id())
    }

    /// Returns the most messages handed to a carrier and not answered yet; for the simulator, and
    /// for a carrier that is not there any more, `simulator.window`.
    pub fn window(&self, id: CarrierId) -> usize {
        self.carrier(id)
            .map_or(self.simulator.window, |carrier| carrier.window)
    }

    /// Returns the segments a second that a carrier takes; 0 for no limit.
    pub fn segments_per_second(&self, id: CarrierId) -> u32 {
        self.carrier(id)
            .map_or(0, |carrier| carrier.segments_per_second)
    }

    /// Returns how long a message submitted to a carrier waits for its last receipt.
    pub fn receipt_deadline(&self, id: CarrierId) -> Duration {
        let all = || self.delivery.receipt_deadline();
        self.carrier(id)
            .map_or_else(all, |carrier| carrier.receipt_deadline(&self.delivery))
    }

    /// Returns how long a receipt of a carrier is kept whose message is not yet known.
    pub fn parked_receipt_age_max(&self, id: CarrierId) -> Duration {
        let protocol = self.carrier(id).and_then(CarrierSettings::any_protocol);
        match protocol {
            Some(ProtocolSettings::WhatsApp(_)) => self.delivery.parked_receipt_age_max_whatsapp(),
            Some(
                ProtocolSettings::Telnyx(_)
                | ProtocolSettings::Twilio(_)
                | ProtocolSettings::Smpp(_),
            )
            | None => self.delivery.parked_receipt_age_max(),
        }
    }

    /// Returns the routes; without any, everything goes to the simulator.
    ///
    /// A route for all channels becomes one rule for each, with those of its carriers that carry
    /// it: no SMS is handed to a carrier of WhatsApp messages only, nor the other way round. For a
    /// channel that none of its carriers carries it says nothing, and a less specific route speaks.
    ///
    /// # Panics
    ///
    /// Panics for names and numbers that no loading yields.
    pub fn route_table(&self) -> RouteTable {
        if self.routes.is_empty() {
            return RouteTable::only(CarrierId::SIMULATOR);
        }
        // Of two equally specific rules the first speaks: one that names the channel comes first.
        let (named, all): (Vec<_>, Vec<_>) = self
            .routes
            .iter()
            .partition(|route| route.channel.one().is_some());
        let routes = named.into_iter().chain(all);
        let rules = routes.flat_map(|route| {
            let channels = Channel::ALL.into_iter();
            let meant = channels.filter(|own| route.channel.one().is_none_or(|one| one == *own));
            meant.filter_map(|channel| self.rule(route, channel))
        });
        RouteTable::new(rules.collect())
    }

    fn rule(&self, route: &RouteSettings, channel: Channel) -> Option<Rule> {
        let number = |text: &String| {
            E164::parse(text, Validation::Syntax).expect("loading refuses what is no number")
        };
        let targets = self.targets(route, channel);
        (!targets.is_empty()).then(|| Rule {
            numbers: route.numbers.iter().map(number).collect(),
            prefix: route.prefix.trim_start_matches('+').into(),
            channel: Some(channel),
            targets,
        })
    }

    fn targets(&self, route: &RouteSettings, channel: Channel) -> Vec<Target> {
        let targets = route.targets.iter().zip(0..).map(|(target, place)| Target {
            carrier: self
                .carrier_id(&target.carrier)
                .expect("loading refuses a route to nobody"),
            tier: target.tier.unwrap_or(place),
            weight: target.weight,
        });
        let carries = |target: &Target| {
            self.carrier(target.carrier)
                .is_none_or(|carrier| carrier.protocol().carries(channel))
        };
        targets.filter(carries).collect()
    }
}
