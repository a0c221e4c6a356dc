//! From a measured response to the contrast that keeps it at the set point.
//!
//! The plant is `r = gain * R(c)` with the contrast response `R(c) = c^n / (c^n + s^n)`. `R` is static and known, so it
//! is inverted: controllers work in *drive* `u = R(c)`, in which the plant is linear, and only `gain` is unknown and
//! moves. All controllers share the feed-forward `u = set point / gain`; they differ in the gain they believe.
//! [`ControllerPlan::Pi`] corrects it by feedback, `u = set point / (gain * exp(integral + proportional))`: in the
//! logarithm, because an error of gain is a factor, and what was learnt at one set point holds at the next.
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

use std::collections::VecDeque;

use crate::decoder::{Calibrated, Estimate};
use crate::plan::{ControllerPlan, PiPlan, ResponsePlan};

/// From the command to the response in the samples: two frames, the retina, the cortex (steady-state apparent
/// latencies are 0.08-0.15 s; Regan 1989).
pub(crate) const RESPONSE_LATENCY_NS: i64 = 150_000_000;

/// Relative spread of gain between people that the nominal gain stands for: the prior of the calibrated gain.
const PRIOR_SPREAD: f64 = 0.5;

/// Relative spread, between people, of the gain at the contrasts of a hold when the gain at the contrast of the
/// calibration is known: people's semisaturation and exponent differ from the nominal ones.
const CURVE_SPREAD: f64 = 0.3;

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
pub(crate) struct Controller {
    plan: ControllerPlan,
    response: ResponsePlan,
    /// Gain that the feed-forward believes.
    gain_uv: f64,
    /// Microvolts of belief per microvolt measured: the calibrated amplitude enters the measurement too, and shrinks
    /// towards the prior by the same factor.
    scale: f64,
    /// 0..=1: how far feedback is trusted, from the calibration.
    trust: f64,
    /// Correction of the log gain.
    integral: f64,
    /// Variance of the corrected log gain.
    doubt: f64,
    proportional: f64,
    /// Drive asked for, from the instant on at which it is shown; oldest first.
    shown: VecDeque<(i64, f64)>,
    set_point_uv: Option<f64>,
    /// The contrast that was last asked for, while there is a set point.
    contrast: f64,
}

impl Controller {
    /// `changes` is how many changes of contrast can lie within one window and the latency.
    pub(crate) fn new(plan: ControllerPlan, changes: usize) -> Self {
        let response = match plan {
            ControllerPlan::Pi(pi) => pi.response,
            ControllerPlan::OpenLoopNominal(response)
            | ControllerPlan::OpenLoopCalibrated(response)
            | ControllerPlan::KnownGain(response) => response,
        };
        Self {
            plan,
            response,
            gain_uv: response.nominal_gain_uv,
            scale: 1.0,
            trust: 0.0,
            integral: 0.0,
            doubt: 0.0,
            proportional: 0.0,
            shown: VecDeque::with_capacity(changes.max(4)),
            set_point_uv: None,
            contrast: response.contrast_min,
        }
    }

    pub(crate) fn reset(&mut self) {
        self.gain_uv = self.response.nominal_gain_uv;
        (self.scale, self.trust) = (1.0, 0.0);
        (self.integral, self.doubt, self.proportional) = (0.0, 0.0, 0.0);
        self.shown.clear();
        self.set_point_uv = None;
    }

    pub(crate) fn slew_per_s(&self) -> f64 {
        self.response.slew_per_s
    }

    /// Takes the result of a calibration at a known contrast.
    ///
    /// The gain is the precision-weighted mean of the nominal one (relative spread [`PRIOR_SPREAD`]) and the calibrated
    /// one. A calibration that failed leaves the nominal gain, and feedback works at `(ratio / bound)^2` of its gain:
    /// with nothing measured it is the open loop.
    pub(crate) fn calibrate(&mut self, result: &Calibrated, contrast: f64) {
        (self.integral, self.proportional) = (0.0, 0.0);
        let drive = self.drive(contrast);
        let measured_uv = result.amplitude_uv / drive;
        let nominal_uv = self.response.nominal_gain_uv;
        let usable = result.trusted && drive > 0.0 && measured_uv.is_finite() && measured_uv > 0.0;
        let precision = 1.0 / (result.relative_error * result.relative_error).max(1e-6);
        let prior = 1.0 / (PRIOR_SPREAD * PRIOR_SPREAD);
        let belief_uv = (precision * measured_uv + prior * nominal_uv) / (precision + prior);
        self.trust = if usable { 1.0 } else { result.distrust() };
        self.scale = if usable { belief_uv / measured_uv } else { 1.0 };
        let left = if usable { 1.0 / (precision + prior) } else { 1.0 / prior };
        self.doubt = left + CURVE_SPREAD * CURVE_SPREAD;
        match self.plan {
            ControllerPlan::Pi(_) | ControllerPlan::OpenLoopCalibrated(_) if usable => {
                self.gain_uv = belief_uv
            }
            _ => {}
        }
    }

    pub(crate) fn set_known_gain(&mut self, gain_uv: f64) {
        if matches!(self.plan, ControllerPlan::KnownGain(_)) && gain_uv.is_finite() && gain_uv > 0.0 {
            self.gain_uv = gain_uv;
        }
    }

