//! What every optimiser keeps: how often it asked, the best answer so far, and a place to begin.

use random::Random;

use super::vector;
use crate::problem::Problem;

/// How often a problem was evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Evaluations {
    /// Values alone.
    pub values: u64,
    /// Values with their gradient.
    pub gradients: u64,
}

impl Evaluations {
    /// Both kinds together.
    pub fn total(&self) -> u64 {
        self.values + self.gradients
    }
}

/// Counts evaluations and keeps the best point.
#[derive(Debug, Clone)]
pub(super) struct Ledger {
    pub evaluations: Evaluations,
    best: Vec<f64>,
    value: f64,
}

/// A point with its value and gradient.
#[derive(Debug, Clone)]
pub(super) struct Point {
    pub at: Vec<f64>,
    pub value: f64,
    pub gradient: Vec<f64>,
}

impl Point {
    /// It can be climbed from: value and gradient are finite.
    pub fn is_sound(&self) -> bool {
        self.value.is_finite() && vector::is_finite(&self.gradient)
    }
}

impl Ledger {
    pub fn new(start: &[f64]) -> Self {
        Self { evaluations: Evaluations::default(), best: start.to_vec(), value: f64::NEG_INFINITY }
    }

    /// The best point and its value; the start and minus infinity before any finite value.
    pub fn best(&self) -> (&[f64], f64) {
        (&self.best, self.value)
    }

    /// Takes note of an answer. Returns it, or minus infinity in place of what is not finite.
    pub fn note(&mut self, at: &[f64], value: f64) -> f64 {
        if !value.is_finite() {
            return f64::NEG_INFINITY;
        }
        if value > self.value {
            self.value = value;
            self.best.clear();
            self.best.extend_from_slice(at);
        }
        value
    }

    /// Value at an allowed point, counted and noted.
    pub fn value<P: Problem>(&mut self, problem: &mut P, at: &[f64]) -> Result<f64, P::Error> {
        // A point that is not finite has the worst value; the problem does not have to answer for it.
        let value = if vector::is_finite(at) { problem.value(at)? } else { f64::NEG_INFINITY };
        self.evaluations.values += 1;
        Ok(self.note(at, value))
    }

    /// Value and gradient at an allowed point, counted and noted.
    pub fn gradient<P: Problem>(&mut self, problem: &mut P, at: Vec<f64>) -> Result<Point, P::Error> {
        let mut gradient = vec![0.0; at.len()];
        let value = match vector::is_finite(&at) {
            true => problem.value_and_gradient(&at, &mut gradient)?,
            false => f64::NEG_INFINITY,
        };
        self.evaluations.gradients += 1;
        let value = self.note(&at, value);
        Ok(Point { at, value, gradient })
    }
}

/// Finds the first point that can be climbed from.
///
/// A start is dead where its value or gradient is not finite, or its gradient is all zero (no unit of a network with
/// rectifiers responds). Then points around it are tried, one in each step, farther and farther away.
#[derive(Debug, Clone)]
pub(super) struct Foothold {
    start: Vec<f64>,
    seed: u64,
    tries: u32,
}

impl Foothold {
    /// From 0.01 to about 20 standard deviations of the start's numbers.
    const TRIES: u32 = 12;

    pub fn new(start: &[f64], seed: u64) -> Self {
        Self { start: start.to_vec(), seed, tries: 0 }
    }

    /// No foothold was found, and none will be looked for.
    pub fn is_lost(&self) -> bool {
        self.tries >= Self::TRIES
    }

    /// Tries one point. `Err` in the inner result holds its value if it is dead.
    pub fn attempt<P: Problem>(
        &mut self,
        problem: &mut P,
        ledger: &mut Ledger,
    ) -> Result<Result<Point, f64>, P::Error> {
        if self.is_lost() {
            return Ok(Err(f64::NEG_INFINITY));
        }
        let mut at = self.start.clone();
        if self.tries > 0 {
            let rms = vector::norm(&at) / (at.len() as f64).sqrt();
            let radius = 0.01 * f64::from(1u32 << (self.tries - 1)) * rms.max(1.0);
            // A stream for each try: a step that fails and is repeated draws the same point again.
            let mut random = Random::new(self.seed, u64::from(self.tries));
            at.iter_mut().for_each(|x| *x += radius * random.normal());
        }
        problem.project(&mut at);
        let point = ledger.gradient(problem, at)?;
        self.tries += 1;
        let alive = point.is_sound() && vector::largest(&point.gradient) > 0.0;
        Ok(if alive { Ok(point) } else { Err(point.value) })
    }
}

/// The part of a gradient along which an allowed point can move: (P(x + e g) - x) / e for a small e, which for a convex
/// set tends to the projection of g on its tangent cone (Calamai and More, Math. Programming 39, 1987).
pub(super) fn tangent_gradient<P: Problem>(problem: &P, at: &[f64], gradient: &[f64]) -> Vec<f64> {
    let length = vector::norm(gradient);
    if length == 0.0 {
        return gradient.to_vec();
    }
    let small = 1e-6 * vector::norm(at).max(1.0) / length;
    let free = vector::along(at, small, gradient);
    let mut allowed = free.clone();
    problem.project(&mut allowed);
    if allowed == free {
        return gradient.to_vec();
    }
    allowed.iter().zip(at).map(|(moved, x)| (moved - x) / small).collect()
}
