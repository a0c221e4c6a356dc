//! Pictures that are shown before anything is known: natural statistics, and Gabors.

use random::Random;
use rustfft::num_complex::Complex;

use crate::{Canvas, PlannerError};

/// Occluding discs of a dead-leaves picture.
const LEAVES: usize = 300;
/// Pictures that are drawn at most until one has a contrast.
const DRAWS: usize = 8;

/// One picture with the statistics of natural images: in turn dead leaves (discs that occlude each other, with radii of
/// density r^-3: edges, occlusion and scale invariance; Lee, Mumford and Huang, Int. J. Comput. Vision 41, 2001) and 1/f
/// noise (Field, J. Opt. Soc. Am. A 4, 1987).
///
/// # Errors
/// A canvas that takes no picture.
pub fn natural(canvas: &Canvas, random: &mut Random) -> Result<Vec<f32>, PlannerError> {
    allowed(canvas, || {
        if random.uniform() < 0.5 { dead_leaves(canvas, random) } else { one_over_f(canvas, random) }
    })
}

/// The first pattern drawn that can be brought to the canvas's contrast.
fn allowed(canvas: &Canvas, mut draw: impl FnMut() -> Vec<f32>) -> Result<Vec<f32>, PlannerError> {
    let mut found = canvas.allowed(&draw());
    for _ in 1..DRAWS {
        if found.is_ok() {
            break;
        }
        found = canvas.allowed(&draw());
    }
    found
}

/// A Gabor anywhere within the aperture: orientation, phase, spatial frequency (two octaves up to four texels per cycle),
/// place and size are drawn.
///
/// # Errors
/// A canvas that takes no picture.
pub fn gabor(canvas: &Canvas, random: &mut Random) -> Result<Vec<f32>, PlannerError> {
    allowed(canvas, || {
        let highest_cpd = canvas.texels_per_deg / 4.0;
        let cpd = highest_cpd * libm::exp2(-2.0 * random.uniform());
        let reach = 0.3 * canvas.aperture_deg;
        let centre = [reach * (2.0 * random.uniform() - 1.0), reach * (2.0 * random.uniform() - 1.0)];
        let size_deg = canvas.aperture_deg * (0.08 + 0.14 * random.uniform());
        let orientation = core::f64::consts::PI * random.uniform();
        gabor_at(canvas, centre, orientation, cpd, core::f64::consts::TAU * random.uniform(), size_deg)
    })
}

/// A Gabor with these parameters, before the constraints: centre [x, y] in degrees, direction in which it varies (radians,
/// anticlockwise from rightwards), cycles per degree, phase, and the SD of its window in degrees.
pub fn gabor_at(
    canvas: &Canvas,
    centre_deg: [f64; 2],
    orientation_rad: f64,
    cpd: f64,
    phase_rad: f64,
    sd_deg: f64,
) -> Vec<f32> {
    let (cos, sin) = (libm::cos(orientation_rad), libm::sin(orientation_rad));
    let at = |[x, y]: [f64; 2]| {
        let (dx, dy) = (x - centre_deg[0], y - centre_deg[1]);
        let window = libm::exp(-0.5 * (dx * dx + dy * dy) / (sd_deg * sd_deg));
        (window * libm::cos(core::f64::consts::TAU * cpd * (cos * dx + sin * dy) + phase_rad)) as f32
    };
    canvas.places_deg().map(at).collect()
}

/// Noise of all orientations in the upper two octaves of what a picture can carry (four texels per cycle and up): what answers
/// to any pattern answers to this.
///
/// # Errors
/// A canvas that takes no picture.
pub fn broadband(canvas: &Canvas, random: &mut Random) -> Result<Vec<f32>, PlannerError> {
    let side_deg = canvas.texels as f64 / canvas.texels_per_deg;
    let highest_cpd = 0.25 * canvas.texels_per_deg;
    let is_within = |cpd: f64| (0.25 * highest_cpd..=highest_cpd).contains(&cpd);
    let band = |cycles: f64| f64::from(u8::from(is_within(cycles / side_deg)));
    canvas.allowed(&filtered(canvas, random, band))
}

/// RMS contrast of the picture that calibration shows.
const CALIBRATION_RMS: f64 = 0.45;

/// The picture that calibration shows: broadband noise as strong as it can be, because calibration has to see a response
/// whatever the brain prefers.
///
/// # Errors
/// A canvas that takes no picture.
pub fn calibrating(canvas: &Canvas, random: &mut Random) -> Result<Vec<f32>, PlannerError> {
    broadband(&Canvas { contrast_rms: CALIBRATION_RMS.max(canvas.contrast_rms), ..canvas.clone() }, random)
}

fn dead_leaves(canvas: &Canvas, random: &mut Random) -> Vec<f32> {
    let smallest_deg = 1.5 / canvas.texels_per_deg;
    let largest_deg = 0.5 * canvas.aperture_deg;
    let side_deg = canvas.texels as f64 / canvas.texels_per_deg;
    let places: Vec<[f64; 2]> = canvas.places_deg().collect();
    let mut pattern = vec![0.0; canvas.count()];
    for _ in 0..LEAVES {
        let radius = (smallest_deg / (1.0 - random.uniform()).sqrt()).min(largest_deg);
        let centre = [1.2 * side_deg * (random.uniform() - 0.5), 1.2 * side_deg * (random.uniform() - 0.5)];
        let light = random.normal() as f32;
        for (value, [x, y]) in pattern.iter_mut().zip(&places) {
            let (dx, dy) = (x - centre[0], y - centre[1]);
            if dx * dx + dy * dy < radius * radius {
                *value = light;
            }
        }
    }
    pattern
}

fn one_over_f(canvas: &Canvas, random: &mut Random) -> Vec<f32> {
    filtered(canvas, random, |cycles| 1.0 / cycles.max(1.0))
}

/// White noise whose amplitudes are multiplied by a function of the cycles per picture.
fn filtered(canvas: &Canvas, random: &mut Random, gain: impl Fn(f64) -> f64) -> Vec<f32> {
    let n = canvas.texels;
    let mut plane: Vec<Complex<f64>> = (0..n * n).map(|_| Complex::new(random.normal(), 0.0)).collect();
    let mut planner = rustfft::FftPlanner::new();
    let (forward, inverse) = (planner.plan_fft_forward(n), planner.plan_fft_inverse(n));
    both_axes(&mut plane, n, &*forward);
    let cycles = |index: usize| if index <= n / 2 { index as f64 } else { index as f64 - n as f64 };
    for (at, value) in plane.iter_mut().enumerate() {
        let frequency = libm::hypot(cycles(at % n), cycles(at / n));
        *value *= gain(frequency);
    }
    both_axes(&mut plane, n, &*inverse);
    plane.iter().map(|value| (value.re / (n * n) as f64) as f32).collect()
}

fn both_axes(plane: &mut [Complex<f64>], n: usize, fft: &dyn rustfft::Fft<f64>) {
    for _ in 0..2 {
        plane.chunks_exact_mut(n).for_each(|row| fft.process(row));
        for row in 0..n {
            for column in 0..row {
                plane.swap(row * n + column, column * n + row);
            }
        }
    }
}
