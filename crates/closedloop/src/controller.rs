//! From a measured response to the contrast that keeps it at the set point.
//!
//! The plant is `r = gain * R(c)` with the contrast response `R(c) = c^n / (c^n + s^n)`. `R` is static and known, so it
//! is inverted: controllers work in *drive* `u = R(c)`, in which the plant is linear, and only `gain` is unknown and
//! drifts. All controllers share the feed-forward `u = set point / gain`; they differ in the gain they believe, and
//! [`ControllerPlan::Pi`] also corrects it by feedback. The correction is relative (`u = set point / gain * (1 +
//! integral + ...)`), because an error of gain scales with the set point: what was learnt at one holds at the next.
//!
//! The delay is known: the error is taken against what the measurement would show if the gain were right, that is the
//! set point averaged over the same window, shifted by the latency of eye and brain. A step of the set point therefore
//! does not wind the integral up. Where the contrast is at its limit, not the set point but what the believed gain can
//! reach there is averaged (back-calculation), so that saturation does not wind it up either.

use std::collections::VecDeque;

use crate::decoder::{Calibrated, Estimate};
use crate::plan::{ControllerPlan, ResponsePlan};

/// From the command to the response in the samples: two frames, the retina, the cortex (steady-state apparent
/// latencies are 0.08-0.15 s; Regan 1989).
pub(crate) const RESPONSE_LATENCY_NS: i64 = 150_000_000;

/// Relative spread of gain between people that the nominal gain stands for: the prior of the calibrated gain.
const PRIOR_SPREAD: f64 = 0.5;

/// How fast feedback gives way to noise: the relative error counts by `(r / (r + DOUBT * standard error))^2`. In the steady
/// state of a Kalman filter for a gain that walks slowly, the weight falls as the inverse of the noise, and as its square
/// where the set point is so low that a window says little of the gain; this has both limits.
const DOUBT: f64 = 5.0;

/// The integral may raise the drive by a factor of five and lower it to a fifth; more is not a person but a fault.
const INTEGRAL_RANGE: [f64; 2] = [-0.8, 4.0];

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
    integral: f64,
    /// Reachable set point, from the instant on at which it holds on the screen; oldest first.
    references: VecDeque<(i64, f64)>,
    set_point_uv: Option<f64>,
    /// The contrast that was last asked for, while there is a set point.
    contrast: f64,
}

impl Controller {
    /// `references` is how many changes of the set point can lie within one window and the latency.
    pub(crate) fn new(plan: ControllerPlan, references: usize) -> Self {
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
            references: VecDeque::with_capacity(references.max(4)),
            set_point_uv: None,
            contrast: response.contrast_min,
        }
    }

    pub(crate) fn reset(&mut self) {
        self.gain_uv = self.response.nominal_gain_uv;
        (self.scale, self.trust, self.integral) = (1.0, 0.0, 0.0);
        self.references.clear();
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
        self.integral = 0.0;
        let drive = self.drive(contrast);
        let measured_uv = result.amplitude_uv / drive;
        let nominal_uv = self.response.nominal_gain_uv;
        let usable = result.trusted && drive > 0.0 && measured_uv.is_finite() && measured_uv > 0.0;
        let precision = 1.0 / (result.relative_error * result.relative_error).max(1e-6);
        let prior = 1.0 / (PRIOR_SPREAD * PRIOR_SPREAD);
        let belief_uv = (precision * measured_uv + prior * nominal_uv) / (precision + prior);
        self.trust = if usable { 1.0 } else { result.distrust() };
        self.scale = if usable { belief_uv / measured_uv } else { 1.0 };
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
        self.contrast = self.contrast_for(self.wanted_drive(set_point_uv, 0.0));
        self.note_reference(from_ns);
    }

    /// No set point any more; measurements that reach back before the next one do not count.
    pub(crate) fn release(&mut self) {
        self.set_point_uv = None;
        self.references.clear();
    }

    /// The screen was elsewhere until `from_ns`: what was measured before says nothing of the set point.
    pub(crate) fn restart(&mut self, from_ns: i64) {
        self.references.clear();
        if self.set_point_uv.is_some() {
            self.note_reference(from_ns);
        }
    }

    /// The contrast asked for last, within the limits; `None` without a set point.
    pub(crate) fn contrast(&self) -> Option<f64> {
        self.set_point_uv.map(|_| self.contrast)
    }

    /// Takes a measurement `elapsed_s` after the one before and gives the next contrast.
    pub(crate) fn update(&mut self, estimate: &Estimate, elapsed_s: f64) -> Option<f64> {
        let set_point_uv = self.set_point_uv?;
        let mut proportional = 0.0;
        if let ControllerPlan::Pi(pi) = self.plan
            && let Some(reference_uv) = self.reference(estimate)
            && estimate.value.is_finite()
            && estimate.spread.is_finite()
        {
            // Relative error, weighted by how well this window can show it.
            let error_uv = reference_uv - self.scale * estimate.value;
            let doubt_uv = reference_uv + DOUBT * self.scale * estimate.spread;
            let weighted = error_uv * reference_uv / (doubt_uv * doubt_uv);
            let relative = if doubt_uv > 0.0 { self.trust * weighted } else { 0.0 };
            let [low, high] = INTEGRAL_RANGE;
            self.integral = (self.integral + pi.ki_per_s * elapsed_s * relative).clamp(low, high);
            proportional = pi.kp * relative;
        }
        self.contrast = self.contrast_for(self.wanted_drive(set_point_uv, proportional));
        self.note_reference(estimate.end_ns);
        Some(self.contrast)
    }

    fn wanted_drive(&self, set_point_uv: f64, proportional: f64) -> f64 {
        set_point_uv / self.gain_uv * (1.0 + self.integral + proportional)
    }

    /// Adds the set point, or what the believed gain reaches at the limit of the contrast, to the references.
    fn note_reference(&mut self, from_ns: i64) {
        let Some(set_point_uv) = self.set_point_uv else { return };
        let believed_uv = self.gain_uv / (1.0 + self.integral);
        let low_uv = believed_uv * self.drive(self.response.contrast_min);
        let high_uv = believed_uv * self.drive(self.response.contrast_max);
        let reachable_uv = set_point_uv.clamp(low_uv, high_uv.max(low_uv));
        if self.references.back().is_some_and(|&(_, newest_uv)| newest_uv == reachable_uv) {
            return;
        }
        if self.references.len() == self.references.capacity() {
            self.references.pop_front();
        }
        let from_ns = self.references.back().map_or(from_ns, |&(newest_ns, _)| from_ns.max(newest_ns));
        self.references.push_back((from_ns, reachable_uv));
    }

    /// Mean of the references over the window of an estimate, earlier by the latency. `None` when the window reaches
    /// back before the first.
    fn reference(&self, estimate: &Estimate) -> Option<f64> {
        let (start_ns, end_ns) =
            (estimate.start_ns - RESPONSE_LATENCY_NS, estimate.end_ns - RESPONSE_LATENCY_NS);
        if self.references.front().is_none_or(|&(first_ns, _)| first_ns > start_ns) || end_ns <= start_ns {
            return None;
        }
        let mut sum = 0.0;
        for (i, &(from_ns, value_uv)) in self.references.iter().enumerate() {
            let until_ns = self.references.get(i + 1).map_or(end_ns, |&(next_ns, _)| next_ns).min(end_ns);
            let span_ns = (until_ns - from_ns.max(start_ns)).max(0);
            sum += value_uv * span_ns as f64;
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
