//! A generator of pictures from a short latent, for searches that know nothing of gradients.
//!
//! A picture is a sum of Gabors (sparse coding is what natural images are made of: Olshausen and Field, Nature 381, 1996), and
//! the latent says of each where it is, how it is oriented, how fine, at which phase, how large and how strong. Standard normal
//! numbers give pictures of about natural statistics: sizes follow scales, and all scales have the same contrast. The map
//! is smooth, so that near latents give near pictures.

use core::f64::consts::SQRT_2;

use crate::{Canvas, PlannerError, probe};

/// Numbers of the latent per Gabor.
pub const PER_GABOR: usize = 8;

/// Numbers of the latent.
pub const fn dimensions(gabors: usize) -> usize {
    gabors * PER_GABOR
}

/// Makes pictures of latents.
#[derive(Debug, Clone)]
pub struct Generator {
    canvas: Canvas,
    gabors: usize,
}

impl Generator {
    /// A generator of sums of this many Gabors.
    pub fn new(canvas: Canvas, gabors: usize) -> Self {
        Self { canvas, gabors }
    }

    /// The picture of a latent, within the canvas's constraints.
    ///
    /// # Errors
    /// A canvas that takes no picture.
    pub fn picture(&self, latent: &[f64]) -> Result<Vec<f32>, PlannerError> {
        let mut sum = vec![0.0f32; self.canvas.count()];
        for numbers in latent.chunks_exact(PER_GABOR).take(self.gabors) {
            let (gabor, weight) = self.gabor(numbers);
            sum.iter_mut().zip(&gabor).for_each(|(sum, texel)| *sum += weight as f32 * texel);
        }
        self.canvas.allowed(&sum)
    }

    /// One Gabor and its strength.
    fn gabor(&self, numbers: &[f64]) -> (Vec<f32>, f64) {
        let canvas = &self.canvas;
        // Uniform between the bounds where the number is standard normal.
        let within =
            |number: f64, low: f64, high: f64| low + (high - low) * 0.5 * libm::erfc(-number / SQRT_2);
        let highest = libm::log2(canvas.texels_per_deg / 4.0);
        let cpd = libm::exp2(within(numbers[2], highest - 2.0, highest));
        let cycles = libm::exp2(within(numbers[3], -1.5, 0.7));
        let reach = 0.35 * canvas.aperture_deg;
        let centre = [within(numbers[0], -reach, reach), within(numbers[1], -reach, reach)];
        // Two numbers make an angle without a seam; the length of the phase's is the strength. A direction and its opposite
        // are the same orientation, so both come twice.
        let direction = libm::atan2(numbers[5], numbers[4]);
        let phase = libm::atan2(numbers[7], numbers[6]);
        let strength = libm::hypot(numbers[6], numbers[7]);
        let gabor = probe::gabor_at(canvas, centre, direction, cpd, phase, cycles / cpd);
        (gabor, strength)
    }
}
