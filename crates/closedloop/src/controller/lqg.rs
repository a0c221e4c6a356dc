//! Kalman estimate and linear-quadratic action.
//!
//! [`GainFilter`] estimates the log gain, [`LqGain`] says how far to follow it. The action is held as a ratio `z` to the
//! feed-forward, so that a new set point is followed at once and the price is on the feedback's own changes. A relative
//! change of contrast of `x` changes the drive by `n (1 - u) x` near drive `u` (the slope of the contrast response in
//! the logarithm), by which the price of contrast becomes one of drive.

use super::curve::Curve;
use super::shown::{RESPONSE_LATENCY_NS, Shown};
use super::{GainFilter, LqGain, LqgPlan, Seen};

/// The filter with the loop's memory of what was shown; shared with the receding horizon.
#[derive(Debug, Clone)]
pub(super) struct Observer {
    pub(super) filter: GainFilter,
    step_s: f64,
    step_ns: i64,
    segments: usize,
    last_ns: Option<i64>,
}

impl Observer {
    pub(super) fn new(filter: GainFilter, step_s: f64, segments: usize) -> Self {
        Self { filter, step_s, step_ns: (step_s * 1e9).max(1.0) as i64, segments, last_ns: None }
    }

    pub(super) fn restart(&mut self, doubt: f64) {
        self.filter.reset(doubt);
        self.last_ns = None;
    }

    pub(super) fn interrupt(&mut self) {
        self.filter.restart();
        self.last_ns = None;
    }

    /// Takes a measurement; segments that no estimate came for have passed all the same.
    pub(super) fn see(&mut self, seen: &Seen, gain_uv: f64, trust: f64, shown: &Shown) {
        // A calibration that is half trusted doubles the standard error.
        let spread_uv = seen.spread_uv / trust;
        if !(spread_uv.is_finite() && seen.value_uv.is_finite()) {
            return;
        }
        let missed =
            self.last_ns.map_or(1, |last_ns| (seen.end_ns - last_ns + self.step_ns / 2) / self.step_ns);
        self.last_ns = Some(seen.end_ns);
        for ago in (0..missed.clamp(1, self.segments as i64)).rev() {
            let end_ns = seen.end_ns - ago * self.step_ns;
            match shown.mean(end_ns - self.step_ns, end_ns) {
                Some(drive) => self.filter.pass(gain_uv * drive, spread_uv),
                None => self.filter.restart(),
            }
        }
        if seen.drive.is_some() {
            self.filter.measure(seen.value_uv, spread_uv);
        }
    }

    /// The fluctuation when a contrast that is chosen now is answered: what has been seen is old by the latency, and the
    /// answer comes later by as much.
    pub(super) fn fluctuation_ahead(&self) -> f64 {
        let steps = 2.0 * RESPONSE_LATENCY_NS as f64 / 1e9 / self.step_s;
        self.filter.fluctuation() * libm::pow(self.filter.keep(), steps)
    }
}

#[derive(Debug, Clone)]
pub(super) struct Lqg {
    plan: LqgPlan,
    observer: Observer,
    /// Drive over that of the feed-forward.
    ratio: f64,
    /// A measurement came since the last action.
    fresh: bool,
}

impl Lqg {
    pub(super) fn new(plan: LqgPlan, step_s: f64, segments: usize) -> Self {
        let filter = GainFilter::prepare(&plan.model, step_s, segments, 0.0);
        Self { plan, observer: Observer::new(filter, step_s, segments), ratio: 1.0, fresh: false }
    }

    pub(super) fn restart(&mut self, doubt: f64) {
        self.observer.restart(doubt);
        (self.ratio, self.fresh) = (1.0, false);
    }

    pub(super) fn interrupt(&mut self) {
        self.observer.interrupt();
    }

    pub(super) fn see(&mut self, seen: &Seen, gain_uv: f64, trust: f64, shown: &Shown) {
        self.observer.see(seen, gain_uv, trust, shown);
        self.fresh = true;
    }

    /// One move per measurement; between two, a new set point moves the feed-forward alone.
    pub(super) fn contrast(&mut self, curve: &Curve, target_uv: f64, gain_uv: f64) -> f64 {
        let forward = target_uv / gain_uv;
        if self.fresh {
            self.fresh = false;
            let slow = libm::exp(-self.observer.filter.drift());
            let fading = slow * (libm::exp(-self.observer.fluctuation_ahead()) - 1.0);
            let slope = curve.0.exponent * (1.0 - forward * self.ratio).clamp(0.05, 1.0);
            let price = self.plan.change_penalty_s / (self.observer.step_s * slope);
            let gain = LqGain::optimal(price * price, self.observer.filter.keep());
            self.ratio += gain.fading * fading - gain.distance * (self.ratio - slow);
            // A contrast at its limit must not let the ratio run away.
            let possible = curve.drive(curve.contrast_for(forward * self.ratio)) / forward;
            if possible.is_finite() && forward > 0.0 {
                self.ratio = possible;
            }
        }
        curve.contrast_for(forward * self.ratio)
    }
}