    /// A set point holds from an instant on.
    pub(crate) fn hold(&mut self, set_point_uv: f64, from_ns: i64) {
        self.set_point_uv = Some(set_point_uv);
        self.ask(set_point_uv, from_ns);
    }

    /// No set point any more; measurements that reach back before the next one do not count.
    pub(crate) fn release(&mut self) {
        self.set_point_uv = None;
        self.shown.clear();
    }

    /// The screen was elsewhere until `from_ns`: what was measured before says nothing of the set point.
    pub(crate) fn restart(&mut self, from_ns: i64) {
        self.shown.clear();
        if self.set_point_uv.is_some() {
            self.note_shown(from_ns);
        }
    }

    /// The contrast asked for last, within the limits; `None` without a set point.
    pub(crate) fn contrast(&self) -> Option<f64> {
        self.set_point_uv.map(|_| self.contrast)
    }

    /// Takes a measurement `elapsed_s` after the one before and gives the next contrast.
    pub(crate) fn update(&mut self, estimate: &Estimate, elapsed_s: f64) -> Option<f64> {
        let set_point_uv = self.set_point_uv?;
        if let ControllerPlan::Pi(pi) = self.plan {
            self.feed_back(&pi, estimate, elapsed_s);
        }
        self.ask(set_point_uv, estimate.end_ns);
        Some(self.contrast)
    }

    fn feed_back(&mut self, pi: &PiPlan, estimate: &Estimate, elapsed_s: f64) {
        let Some(drive) = self.drive_shown(estimate) else { return };
        let predicted_uv = self.gain_uv * libm::exp(self.integral) * drive;
        let error = self.scale * estimate.value / predicted_uv - 1.0;
        let spread = self.scale * estimate.spread / predicted_uv;
        if !(predicted_uv > 0.0 && error.is_finite() && spread.is_finite()) {
            return;
        }
        let error = error.clamp(-ERROR_LIMIT, ERROR_LIMIT);
        let (variance, window_s) = (spread * spread, (estimate.end_ns - estimate.start_ns) as f64 / 1e9);
        self.proportional =
            self.trust * pi.kp * FLUCTUATION_VARIANCE / (FLUCTUATION_VARIANCE + variance) * error;
        // Windows overlap: many updates share one window's noise, so it counts by its density, not by update.
        let noise_s = FLUCTUATION_NOISE_S + variance * window_s;
        self.doubt += pi.ki_per_s * pi.ki_per_s * FLUCTUATION_NOISE_S * elapsed_s;
        let step = self.trust * f64::min(self.doubt / noise_s * elapsed_s, 1.0);
        self.doubt -= step * self.doubt;
        self.integral = (self.integral + step * error).clamp(-INTEGRAL_LIMIT, INTEGRAL_LIMIT);
    }

    /// Takes the drive for a set point as the one that is shown from an instant on.
    fn ask(&mut self, set_point_uv: f64, from_ns: i64) {
        let gain_uv = self.gain_uv * libm::exp(self.integral + self.proportional);
        self.contrast = self.contrast_for(set_point_uv / gain_uv);
        self.note_shown(from_ns);
    }

    fn note_shown(&mut self, from_ns: i64) {
        let drive = self.drive(self.contrast);
        if self.shown.back().is_some_and(|&(_, newest)| newest == drive) {
            return;
        }
        if self.shown.len() == self.shown.capacity() {
            self.shown.pop_front();
        }
        let from_ns = self.shown.back().map_or(from_ns, |&(newest_ns, _)| from_ns.max(newest_ns));
        self.shown.push_back((from_ns, drive));
    }

    /// Mean of the drive shown over the window of an estimate, earlier by the latency. `None` when the window reaches
    /// back before the first.
    fn drive_shown(&self, estimate: &Estimate) -> Option<f64> {
        let (start_ns, end_ns) =
            (estimate.start_ns - RESPONSE_LATENCY_NS, estimate.end_ns - RESPONSE_LATENCY_NS);
        if self.shown.front().is_none_or(|&(first_ns, _)| first_ns > start_ns) || end_ns <= start_ns {
            return None;
        }
        let mut sum = 0.0;
        for (i, &(from_ns, drive)) in self.shown.iter().enumerate() {
            let until_ns = self.shown.get(i + 1).map_or(end_ns, |&(next_ns, _)| next_ns).min(end_ns);
            let span_ns = (until_ns - from_ns.max(start_ns)).max(0);
            sum += drive * span_ns as f64;
        }
        Some(sum / (end_ns - start_ns) as f64)
    }

    /// `R(c)`.
    fn drive(&self, contrast: f64) -> f64 {
        let power = libm::pow(contrast.max(0.0), self.response.exponent);
        power / (power + libm::pow(self.response.semisaturation, self.response.exponent))
    }

    /// The inverse of `R`, within the limits of contrast; always finite.
    fn contrast_for(&self, drive: f64) -> f64 {
        let ResponsePlan { semisaturation, exponent, contrast_min, contrast_max, .. } = self.response;
        if drive.is_nan() || drive <= 0.0 {
            return contrast_min;
        }
        if drive >= self.drive(contrast_max) {
            return contrast_max;
        }
        let contrast = semisaturation * libm::pow(drive / (1.0 - drive), 1.0 / exponent);
        contrast.clamp(contrast_min, contrast_max)
    }
}
