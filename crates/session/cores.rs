//! Work over the cores, results in the order of the work.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::SessionError;

/// Does `work` for `0..count` on `threads` threads (as many as there are cores, when 0); results stand in that order. At
/// the first error nothing new is begun.
///
/// # Errors
/// The first error in the order of the work, of what was done.
pub fn over_cores<T: Send>(
    threads: usize,
    count: usize,
    work: impl Fn(usize) -> Result<T, SessionError> + Sync,
) -> Result<Vec<T>, SessionError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = if threads == 0 { cores } else { threads }.min(count.max(1));
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<Option<Result<T, SessionError>>>> = Mutex::new((0..count).map(|_| None).collect());
    let take = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= count {
                return;
            }
            let result = work(at);
            if result.is_err() {
                next.store(count, Ordering::Relaxed);
            }
            if let Ok(mut results) = results.lock() {
                results[at] = Some(result);
            }
        }
    };
    std::thread::scope(|scope| -> Result<(), SessionError> {
        for thread in 0..threads {
            let name = format!("work-{thread}");
            let spawned = std::thread::Builder::new().name(name.clone()).spawn_scoped(scope, take);
            spawned.map_err(|error| SessionError::Thread { name, error })?;
        }
        Ok(())
    })?;
    let results = results.into_inner().map_err(|_| SessionError::ThreadFailed("work".into()))?;
    results.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_stand_in_the_order_of_the_work_and_an_error_ends_it() {
        for threads in [0, 1, 3, 200] {
            let squares = over_cores(threads, 100, |at| Ok(at * at)).unwrap();
            assert!(squares.iter().enumerate().all(|(at, square)| *square == at * at));
        }
        assert_eq!(over_cores(2, 0, Ok).unwrap(), Vec::<usize>::new());
        let done = AtomicUsize::new(0);
        let failed = over_cores(1, 100, |at| {
            done.fetch_add(1, Ordering::Relaxed);
            if at == 7 { Err(SessionError::Usage("seven".into())) } else { Ok(at) }
        });
        assert_eq!(failed.unwrap_err().to_string(), "seven");
        assert_eq!(done.load(Ordering::Relaxed), 8);
    }
}
