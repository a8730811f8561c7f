//! A carrier's request to one of our doors.

use didfarm_carriers::callback::{Callback, CallbackDoor, CallbackRequest, NotGenuine, Unreadable};
use didfarm_core::time::Timestamp;

/// When the tests' callbacks come, in seconds.
pub const NOW_S: i64 = 1_700_000_000;

/// A request, owned.
#[derive(Clone)]
pub struct Call {
    pub tail: String,
    pub path_and_query: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    pub now_s: i64,
}

impl Call {
    pub fn verify(&self, door: &dyn CallbackDoor) -> Result<(), NotGenuine> {
        self.with(|request| door.verify(request))
    }

    pub fn read(&self, door: &dyn CallbackDoor) -> Result<Callback, Unreadable> {
        self.with(|request| door.read(request))
    }

    pub fn set_header(&mut self, name: &'static str, value: &str) {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.to_owned()));
    }

    fn with<T>(&self, run: impl FnOnce(&CallbackRequest<'_>) -> T) -> T {
        let header = |name: &str| {
            let found = self.headers.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.as_str())
        };
        run(&CallbackRequest {
            method: "POST",
            tail: &self.tail,
            path_and_query: &self.path_and_query,
            header: &header,
            body: &self.body,
            now: Timestamp(self.now_s * 1_000_000),
        })
    }
}
