//! Quiet eyes.

use signal::{History, StampEvent, StampModel, StampPlan};

use super::plan::EyesPlan;
use crate::decoder::sample_source;
use crate::plan::{Plan, PrepareError};
use crate::turn::SourceInput;

/// Samples held beyond the window: those that came after the one that decides.
const AHEAD_S: f64 = 1.0;

/// Over the last moments no watched channel has gone far. For an electrooculogram, or a frontal electrode, that is no
/// blink and no saccade; for a gaze in degrees it is a fixation by its dispersion (Salvucci and Goldberg 2000, ETRA, 71).
#[derive(Debug, Clone)]
pub(super) struct Eyes {
    plan: EyesPlan,
    channels: usize,
    stamps: StampModel,
    history: History,
    window_ns: i64,
    /// What the newest sample held may be older than the instant asked for: a quarter of the window.
    stale_ns: i64,
}

impl Eyes {
    pub(super) fn prepare(plan: &Plan, eyes: &EyesPlan) -> Result<Self, PrepareError> {
        let (channels, rate_hz, sample_ns) = sample_source(plan, eyes.source)?;
        let on_clock_s = sample_ns * rate_hz / 1e9;
        let window_ns = (eyes.window_s * on_clock_s * 1e9) as i64;
        Ok(Self {
            plan: eyes.clone(),
            channels,
            stamps: StampModel::new(StampPlan::samples(sample_ns)),
            history: History::new(((eyes.window_s + AHEAD_S) * rate_hz) as usize + 2, channels),
            window_ns,
            stale_ns: window_ns / 4,
        })
    }

    pub(super) fn reset(&mut self) {
        self.stamps.reset();
        self.history.reset();
    }

    pub(super) fn step(&mut self, sources: &[SourceInput<'_>]) {
        let Some(input) = sources.get(usize::from(self.plan.source.0)) else { return };
        for n in 0..input.count(self.channels) {
            let index = input.first_sample + n as u64;
            let (at_ns, event) = self.stamps.update(index, input.at_ns[n]);
            if matches!(event, StampEvent::Jumped { .. }) {
                self.history.cut();
            }
            let row = &input.values[n * self.channels..(n + 1) * self.channels];
            let is_usable = self.plan.channels.iter().all(|&channel| row[channel].is_finite());
            self.history.push(index, at_ns, is_usable, row);
        }
    }

    /// Whether they were quiet over the window that ends at an instant. What has not been seen is not quiet.
    pub(super) fn are_quiet(&self, at_ns: i64) -> bool {
        let history = &self.history;
        let Some((oldest_ns, ..)) = history.row(history.start()) else { return false };
        let Some(first) = history.first_at_or_after(at_ns - self.window_ns) else { return false };
        let end = history.first_at_or_after(at_ns + 1).unwrap_or(history.end());
        let newest_ns = end.checked_sub(1).and_then(|last| history.row(last)).map(|(at_ns, ..)| at_ns);
        if oldest_ns > at_ns - self.window_ns + self.stale_ns
            || newest_ns.is_none_or(|newest_ns| newest_ns < at_ns - self.stale_ns)
        {
            return false;
        }
        self.plan.channels.iter().all(|&channel| self.range(first, end, channel) <= self.plan.range_max)
    }

    /// Greatest less least value of a channel; infinite with a hole.
    fn range(&self, first: u64, end: u64, channel: usize) -> f64 {
        let Some(rows) = self.history.epoch(first, end) else { return f64::INFINITY };
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for (_, is_usable, row) in rows {
            if !is_usable {
                return f64::INFINITY;
            }
            low = low.min(row[channel]);
            high = high.max(row[channel]);
        }
        high - low
    }
}
