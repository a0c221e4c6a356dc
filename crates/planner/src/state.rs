//! The state in which a picture meets the brain, as a factor of its response.
//!
//! What is measured of a picture is taken as `response (c + b . x)`: `x` is the state forecast for its first photon, relative to
//! the session's mean, `b` how much the response changes with it, and `c`, near 1, what gain and model are off by, which drifts.
//! The ratio of measured to expected is linear in `(c, b)`, so a Kalman filter (Kalman, J. Basic Eng. 82, 1960) has their
//! posterior in closed form: recursive least squares with the prior `b ~ N(0, SD^2)`. The size of the noise is known only
//! roughly and is learnt with them (conjugate inverse gamma).
//!
//! Most people's responses may not depend on the state at all. So `b = 0` has half of the prior, and what a measurement is
//! corrected by is the mean over both: the estimate times the posterior probability that there is a dependence (Bayes factor
//! of Dickey and Lientz 1970). A session without one then loses next to nothing.

use timeline::{NOT_MEASURED, Request, StateAtOnset, s_from_ns};

use crate::belief::Prediction;
use crate::wavering::USUAL;

/// What of the state counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// The natural logarithm of the band power over its baseline.
    Power,
    /// Cosine and sine of the phase, times the certainty of its forecast.
    Phase,
}

/// Prior standard deviation of `b`: per unit of log power (a factor of e), or per unit of cosine and sine.
const SD: f64 = 0.2;
/// Standard deviation of `c` around 1, and the time constant of its drift: the gain's, and a model that is not right yet.
const OFF: (f64, f64) = (0.3, USUAL.drift_tau_s);
/// Presentations that the noise assumed beforehand is worth.
const TRUST: f64 = 10.0;
/// Below this part of the mean response an expectation says nothing of the gain.
const FAINT: f64 = 0.3;
/// Least factor by which a measurement is corrected, and the inverse of the greatest.
const LEAST: f64 = 0.5;
/// Numbers of a state at most, and one more for `c`.
const NUMBERS: usize = 2;
const ALL: usize = NUMBERS + 1;

/// How a response depends on the state.
#[derive(Debug, Clone, PartialEq)]
pub struct Effect {
    /// `b`: relative change of the response per unit of log power; or per unit of the phase's cosine, then of its sine.
    pub coefficients: Vec<f64>,
    /// Standard error of each, if there is a dependence.
    pub standard_errors: Vec<f64>,
    /// Posterior probability that there is one, from one half beforehand.
    pub probability: f64,
    /// Presentations that told something.
    pub presentations: u64,
}

/// What is known of the dependence.
#[derive(Debug, Clone, PartialEq)]
pub struct StateGain {
    condition: Condition,
    /// Mean of the states, and how many.
    mean: [f64; NUMBERS],
    seen: f64,
    /// Mean and covariance of `(c, c b)`, the latter in units of the noise's `scale`.
    known: [f64; ALL],
    /// Sum of `c` over the presentations that told something: `b` is over the mean, not over where the drift is now.
    gains: f64,
    covariance: [[f64; ALL]; ALL],
    /// Sum of squared surprises and how many, those assumed beforehand included.
    surprise: (f64, f64),
    /// Mean and summed squares of what was measured, at the mean state, and how many.
    values: (f64, f64, f64),
    at_s: Option<f64>,
}

impl StateGain {
    /// Nothing measured yet.
    pub fn new(condition: Condition) -> Self {
        let mut covariance = [[0.0; ALL]; ALL];
        covariance[0][0] = OFF.0 * OFF.0;
        (1..=condition.numbers()).for_each(|k| covariance[k][k] = SD * SD);
        Self {
            condition,
            mean: [0.0; NUMBERS],
            seen: 0.0,
            known: [1.0, 0.0, 0.0],
            gains: 0.0,
            covariance,
            surprise: (TRUST, TRUST),
            values: (0.0, 0.0, 0.0),
            at_s: None,
        }
    }

    /// Takes what a picture did, of which `expected` was predicted if anything was, and gives what it would have done at the
    /// session's mean state: by what was known before it. A request without a measurement or a state comes back as it is.
    pub fn take(&mut self, request: &Request, expected: Option<Prediction>) -> Request {
        let measured = request.value.is_finite() && request.spread.is_finite();
        let (Some(state), true) = (self.condition.numbers_of(&request.state), measured) else {
            return *request;
        };
        self.seen += 1.0;
        let mut x = [0.0; NUMBERS];
        for ((x, mean), state) in x.iter_mut().zip(&mut self.mean).zip(state) {
            *mean += (state - *mean) / self.seen;
            *x = state - *mean;
        }
        let corrected = self.corrected(request, &x);
        if let Some(expected) = self.expectation(expected) {
            self.learn(request, &x, expected);
        }
        let (mean, squares, count) = &mut self.values;
        *count += 1.0;
        let off = corrected.value - *mean;
        *mean += off / *count;
        *squares += off * (corrected.value - *mean);
        corrected
    }

    /// What is known by now.
    pub fn effect(&self) -> Effect {
        let numbers = 1..=self.condition.numbers();
        let scale = self.scale();
        let error = |k: usize| (scale * self.covariance[k][k]).max(0.0).sqrt() / self.gain();
        Effect {
            coefficients: numbers.clone().map(|k| self.known[k] / self.gain()).collect(),
            standard_errors: numbers.map(error).collect(),
            probability: self.probability(),
            presentations: self.count() as u64,
        }
    }

