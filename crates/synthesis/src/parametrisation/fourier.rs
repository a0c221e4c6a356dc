//! Fourier coefficients of images and short movies, with natural amplitudes and decorrelated colour.

use ndarray::Array5;
use random::Random;

use super::colour;
use super::hartley::Hartley;
use super::{ParametrisationError, range};

/// What the coefficients of a [`Fourier`] parametrisation mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FourierSpec {
    /// Amplitude falls as `1 / f^exponent`. 1 gives the mean spectrum of natural images (Field, "Relations between the
    /// statistics of natural images and the response properties of cortical cells", J Opt Soc Am A 1987); 0 weighs all
    /// frequencies alike.
    pub exponent: f64,
    /// Size of the chromatic axes relative to the achromatic one; read for three channels only.
    pub chroma: f64,
    /// RMS contrast (SD of light) of the start, about.
    pub noise: f64,
    /// Frames per second of the movie; read for more than one frame only.
    pub frame_rate_hz: f64,
    /// Highest temporal frequency of the movie in Hz; read for more than one frame only.
    pub cut_off_hz: f64,
}

impl Default for FourierSpec {
    /// 1/f amplitudes, chromatic axes at 0.3, a start of 2 % contrast, movies at 60 Hz up to 10 Hz.
    fn default() -> Self {
        Self { exponent: 1.0, chroma: 0.3, noise: 0.02, frame_rate_hz: 60.0, cut_off_hz: 10.0 }
    }
}

/// Coefficients [B, M, C, H, W] of a space-time spectrum; the stimulus is the sigmoid of the field that they make.
///
/// In space a real Fourier transform (Hartley's, where frequencies k and -k hold what real and imaginary part hold in
/// the complex one), scaled by `1 / f^exponent`; along time the first M orthonormal cosines (DCT-II), component m being
/// `m / 2` cycles over the movie; across channels opponent axes. Independent unit normal coefficients make a field of unit
/// variance. Light is `1 / (1 + exp(-4 field))`: slope 1 at grey, so that a faint field is the light's deviation from
/// 0.5, and no value leaves 0..1.
///
/// As in Olah, Mordvintsev and Schubert ("Feature visualization", Distill 2017), such coefficients precondition the
/// ascent: a step of equal length in all of them is one with a natural spectrum.
#[derive(Clone)]
pub struct Fourier {
    pub(super) shape: [usize; 5],
    noise: f64,
    hartley: Hartley,
    /// Amplitude of each coefficient of a plane, [H, W].
    amplitudes: Vec<f64>,
    /// Temporal components, [T][M].
    cosines: Vec<Vec<f64>>,
    mixture: Vec<Vec<f64>>,
    separation: Vec<Vec<f64>>,
}

/// Steepness of the sigmoid: slope 1 at grey.
const GAIN: f64 = 4.0;

/// Light is kept this far from 0 and 1 where its logit is taken.
const LOGIT_MARGIN: f64 = 1e-3;

impl Fourier {
    /// For stimuli of the shape [B, T, C, H, W].
    ///
    /// # Errors
    /// A number that is not finite or outside its range, with its name.
    pub fn new(shape: [usize; 5], spec: &FourierSpec) -> Result<Self, ParametrisationError> {
        let [_, frames, channels, height, width] = shape;
        range("fourier exponent", spec.exponent, (0.0..=4.0).contains(&spec.exponent), "0 to 4")?;
        range("fourier chroma", spec.chroma, spec.chroma > 0.0 && spec.chroma <= 1.0, "above 0, at most 1")?;
        range("fourier noise", spec.noise, (0.0..=0.5).contains(&spec.noise), "0 to 0.5")?;
        let mut components = 1;
        if frames > 1 {
            let nyquist_hz = spec.frame_rate_hz / 2.0;
            range("frame_rate_hz", spec.frame_rate_hz, spec.frame_rate_hz > 0.0, "more than 0")?;
            let within = spec.cut_off_hz >= 0.0 && spec.cut_off_hz <= nyquist_hz;
            range("cut_off_hz", spec.cut_off_hz, within, "0 to half of frame_rate_hz")?;
            components += (spec.cut_off_hz / nyquist_hz * frames as f64 + 1e-9).floor() as usize;
        }
        let hartley = Hartley::new(height, width);
        Ok(Self {
            shape,
            noise: spec.noise,
            amplitudes: amplitudes(&hartley.frequencies(), spec.exponent, height.max(width)),
            hartley,
            cosines: cosines(frames, components.min(frames)),
            mixture: colour::mixture(channels, spec.chroma),
            separation: colour::separation(channels, spec.chroma),
        })
    }

    /// Number of temporal components M.
    pub fn components(&self) -> usize {
        self.cosines[0].len()
    }

    /// Coefficients of one stimulus.
    fn len_of_one(&self) -> usize {
        self.components() * self.shape[2] * self.plane()
    }

    fn plane(&self) -> usize {
        self.shape[3] * self.shape[4]
    }

    pub(super) fn len(&self) -> usize {
        self.shape[0] * self.len_of_one()
    }

