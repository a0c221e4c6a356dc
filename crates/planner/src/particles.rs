//! Which population receptive field it is: a posterior by particles.
//!
//! Each particle is a field; its gains, which are linear, have their posterior in closed form (a Rao-Blackwellised particle
//! filter: Doucet et al., UAI 2000). After each presentation particles are weighted, resampled where few count, and moved by
//! Metropolis steps that leave the posterior as it is (resample-move: Gilks and Berzuini, J. R. Stat. Soc. B 63, 2001); the
//! steps are differences of other particles (ter Braak, Stat. Comput. 16, 2006).

use core::f64::consts::PI;

use random::Random;

use crate::belief::Prediction;
use crate::features::Grid;
use crate::field::{Field, GAINS, PARAMETERS, Posterior, Prior, TERMS, TURN, Weights};
use crate::gains::{Fit, Measured, Row, own_sd};
use crate::wavering::{Measurement, Wavering};

/// Particles of a planner's model.
pub(crate) const USUAL_COUNT: usize = 200;
/// Moves of each after a presentation.
const MOVES: usize = 2;
/// Particles of which a mean is climbed.
const FEW: usize = 32;
/// Length of a move over that of a difference, for a normal posterior of so many parameters; drawn around it.
const LENGTH: f64 = 0.51;
/// Part of the moves that go the whole way, from one mode to another.
const WHOLE: f64 = 0.1;
/// What keeps equal particles apart.
const JITTER: f64 = 0.02;
/// Below this part of the particles that count, they are resampled.
const FEWEST: f64 = 0.5;
/// Stream of its random numbers.
const STREAM: u64 = 3;

#[derive(Debug, Clone)]
struct Particle {
    field: Field,
    weights: Weights,
    /// Of each picture.
    terms: Vec<[f64; TERMS]>,
    fit: Fit,
    log_weight: f64,
}

/// A picture that was shown, with its presentations.
#[derive(Debug, Clone)]
struct Shown {
    picture: usize,
    /// From zero, not from the mean.
    features: Vec<f64>,
    /// Value, variance, time.
    values: Vec<[f64; 3]>,
    expected: f64,
}

/// The posterior.
pub struct Particles {
    grid: Grid,
    prior: Prior,
    wavering: Wavering,
    forgetting_s: f64,
    /// What an unlit feature is: features come as differences from their mean.
    origin: Vec<f64>,
    particles: Vec<Particle>,
    /// Numbers of some particles that stand for all.
    few: Vec<usize>,
    shown: Vec<Shown>,
    measured: Measured,
    random: Random,
}

/// One field with its gains, drawn from the posterior.
pub(crate) struct Drawn<'a> {
    weights: Weights,
    offset: f64,
    gains: [f64; TERMS],
    origin: &'a [f64],
}

impl Drawn<'_> {
    /// `sign` times the response to a picture's features, and its slope.
    pub fn slope(&self, features: &[f64], sign: f64) -> (f64, Vec<f64>) {
        let features = lit(features, self.origin);
        let gains = self.gains.map(|gain| sign * gain);
        let terms = self.weights.terms(&features);
        let value = sign * self.offset + terms.iter().zip(&gains).map(|(t, g)| t * g).sum::<f64>();
        let mut slope = vec![0.0; features.len()];
        self.weights.slope(&features, gains, &mut slope);
        (value, slope)
    }
}

fn lit(features: &[f64], origin: &[f64]) -> Vec<f64> {
    features.iter().zip(origin).map(|(feature, origin)| feature + origin).collect()
}

