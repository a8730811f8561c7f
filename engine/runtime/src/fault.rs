//! Fault points: places where a test makes the engine fail on purpose. All off unless set.

/// Which faults are on.
#[derive(Debug, Clone, Default)]
pub struct FaultPoints {
    /// A conversation panics on a message with exactly this body, before it decides.
    pub panic_on_body: Option<Box<str>>,
    /// The delivery supervisor panics when it takes over a message with exactly this body.
    pub panic_in_delivery_on_body: Option<Box<str>>,
}

impl FaultPoints {
    pub(crate) fn on_conversation(&self, body: &str) {
        if self.panic_on_body.as_deref() == Some(body) {
            panic!("fault point: a conversation fails on this body");
        }
    }

    pub(crate) fn on_delivery(&self, body: &str) {
        if self.panic_in_delivery_on_body.as_deref() == Some(body) {
            panic!("fault point: the delivery supervisor fails on this body");
        }
    }
}
