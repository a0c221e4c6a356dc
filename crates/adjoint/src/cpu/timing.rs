//! The one clock of this crate: load-time choices between methods, and the time of a step.
#![allow(
    clippy::disallowed_methods,
    reason = "durations on one thread; no instant of this clock leaves the module"
)]

use std::time::{Duration, Instant};

/// Measures one duration.
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub fn start() -> Self {
        Self(Instant::now())
    }

    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// The shortest of a few runs: noise of other programs only ever adds. Stops early once `beaten_by` is clearly better.
pub(super) fn shortest<E>(
    runs: usize,
    beaten_by: Option<Duration>,
    mut run: impl FnMut() -> Result<(), E>,
) -> Result<Duration, E> {
    let mut best = Duration::MAX;
    for _ in 0..runs {
        let watch = Stopwatch::start();
        run()?;
        best = best.min(watch.elapsed());
        if beaten_by.is_some_and(|other| best > other * 3) {
            break;
        }
    }
    Ok(best)
}
