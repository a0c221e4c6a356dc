//! Who does the work of one kernel: the calling thread alone, or a rayon pool.
#![allow(unsafe_code, reason = "threads of one kernel write disjoint parts of one output")]

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::KernelError;

/// The threads that share the work of one kernel.
///
/// Kernels cut their work into tasks whose results do not depend on who runs them, so the bits of every result are
/// the same for any number of threads. With one thread no pool exists and nothing is handed over.
#[derive(Clone, Default)]
pub struct Threads {
    pool: Option<Arc<rayon::ThreadPool>>,
}

impl std::fmt::Debug for Threads {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Threads").field("count", &self.count()).finish()
    }
}

impl Threads {
    /// The calling thread alone.
    pub fn one() -> Self {
        Self { pool: None }
    }

    /// `count` threads; 0 and 1 both mean the calling thread alone.
    pub fn new(count: usize) -> Result<Self, KernelError> {
        if count <= 1 {
            return Ok(Self::one());
        }
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(count)
            .thread_name(|index| format!("adjoint-{index}"))
            .build()
            .map_err(|error| KernelError::Threads { count, reason: error.to_string() })?;
        Ok(Self { pool: Some(Arc::new(pool)) })
    }

    /// How many threads take part.
    pub fn count(&self) -> usize {
        self.pool.as_ref().map_or(1, |pool| pool.current_num_threads())
    }

    /// The pool, for libraries that share it; none with one thread.
    pub fn pool(&self) -> Option<Arc<rayon::ThreadPool>> {
        self.pool.clone()
    }

    /// Runs `work` on a thread of the pool. Kernels called inside hand work over without waking the caller's thread
    /// for each of them: wrap a whole step in this, not single kernels.
    pub fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match &self.pool {
            None => work(),
            Some(pool) => pool.install(work),
        }
    }

    /// Runs `task(index, slot)` for each index below `tasks`. `slot` is below [`Threads::count`] and no two tasks
    /// that run at the same time have the same slot, so that a slot can own scratch memory.
    pub(crate) fn for_each(&self, tasks: usize, task: impl Fn(usize, usize) + Sync) {
        let slots = self.count().min(tasks);
        match &self.pool {
            Some(pool) if slots > 1 => {
                let next = AtomicUsize::new(0);
                let drain = |slot: usize| {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        if index >= tasks {
                            break;
                        }
                        task(index, slot);
                    }
                };
                if pool.current_thread_index().is_some() {
                    fork(0, slots, &drain);
                } else {
                    pool.install(|| fork(0, slots, &drain));
                }
            }
            _ => (0..tasks).for_each(|index| task(index, 0)),
        }
    }
}

/// Runs `drain` once for each slot in `first..last`, in parallel where threads are free.
fn fork(first: usize, last: usize, drain: &(impl Fn(usize) + Sync)) {
    if last - first == 1 {
        drain(first);
    } else {
        let middle = first + (last - first) / 2;
        rayon::join(|| fork(first, middle, drain), || fork(middle, last, drain));
    }
}

/// A mutable slice of which several threads write disjoint parts.
pub(crate) struct SharedMut<'a> {
    pointer: *mut f32,
    len: usize,
    lifetime: PhantomData<&'a mut [f32]>,
}

// SAFETY: the slice is borrowed mutably for 'a; every access goes through `part`, whose callers promise that parts in
// use at the same time do not overlap.
unsafe impl Sync for SharedMut<'_> {}
// SAFETY: as above; f32 has no thread affinity.
unsafe impl Send for SharedMut<'_> {}

impl<'a> SharedMut<'a> {
    pub fn new(slice: &'a mut [f32]) -> Self {
        Self { pointer: slice.as_mut_ptr(), len: slice.len(), lifetime: PhantomData }
    }

    /// The part `start..start + len`.
    ///
    /// # Safety
    /// No other part in use at the same time may overlap it.
    #[allow(clippy::mut_from_ref, reason = "disjointness is the caller's promise")]
    pub unsafe fn part(&self, start: usize, len: usize) -> &mut [f32] {
        assert!(start.checked_add(len).is_some_and(|end| end <= self.len), "part outside the slice");
        // SAFETY: inside the slice as just checked; disjoint by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.pointer.add(start), len) }
    }

    /// The whole, as a pointer: for strided writes of which several threads own interleaved elements.
    pub fn pointer(&self) -> *mut f32 {
        self.pointer
    }

    pub fn len(&self) -> usize {
        self.len
    }
}
