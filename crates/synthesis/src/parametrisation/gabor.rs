//! Sums of Gabors, with derivatives in closed form.

use std::f64::consts::{LN_2, PI};

use ndarray::Array5;
use random::Random;

use super::{ParametrisationError, range};

/// What the numbers of a [`Gabors`] parametrisation refer to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GaborSpec {
    /// Gabors per stimulus.
    pub count: usize,
    /// Pixels of the stimulus that one degree of visual angle covers.
    pub px_per_deg: f64,
    /// Frames per second; read for more than one frame only.
    pub frame_rate_hz: f64,
    /// Contrast of each Gabor at the start.
    pub contrast: f64,
}

/// One Gabor in human units, as [`Gabors::describe`] gives it.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Gabor {
    /// Right of the stimulus's centre, deg.
    pub x_deg: f64,
    /// Above the stimulus's centre, deg.
    pub y_deg: f64,
    /// Direction in which the grating varies, anticlockwise from rightward, as in `stimulus::Screen::wave_vector`.
    pub orientation_deg: f64,
    /// Spatial frequency, cycles per degree.
    pub cpd: f64,
    /// Phase at the Gabor's centre in the first frame: 0 is a bright bar there.
    pub phase_deg: f64,
    /// SD of the envelope across the bars, deg.
    pub size_deg: f64,
    /// SD of the envelope along the bars over the one across.
    pub aspect: f64,
    /// Contrast of each channel: 1 reaches from black to white.
    pub contrast: Vec<f64>,
    /// Drift in the direction of `orientation_deg`, Hz; 0 for an image.
    pub drift_hz: f64,
}

/// Per stimulus, `count` Gabors on grey:
/// `light = 0.5 + 0.5 sum contrast exp(-u^2 / 2 s^2 - v^2 / 2 (a s)^2) cos(2 pi (f u - g t) + phase)`, where u and v are
/// the distances in deg from the centre across and along the bars.
///
/// The numbers of one Gabor, in order: x and y in deg from the centre (right, up), orientation in rad, log2 of cpd, phase
/// in rad, log2 of the size s in deg, log2 of the aspect a, one contrast per channel and, with more than one frame, the drift
/// g in Hz. Logarithms, so that a step means the same at every scale. Gabors may add up beyond 0..1: the constraints see
/// to that.
#[derive(Debug, Clone, PartialEq)]
pub struct Gabors {
    pub(super) shape: [usize; 5],
    spec: GaborSpec,
}

/// Where the numbers of one Gabor stand.
const X: usize = 0;
const Y: usize = 1;
const ORIENTATION: usize = 2;
const LOG_CPD: usize = 3;
const PHASE: usize = 4;
const LOG_SIZE: usize = 5;
const LOG_ASPECT: usize = 6;
const CONTRAST: usize = 7;

/// One Gabor, ready to be evaluated.
struct Wave {
    centre: [f64; 2],
    cosine: f64,
    sine: f64,
    /// 2 pi f.
    frequency: f64,
    phase: f64,
    /// 1 / s^2 and 1 / (a s)^2.
    narrow: [f64; 2],
    /// 2 pi g per frame.
    drift: f64,
}

/// Exponent beyond which an envelope (below 1e-17) changes no light of 0.5 in f64.
const OUT_OF_REACH: f64 = 40.0;

/// Centres of a plane's pixels in deg from the stimulus's centre: x of every column to the right, y of every row up.
struct Plane {
    columns: Vec<f64>,
    rows: Vec<f64>,
}

/// A Gabor at one pixel: place in its own axes, envelope, carrier of the first frame.
struct Sample {
    u: f64,
    v: f64,
    envelope: f64,
    sine: f64,
    cosine: f64,
}