    pub(super) fn start(&self, random: &mut Random) -> Vec<f64> {
        (0..self.len()).map(|_| self.noise * random.normal()).collect()
    }

    /// The coefficients whose stimulus is nearest to the given light in logit units: exact for images within
    /// 0.001..0.999, and for movies up to the cut-off.
    pub(super) fn parameters_of(&self, stimuli: &Array5<f32>) -> Vec<f64> {
        let field = stimuli.iter().map(|&light| {
            let light = f64::from(light).clamp(LOGIT_MARGIN, 1.0 - LOGIT_MARGIN);
            libm::log(light / (1.0 - light)) / GAIN
        });
        let field: Vec<f64> = field.collect();
        let mut at = vec![0.0; self.len()];
        let share = self.components() as f64 / self.shape[1] as f64;
        let along_time = self.field_len_of_one();
        for (field, at) in field.chunks_exact(along_time).zip(at.chunks_exact_mut(self.len_of_one())) {
            let mixed = self.gather_frames(field);
            // The cosines have the squared norm T / M each.
            self.blend(&mixed, &self.separation, share, at);
            for plane in at.chunks_exact_mut(self.plane()) {
                self.hartley.apply(plane);
                plane.iter_mut().zip(&self.amplitudes).for_each(|(value, amplitude)| *value /= amplitude);
            }
        }
        at
    }

    fn field_len_of_one(&self) -> usize {
        self.shape[1] * self.shape[2] * self.plane()
    }

    /// The field before the sigmoid, [B, T, C, H, W].
    fn field(&self, at: &[f64]) -> Vec<f64> {
        let (plane, channels) = (self.plane(), self.shape[2]);
        let mut field = vec![0.0; self.shape[0] * self.field_len_of_one()];
        for (at, field) in
            at.chunks_exact(self.len_of_one()).zip(field.chunks_exact_mut(self.field_len_of_one()))
        {
            let mut spatial = at.to_vec();
            for values in spatial.chunks_exact_mut(plane) {
                values.iter_mut().zip(&self.amplitudes).for_each(|(value, amplitude)| *value *= amplitude);
                self.hartley.apply(values);
            }
            let mut mixed = vec![0.0; spatial.len()];
            self.blend(&spatial, &self.mixture, 1.0, &mut mixed);
            for (frame, weights) in field.chunks_exact_mut(channels * plane).zip(&self.cosines) {
                for (&weight, component) in weights.iter().zip(mixed.chunks_exact(channels * plane)) {
                    add_scaled(frame, weight, component);
                }
            }
        }
        field
    }

    /// The adjoint of the sum over temporal components.
    fn gather_frames(&self, field: &[f64]) -> Vec<f64> {
        let volume = self.shape[2] * self.plane();
        let mut gathered = vec![0.0; self.len_of_one()];
        for (frame, weights) in field.chunks_exact(volume).zip(&self.cosines) {
            for (&weight, component) in weights.iter().zip(gathered.chunks_exact_mut(volume)) {
                add_scaled(component, weight, frame);
            }
        }
        gathered
    }

    /// `out[m, row] = factor * sum over columns of matrix[row][column] * values[m, column]`, plane by plane.
    fn blend(&self, values: &[f64], matrix: &[Vec<f64>], factor: f64, out: &mut [f64]) {
        let (plane, channels) = (self.plane(), self.shape[2]);
        out.fill(0.0);
        for (values, out) in values.chunks_exact(channels * plane).zip(out.chunks_exact_mut(channels * plane))
        {
            for (row, out) in matrix.iter().zip(out.chunks_exact_mut(plane)) {
                for (&weight, values) in row.iter().zip(values.chunks_exact(plane)) {
                    add_scaled(out, factor * weight, values);
                }
            }
        }
    }

    pub(super) fn render(&self, at: &[f64], out: &mut Array5<f32>) {
        for (light, field) in out.iter_mut().zip(self.field(at)) {
            *light = sigmoid(field) as f32;
        }
    }

    pub(super) fn pull_back(&self, at: &[f64], cotangent: &Array5<f32>, gradient: &mut [f64]) {
        let mut field = self.field(at);
        for (value, &cotangent) in field.iter_mut().zip(cotangent) {
            let light = sigmoid(*value);
            *value = f64::from(cotangent) * GAIN * light * (1.0 - light);
        }
        let channels = self.shape[2];
        let transposed: Vec<Vec<f64>> =
            (0..channels).map(|row| self.mixture.iter().map(|line| line[row]).collect()).collect();
        for (field, gradient) in
            field.chunks_exact(self.field_len_of_one()).zip(gradient.chunks_exact_mut(self.len_of_one()))
        {
            self.blend(&self.gather_frames(field), &transposed, 1.0, gradient);
            for plane in gradient.chunks_exact_mut(self.plane()) {
                self.hartley.apply(plane);
                plane.iter_mut().zip(&self.amplitudes).for_each(|(value, amplitude)| *value *= amplitude);
            }
        }
    }
}

impl std::fmt::Debug for Fourier {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Fourier").field("shape", &self.shape).finish_non_exhaustive()
    }
}

fn sigmoid(field: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-GAIN * field))
}