impl Particles {
    /// Nothing measured yet, `count` particles. `typical`: features of pictures that nobody chose, and `origin`, what is added to a feature to
    /// count it from grey's.
    pub(crate) fn new(
        grid: Grid,
        prior: Prior,
        wavering: Wavering,
        forgetting_s: f64,
        [origin, typical]: [&[f64]; 2],
        (count, seed): (usize, u64),
    ) -> Self {
        let mut random = Random::new(seed, STREAM);
        let typical = lit(typical, origin);
        let mut sums = [0.0; TERMS];
        let one = |_| {
            let field = prior.draw(&mut random);
            let weights = field.weights(&grid);
            sums.iter_mut().zip(weights.terms(&typical)).for_each(|(sum, term)| *sum += term);
            Particle { field, weights, terms: Vec::new(), fit: Fit::NOTHING, log_weight: 0.0 }
        };
        let particles = (0..count).map(one).collect();
        let typical = sums.map(|sum| (sum / count as f64).max(1e-12));
        let measured = Measured { rows: Vec::new(), scale: 1e-12, typical };
        let origin = origin.to_vec();
        let mut all = Self {
            grid,
            prior,
            wavering,
            forgetting_s,
            origin,
            particles,
            few: Vec::new(),
            shown: Vec::new(),
            measured,
            random,
        };
        all.fit();
        all.choose_few();
        all
    }

    /// Takes which picture a presentation showed, its features, what was measured, its standard error without what the response
    /// itself wavers, and when it was. `is_over` (a deadline) ends the particles' moves early.
    pub fn learn(
        &mut self,
        picture: usize,
        features: &[f64],
        [value, spread, at_s]: [f64; 3],
        is_over: &mut dyn FnMut() -> bool,
    ) {
        if !(value.is_finite() && spread.is_finite() && features.iter().all(|f| f.is_finite())) {
            return;
        }
        let index = self.index_of(picture, features);
        self.shown[index].values.push([value, (spread * spread).max(1e-12), at_s]);
        let parts = self.parts();
        for (at, shown) in self.shown.iter_mut().enumerate() {
            let one = |(p, part): (&Particle, &f64)| part * p.fit.predict(&p.terms[at]).0;
            shown.expected = self.particles.iter().zip(&parts).map(one).sum();
        }
        self.measure();
        let before: Vec<f64> = self.particles.iter().map(|p| p.fit.log_evidence).collect();
        self.fit();
        for (particle, before) in self.particles.iter_mut().zip(before) {
            particle.log_weight += particle.fit.log_evidence - before;
        }
        self.resample();
        for _ in 0..MOVES {
            if is_over() {
                break;
            }
            self.move_all();
        }
        self.choose_few();
    }

    fn index_of(&mut self, picture: usize, features: &[f64]) -> usize {
        if let Some(index) = self.shown.iter().position(|shown| shown.picture == picture) {
            return index;
        }
        let features = lit(features, &self.origin);
        for particle in &mut self.particles {
            particle.terms.push(particle.weights.terms(&features));
        }
        self.shown.push(Shown { picture, features, values: Vec::new(), expected: 0.0 });
        self.shown.len() - 1
    }

    /// What was measured of each picture, the gain's drift taken out.
    fn measure(&mut self) {
        let presentations = self.shown.iter().enumerate();
        let mut all: Vec<(usize, Measurement)> = presentations
            .flat_map(|(at, shown)| {
                let one = move |&[value, variance, at_s]: &[f64; 3]| {
                    (at, Measurement { at_s, value, variance, expected: shown.expected })
                };
                shown.values.iter().map(one)
            })
            .collect();
        all.sort_by(|a, b| a.1.at_s.total_cmp(&b.1.at_s));
        let square = all.iter().map(|(_, one)| one.value * one.value).sum::<f64>() / all.len().max(1) as f64;
        let scale = square.sqrt().max(1e-12);
        let now_s = all.last().map_or(0.0, |(_, one)| one.at_s);
        let plain: Vec<Measurement> = all.iter().map(|(_, one)| *one).collect();
        let mut sums = vec![[0.0; 2]; self.shown.len()];
        for ((at, one), drift) in all.iter().zip(self.wavering.smoothed(&plain, scale)) {
            let gain = 1.0 + drift.max(-0.5);
            let fast = self.wavering.fast_sd * one.expected.max(0.0);
            // Beyond e^40 it says nothing.
            let age = libm::exp(((now_s - one.at_s) / self.forgetting_s).clamp(0.0, 40.0));
            let variance = (one.variance + fast * fast) * age / (gain * gain);
            sums[*at][0] += one.value / gain / variance;
            sums[*at][1] += 1.0 / variance;
        }
        let rows = sums.iter().zip(&self.shown).map(|(&[sum, total], shown)| Row {
            value: sum / total,
            variance: 1.0 / total,
            expected: shown.expected,
        });
        self.measured.rows = rows.collect();
        self.measured.scale = scale;
    }

