//! The linear receptive fields of simple cells.
//!
//! Each is given by what it does to gratings: a Gaussian on the axis of log spatial frequency (Field, J. Opt. Soc. Am. A 4,
//! 1987) times a Gaussian of the orientation, one-sided, so that real and imaginary part are in quadrature, and exactly zero
//! for uniform light. What retina and image pyramid did to the amplitudes is divided out: the tuning of a *cell* is what
//! the parameters say, not that of its last filter.

use std::f64::consts::{LN_2, PI};

use super::grid::Scale;
use super::matrix::{gaussian, halving_response};
use super::params::Params;

/// Filters of one scale: per phase (even, odd) and orientation a square of `kernel` px.
#[derive(Debug, Clone)]
pub(super) struct Bank {
    /// [2, orientations, kernel, kernel], row-major; x to the right, y down.
    pub values: Vec<f64>,
    /// Energy of all orientations together, for a grating that is optimal for one of them with energy 1.
    pub energy_sum: f64,
    /// Standard deviation in px of the cells' receptive field: of the squared envelope, mean over both axes.
    pub sigma_px: f64,
}

/// Samples per axis of the frequency plane, in [-0.5, 0.5) cycles per px.
const SAMPLES: usize = 48;
/// Where the stages before pass less than about this amplitude, a filter does not make up for it.
const LEAST_PASSED: f64 = 0.15;

impl Bank {
    pub fn new(params: &Params, scale: &Scale) -> Self {
        let size = scale.kernel;
        let before = Before::new(params, scale);
        let tuning = Tuning::new(params, scale);
        let mut values = vec![0.0; 2 * params.orientations * size * size];
        let (even, odd) = values.split_at_mut(params.orientations * size * size);
        let waves = Waves::new(size);
        let planes = even.chunks_mut(size * size).zip(odd.chunks_mut(size * size));
        for (orientation, (even, odd)) in planes.enumerate() {
            let angle_deg = params.orientation_deg(orientation);
            let passed = |u, v| {
                let passed = before.response(u, v);
                passed / (passed * passed + LEAST_PASSED * LEAST_PASSED)
            };
            waves.sum(|u, v| tuning.amplitude(u, v, angle_deg) * passed(u, v), even, odd);
            shape(even, size);
            shape(odd, size);
            let best = tuning.best(angle_deg);
            let passed = before.response(best[0], best[1]);
            let (cosine, _) = answers(even, size, best);
            let (_, sine) = answers(odd, size, best);
            even.iter_mut().for_each(|value| *value /= cosine * passed);
            odd.iter_mut().for_each(|value| *value /= sine * passed);
        }
        let best = tuning.best(0.0);
        let passed = before.response(best[0], best[1]);
        let energy = values.chunks(size * size).map(|plane| {
            let (cosine, sine) = answers(plane, size, best);
            passed * passed * (cosine * cosine + sine * sine)
        });
        // Even and odd filters share a grating's energy: over its phases each has half.
        let energy_sum = 0.5 * energy.sum::<f64>();
        Self { energy_sum, sigma_px: envelope_sigma(&waves, &tuning, size), values }
    }
}

/// What a cell does to gratings, in cycles per px of its level.
struct Tuning {
    best: f64,
    log_sigma: f64,
    angle_sigma_deg: f64,
}

impl Tuning {
    /// The cells' answers are energies: amplitude squared is at half height where the parameters say.
    fn new(params: &Params, scale: &Scale) -> Self {
        let log_half_width = 0.5 * params.bandwidth_octaves * LN_2;
        let half_height = LN_2.sqrt();
        Self {
            best: 1.0 / scale.cycle_px,
            log_sigma: log_half_width / half_height,
            angle_sigma_deg: params.half_width_deg / half_height,
        }
    }

    /// Wave vector of the best grating; y points down.
    fn best(&self, angle_deg: f64) -> [f64; 2] {
        let angle = angle_deg * PI / 180.0;
        [self.best * libm::cos(angle), -self.best * libm::sin(angle)]
    }

