//! Where the rhythm stands: a Kalman filter.

use core::f64::consts::{PI, TAU};

use super::{CORNERS_HZ, MAINS_HALF_WIDTH_HZ, RhythmModel, kept};

/// Rhythm (two), mains hum (two), background.
const STATES: usize = 4 + CORNERS_HZ.len();
/// An innovation counts as this many standard deviations at most: a blink or a jump of an electrode is no rhythm.
const CLIP: f64 = 4.0;
/// The slowest process also takes up the electrode's offset, of which only its start is known.
const OFFSET: f64 = 100.0;

/// The rhythm at an instant, as far as the samples so far tell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Forecast {
    /// Phase in radians, -pi..=pi: 0 at the positive peak of the signal, pi at its trough.
    pub phase_rad: f64,
    /// Mean resultant length that phases forecast with this certainty have about their truth, 0..=1.
    pub resultant: f64,
    /// Expected squared amplitude (twice the power) of the rhythm.
    pub squared_amplitude: f64,
}

/// Kalman filter of a [`RhythmModel`], one signal.
///
/// The rhythm is `z(t + 1) = r e^(iw) z(t) + noise`, with `w` from the centre and `r` from the half width; the signal holds
/// its real part. The covariance runs along, so a missing sample only makes the estimate wider.
#[derive(Debug, Clone)]
pub struct RhythmTracker {
    model: RhythmModel,
    rate_hz: f64,
    keep: [f64; STATES],
    /// Cosine and sine of the turn per sample, of the rhythm and of the hum.
    turns: [[f64; 2]; 2],
    driven: [f64; STATES],
    state: [f64; STATES],
    covariance: [[f64; STATES]; STATES],
    /// The first value seen: offsets of electrodes are thousands of times the rhythm.
    origin: Option<f64>,
}

/// Whether a state is part of the signal: the imaginary parts of the oscillators are not.
const SEEN: [f64; STATES] = [1.0, 0.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0];

impl RhythmTracker {
    /// For samples at `rate_hz`.
    pub fn new(model: RhythmModel, rate_hz: f64) -> Self {
        let mut tracker = Self {
            model,
            rate_hz,
            keep: [0.0; STATES],
            turns: [[0.0; 2]; 2],
            driven: [0.0; STATES],
            state: [0.0; STATES],
            covariance: [[0.0; STATES]; STATES],
            origin: None,
        };
        tracker.set_model(model);
        tracker
    }

    /// Another model; what is known of the rhythm's state is forgotten.
    pub fn set_model(&mut self, model: RhythmModel) {
        self.model = model;
        let turn = |hz: f64| [libm::cos(TAU * hz / self.rate_hz), libm::sin(TAU * hz / self.rate_hz)];
        self.turns = [turn(model.centre_hz), turn(model.mains_hz.unwrap_or(0.0))];
        let powers = self.powers();
        for (state, (keep, driven)) in self.keep.iter_mut().zip(&mut self.driven).enumerate() {
            let half_width_hz = match state {
                0 | 1 => model.half_width_hz,
                2 | 3 => MAINS_HALF_WIDTH_HZ,
                slow => CORNERS_HZ[slow - 4],
            };
            *keep = kept(half_width_hz, self.rate_hz);
            *driven = powers[state] * (1.0 - *keep * *keep);
        }
        self.reset();
    }

    /// The model that is tracked.
    pub fn model(&self) -> &RhythmModel {
        &self.model
    }

    /// Nothing is known of the state but its powers; the next sample sets the origin.
    pub fn reset(&mut self) {
        let powers = self.powers();
        self.state = [0.0; STATES];
        self.covariance = [[0.0; STATES]; STATES];
        for (at, power) in powers.into_iter().enumerate() {
            self.covariance[at][at] = power;
        }
        let all: f64 = powers.iter().sum();
        self.covariance[4][4] = OFFSET * all;
        self.origin = None;
    }

    fn powers(&self) -> [f64; STATES] {
        let RhythmModel { rhythm_power, background_power: [a, b, c, d], mains_power, .. } = self.model;
        [rhythm_power, rhythm_power, mains_power, mains_power, a, b, c, d]
    }

    /// Takes a sample, or a missing one.
    pub fn step(&mut self, value: Option<f64>) {
        self.predict();
        if let Some(value) = value.filter(|value| value.is_finite()) {
            let origin = *self.origin.get_or_insert(value);
            self.correct(value - origin);
        }
    }

    fn predict(&mut self) {
        self.state = self.advanced(&self.state);
        // F P F': the rows, then the columns.
        for row in 0..STATES {
            self.covariance[row] = self.advanced(&self.covariance[row]);
        }
        self.transpose();
        for row in 0..STATES {
            self.covariance[row] = self.advanced(&self.covariance[row]);
        }
        for (at, driven) in self.driven.iter().enumerate() {
            self.covariance[at][at] += driven;
        }
    }