impl Wave {
    /// Calls `visit(pixel, sample)` for every pixel of a plane, row by row, that the envelope reaches.
    ///
    /// The carrier's angle is a sum of a part of the column and a part of the row, so that sines are taken once per
    /// column and row, and not per pixel.
    fn visit(&self, plane: &Plane, mut visit: impl FnMut(usize, Sample)) {
        let part = |distance: f64, direction: f64, phase: f64| {
            libm::sincos(self.frequency * distance * direction + phase)
        };
        let columns: Vec<_> = plane.columns.iter().map(|x| x - self.centre[0]).collect();
        let turns: Vec<_> = columns.iter().map(|&dx| part(dx, self.cosine, self.phase)).collect();
        for (row, y) in plane.rows.iter().enumerate() {
            let dy = y - self.centre[1];
            let (row_sine, row_cosine) = part(dy, self.sine, 0.0);
            for (column, (&dx, (column_sine, column_cosine))) in columns.iter().zip(&turns).enumerate() {
                let u = dx * self.cosine + dy * self.sine;
                let v = dy * self.cosine - dx * self.sine;
                let depth = 0.5 * (u * u * self.narrow[0] + v * v * self.narrow[1]);
                if depth < OUT_OF_REACH {
                    let sine = column_sine * row_cosine + column_cosine * row_sine;
                    let cosine = column_cosine * row_cosine - column_sine * row_sine;
                    let envelope = libm::exp(-depth);
                    visit(row * columns.len() + column, Sample { u, v, envelope, sine, cosine });
                }
            }
        }
    }

    /// Sine and cosine of the carrier's delay in each frame.
    fn turns(&self, frames: usize) -> Vec<(f64, f64)> {
        (0..frames).map(|frame| libm::sincos(self.drift * frame as f64)).collect()
    }
}

impl Gabors {
    /// For stimuli of the shape [B, T, C, H, W].
    ///
    /// # Errors
    /// A number that is not finite or outside its range, with its name.
    pub fn new(shape: [usize; 5], spec: &GaborSpec) -> Result<Self, ParametrisationError> {
        range("gabors per stimulus", spec.count as f64, (1..=4096).contains(&spec.count), "1 to 4096")?;
        range("px_per_deg", spec.px_per_deg, spec.px_per_deg > 0.0, "more than 0")?;
        range("gabor contrast", spec.contrast, (0.0..=1.0).contains(&spec.contrast), "0 to 1")?;
        if shape[1] > 1 {
            range("frame_rate_hz", spec.frame_rate_hz, spec.frame_rate_hz > 0.0, "more than 0")?;
        }
        Ok(Self { shape, spec: *spec })
    }

    fn channels(&self) -> usize {
        self.shape[2]
    }

    fn moves(&self) -> bool {
        self.shape[1] > 1
    }

    /// Numbers of one Gabor.
    fn stride(&self) -> usize {
        CONTRAST + self.channels() + usize::from(self.moves())
    }

    pub(super) fn len(&self) -> usize {
        self.shape[0] * self.spec.count * self.stride()
    }

    /// Where Gabors can be seen as such: centres on the stimulus, one cycle per field to three px per cycle, an SD from
    /// one px to half the shorter side, bars from half as long to twice as long as the patch is wide, drifts up to a
    /// quarter of the frame rate. Orientation and phase are bounded to one turn.
    pub(super) fn bounds(&self) -> Vec<[f64; 2]> {
        let degrees = |px: usize| px as f64 / self.spec.px_per_deg;
        let (width, height) = (degrees(self.shape[4]), degrees(self.shape[3]));
        let shorter = width.min(height);
        let pixel = 1.0 / self.spec.px_per_deg;
        let mut one = vec![
            [-width / 2.0, width / 2.0],
            [-height / 2.0, height / 2.0],
            [-PI / 2.0, PI / 2.0],
            ordered(libm::log2(1.0 / shorter), libm::log2(1.0 / (3.0 * pixel))),
            [-PI, PI],
            ordered(libm::log2(pixel), libm::log2(shorter / 2.0)),
            [-1.0, 1.0],
        ];
        one.extend(vec![[-1.0, 1.0]; self.channels()]);
        if self.moves() {
            one.push([-self.spec.frame_rate_hz / 4.0, self.spec.frame_rate_hz / 4.0]);
        }
        one.repeat(self.shape[0] * self.spec.count)
    }

    /// Every number uniform within the middle half of its bounds, orientation and phase within all of them; the
    /// contrasts as given.
    pub(super) fn start(&self, random: &mut Random) -> Vec<f64> {
        let contrasts = CONTRAST..CONTRAST + self.channels();
        let draw = |(index, [low, high]): (usize, [f64; 2])| {
            let slot = index % self.stride();
            let share = if slot == ORIENTATION || slot == PHASE { 1.0 } else { 0.5 };
            let value = (low + high) / 2.0 + share * (high - low) * (random.uniform() - 0.5);
            if contrasts.contains(&slot) { self.spec.contrast } else { value }
        };
        self.bounds().into_iter().enumerate().map(draw).collect()
    }

