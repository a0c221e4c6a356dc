//! Whether the model tells more than chance: a twin whose cells lie in any order learns beside it.
//!
//! A model that is wrong about where and what a person's cells answer to still learns something, such as that pictures of more
//! energy do more, and predicts better than a mean does. What it must beat is the same model with its cells shuffled: a
//! surrogate (Theiler et al., Physica D 58, 1992) that keeps everything but what the model claims. The evidence is the sum of
//! `log p(measured | model) - log p(measured | twin)` over presentations, each predicted before it was learnt (Dawid, J. R.
//! Stat. Soc. A 147, 1984).

use random::Random;

use crate::belief::Prediction;
use crate::features::{Eyes, shuffle};
use crate::field::Posterior;
use crate::response::{Measured, Response};

/// Particles of the twin: fewer, since nobody climbs it.
const PARTICLES: usize = 80;
/// Presentations that both learn before they are compared.
const FIRST: usize = 3;
/// Most that one presentation may say: one blink must not decide.
const MOST: f64 = 3.0;
/// Evidence that proves a model, and evidence that takes one back.
const PROOF: f64 = 1.0;
const BACK: f64 = 2.0;
/// Stream of the order.
const STREAM: u64 = 4;

/// The twin, and what was found.
pub(crate) struct Twin {
    order: Vec<usize>,
    response: Response,
    learnt: usize,
    evidence: f64,
}

impl Twin {
    /// A twin of the model over `eyes` that has learnt nothing.
    pub fn new(eyes: &Eyes, people: &[Posterior], forgetting_s: f64, seed: u64) -> Self {
        let mut random = Random::new(seed, STREAM);
        let mut order: Vec<usize> = (0..eyes.count()).collect();
        // Within each kind of cells: all kinds keep what they say of the picture as a whole.
        for kind in order.chunks_exact_mut(eyes.count() / eyes.grid().kinds) {
            shuffle(kind, &mut random);
        }
        let origin = eyes.origin();
        let origin = order.iter().map(|&at| origin[at]).collect();
        let response = Response::over(eyes, origin, people, forgetting_s, (PARTICLES, seed));
        Self { order, response, learnt: 0, evidence: 0.0 }
    }

    /// Compares what the model had `predicted` of a picture with what the twin does, and lets the twin learn. `spread`: the
    /// standard error of a measurement whose response is as predicted, the response's own wavering included.
    pub fn judge(
        &mut self,
        measured: Measured,
        features: &[f64],
        predicted: Prediction,
        spread: impl Fn(f64) -> f64,
        is_over: &mut dyn FnMut() -> bool,
    ) {
        let features: Vec<f64> = self.order.iter().map(|&at| features[at]).collect();
        let own = self.response.predict_shown(measured.picture, &features);
        let fit = |predicted: Prediction| {
            let variance = predicted.sd.powi(2) + spread(predicted.mean).powi(2);
            -0.5 * (libm::log(variance) + (measured.value - predicted.mean).powi(2) / variance)
        };
        let more = fit(predicted) - fit(own);
        if self.learnt >= FIRST && more.is_finite() {
            self.evidence += more.clamp(-MOST, MOST);
        }
        self.learnt += 1;
        self.response.learn(measured, &features, is_over);
    }

    /// Whether the model has beaten it; more is asked of a model that had failed, or it would flicker.
    pub fn is_beaten(&self, had_failed: bool) -> bool {
        self.evidence > if had_failed { BACK } else { PROOF }
    }
}
