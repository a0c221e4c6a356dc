//! How threads of a live run end: a loop that panics, and a thread that does not come back.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use timeline::{clock, ns_from_s};

use crate::error::SessionError;

/// How often a thread that is waited for is looked at.
const LOOK: Duration = Duration::from_millis(5);

thread_local! {
    /// What the calling thread sets when it ends.
    static OVER: RefCell<Option<Arc<AtomicBool>>> = const { RefCell::new(None) };
}

/// Sets `over` when dropped, so that a loop that panics cannot leave a stimulus on the screen.
pub struct EndsWith(Arc<AtomicBool>);

impl EndsWith {
    /// For the calling thread.
    pub fn new(over: &Arc<AtomicBool>) -> Self {
        before_the_backtrace();
        OVER.with_borrow_mut(|own| *own = Some(Arc::clone(over)));
        Self(Arc::clone(over))
    }
}

impl Drop for EndsWith {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// A panic prints its backtrace before it unwinds, which takes seconds where symbols have to be looked up; the screen must
/// not wait for that. What was set to be done at a panic is done afterwards.
fn before_the_backtrace() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let next = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let _ = OVER.try_with(|over| {
                if let Ok(over) = over.try_borrow()
                    && let Some(over) = &*over
                {
                    over.store(true, Ordering::Release);
                }
            });
            next(panic);
        }));
    });
}

/// What a thread came to.
///
/// # Errors
/// It panicked.
pub fn join<T>(thread: JoinHandle<T>, name: &str) -> Result<T, SessionError> {
    thread.join().map_err(|_| SessionError::ThreadFailed(name.into()))
}

/// The same of a thread that may be stuck. One that does not end in time is left to itself: the record is closed without it.
///
/// # Errors
/// It panicked, or did not end within `within_s`.
pub fn join_within<T>(thread: JoinHandle<T>, name: &str, within_s: f64) -> Result<T, SessionError> {
    let until_ns = clock::now_ns().saturating_add(ns_from_s(within_s));
    while !thread.is_finished() {
        if clock::now_ns() >= until_ns {
            return Err(SessionError::ThreadStuck { name: name.into(), within_s });
        }
        thread::sleep(LOOK);
    }
    join(thread, name)
}

#[cfg(test)]
mod tests {
    use timeline::s_from_ns;

    use super::*;

    #[test]
    fn a_thread_that_does_not_come_back_is_not_waited_for() {
        let begin_ns = clock::now_ns();
        let (hold, held) = std::sync::mpsc::channel::<()>();
        let thread = thread::Builder::new().spawn(move || held.recv()).unwrap();
        let error = join_within(thread, "planner", 0.1).unwrap_err().to_string();
        assert!(error.contains("planner") && error.contains("0.1 s"), "{error}");
        assert!(s_from_ns(clock::now_ns() - begin_ns) < 5.0);
        drop(hold);
        let thread = thread::Builder::new().spawn(|| 7).unwrap();
        assert_eq!(join_within(thread, "planner", 60.0).unwrap(), 7);
    }

    #[test]
    fn over_is_set_before_anything_is_said_of_a_panic() {
        let over = Arc::new(AtomicBool::new(false));
        let own = Arc::clone(&over);
        let body = move || {
            let _ends = EndsWith::new(&own);
            panic!("on purpose");
        };
        let ended = thread::Builder::new().spawn(body).unwrap().join();
        assert!(ended.is_err() && over.load(Ordering::Acquire));
        // Of another thread's panic nothing is set.
        over.store(false, Ordering::Release);
        assert!(thread::Builder::new().spawn(|| panic!("on purpose")).unwrap().join().is_err());
        assert!(!over.load(Ordering::Acquire));
    }
}