    fn fit(&mut self) {
        for particle in &mut self.particles {
            particle.fit = Fit::new(&particle.field, &particle.terms, &self.measured, &self.prior);
        }
    }

    /// Systematic resampling, where few particles count.
    fn resample(&mut self) {
        let parts = self.parts();
        let counting = 1.0 / parts.iter().map(|part| part * part).sum::<f64>();
        if counting > FEWEST * parts.len() as f64 {
            return;
        }
        let first = self.random.uniform();
        let next = spaced(&parts, parts.len(), first);
        self.particles = next
            .into_iter()
            .map(|index| Particle { log_weight: 0.0, ..self.particles[index].clone() })
            .collect();
    }

    /// One Metropolis step of each particle.
    fn move_all(&mut self) {
        for index in 0..self.particles.len() {
            let field = self.moved(index);
            let weights = field.weights(&self.grid);
            let terms: Vec<_> = self.shown.iter().map(|shown| weights.terms(&shown.features)).collect();
            let fit = Fit::new(&field, &terms, &self.measured, &self.prior);
            let particle = &mut self.particles[index];
            let rise = fit.log_evidence + self.prior.log(&field)
                - particle.fit.log_evidence
                - self.prior.log(&particle.field);
            if self.random.uniform() < libm::exp(rise.min(0.0)) {
                *particle = Particle { field, weights, terms, fit, log_weight: particle.log_weight };
            }
        }
    }

    fn moved(&mut self, index: usize) -> Field {
        let (random, count) = (&mut self.random, self.particles.len());
        let mut pick = || (random.uniform() * count as f64) as usize % count;
        let (from, to) = (pick(), pick());
        let is_whole = random.uniform() < WHOLE;
        let length = if is_whole { 1.0 } else { LENGTH * (0.3 + random.uniform()) };
        let mut field = self.particles[index].field;
        for at in 0..PARAMETERS {
            let off = self.particles[to].field.0[at] - self.particles[from].field.0[at];
            let off = if at == TURN { libm::remainder(off, PI) } else { off };
            field.0[at] += length * off + JITTER * random.normal();
        }
        field
    }

    /// Each particle's part in the posterior.
    fn parts(&self) -> Vec<f64> {
        let most = self.particles.iter().map(|p| p.log_weight).fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = self.particles.iter().map(|p| libm::exp(p.log_weight - most)).collect();
        let sum: f64 = weights.iter().sum();
        weights.into_iter().map(|weight| weight / sum).collect()
    }

    fn choose_few(&mut self) {
        self.few = spaced(&self.parts(), FEW, 0.5);
    }

    /// What a new picture with these features will do; what it does on its own is not in it.
    pub fn predict(&self, features: &[f64]) -> Prediction {
        let features = lit(features, &self.origin);
        self.predict_by(|particle| particle.weights.terms(&features))
    }

    /// The same by the picture's terms under each particle.
    fn predict_by(&self, terms: impl Fn(&Particle) -> [f64; TERMS]) -> Prediction {
        let (mut mean, mut square) = (0.0, 0.0);
        for (particle, part) in self.particles.iter().zip(self.parts()) {
            let (m, v) = particle.fit.predict(&terms(particle));
            mean += part * m;
            square += part * (m * m + v);
        }
        Prediction { mean, sd: (square - mean * mean).max(0.0).sqrt() }
    }

    /// What a picture that was shown before will do, what it does on its own included.
    pub fn predict_shown(&self, picture: usize, features: &[f64]) -> Prediction {
        match self.shown.iter().position(|shown| shown.picture == picture) {
            Some(index) => {
                // Each particle has its terms of what was shown; all pictures are asked for after each presentation.
                let plain = self.predict_by(|particle| particle.terms[index]);
                let own = self.own_sd(plain.mean);
                let row = &self.measured.rows[index];
                let part = own * own / (own * own + row.variance);
                let mean = plain.mean + part * (row.value - plain.mean);
                Prediction { mean, sd: libm::hypot((1.0 - part) * plain.sd, (part * row.variance).sqrt()) }
            }
            None => {
                let Prediction { mean, sd } = self.predict(features);
                Prediction { mean, sd: libm::hypot(sd, self.own_sd(mean)) }
            }
        }
    }

