//! The contrast response and its inverse.

use crate::plan::ResponsePlan;

/// `R(c) = c^n / (c^n + s^n)`, static and known, so it is inverted: controllers work in *drive* `u = R(c)`, in which the
/// response is linear.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Curve(pub(crate) ResponsePlan);

impl Curve {
    /// `R(c)`.
    pub(crate) fn drive(&self, contrast: f64) -> f64 {
        let power = libm::pow(contrast.max(0.0), self.0.exponent);
        power / (power + libm::pow(self.0.semisaturation, self.0.exponent))
    }

    /// The inverse of `R`, within the limits of contrast; always finite.
    pub(crate) fn contrast_for(&self, drive: f64) -> f64 {
        let ResponsePlan { semisaturation, exponent, contrast_min, contrast_max, .. } = self.0;
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
