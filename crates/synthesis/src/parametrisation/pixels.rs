//! The light of every pixel.

use ndarray::Array5;
use random::Random;

/// Every number is the linear light of one pixel, in the order of the stimuli [B, T, C, H, W].
///
/// The light itself and not its logit: constraints are projections of light, and with the identity in between, an
/// optimiser that projects its parameters projects the stimuli.
#[derive(Debug, Clone, PartialEq)]
pub struct Pixels {
    pub(super) shape: [usize; 5],
    pub(super) noise: f64,
}

impl Pixels {
    /// Stimuli of this shape that start as grey 0.5 with white noise of SD `noise` (light).
    pub fn new(shape: [usize; 5], noise: f64) -> Self {
        Self { shape, noise }
    }

    pub(super) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    pub(super) fn start(&self, random: &mut Random) -> Vec<f64> {
        (0..self.len()).map(|_| (0.5 + self.noise * random.normal()).clamp(0.0, 1.0)).collect()
    }

    pub(super) fn render(&self, at: &[f64], out: &mut Array5<f32>) {
        out.iter_mut().zip(at).for_each(|(light, &value)| *light = value as f32);
    }

    pub(super) fn pull_back(&self, cotangent: &Array5<f32>, gradient: &mut [f64]) {
        gradient.iter_mut().zip(cotangent).for_each(|(slot, &value)| *slot = f64::from(value));
    }
}
