//! What a calibration leaves: the gain, and how far to trust measurements.

use crate::decoder::Calibrated;

/// Relative spread of gain between people that the nominal gain stands for: the prior of the calibrated gain.
const PRIOR_SPREAD: f64 = 0.5;

/// Relative spread, between people, of the gain at the contrasts of a hold when the gain at the contrast of the
/// calibration is known: people's semisaturation and exponent differ from the nominal ones.
const CURVE_SPREAD: f64 = 0.3;

#[derive(Debug, Clone, Copy)]
pub(super) struct Belief {
    /// Gain that the feed-forward believes.
    pub(super) gain_uv: f64,
    /// Microvolts of belief per microvolt measured: the calibrated amplitude enters the measurement too, and shrinks
    /// towards the prior by the same factor.
    pub(super) scale: f64,
    /// 0..=1: how far feedback is trusted.
    pub(super) trust: f64,
    /// Variance of the log gain.
    pub(super) doubt: f64,
}

impl Belief {
    /// Before a calibration.
    pub(super) fn nominal(gain_uv: f64) -> Self {
        Self { gain_uv, scale: 1.0, trust: 0.0, doubt: 0.0 }
    }

    /// The gain is the precision-weighted mean of the nominal one (relative spread [`PRIOR_SPREAD`]) and the calibrated
    /// one, which was found at `drive`. A calibration that failed leaves the gain that is believed, and feedback works at
    /// `(ratio / bound)^2` of its gain: with nothing measured it is the open loop.
    pub(super) fn calibrate(&mut self, nominal_uv: f64, result: &Calibrated, drive: f64) {
        let measured_uv = result.amplitude_uv / drive;
        let usable = result.trusted && drive > 0.0 && measured_uv.is_finite() && measured_uv > 0.0;
        let precision = 1.0 / (result.relative_error * result.relative_error).max(1e-6);
        let prior = 1.0 / (PRIOR_SPREAD * PRIOR_SPREAD);
        let belief_uv = (precision * measured_uv + prior * nominal_uv) / (precision + prior);
        self.trust = if usable { 1.0 } else { result.distrust() };
        self.scale = if usable { belief_uv / measured_uv } else { 1.0 };
        let left = if usable { 1.0 / (precision + prior) } else { 1.0 / prior };
        self.doubt = left + CURVE_SPREAD * CURVE_SPREAD;
        if usable {
            self.gain_uv = belief_uv;
        }
    }
}
