//! What is wanted of several responses: one of them moved, the others kept at their baseline.

use crate::belief::Prediction;
use crate::linear::Linear;

/// What leaving the baseline by the tolerance costs, in units of the target's baseline.
const PRICE: f64 = 0.1;
/// The least baseline, as part of the largest: a response that is nearly none has no tenth of it.
const LEAST: f64 = 0.1;

/// Which response is moved, in which direction, and how much the others may move.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    /// The one to move.
    pub target: usize,
    /// 1: up; -1: down.
    pub sign: f64,
    /// Part of its baseline by which another may change.
    pub tolerance: f64,
}

impl Selection {
    /// The baselines by what the reference does, none of them below a part of `least` or of the largest.
    pub fn baselines(&self, reference: &[Prediction], least: f64) -> Vec<f64> {
        let most = reference.iter().map(|one| one.mean).fold(least.max(1e-6), f64::max);
        reference.iter().map(|one| one.mean.max(LEAST * most)).collect()
    }

    /// Worth of a picture with known responses: how far the target is moved, less what the others' changes cost, their
    /// uncertainty included with `wary` = 1; the target's uncertainty counts `kappa` times.
    pub fn worth(&self, predicted: &[Prediction], baselines: &[f64], kappa: f64, wary: f64) -> f64 {
        let one = |(k, (predicted, baseline)): (usize, (&Prediction, &f64))| {
            let (mean, sd) = (predicted.mean / baseline, predicted.sd / baseline);
            match k == self.target {
                true => self.sign * mean + kappa * sd,
                false => -self.price() * ((mean - 1.0).powi(2) + wary * sd * sd),
            }
        };
        predicted.iter().zip(baselines).enumerate().map(one).sum()
    }

    /// The same for a new picture by H, without the others' uncertainty, and its slope over the picture's features.
    pub fn slope(
        &self,
        responses: &[Linear],
        baselines: &[f64],
        features: &[f64],
        kappa: f64,
    ) -> (f64, Vec<f64>) {
        let (mut worth, mut slope) = (0.0, vec![0.0; features.len()]);
        for (k, (response, baseline)) in responses.iter().zip(baselines).enumerate() {
            let (sign, kappa) = if k == self.target { (self.sign, kappa) } else { (1.0, 0.0) };
            let (value, rise) = response.belief().bound(features, sign, kappa);
            let value = value / baseline;
            let (part, weight) = match k == self.target {
                true => (value, 1.0 / baseline),
                false => {
                    let off = value - 1.0;
                    (-self.price() * off * off, -2.0 * self.price() * off / baseline)
                }
            };
            worth += part;
            slope.iter_mut().zip(rise).for_each(|(slope, rise)| *slope += weight * rise);
        }
        (worth, slope)
    }

    fn price(&self) -> f64 {
        PRICE / (self.tolerance * self.tolerance)
    }
}