    /// Standard deviation of what a picture of this response does beside what fields say.
    pub fn own_sd(&self, response: f64) -> f64 {
        let parts = self.parts();
        let part: f64 = self.particles.iter().zip(parts).map(|(p, part)| part * p.field.own_part()).sum();
        own_sd(part, self.measured.scale, response)
    }

    /// `sign` times the posterior mean of the response, and its slope with respect to the features; by some particles that
    /// stand for all.
    pub(crate) fn mean_slope(&self, features: &[f64], sign: f64) -> (f64, Vec<f64>) {
        let features = lit(features, &self.origin);
        let mut slope = vec![0.0; features.len()];
        let mut mean = 0.0;
        let part = sign / self.few.len().max(1) as f64;
        for &index in &self.few {
            let particle = &self.particles[index];
            mean += part * particle.fit.predict(&particle.weights.terms(&features)).0;
            let gains = core::array::from_fn(|k| part * particle.fit.mean[k + 1]);
            particle.weights.slope(&features, gains, &mut slope);
        }
        (mean, slope)
    }

    /// A field and its gains, drawn from the posterior (Thompson, Biometrika 25, 1933); `width` scales how far gains are from
    /// their mean.
    pub(crate) fn draw(&mut self, width: f64) -> Drawn<'_> {
        let first = self.random.uniform();
        let index = spaced(&self.parts(), 1, first)[0];
        let normal: [f64; GAINS] = core::array::from_fn(|_| width * self.random.normal());
        let particle = &self.particles[index];
        let (offset, gains) = particle.fit.draw(&normal);
        Drawn { weights: particle.weights.clone(), offset, gains, origin: &self.origin }
    }

    /// What is known of the field: what a prior for other people is made of.
    pub fn posterior(&self) -> Posterior {
        let parts = self.parts();
        let moments = |value: &dyn Fn(&Particle) -> f64| {
            let all = || self.particles.iter().zip(&parts);
            let mean: f64 = all().map(|(p, part)| part * value(p)).sum();
            let variance: f64 = all().map(|(p, part)| part * (value(p) - mean).powi(2)).sum();
            [mean, variance.sqrt()]
        };
        let unit = |k: usize| if k == 0 { 1.0 } else { self.measured.typical[k - 1] };
        let gain = |k: usize| {
            moments(&|p: &Particle| p.fit.mean[k] * unit(k) / (self.measured.scale * p.field.gain()))
        };
        let mut parameters = core::array::from_fn(|at| moments(&|p: &Particle| p.field.0[at]));
        parameters[TURN] = self.orientation(&parts);
        Posterior { parameters, gains: core::array::from_fn(gain) }
    }

    /// Circular mean and standard deviation (Mardia and Jupp, Directional Statistics, 2000), period pi.
    fn orientation(&self, parts: &[f64]) -> [f64; 2] {
        let (mut cos, mut sin) = (0.0, 0.0);
        for (particle, part) in self.particles.iter().zip(parts) {
            let doubled = 2.0 * particle.field.0[TURN];
            cos += part * libm::cos(doubled);
            sin += part * libm::sin(doubled);
        }
        let length = libm::hypot(cos, sin).clamp(1e-12, 1.0);
        let mean = 0.5 * libm::atan2(sin, cos);
        [if mean < 0.0 { mean + PI } else { mean }, 0.5 * (-2.0 * libm::log(length)).sqrt()]
    }
}

/// `count` numbers drawn at equal distances through these parts, which sum to 1; `first` in 0..1 says where it begins.
fn spaced(parts: &[f64], count: usize, first: f64) -> Vec<usize> {
    let (mut index, mut reached) = (0, parts.first().copied().unwrap_or(1.0));
    let one = |at: usize| {
        let wanted = (at as f64 + first) / count as f64;
        while reached < wanted && index + 1 < parts.len() {
            index += 1;
            reached += parts[index];
        }
        index
    };
    (0..count).map(one).collect()
}
