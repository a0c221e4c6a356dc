//! Adam: steps along a running mean of the gradient over a running root mean square.

use super::ledger::{Foothold, Ledger, Point, tangent_gradient};
use super::{Check, Error, State, vector};
use crate::problem::Problem;

/// Settings of [`Adam`]. Defaults are those of the paper but for the rate, which suits numbers of size one.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    /// How far a number moves in one step at most, about, in the problem's units. Default 0.05.
    pub rate: f64,
    /// Steps after which the rate has halved; 0 keeps it. Default 0.
    pub half_life: f64,
    /// Forgetting of the mean gradient, in [0, 1). Default 0.9.
    pub beta1: f64,
    /// Forgetting of the mean squared gradient, in [0, 1). Default 0.999.
    pub beta2: f64,
    /// Added to the root mean square. Default 1e-8.
    pub epsilon: f64,
    /// Divides each gradient by its root mean square over the elements first, so that a step with a steep gradient does
    /// not outweigh the later ones and `epsilon` does not depend on the value's unit. Default true.
    pub normalise: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { rate: 0.05, half_life: 0.0, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, normalise: true }
    }
}

impl Settings {
    pub(super) fn check(&self) -> Result<(), Error> {
        let check = Check("adam");
        check.positive("rate", self.rate)?;
        check.not_negative("half-life", self.half_life)?;
        check.share("beta1", self.beta1)?;
        check.share("beta2", self.beta2)?;
        check.positive("epsilon", self.epsilon)
    }
}

/// Adam (Kingma and Ba, ICLR 2015), upwards, with projection after each step.
///
/// A step that ends where value or gradient are not finite is taken back: the moments are forgotten and the next steps
/// are shorter, growing again with every step that succeeds.
#[derive(Debug, Clone)]
pub struct Adam {
    settings: Settings,
    pub(super) ledger: Ledger,
    foothold: Foothold,
    here: Option<Point>,
    mean: Vec<f64>,
    square: Vec<f64>,
    /// Moves since the moments were last forgotten.
    age: i32,
    steps: u64,
    caution: f64,
}

impl Adam {
    pub(super) fn new(settings: Settings, start: &[f64], seed: u64) -> Self {
        Self {
            settings,
            ledger: Ledger::new(start),
            foothold: Foothold::new(start, seed),
            here: None,
            mean: vec![0.0; start.len()],
            square: vec![0.0; start.len()],
            age: 0,
            steps: 0,
            caution: 1.0,
        }
    }

    pub(super) fn step<P: Problem>(&mut self, problem: &mut P) -> Result<(f64, State), P::Error> {
        if self.here.is_none() {
            match self.foothold.attempt(problem, &mut self.ledger)? {
                Ok(point) => self.here = Some(point),
                Err(value) => return Ok((value, State::without_foothold(&self.foothold))),
            }
        }
        let Some(here) = &self.here else { return Ok((f64::NEG_INFINITY, State::Lost)) };
        let (mean, square) = self.moments(problem, here);
        let mut at = here.at.clone();
        let rate = self.rate();
        let [of_mean, of_square] = [self.settings.beta1, self.settings.beta2]
            .map(|beta| 1.0 - libm::pow(beta, f64::from(self.age) + 1.0));
        for (x, (m, s)) in at.iter_mut().zip(mean.iter().zip(&square)) {
            *x += rate * (m / of_mean) / ((s / of_square).sqrt() + self.settings.epsilon);
        }
        problem.project(&mut at);
        let next = self.ledger.gradient(problem, at)?;
        self.steps += 1;
        if !next.is_sound() {
            (self.age, self.caution) = (0, 0.5 * self.caution);
            self.mean.fill(0.0);
            self.square.fill(0.0);
            return Ok((next.value, State::Held));
        }
        (self.mean, self.square) = (mean, square);
        (self.age, self.caution) = (self.age.saturating_add(1), (1.05 * self.caution).min(1.0));
        let state = if next.at == here.at { State::Held } else { State::Moved };
        let value = next.value;
        self.here = Some(next);
        Ok((value, state))
    }

    fn rate(&self) -> f64 {
        let Settings { rate, half_life, .. } = self.settings;
        let decay = if half_life > 0.0 { libm::exp2(-(self.steps as f64) / half_life) } else { 1.0 };
        rate * decay * self.caution
    }

    /// Of the part of the gradient along which the point can move: at a best point on a border the gradient itself does not
    /// vanish, and steps along it that are scaled number by number and then projected lead away from there.
    fn moments<P: Problem>(&self, problem: &P, here: &Point) -> (Vec<f64>, Vec<f64>) {
        let Settings { beta1, beta2, normalise, .. } = self.settings;
        let gradient = tangent_gradient(problem, &here.at, &here.gradient);
        let rms = vector::norm(&here.gradient) / (gradient.len() as f64).sqrt();
        let scale = if normalise && rms > 0.0 { 1.0 / rms } else { 1.0 };
        let mean = self.mean.iter().zip(&gradient).map(|(m, g)| beta1 * m + (1.0 - beta1) * scale * g);
        let square = self
            .square
            .iter()
            .zip(&gradient)
            .map(|(s, g)| beta2 * s + (1.0 - beta2) * (scale * g) * (scale * g));
        (mean.collect(), square.collect())
    }
}