    /// Presentations that told something.
    fn count(&self) -> f64 {
        self.surprise.1 - TRUST
    }

    fn gain(&self) -> f64 {
        if self.count() > 0.0 { (self.gains / self.count()).max(FAINT) } else { 1.0 }
    }

    fn scale(&self) -> f64 {
        self.surprise.0 / self.surprise.1
    }

    /// What a prediction that is sure to a half says; else what pictures did so far, which says little of a single one.
    fn expectation(&self, expected: Option<Prediction>) -> Option<Prediction> {
        let (mean, squares, count) = self.values;
        let sure = |p: &Prediction| p.mean > FAINT * mean && p.mean > 0.0 && p.sd < 0.5 * p.mean;
        let usual = || {
            let sd = (squares / (count - 1.0)).sqrt();
            (count >= 4.0 && mean > 0.0).then_some(Prediction { mean, sd })
        };
        expected.filter(sure).or_else(usual)
    }

    /// A step of the filter.
    fn learn(&mut self, request: &Request, x: &[f64; NUMBERS], expected: Prediction) {
        self.drift(s_from_ns(request.at_ns));
        let h = [1.0, x[0], x[1]];
        let ph = self.covariance.map(|row| dot(&row, &h));
        let relative = |sd: f64| (sd / expected.mean) * (sd / expected.mean);
        let ahead = dot(&self.known, &h);
        // What the response itself wavers by grows with it; the noise of the measurement does not.
        let own = relative(expected.sd) + USUAL.fast_sd * USUAL.fast_sd;
        let noise = relative(request.spread) + own * ahead.max(FAINT) * ahead.max(FAINT);
        let variance = dot(&h, &ph) + noise;
        let off = request.value / expected.mean - ahead;
        self.surprise = (self.surprise.0 + off * off / variance, self.surprise.1 + 1.0);
        for i in 0..ALL {
            self.known[i] += ph[i] / variance * off;
            for j in 0..ALL {
                self.covariance[i][j] -= ph[i] * ph[j] / variance;
            }
        }
        self.gains += self.known[0];
    }

    /// `c` forgets itself; `b` is the person's.
    fn drift(&mut self, at_s: f64) {
        let passed_s = self.at_s.map_or(0.0, |last_s| (at_s - last_s).max(0.0));
        self.at_s = Some(at_s);
        let keep = libm::exp(-passed_s / OFF.1);
        self.known[0] = 1.0 + keep * (self.known[0] - 1.0);
        for k in 0..ALL {
            self.covariance[0][k] *= keep;
            self.covariance[k][0] *= keep;
        }
        self.covariance[0][0] += (1.0 - keep * keep) * OFF.0 * OFF.0;
    }

    /// Posterior probability that there is a dependence: the density of `b = 0` before over after.
    fn probability(&self) -> f64 {
        let [_, [_, a, b], [_, _, d]] = self.covariance;
        let (u, v) = (self.known[1], self.known[2]);
        let prior = SD * SD;
        let (parts, squared) = match self.condition {
            Condition::Power => (a / prior, u * u / a),
            Condition::Phase => {
                let determinant = a * d - b * b;
                let squared = (d * u * u - 2.0 * b * u * v + a * v * v) / determinant;
                (determinant / (prior * prior), squared)
            }
        };
        let log_odds = 0.5 * (libm::log(parts) + squared / self.scale());
        1.0 / (1.0 + libm::exp(-log_odds))
    }

    fn corrected(&self, request: &Request, x: &[f64; NUMBERS]) -> Request {
        let weight = self.probability();
        let h = [0.0, x[0], x[1]];
        let change = weight * dot(&self.known, &h) / self.gain();
        let ph = self.covariance.map(|row| dot(&row, &h));
        let unsure = weight * (self.scale() * dot(&h, &ph)).max(0.0).sqrt() / self.gain();
        let factor = (1.0 + change).clamp(LEAST, 1.0 / LEAST);
        let value = request.value / factor;
        let spread = libm::hypot(request.spread, value * unsure) / factor;
        let mut amplitudes = NOT_MEASURED;
        for (to, from) in amplitudes.iter_mut().zip(&request.amplitudes) {
            *to = from.map(|part| part / factor);
        }
        Request { value, spread, amplitudes, ..*request }
    }
}

impl Condition {
    const fn numbers(self) -> usize {
        match self {
            Self::Power => 1,
            Self::Phase => 2,
        }
    }

    /// The state in numbers; `None` where it is not known.
    fn numbers_of(self, state: &StateAtOnset) -> Option<[f64; NUMBERS]> {
        match self {
            Self::Power => {
                let known = state.power > 0.0 && state.power.is_finite();
                known.then(|| [libm::log(state.power), 0.0])
            }
            Self::Phase => {
                let known = state.resultant > 0.0 && state.phase_rad.is_finite();
                known.then(|| [libm::cos, libm::sin].map(|part| state.resultant * part(state.phase_rad)))
            }
        }
    }
}

fn dot(a: &[f64; ALL], b: &[f64; ALL]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}