    /// The Gabors of each stimulus, in human units.
    pub fn describe(&self, at: &[f64]) -> Vec<Vec<Gabor>> {
        let one = |at: &[f64]| Gabor {
            x_deg: at[X],
            y_deg: at[Y],
            orientation_deg: at[ORIENTATION].to_degrees(),
            cpd: libm::exp2(at[LOG_CPD]),
            phase_deg: at[PHASE].to_degrees(),
            size_deg: libm::exp2(at[LOG_SIZE]),
            aspect: libm::exp2(at[LOG_ASPECT]),
            contrast: at[CONTRAST..CONTRAST + self.channels()].to_vec(),
            drift_hz: if self.moves() { at[CONTRAST + self.channels()] } else { 0.0 },
        };
        let stimulus = |at: &[f64]| at.chunks_exact(self.stride()).map(one).collect();
        at.chunks_exact(self.spec.count * self.stride()).map(stimulus).collect()
    }

    fn wave(&self, at: &[f64]) -> Wave {
        let (sine, cosine) = libm::sincos(at[ORIENTATION]);
        let size = libm::exp2(at[LOG_SIZE]);
        let length = size * libm::exp2(at[LOG_ASPECT]);
        let drift_hz = if self.moves() { at[CONTRAST + self.channels()] } else { 0.0 };
        Wave {
            centre: [at[X], at[Y]],
            cosine,
            sine,
            frequency: 2.0 * PI * libm::exp2(at[LOG_CPD]),
            phase: at[PHASE],
            narrow: [1.0 / (size * size), 1.0 / (length * length)],
            drift: if self.moves() { 2.0 * PI * drift_hz / self.spec.frame_rate_hz } else { 0.0 },
        }
    }

    fn plane(&self) -> Plane {
        let [.., height, width] = self.shape;
        let place =
            |index: usize, count: usize| (index as f64 + 0.5 - count as f64 / 2.0) / self.spec.px_per_deg;
        Plane {
            columns: (0..width).map(|column| place(column, width)).collect(),
            rows: (0..height).map(|row| -place(row, height)).collect(),
        }
    }

    /// Light of one stimulus [T, C, H, W].
    fn light(&self, at: &[f64]) -> Vec<f64> {
        let [_, frames, channels, height, width] = self.shape;
        let plane = height * width;
        let grid = self.plane();
        let mut light = vec![0.5; frames * channels * plane];
        for at in at.chunks_exact(self.stride()) {
            let wave = self.wave(at);
            let turns = wave.turns(frames);
            wave.visit(&grid, |pixel, sample| {
                for (frame, (turn_sine, turn_cosine)) in turns.iter().enumerate() {
                    let carrier = sample.cosine * turn_cosine + sample.sine * turn_sine;
                    for channel in 0..channels {
                        light[(frame * channels + channel) * plane + pixel] +=
                            0.5 * at[CONTRAST + channel] * sample.envelope * carrier;
                    }
                }
            });
        }
        light
    }

    pub(super) fn render(&self, at: &[f64], out: &mut Array5<f32>) {
        let light = at.chunks_exact(self.spec.count * self.stride()).flat_map(|at| self.light(at));
        out.iter_mut().zip(light).for_each(|(slot, light)| *slot = light as f32);
    }

    pub(super) fn pull_back(&self, at: &[f64], cotangent: &Array5<f32>, gradient: &mut [f64]) {
        let cotangent: Vec<f64> = cotangent.iter().map(|&value| f64::from(value)).collect();
        let grid = self.plane();
        let per_stimulus = self.spec.count * self.stride();
        let numbers: usize = self.shape[1..].iter().product();
        for (stimulus, cotangent) in cotangent.chunks_exact(numbers).enumerate() {
            let places = stimulus * per_stimulus..(stimulus + 1) * per_stimulus;
            let (at, gradient) = (&at[places.clone()], &mut gradient[places]);
            for (at, gradient) in at.chunks_exact(self.stride()).zip(gradient.chunks_exact_mut(self.stride()))
            {
                self.pull_back_one(&grid, at, cotangent, gradient);
            }
        }
    }

