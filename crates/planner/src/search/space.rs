//! The space of Gabors: which numbers make one, and between which bounds.

use core::f64::consts::{PI, TAU};

use random::Random;

use crate::{Canvas, PlannerError, probe};

/// Numbers of a Gabor: centre x and y in degrees, direction in which it varies (rad), log2 of its cycles per degree, phase
/// (rad), log2 of the SD of its window in degrees.
pub const NUMBERS: usize = 6;

/// Which of them lie on a circle.
pub const ON_CIRCLE: [bool; NUMBERS] = [false, false, true, false, true, false];

/// Least and most of each number on a canvas: centres within three tenths of the aperture, two octaves of spatial frequency
/// up to four texels per cycle (as the Gabor probes), windows from 6 % of the aperture to as good as all of it.
pub fn bounds(canvas: &Canvas) -> [[f64; 2]; NUMBERS] {
    let reach = 0.3 * canvas.aperture_deg;
    let highest = libm::log2(canvas.texels_per_deg / 4.0);
    let size = |part: f64| libm::log2(part * canvas.aperture_deg);
    [
        [-reach, reach],
        [-reach, reach],
        [0.0, PI],
        [highest - 2.0, highest],
        [0.0, TAU],
        [size(0.06), size(0.4)],
    ]
}

/// One anywhere between the bounds.
pub fn anywhere(canvas: &Canvas, random: &mut Random) -> Vec<f64> {
    bounds(canvas).map(|[low, high]| low + (high - low) * random.uniform()).to_vec()
}

/// The picture of a Gabor.
///
/// # Errors
/// A canvas that takes no picture.
pub fn picture(canvas: &Canvas, numbers: &[f64]) -> Result<Vec<f32>, PlannerError> {
    let pattern = probe::gabor_at(
        canvas,
        [numbers[0], numbers[1]],
        numbers[2],
        libm::exp2(numbers[3]),
        numbers[4],
        libm::exp2(numbers[5]),
    );
    canvas.allowed(&pattern)
}