    fn amplitude(&self, u: f64, v: f64, angle_deg: f64) -> f64 {
        let frequency = libm::hypot(u, v);
        if frequency == 0.0 {
            return 0.0;
        }
        let turned = libm::atan2(-v, u) * 180.0 / PI - angle_deg;
        let turned = turned - 360.0 * libm::round(turned / 360.0);
        if turned.abs() >= 90.0 {
            return 0.0;
        }
        let z = [libm::log(frequency / self.best) / self.log_sigma, turned / self.angle_sigma_deg];
        libm::exp(-0.5 * (z[0] * z[0] + z[1] * z[1]))
    }
}

/// What the stages before a filter do to the amplitude of a weak grating around the mean light of 0.5.
struct Before {
    adaptation_px: f64,
    weber: f64,
    centre: Vec<f64>,
    surround: Vec<f64>,
    surround_weight: f64,
    level: usize,
}

impl Before {
    fn new(params: &Params, scale: &Scale) -> Self {
        let (retina, px) = (&params.retina, params.px_per_deg());
        let variance = |sigma_deg: f64| (sigma_deg * px) * (sigma_deg * px);
        Self {
            adaptation_px: retina.adaptation_sigma_deg * px,
            weber: 0.5 / (0.5 + retina.dark_light),
            centre: gaussian(variance(retina.centre_sigma_deg)),
            surround: gaussian(variance(retina.surround_sigma_deg)),
            surround_weight: retina.surround_weight,
            level: scale.level,
        }
    }

    /// At a frequency in cycles per px of the filter's level.
    fn response(&self, u: f64, v: f64) -> f64 {
        let halvings = (1..=self.level).map(|times| {
            let coarser = (1u64 << times) as f64;
            halving_response(u / coarser) * halving_response(v / coarser)
        });
        let halved: f64 = halvings.product();
        let full = (1u64 << self.level) as f64;
        let (u, v) = (u / full, v / full);
        let smooth = |taps: &[f64]| transfer(taps, u) * transfer(taps, v);
        let z = 2.0 * PI * self.adaptation_px * libm::hypot(u, v);
        let adapted = 1.0 - libm::exp(-0.5 * z * z);
        self.weber * adapted * (smooth(&self.centre) - self.surround_weight * smooth(&self.surround)) * halved
    }
}

/// Response of symmetric taps, an odd number, to a frequency in cycles per sample.
fn transfer(taps: &[f64], frequency: f64) -> f64 {
    let reach = (taps.len() / 2) as f64;
    let phase = |tap: usize| 2.0 * PI * frequency * (tap as f64 - reach);
    taps.iter().enumerate().map(|(tap, value)| value * libm::cos(phase(tap))).sum()
}

/// exp(2 pi i u x) for all samples u of the frequency axis and px x of a filter.
struct Waves {
    size: usize,
    frequencies: Vec<f64>,
    waves: Vec<[f64; 2]>,
}

impl Waves {
    fn new(size: usize) -> Self {
        let frequencies: Vec<f64> =
            (0..SAMPLES).map(|sample| (sample as f64 + 0.5) / SAMPLES as f64 - 0.5).collect();
        let wave = |u: &f64| {
            let u = *u;
            (0..size).map(move |px| {
                let phase = 2.0 * PI * u * centred(px, size);
                [libm::cos(phase), libm::sin(phase)]
            })
        };
        let waves = frequencies.iter().flat_map(wave).collect();
        Self { size, frequencies, waves }
    }

    /// Real and imaginary part of the sum of waves with these amplitudes.
    fn sum(&self, amplitude: impl Fn(f64, f64) -> f64, real: &mut [f64], imaginary: &mut [f64]) {
        let wave = |index: usize| &self.waves[index * self.size..(index + 1) * self.size];
        for (row, &v) in self.frequencies.iter().enumerate() {
            for (column, &u) in self.frequencies.iter().enumerate() {
                let amplitude = amplitude(u, v);
                if amplitude < 1e-9 {
                    continue;
                }
                let places =
                    wave(row).iter().flat_map(|down| wave(column).iter().map(move |right| (down, right)));
                for (place, (down, right)) in places.enumerate() {
                    real[place] += amplitude * (down[0] * right[0] - down[1] * right[1]);
                    imaginary[place] += amplitude * (down[0] * right[1] + down[1] * right[0]);
                }
            }
        }
    }
}