    fn transpose(&mut self) {
        for row in 0..STATES {
            for column in 0..row {
                let other = self.covariance[column][row];
                self.covariance[column][row] = self.covariance[row][column];
                self.covariance[row][column] = other;
            }
        }
    }

    /// One sample on, without noise.
    fn advanced(&self, from: &[f64; STATES]) -> [f64; STATES] {
        let mut to = [0.0; STATES];
        for (at, [cos, sin]) in self.turns.iter().enumerate() {
            let (re, im, keep) = (from[2 * at], from[2 * at + 1], self.keep[2 * at]);
            to[2 * at] = keep * (cos * re - sin * im);
            to[2 * at + 1] = keep * (sin * re + cos * im);
        }
        for at in 4..STATES {
            to[at] = self.keep[at] * from[at];
        }
        to
    }

    fn correct(&mut self, value: f64) {
        let mut shared = [0.0; STATES];
        for (shared, row) in shared.iter_mut().zip(&self.covariance) {
            *shared = row.iter().zip(&SEEN).map(|(p, seen)| p * seen).sum();
        }
        let seen = |of: &[f64; STATES]| of.iter().zip(&SEEN).map(|(x, seen)| x * seen).sum::<f64>();
        let variance = seen(&shared) + self.model.white_power;
        if variance.is_nan() || variance <= 0.0 {
            return;
        }
        let bound = CLIP * libm::sqrt(variance);
        let innovation = (value - seen(&self.state)).clamp(-bound, bound);
        for at in 0..STATES {
            self.state[at] += shared[at] / variance * innovation;
            for other in 0..STATES {
                self.covariance[at][other] -= shared[at] * shared[other] / variance;
            }
        }
    }

    /// The rhythm `ahead_s` after the last sample.
    pub fn forecast(&self, ahead_s: f64) -> Forecast {
        let keep = libm::exp(-TAU * self.model.half_width_hz * ahead_s.max(0.0));
        let [re, im] = [self.state[0], self.state[1]];
        let angle = libm::atan2(im, re) + TAU * self.model.centre_hz * ahead_s;
        let known = keep * keep * (re * re + im * im);
        let unknown = keep * keep * (self.covariance[0][0] + self.covariance[1][1]).max(0.0)
            + (1.0 - keep * keep) * 2.0 * self.model.rhythm_power;
        Forecast {
            phase_rad: angle - TAU * libm::round(angle / TAU),
            resultant: expected_resultant(known / unknown),
            squared_amplitude: known + unknown,
        }
    }
}

/// Mean resultant length of the phase of `m + e`, with `e` complex Gaussian and `ratio = |m|^2 / E|e|^2`:
/// `sqrt(pi x / 2) e^(-x) (I0(x) + I1(x))` at `x = ratio / 2` (Mardia and Jupp 2000, Directional Statistics, 3.5.6: the
/// projected normal distribution). 0 for what is no number.
pub fn expected_resultant(ratio: f64) -> f64 {
    let x = 0.5 * ratio;
    if x > 1e6 {
        return 1.0;
    }
    if x.is_nan() || x <= 0.0 {
        return 0.0;
    }
    let [i0, i1] = scaled_bessel(x);
    (libm::sqrt(0.5 * PI * x) * (i0 + i1)).min(1.0)
}

/// `e^(-x) I0(x)` and `e^(-x) I1(x)` for `x` at least 0, to 2e-7 (Abramowitz and Stegun 1964, 9.8.1 to 9.8.4).
fn scaled_bessel(x: f64) -> [f64; 2] {
    let sum = |of: &[f64], at: f64| of.iter().rev().fold(0.0, |sum, c| sum * at + c);
    if x < 3.75 {
        let at = (x / 3.75) * (x / 3.75);
        let i0 = sum(&[1.0, 3.5156229, 3.0899424, 1.2067492, 0.2659732, 0.0360768, 0.0045813], at);
        let i1 = sum(&[0.5, 0.87890594, 0.51498869, 0.15084934, 0.02658733, 0.00301532, 0.00032411], at);
        return [libm::exp(-x) * i0, libm::exp(-x) * x * i1];
    }
    let at = 3.75 / x;
    let i0 = sum(
        &[
            0.39894228,
            0.01328592,
            0.00225319,
            -0.00157565,
            0.00916281,
            -0.02057706,
            0.02635537,
            -0.01647633,
            0.00392377,
        ],
        at,
    );
    let i1 = sum(
        &[
            0.39894228,
            -0.03988024,
            -0.00362018,
            0.00163801,
            -0.01031555,
            0.02282967,
            -0.02895312,
            0.01787654,
            -0.00420059,
        ],
        at,
    );
    [i0 / libm::sqrt(x), i1 / libm::sqrt(x)]
}
