//! Our numbers, by Meta's ids of them and back.

use std::collections::HashMap;

use didfarm_core::e164::E164;

/// Our numbers and the ids that Meta gave them.
#[derive(Debug)]
pub(super) struct Numbers {
    by_id: HashMap<Box<str>, E164>,
    ids: HashMap<E164, Box<str>>,
}

impl Numbers {
    /// Takes pairs of a number and its id; `None` when a number or an id stands there twice.
    pub(super) fn new(pairs: &[(E164, String)]) -> Option<Numbers> {
        let by_id = pairs
            .iter()
            .map(|(number, id)| (id.as_str().into(), *number));
        let ids = pairs
            .iter()
            .map(|(number, id)| (*number, id.as_str().into()));
        let numbers = Numbers {
            by_id: by_id.collect(),
            ids: ids.collect(),
        };
        let is_one_to_one = numbers.by_id.len() == pairs.len() && numbers.ids.len() == pairs.len();
        is_one_to_one.then_some(numbers)
    }

    /// The number with this id.
    pub(super) fn number(&self, id: &str) -> Option<E164> {
        self.by_id.get(id).copied()
    }

    /// The id of this number.
    pub(super) fn id(&self, number: E164) -> Option<&str> {
        self.ids.get(&number).map(|id| &**id)
    }
}
