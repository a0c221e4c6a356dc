//! Proportional-integral feedback on the log gain.
//!
//! `u = set point / (gain * exp(integral + proportional))`: in the logarithm, because an error of gain is a factor, and
//! what was learnt at one set point holds at the next.
//!
//! **Error.** What a window measured, over what the gain times `exp(integral)` predicts for the drive that was shown in
//! that window, less one. Window and latency are known, so the drive is averaged over just the time that the window saw
//! (a Smith predictor, for a plant without dynamics but delay). So neither a step of the set point, nor the loop's own
//! latest change, nor a contrast at its limit is taken for an error: nothing winds up.
//!
//! **Gains.** The integral follows the slow part (the person's gain, drift, the person's own contrast response), the
//! proportional part what wavers over seconds. Both give way to noise as a Kalman filter's would:
//!
//! - proportional: the variance of the fluctuation over that of the measured error, times `kp`;
//! - integral: `doubt / noise`, with the variance of the log gain (`doubt`) and the spectral density of all that hides
//!   it (`noise`: the window's standard error, and the fluctuation itself). Doubt begins with what calibration leaves,
//!   shrinks with each measurement, and is raised by drift. Drift is what `ki_per_s` says: the gain that remains in the
//!   end, when the measurement has no noise but the fluctuation.

use super::Seen;
use crate::plan::PiPlan;

/// Variance of the relative fluctuation of the response over seconds, and its time constant. Amplitudes of 4 s vary by
/// 25-38 % in recordings, noise included; the time constant is an assumption.
const FLUCTUATION_VARIANCE: f64 = 0.08;
const FLUCTUATION_S: f64 = 3.5;

/// Spectral density of the fluctuation towards frequency zero: what it adds to the noise of the slow gain.
const FLUCTUATION_NOISE_S: f64 = 2.0 * FLUCTUATION_VARIANCE * FLUCTUATION_S;

/// A single window counts as an error of this size at most.
const ERROR_LIMIT: f64 = 1.0;

/// The integral may move the log gain by a factor of five either way; more is not a person but a fault.
const INTEGRAL_LIMIT: f64 = 1.609_437_912_434_1;

#[derive(Debug, Clone)]
pub(super) struct Pi {
    plan: PiPlan,
    /// Correction of the log gain.
    integral: f64,
    /// Variance of the corrected log gain.
    doubt: f64,
    proportional: f64,
}

impl Pi {
    pub(super) fn new(plan: PiPlan) -> Self {
        Self { plan, integral: 0.0, doubt: 0.0, proportional: 0.0 }
    }

    /// Back to the calibrated gain, whose log has the variance `doubt`.
    pub(super) fn restart(&mut self, doubt: f64) {
        (self.integral, self.doubt, self.proportional) = (0.0, doubt, 0.0);
    }

    /// The log of the gain over the calibrated one.
    pub(super) fn log_gain(&self) -> f64 {
        self.integral + self.proportional
    }

    pub(super) fn feed_back(&mut self, seen: &Seen, gain_uv: f64, trust: f64) {
        let Some(drive) = seen.drive else { return };
        let pi = self.plan;
        let predicted_uv = gain_uv * libm::exp(self.integral) * drive;
        let error = seen.value_uv / predicted_uv - 1.0;
        let spread = seen.spread_uv / predicted_uv;
        if !(predicted_uv > 0.0 && error.is_finite() && spread.is_finite()) {
            return;
        }
        let error = error.clamp(-ERROR_LIMIT, ERROR_LIMIT);
        let variance = spread * spread;
        self.proportional = trust * pi.kp * FLUCTUATION_VARIANCE / (FLUCTUATION_VARIANCE + variance) * error;
        // Windows overlap: many updates share one window's noise, so it counts by its density, not by update.
        let noise_s = FLUCTUATION_NOISE_S + variance * seen.window_s;
        self.doubt += pi.ki_per_s * pi.ki_per_s * FLUCTUATION_NOISE_S * seen.elapsed_s;
        let step = trust * f64::min(self.doubt / noise_s * seen.elapsed_s, 1.0);
        self.doubt -= step * self.doubt;
        self.integral = (self.integral + step * error).clamp(-INTEGRAL_LIMIT, INTEGRAL_LIMIT);
    }
}