    /// Gradient of one Gabor's numbers.
    fn pull_back_one(&self, grid: &Plane, at: &[f64], cotangent: &[f64], gradient: &mut [f64]) {
        let [_, frames, channels, height, width] = self.shape;
        let plane = height * width;
        let wave = self.wave(at);
        let turns = wave.turns(frames);
        gradient.fill(0.0);
        wave.visit(grid, |pixel, sample| {
            // Sums over frames and channels of weight times cosine, sine, and sine times the frame.
            let (mut even, mut odd, mut later) = (0.0, 0.0, 0.0);
            for (frame, (turn_sine, turn_cosine)) in turns.iter().enumerate() {
                let cosine = sample.cosine * turn_cosine + sample.sine * turn_sine;
                let sine = sample.sine * turn_cosine - sample.cosine * turn_sine;
                let mut weight = 0.0;
                for channel in 0..channels {
                    let part =
                        0.5 * sample.envelope * cotangent[(frame * channels + channel) * plane + pixel];
                    gradient[CONTRAST + channel] += part * cosine;
                    weight += part * at[CONTRAST + channel];
                }
                even += weight * cosine;
                odd += weight * sine;
                later += weight * sine * frame as f64;
            }
            let across = sample.u * wave.narrow[0];
            let along = sample.v * wave.narrow[1];
            let by_u = -across * even - wave.frequency * odd;
            let by_v = -along * even;
            gradient[X] += wave.sine * by_v - wave.cosine * by_u;
            gradient[Y] -= wave.sine * by_u + wave.cosine * by_v;
            gradient[ORIENTATION] += sample.v * by_u - sample.u * by_v;
            gradient[LOG_CPD] -= LN_2 * wave.frequency * sample.u * odd;
            gradient[PHASE] -= odd;
            gradient[LOG_SIZE] += LN_2 * (sample.u * across + sample.v * along) * even;
            gradient[LOG_ASPECT] += LN_2 * sample.v * along * even;
            if self.moves() {
                gradient[CONTRAST + channels] += 2.0 * PI / self.spec.frame_rate_hz * later;
            }
        });
    }
}

fn ordered(a: f64, b: f64) -> [f64; 2] {
    [a.min(b), a.max(b)]
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: GaborSpec = GaborSpec { count: 3, px_per_deg: 4.0, frame_rate_hz: 30.0, contrast: 0.3 };

    #[test]
    fn the_gradient_is_the_slope_in_f64() {
        for shape in [[2, 1, 1, 12, 10], [1, 1, 3, 8, 8], [1, 5, 1, 9, 8]] {
            let gabors = Gabors::new(shape, &SPEC).unwrap();
            let mut random = Random::new(8, 0);
            let at = gabors.start(&mut random);
            let cotangent = Array5::from_shape_simple_fn(shape, || random.normal() as f32);
            let mut gradient = vec![f64::NAN; at.len()];
            gabors.pull_back(&at, &cotangent, &mut gradient);
            let value = |at: &[f64]| -> f64 {
                let light = at.chunks_exact(at.len() / shape[0]).flat_map(|at| gabors.light(at));
                light.zip(&cotangent).map(|(light, &c)| light * f64::from(c)).sum()
            };
            for index in 0..at.len() {
                let step = 1e-5;
                let (mut up, mut down) = (at.clone(), at.clone());
                up[index] += step;
                down[index] -= step;
                let slope = (value(&up) - value(&down)) / (2.0 * step);
                let found = gradient[index];
                assert!(
                    (slope - found).abs() < 1e-7 * (1.0 + slope.abs()),
                    "{shape:?} {index}: {slope} {found}"
                );
            }
        }
    }

    #[test]
    fn the_start_lies_within_the_bounds() {
        let gabors = Gabors::new([2, 4, 3, 20, 30], &SPEC).unwrap();
        let at = gabors.start(&mut Random::new(1, 1));
        assert_eq!(at.len(), gabors.bounds().len());
        for (value, [low, high]) in at.iter().zip(gabors.bounds()) {
            assert!(low < high && (low..=high).contains(value), "{value} in {low}..{high}");
        }
    }
}