/// Place of a px, from the filter's centre.
fn centred(px: usize, size: usize) -> f64 {
    px as f64 - (size as f64 - 1.0) / 2.0
}

/// 1 within 0.6 of the half width, then falling to 0 at its end.
fn window(size: usize, place: usize) -> f64 {
    let (x, y) = (centred(place % size, size), centred(place / size, size));
    let outside = (libm::hypot(x, y) / (size as f64 / 2.0) - 0.6) / 0.45;
    0.5 + 0.5 * libm::cos(PI * outside.clamp(0.0, 1.0))
}

/// Ends a filter softly and takes its mean away: uniform light gives no answer.
fn shape(plane: &mut [f64], size: usize) {
    let windows: Vec<f64> = (0..plane.len()).map(|place| window(size, place)).collect();
    plane.iter_mut().zip(&windows).for_each(|(value, window)| *value *= window);
    let mean = plane.iter().sum::<f64>() / windows.iter().sum::<f64>();
    plane.iter_mut().zip(&windows).for_each(|(value, window)| *value -= mean * window);
}

/// A filter's answers to cosine and sine gratings of amplitude 1 around its centre.
fn answers(plane: &[f64], size: usize, wave: [f64; 2]) -> (f64, f64) {
    let (mut cosine, mut sine) = (0.0, 0.0);
    for (place, value) in plane.iter().enumerate() {
        let (x, y) = (centred(place % size, size), centred(place / size, size));
        let phase = 2.0 * PI * (wave[0] * x + wave[1] * y);
        cosine += value * libm::cos(phase);
        sine += value * libm::sin(phase);
    }
    (cosine, sine)
}

/// Of the receptive field as light meets it, with the stages before: those of the filter are divided out of it.
fn envelope_sigma(waves: &Waves, tuning: &Tuning, size: usize) -> f64 {
    let (mut real, mut imaginary) = (vec![0.0; size * size], vec![0.0; size * size]);
    waves.sum(|u, v| tuning.amplitude(u, v, 0.0), &mut real, &mut imaginary);
    let (mut sum, mut squares) = (0.0, 0.0);
    for (place, (re, im)) in real.iter().zip(&imaginary).enumerate() {
        let (x, y) = (centred(place % size, size), centred(place / size, size));
        let window = window(size, place);
        let energy = (re * re + im * im) * window * window;
        sum += energy;
        squares += energy * (x * x + y * y) / 2.0;
    }
    (squares / sum).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_blind_to_uniform_light_and_in_quadrature() {
        let params = Params::default();
        for scale in Scale::all(&params) {
            let bank = Bank::new(&params, &scale);
            let plane = scale.kernel * scale.kernel;
            for (index, filter) in bank.values.chunks(plane).enumerate() {
                let size: f64 = filter.iter().map(|value| value.abs()).sum();
                assert!(filter.iter().sum::<f64>().abs() < 1e-12 * size);
                let symmetry = if index < params.orientations { 1.0 } else { -1.0 };
                for (a, b) in filter.iter().zip(filter.iter().rev()) {
                    assert!((a - symmetry * b).abs() < 1e-9 * size, "scale {} filter {index}", scale.index);
                }
            }
            let (even, odd) = bank.values.split_at(params.orientations * plane);
            let dot: f64 = even[..plane].iter().zip(&odd[..plane]).map(|(a, b)| a * b).sum();
            let power: f64 = even[..plane].iter().map(|a| a * a).sum();
            assert!(dot.abs() < 1e-9 * power);
            assert!((1.5..3.0).contains(&bank.energy_sum), "{}", bank.energy_sum);
        }
    }
}
