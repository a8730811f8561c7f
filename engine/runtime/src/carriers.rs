//! The carriers that the settings name: made once at the start, found by id or by name.

pub mod start;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use didfarm_carriers::callback::CallbackDoor;
use didfarm_carriers::{Abilities, Carrier};
use didfarm_core::ids::CarrierId;

/// What a carrier that the settings no longer name can do.
const NOTHING: Abilities = Abilities {
    names_messages: false,
    one_id: false,
    queries: false,
};

/// One carrier and what the settings say of it.
pub(crate) struct Entry {
    pub(crate) carrier: Arc<dyn Carrier>,
    pub(crate) kind: Kind,
    pub(crate) window: usize,
    /// The segments a second that it takes; 0 for no limit.
    pub(crate) segments_per_second: u32,
    /// How long it has for its answer to a submit; past it the message is in doubt.
    pub(crate) answer_deadline_ms: u64,
    /// How long a message waits for its last receipt.
    pub(crate) receipt_deadline_ms: u64,
    /// How long a receipt is kept whose message is not yet known.
    pub(crate) parked_age_max_ms: u64,
}

/// Which protocol a carrier speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// None: it is in the process.
    Simulator,
    /// Telnyx messaging API v2.
    Telnyx,
    /// Twilio Messages API.
    Twilio,
    /// WhatsApp Cloud API.
    WhatsApp,
    /// SMPP 3.4.
    Smpp,
}

impl Kind {
    /// The word in the settings, in captures and in operators' answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Simulator => "simulator",
            Kind::Telnyx => "telnyx",
            Kind::Twilio => "twilio",
            Kind::WhatsApp => "whatsapp",
            Kind::Smpp => "smpp",
        }
    }
}

/// Every carrier.
pub(crate) struct Carriers {
    entries: Vec<Entry>,
}

impl Carriers {
    pub(crate) fn new(entries: Vec<Entry>) -> Carriers {
        Carriers { entries }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    fn entry(&self, id: CarrierId) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.carrier.id() == id)
    }

    pub(crate) fn get(&self, id: CarrierId) -> Option<&dyn Carrier> {
        self.entry(id).map(|entry| entry.carrier.as_ref())
    }

    pub(crate) fn name(&self, id: CarrierId) -> &str {
        self.get(id).map_or("unknown", Carrier::name)
    }

    pub(crate) fn abilities(&self, id: CarrierId) -> Abilities {
        self.get(id).map_or(NOTHING, Carrier::abilities)
    }

    /// How long a receipt of a carrier is kept whose message is not yet known.
    pub(crate) fn parked_age_max_ms(&self, id: CarrierId) -> Option<u64> {
        self.entry(id).map(|entry| entry.parked_age_max_ms)
    }
}

/// How a carrier is at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CarrierView {
    /// Which.
    pub id: CarrierId,
    /// `closed`, `half_open` or `open`.
    pub circuit: &'static str,
    /// Messages that wait for a place in its window.
    pub waiting: usize,
    /// Messages handed over and not answered.
    pub outstanding: usize,
    /// How many may be.
    pub window: usize,
    /// The segments a second that it takes, where that has a limit, and how many went in the last whole
    /// second.
    pub rate: Option<(u32, u32)>,
}

/// Where the delivery supervisor shows how the carriers are.
#[derive(Default)]
pub(crate) struct Views(Mutex<Vec<CarrierView>>);

impl Views {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<CarrierView>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn show(&self, views: Vec<CarrierView>) {
        *self.lock() = views;
    }

    pub(crate) fn list(&self) -> Vec<CarrierView> {
        self.lock().clone()
    }
}

/// What the outside may know of a carrier.
#[derive(Clone)]
pub struct CarrierFace {
    /// Its id.
    pub id: CarrierId,
    /// Its name.
    pub name: Arc<str>,
    /// Its protocol.
    pub kind: Kind,
    /// The door for its callbacks, where it makes any.
    pub door: Option<Arc<dyn CallbackDoor>>,
}

/// The carriers as the outside knows them. They hold nothing of the engine.
pub(crate) struct Faces {
    by_name: HashMap<Arc<str>, CarrierFace>,
    names: HashMap<CarrierId, Arc<str>>,
}

impl Faces {
    pub(crate) fn of(carriers: &Carriers) -> Faces {
        let mut faces = Faces {
            by_name: HashMap::new(),
            names: HashMap::new(),
        };
        for entry in carriers.iter() {
            let name: Arc<str> = entry.carrier.name().into();
            let face = CarrierFace {
                id: entry.carrier.id(),
                name: Arc::clone(&name),
                kind: entry.kind,
                door: entry.carrier.door(),
            };
            faces.names.insert(face.id, Arc::clone(&name));
            faces.by_name.insert(name, face);
        }
        faces
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<&CarrierFace> {
        self.by_name.get(name)
    }

    pub(crate) fn name(&self, id: CarrierId) -> Option<&Arc<str>> {
        self.names.get(&id)
    }

    pub(crate) fn list(&self) -> Vec<CarrierFace> {
        let mut faces: Vec<CarrierFace> = self.by_name.values().cloned().collect();
        faces.sort_by_key(|face| face.id);
        faces
    }
}
