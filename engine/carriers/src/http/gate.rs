//! The gate of a request's body: says for certain that a request was never sent.
//!
//! A carrier cannot act on a request whose announced body never comes. The body is behind a gate that is
//! fresh until the client asks for the first byte, which opens it; shutting a fresh gate makes any later
//! attempt to send the body fail. So whoever shuts it knows that nothing was sent and nothing will be,
//! whatever the client, its pool of connections and their tasks still do.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};

const FRESH: u8 = 0;
const OPENED: u8 = 1;
const SHUT: u8 = 2;

/// The handle that shuts a body's gate.
#[derive(Debug, Clone)]
pub(super) struct Gate(Arc<AtomicU8>);

impl Gate {
    /// Shuts the gate; `false` when the body was opened before, so that some of it may be on its way.
    pub(super) fn shut(&self) -> bool {
        self.0
            .compare_exchange(FRESH, SHUT, Ordering::AcqRel, Ordering::Acquire)
            .map_or_else(|state| state == SHUT, |_| true)
    }

    /// Opens the gate; `false` when it is shut.
    fn open(&self) -> bool {
        self.0
            .compare_exchange(FRESH, OPENED, Ordering::AcqRel, Ordering::Acquire)
            .map_or_else(|state| state == OPENED, |_| true)
    }
}

/// The body was asked for after its gate was shut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the request was given up before its body was sent")]
pub(super) struct GateShut;

/// A body behind its gate.
#[derive(Debug)]
pub(super) struct GatedBody {
    inner: Full<Bytes>,
    gate: Gate,
}

impl GatedBody {
    /// Puts a body behind a gate. An empty one needs no byte to be complete: its gate is open at once.
    pub(super) fn new(inner: Full<Bytes>) -> (GatedBody, Gate) {
        let state = if inner.is_end_stream() { OPENED } else { FRESH };
        let gate = Gate(Arc::new(AtomicU8::new(state)));
        let body = GatedBody {
            inner,
            gate: gate.clone(),
        };
        (body, gate)
    }
}

impl Body for GatedBody {
    type Data = Bytes;
    type Error = GateShut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, GateShut>>> {
        if !self.gate.open() {
            return Poll::Ready(Some(Err(GateShut)));
        }
        Pin::new(&mut self.inner)
            .poll_frame(cx)
            .map_err(|never| match never {})
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    fn body(text: &'static str) -> (GatedBody, Gate) {
        GatedBody::new(Full::new(Bytes::from_static(text.as_bytes())))
    }

    fn read(mut body: GatedBody) -> Option<Result<Bytes, GateShut>> {
        let frame = futures_util::FutureExt::now_or_never(body.frame()).unwrap();
        frame.map(|frame| frame.map(|frame| frame.into_data().unwrap()))
    }

    #[test]
    fn a_body_that_was_never_read_is_shut_for_good() {
        let (body, gate) = body("x");
        assert!(gate.shut() && gate.shut());
        assert_eq!(read(body), Some(Err(GateShut)));
    }

    #[test]
    fn a_body_that_was_read_cannot_be_shut() {
        let (body, gate) = body("x");
        assert_eq!(read(body), Some(Ok(Bytes::from_static(b"x"))));
        assert!(!gate.shut());
    }

    #[test]
    fn a_request_without_a_body_is_never_known_to_be_unsent() {
        let (body, gate) = body("");
        assert!(!gate.shut());
        assert_eq!(read(body), None);
    }
}