fn add_scaled(out: &mut [f64], factor: f64, values: &[f64]) {
    out.iter_mut().zip(values).for_each(|(out, value)| *out += factor * value);
}

/// `1 / f^exponent`, scaled to a mean square of 1. The mean has the amplitude of the lowest frequency.
fn amplitudes(frequencies: &[f64], exponent: f64, longest: usize) -> Vec<f64> {
    let lowest = 1.0 / longest as f64;
    let raw: Vec<f64> = frequencies.iter().map(|&f| libm::pow(f.max(lowest), -exponent)).collect();
    let mean_square = raw.iter().map(|value| value * value).sum::<f64>() / raw.len() as f64;
    raw.iter().map(|value| value / mean_square.sqrt()).collect()
}

/// The first `components` cosines over `frames` frames, [T][M], of mean square 1 per frame over all of them.
fn cosines(frames: usize, components: usize) -> Vec<Vec<f64>> {
    let scale = 1.0 / (components as f64).sqrt();
    let cosine = |frame: usize, component: usize| {
        let angle = std::f64::consts::PI * (frame as f64 + 0.5) * component as f64 / frames as f64;
        if component == 0 { scale } else { scale * std::f64::consts::SQRT_2 * libm::cos(angle) }
    };
    (0..frames).map(|frame| (0..components).map(|component| cosine(frame, component)).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(len: usize, seed: u64, sd: f64) -> Vec<f64> {
        let mut random = Random::new(seed, 0);
        (0..len).map(|_| sd * random.normal()).collect()
    }

    #[test]
    fn the_gradient_is_the_slope_in_f64() {
        for shape in [[2, 1, 1, 6, 5], [1, 1, 3, 4, 4], [1, 6, 3, 3, 4]] {
            let fourier = Fourier::new(shape, &FourierSpec::default()).unwrap();
            let at = normal(fourier.len(), 5, 0.4);
            let cotangent = Array5::from_shape_vec(shape, normal(shape.iter().product(), 6, 1.0)).unwrap();
            let cotangent = cotangent.mapv(|value| value as f32);
            let mut gradient = vec![0.0; at.len()];
            fourier.pull_back(&at, &cotangent, &mut gradient);
            let value = |at: &[f64]| -> f64 {
                fourier.field(at).iter().zip(&cotangent).map(|(&f, &c)| sigmoid(f) * f64::from(c)).sum()
            };
            for index in (0..at.len()).step_by(1 + at.len() / 17) {
                let step = 1e-5;
                let (mut up, mut down) = (at.clone(), at.clone());
                up[index] += step;
                down[index] -= step;
                let slope = (value(&up) - value(&down)) / (2.0 * step);
                assert!((slope - gradient[index]).abs() < 1e-8 * (1.0 + slope.abs()), "{shape:?} {index}");
            }
        }
    }

    #[test]
    fn unit_normal_coefficients_make_a_field_of_unit_variance() {
        for shape in [[40, 1, 1, 16, 12], [6, 12, 1, 16, 12]] {
            let fourier = Fourier::new(shape, &FourierSpec::default()).unwrap();
            let field = fourier.field(&normal(fourier.len(), 9, 1.0));
            let power = field.iter().map(|value| value * value).sum::<f64>() / field.len() as f64;
            // Few coefficients carry most of a 1/f spectrum, hence the wide interval.
            assert!((0.8..1.2).contains(&power), "{shape:?}: {power}");
        }
    }

    #[test]
    fn power_falls_as_the_square_of_frequency() {
        let fourier = Fourier::new([60, 1, 1, 32, 32], &FourierSpec::default()).unwrap();
        let field = fourier.field(&normal(fourier.len(), 3, 1.0));
        let mut power = [0.0; 2];
        for plane in field.chunks_exact(32 * 32) {
            let mut plane = plane.to_vec();
            fourier.hartley.apply(&mut plane);
            power[0] += plane[2].powi(2) + plane[30].powi(2);
            power[1] += plane[8].powi(2) + plane[24].powi(2);
        }
        // Four times the frequency: 1/16 of the power; 120 squared normals each.
        let ratio = power[0] / power[1];
        assert!((9.0..27.0).contains(&ratio), "{ratio}");
    }

    #[test]
    fn nothing_is_faster_than_the_cut_off() {
        let spec = FourierSpec { frame_rate_hz: 60.0, cut_off_hz: 6.0, ..FourierSpec::default() };
        let fourier = Fourier::new([1, 30, 1, 2, 2], &spec).unwrap();
        // Components are 1 Hz apart: half a cycle over half a second.
        assert_eq!(fourier.components(), 7);
        let field = fourier.field(&normal(fourier.len(), 4, 1.0));
        let pixel: Vec<f64> = field.chunks_exact(4).map(|frame| frame[1]).collect();
        for component in 0..30 {
            let sum: f64 = pixel
                .iter()
                .enumerate()
                .map(|(t, value)| {
                    value * (std::f64::consts::PI * (t as f64 + 0.5) * component as f64 / 30.0).cos()
                })
                .sum();
            assert_eq!(sum.abs() > 1e-9, component < 7, "{component} Hz: {sum}");
        }
    }
}
