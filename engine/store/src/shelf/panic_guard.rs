//! Turns panics of a foreign library into values, without a word on standard error.
//!
//! sled 0.34.7 panics on most damage to its files, also where its signature promises an error.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// Whether this thread is inside [`guarded`], where a panic is an answer and no accident.
    static IN_GUARD: Cell<bool> = const { Cell::new(false) };
}

/// The most bytes of a panic's message that are kept; the rest of sled's messages are dumps of its pages.
const MESSAGE_BYTES_MAX: usize = 160;

/// Runs `work`; a panic inside becomes its message.
///
/// The panic hook is process-wide, so ours is laid over the one in place once, and is silent only
/// for threads that are inside this function.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = take_hook();
        set_hook(Box::new(move |panic| {
            if !IN_GUARD.get() {
                previous(panic);
            }
        }));
    });
    let outer = IN_GUARD.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    IN_GUARD.set(outer);
    result.map_err(|payload| message(payload.as_ref()))
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = match payload.downcast_ref::<String>() {
        Some(text) => text.as_str(),
        None => payload
            .downcast_ref::<&str>()
            .copied()
            .unwrap_or("a panic without a message"),
    };
    let mut line = String::new();
    for word in text.split_whitespace() {
        if line.len() + word.len() > MESSAGE_BYTES_MAX {
            line.push_str(" …");
            break;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message_on_one_line() {
        let result: Result<(), String> = guarded(|| panic!("page {} is\n  gone", 7));
        assert_eq!(result, Err("page 7 is gone".to_owned()));
        assert_eq!(guarded(|| 7), Ok(7));
    }

    #[test]
    fn a_guard_within_a_guard_leaves_the_outer_one_standing() {
        let inside = guarded(|| {
            let inner: Result<(), String> = guarded(|| panic!("inner"));
            (inner, IN_GUARD.get())
        });
        assert_eq!(inside, Ok((Err("inner".to_owned()), true)));
        assert!(!IN_GUARD.get());
    }

    #[test]
    fn a_long_message_is_cut() {
        let result: Result<(), String> = guarded(|| panic!("{}", "word ".repeat(1000)));
        assert!(result.unwrap_err().len() <= MESSAGE_BYTES_MAX + 8);
    }
}
