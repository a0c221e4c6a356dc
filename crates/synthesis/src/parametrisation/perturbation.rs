//! A given image and a bounded change of it.

use ndarray::Array5;
use random::Random;

use super::{ParametrisationError, range};

/// How far a perturbation may go. Each stimulus of a set has a ball of its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ball {
    /// The Euclidean norm over all numbers of one stimulus, in light, is at most this.
    L2(f64),
    /// No number changes by more than this, in light.
    Linf(f64),
}

/// Base stimuli plus a change within a ball; the parameters are the change of every number.
///
/// What is rendered is the nearest change within the ball, so that a step too long is no error. Where that cuts, the
/// derivative is that of the cut: none along a clipped number (Linf), none outwards (L2). Optimisers should still
/// [project](super::Parametrisation::project) after a step: a number far beyond its clip has no gradient to come back by.
#[derive(Debug, Clone, PartialEq)]
pub struct Perturbation {
    pub(super) base: Array5<f32>,
    ball: Ball,
    noise: f64,
}

impl Perturbation {
    /// A change of `base` [B, T, C, H, W] that starts as white noise of SD `noise` (light), cut to the ball.
    ///
    /// # Errors
    /// A radius that is not positive, light that is not finite.
    pub fn new(base: Array5<f32>, ball: Ball, noise: f64) -> Result<Self, ParametrisationError> {
        let (Ball::L2(radius) | Ball::Linf(radius)) = ball;
        range("perturbation radius", radius, radius > 0.0, "more than 0")?;
        range("perturbation noise", noise, noise >= 0.0, "0 or more")?;
        if let Some(&light) = base.iter().find(|light| !light.is_finite()) {
            range("light of the base image", f64::from(light), false, "a finite number")?;
        }
        Ok(Self { base: base.as_standard_layout().into_owned(), ball, noise })
    }

    fn len_of_one(&self) -> usize {
        self.base.shape()[1..].iter().product()
    }

    pub(super) fn start(&self, random: &mut Random) -> Vec<f64> {
        let mut at: Vec<f64> = self.base.iter().map(|_| self.noise * random.normal()).collect();
        self.project(&mut at);
        at
    }

    pub(super) fn parameters_of(&self, stimuli: &Array5<f32>) -> Vec<f64> {
        let change = stimuli.iter().zip(&self.base).map(|(&a, &b)| f64::from(a) - f64::from(b));
        let mut at: Vec<f64> = change.collect();
        self.project(&mut at);
        at
    }

    pub(super) fn bounds(&self) -> Option<Vec<[f64; 2]>> {
        match self.ball {
            Ball::L2(_) => None,
            Ball::Linf(radius) => Some(vec![[-radius, radius]; self.base.len()]),
        }
    }

    pub(super) fn project(&self, at: &mut [f64]) {
        match self.ball {
            Ball::Linf(radius) => at.iter_mut().for_each(|value| *value = value.clamp(-radius, radius)),
            Ball::L2(radius) => {
                for one in at.chunks_exact_mut(self.len_of_one()) {
                    let norm = norm(one);
                    if norm > radius {
                        one.iter_mut().for_each(|value| *value *= radius / norm);
                    }
                }
            }
        }
    }

    pub(super) fn render(&self, at: &[f64], out: &mut Array5<f32>) {
        let mut change = at.to_vec();
        self.project(&mut change);
        for ((light, &base), change) in out.iter_mut().zip(&self.base).zip(change) {
            *light = (f64::from(base) + change) as f32;
        }
    }

    pub(super) fn pull_back(&self, at: &[f64], cotangent: &Array5<f32>, gradient: &mut [f64]) {
        gradient.iter_mut().zip(cotangent).for_each(|(slot, &value)| *slot = f64::from(value));
        let len = self.len_of_one();
        match self.ball {
            Ball::Linf(radius) => {
                let clipped = gradient.iter_mut().zip(at).filter(|(_, value)| value.abs() > radius);
                clipped.for_each(|(slot, _)| *slot = 0.0);
            }
            Ball::L2(radius) => {
                for (at, gradient) in at.chunks_exact(len).zip(gradient.chunks_exact_mut(len)) {
                    let norm = norm(at);
                    if norm > radius {
                        let outwards: f64 =
                            at.iter().zip(&*gradient).map(|(a, g)| a * g).sum::<f64>() / (norm * norm);
                        for (slot, value) in gradient.iter_mut().zip(at) {
                            *slot = radius / norm * (*slot - outwards * value);
                        }
                    }
                }
            }
        }
    }
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}
