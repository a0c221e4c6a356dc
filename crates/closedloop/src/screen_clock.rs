//! Where the stimulus is in its cycle at an instant, from the flips.

use signal::{StampModel, StampPlan};
use timeline::Flip;

use crate::plan::StimulusClock;

/// The line from frame index to onset, and the stimulus on it.
///
/// The refresh is regular to parts per million while single onsets jitter, so the phase at a sample is read off the
/// line, never off the nearest flip.
#[derive(Debug, Clone)]
pub(crate) struct ScreenClock {
    line: StampModel,
    cycles_per_frame: f64,
}

impl ScreenClock {
    pub(crate) fn new(refresh_hz: f64, clock: StimulusClock) -> Self {
        Self {
            line: StampModel::new(StampPlan::refreshes(1e9 / refresh_hz)),
            cycles_per_frame: clock.cycles_per_frame * f64::from(clock.response_multiple),
        }
    }

    pub(crate) fn reset(&mut self) {
        self.line.reset();
    }

    pub(crate) fn take(&mut self, flip: &Flip) {
        // One that came in the same refresh as the flip before says nothing new.
        if !flip.replaces {
            let _ = self.line.update(flip.frame, flip.onset_ns);
        }
    }

    /// Cycles of the expected response at an instant; `None` before the first flip.
    pub(crate) fn cycles_at(&self, at_ns: i64) -> Option<f64> {
        self.line.index_at(at_ns).map(|frame| frame * self.cycles_per_frame)
    }
}
