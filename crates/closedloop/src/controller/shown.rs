//! What was asked for and when: the memory that a predictor needs.

use std::collections::VecDeque;

/// From the command to the response in the samples: two frames, the retina, the cortex (steady-state apparent
/// latencies are 0.08-0.15 s; Regan 1989).
pub(crate) const RESPONSE_LATENCY_NS: i64 = 150_000_000;

/// Drive asked for, from the instant on at which it is shown; oldest first.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    drives: VecDeque<(i64, f64)>,
}

impl Shown {
    /// `changes` is how many changes can lie within the longest span that is asked for.
    pub(crate) fn new(changes: usize) -> Self {
        Self { drives: VecDeque::with_capacity(changes.max(4)) }
    }

    pub(crate) fn clear(&mut self) {
        self.drives.clear();
    }

    pub(crate) fn note(&mut self, from_ns: i64, drive: f64) {
        if self.drives.back().is_some_and(|&(_, newest)| newest == drive) {
            return;
        }
        if self.drives.len() == self.drives.capacity() {
            self.drives.pop_front();
        }
        let from_ns = self.drives.back().map_or(from_ns, |&(newest_ns, _)| from_ns.max(newest_ns));
        self.drives.push_back((from_ns, drive));
    }

    /// Mean of the drive whose response lies between two instants of the samples: earlier by the latency. `None` when
    /// that reaches back before the first.
    pub(crate) fn mean(&self, start_ns: i64, end_ns: i64) -> Option<f64> {
        let (start_ns, end_ns) = (start_ns - RESPONSE_LATENCY_NS, end_ns - RESPONSE_LATENCY_NS);
        if self.drives.front().is_none_or(|&(first_ns, _)| first_ns > start_ns) || end_ns <= start_ns {
            return None;
        }
        let mut sum = 0.0;
        for (i, &(from_ns, drive)) in self.drives.iter().enumerate() {
            let until_ns = self.drives.get(i + 1).map_or(end_ns, |&(next_ns, _)| next_ns).min(end_ns);
            let span_ns = (until_ns - from_ns.max(start_ns)).max(0);
            sum += drive * span_ns as f64;
        }
        Some(sum / (end_ns - start_ns) as f64)
    }
}
