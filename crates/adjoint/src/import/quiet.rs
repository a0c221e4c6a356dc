//! Calls into tract with panics caught and kept off the caller's terminal.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// Depth of [`caught`] on this thread; the hook is silent where it is not zero.
    static INSIDE: Cell<u32> = const { Cell::new(0) };
    /// The last panic's message with its place, left by the hook for [`caught`].
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

static HOOK: Once = Once::new();

/// Runs `work`; a panic becomes `Err` with its message and place.
///
/// The process's panic hook is wrapped once, on first use. The wrapper hands every panic on to the hook found there,
/// except those of a thread that is inside this function at that moment. A hook set later by the caller wins: then the
/// caught panics are printed too, and nothing else changes.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    HOOK.call_once(|| {
        let outer = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if INSIDE.get() == 0 {
                outer(info);
            } else {
                LAST.set(describe(info));
            }
        }));
    });
    INSIDE.set(INSIDE.get() + 1);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    INSIDE.set(INSIDE.get() - 1);
    result.map_err(|payload| {
        let told = LAST.take();
        // The payload may panic again when dropped; a leak of a few bytes is the lesser evil.
        let message = if told.is_empty() { payload_text(&*payload) } else { told };
        std::mem::forget(payload);
        message
    })
}

fn describe(info: &panic::PanicHookInfo<'_>) -> String {
    let place =
        info.location().map(|l| format!(" ({}:{})", file_name(l.file()), l.line())).unwrap_or_default();
    format!("panic: {}{place}", payload_text(info.payload()))
}

fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

fn payload_text(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic without words".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message_and_place() {
        let message = caught(|| -> () { panic!("no such axis {}", 7) }).expect_err("it panicked");
        assert!(message.contains("no such axis 7") && message.contains("quiet.rs:"), "{message}");
        assert_eq!(caught(|| 3), Ok(3));
        assert_eq!(INSIDE.get(), 0);
    }
}
