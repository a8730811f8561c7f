//! Waiting for conditions, never for a fixed time.

use std::time::{Duration, Instant};

/// The pause between two looks at a condition.
const POLL: Duration = Duration::from_millis(10);

/// Looks again and again until the condition gives a value.
///
/// # Panics
/// When `bound` passes first; `what` says what was waited for.
pub async fn eventually<T>(
    what: &str,
    bound: Duration,
    condition: impl AsyncFnMut() -> Option<T>,
) -> T {
    match within(bound, condition).await {
        Some(value) => value,
        None => panic!("not within {} ms: {what}", bound.as_millis()),
    }
}

/// Looks again and again until the condition gives a value or `bound` passes.
pub async fn within<T>(
    bound: Duration,
    mut condition: impl AsyncFnMut() -> Option<T>,
) -> Option<T> {
    let until = Instant::now() + bound;
    loop {
        if let Some(value) = condition().await {
            return Some(value);
        }
        if Instant::now() >= until {
            return None;
        }
        tokio::time::sleep(POLL).await;
    }
}
