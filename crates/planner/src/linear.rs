//! A linear map from any features to one response: a [`Belief`] with the choices of its prior that fit the measurements.

use crate::belief::{Belief, Offset, Prediction, Wandering};
use crate::covariance::Covariance;
use crate::features::{Eyes, Near};
use crate::wavering::USUAL;

/// Part of what H explains that a picture may do on its own.
const OWN_PART: f64 = 0.2;
/// Measurements between two choices of the covariance.
const CHOOSE_EVERY: usize = 6;
/// Length scales that the evidence chooses among: degrees, radians, octaves.
const LENGTHS: [[f64; 3]; 4] = [[1.0, 0.35, 0.8], [1.6, 0.35, 0.8], [1.6, 0.6, 1.5], [2.6, 0.8, 0.8]];
/// Parts of the squared mean response that H may explain over probes.
const SIGNALS: [f64; 5] = [0.01, 0.03, 0.1, 0.3, 1.0];

/// The map with what it learnt.
pub struct Linear {
    belief: Belief,
    shapes: Vec<Covariance>,
    sum: f64,
    count: usize,
}

impl Linear {
    /// Nothing measured yet. `near`: where in the visual field the weights are expected, if that is known.
    pub fn new(eyes: &Eyes, forgetting_s: f64, near: Option<Near>) -> Self {
        let shapes: Vec<Covariance> = LENGTHS.map(|lengths| eyes.covariance(lengths, near)).into();
        let belief = Belief::new(shapes[1].clone(), Offset { mean: 0.0, sd: 1.0 }, 0.1, forgetting_s);
        Self { belief, shapes, sum: 0.0, count: 0 }
    }

    /// Nothing measured yet, of responses whose common gain wanders; nothing is forgotten otherwise.
    pub fn wandering(eyes: &Eyes, wandering: Wandering) -> Self {
        let Self { belief, shapes, .. } = Self::new(eyes, f64::INFINITY, None);
        Self { belief: belief.wandering(wandering), shapes, sum: 0.0, count: 0 }
    }

    /// All that was measured so far counts less: something has changed.
    pub fn doubt(&mut self, factor: f64) {
        self.belief.doubt(factor);
    }

    /// What is believed.
    pub fn belief(&self) -> &Belief {
        &self.belief
    }

    /// Mean of what was measured, not below 0.
    pub fn mean(&self) -> f64 {
        (self.sum / self.count.max(1) as f64).max(0.0)
    }

    /// Standard error of a measurement whose response is expected to be `expected`, with the response's own wavering.
    pub fn spread(&self, spread: f64, expected: f64) -> f64 {
        let expected = if expected.is_finite() { expected.max(0.0) } else { 0.0 };
        libm::hypot(spread, USUAL.fast_sd * self.mean().max(expected))
    }

    /// Takes what a picture did, with the standard error as [`Linear::spread`] gives it. `choose`: the prior is chosen anew
    /// at once.
    pub fn learn(
        &mut self,
        content: usize,
        features: &[f64],
        value: f64,
        spread: f64,
        at_s: f64,
        choose: bool,
    ) {
        if !(value.is_finite() && spread.is_finite()) {
            return;
        }
        self.belief.learn(content, features.to_vec(), value, spread, at_s);
        self.sum += value;
        self.count += 1;
        if choose || self.count.is_multiple_of(CHOOSE_EVERY) {
            let mean = self.mean();
            let typical = (mean * mean).max(spread * spread) / features.len() as f64;
            self.belief.choose(&self.shapes, &SIGNALS.map(|part| part * typical), OWN_PART);
        }
    }

    /// What a picture will do, that was shown or not.
    pub fn predict(&self, content: Option<usize>, features: &[f64]) -> Prediction {
        match content {
            Some(content) => self.belief.predict_shown(content, features),
            None => {
                let Prediction { mean, sd } = self.belief.predict(features);
                Prediction { mean, sd: libm::hypot(sd, self.belief.own_sd()) }
            }
        }
    }
}
