//! Projected gradient: steps along the gradient, put back into the allowed set.

use std::collections::VecDeque;

use super::ledger::{Foothold, Ledger, Point, tangent_gradient};
use super::{Check, Error, State, vector};
use crate::problem::Problem;

/// How long a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Rule {
    /// As the curvature along the last step says, with a non-monotone line search (spectral projected gradient).
    Spectral,
    /// A length: along the gradient divided by its Euclidean norm.
    L2,
    /// The same for every number: along the signs of the gradient, which is the steepest way in the largest norm.
    Linf,
}

/// Settings of [`ProjectedGradient`].
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    /// Default `spectral`.
    pub rule: Rule,
    /// Length of a step before projection, in the rule's norm (L2 for `spectral`, which uses it for the first step only).
    /// Relative to max(1, length of the start) in L2; for `linf` in the problem's units. Default 0.1.
    pub step: f64,
    /// Shorter steps that are tried where the value does not rise. Default 15.
    pub backtracks: usize,
    /// `spectral`: the value must rise over the least of so many last ones. Default 10.
    pub history: usize,
    /// The search has converged when the projected gradient is as small, relative to the largest that was met (`spectral`),
    /// or the step relative to `step` (`l2`, `linf`). Default 1e-10.
    pub tolerance: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { rule: Rule::Spectral, step: 0.1, backtracks: 15, history: 10, tolerance: 1e-10 }
    }
}

impl Settings {
    pub(super) fn check(&self) -> Result<(), Error> {
        let check = Check("projected-gradient");
        check.positive("step", self.step)?;
        check.count("history", self.history, 1, "at least 1")?;
        check.not_negative("tolerance", self.tolerance)
    }
}

/// Projected gradient ascent.
///
/// `spectral` is SPG (Birgin, Martinez and Raydan, SIAM J. Optim. 10, 2000): the step has the length that fits the
/// curvature along the last one (Barzilai and Borwein 1988), and the value need only rise over the least of the last few
/// (Grippo, Lampariello and Lucidi 1986). `l2` and `linf` take steps of a set length along the normalised gradient, as for
/// bounded perturbations (Madry et al., ICLR 2018), halved until the value rises and growing again by half each time.
#[derive(Debug, Clone)]
pub struct ProjectedGradient {
    settings: Settings,
    pub(super) ledger: Ledger,
    foothold: Foothold,
    here: Option<Point>,
    /// Multiple of the gradient (`spectral`) or length of the step; none before the first one.
    stride: Option<f64>,
    values: VecDeque<f64>,
    steepest: f64,
    converged: bool,
}

/// Share of the linear promise that a step must keep.
const SUFFICIENT: f64 = 1e-4;

impl ProjectedGradient {
    pub(super) fn new(settings: Settings, start: &[f64], seed: u64) -> Self {
        Self {
            settings,
            ledger: Ledger::new(start),
            foothold: Foothold::new(start, seed),
            here: None,
            stride: None,
            values: VecDeque::new(),
            steepest: 0.0,
            converged: false,
        }
    }

    pub(super) fn step<P: Problem>(&mut self, problem: &mut P) -> Result<(f64, State), P::Error> {
        if self.here.is_none() {
            match self.foothold.attempt(problem, &mut self.ledger)? {
                Ok(point) => self.here = Some(point),
                Err(value) => return Ok((value, State::without_foothold(&self.foothold))),
            }
        }
        let Some(here) = self.here.clone() else { return Ok((f64::NEG_INFINITY, State::Lost)) };
        if self.converged {
            return Ok((here.value, State::Converged));
        }
        match self.settings.rule {
            Rule::Spectral => self.spectral(problem, &here),
            Rule::L2 | Rule::Linf => self.normalised(problem, &here),
        }
    }

    /// A step that found nothing: the search is over.
    fn stay(&mut self, here: &Point) -> (f64, State) {
        self.converged = true;
        (here.value, State::Converged)
    }

    fn spectral<P: Problem>(&mut self, problem: &mut P, here: &Point) -> Result<(f64, State), P::Error> {
        let slope = vector::norm(&tangent_gradient(problem, &here.at, &here.gradient));
        self.steepest = self.steepest.max(slope);
        if slope <= self.settings.tolerance * self.steepest {
            return Ok(self.stay(here));
        }
        let first = self.settings.step * vector::norm(&here.at).max(1.0) / vector::norm(&here.gradient);
        let mut target = vector::along(&here.at, self.stride.unwrap_or(first), &here.gradient);
        problem.project(&mut target);
        let direction = vector::difference(&target, &here.at);
        let promised = vector::dot(&here.gradient, &direction);
        let floor = self.values.iter().copied().fold(here.value, f64::min);
        let mut share = 1.0;
        for _ in 0..=self.settings.backtracks {
            let mut at = vector::along(&here.at, share, &direction);
            problem.project(&mut at);
            if at == here.at {
                break;
            }
            let next = self.ledger.gradient(problem, at)?;
            if next.is_sound() && next.value >= floor + SUFFICIENT * share * promised {
                self.stride = Some(
                    stride_of(here, &next)
                        .unwrap_or(10.0 * self.stride.unwrap_or(first))
                        .clamp(1e-6 * first, 1e6 * first),
                );
                return Ok(self.go(next));
            }
            // The top of the parabola through value, slope and the new value.
            let top = 0.5 * share * share * promised / (share * promised - (next.value - here.value));
            share = if next.is_sound() && top.is_finite() {
                top.clamp(0.1 * share, 0.5 * share)
            } else {
                0.3 * share
            };
        }
        Ok(self.stay(here))
    }

    fn normalised<P: Problem>(&mut self, problem: &mut P, here: &Point) -> Result<(f64, State), P::Error> {
        let (longest, direction) = match self.settings.rule {
            Rule::Linf => (self.settings.step, here.gradient.iter().map(|&g| sign(g)).collect()),
            _ => {
                let length = vector::norm(&here.gradient);
                let unit: Vec<f64> =
                    here.gradient.iter().map(|g| g / length.max(f64::MIN_POSITIVE)).collect();
                (self.settings.step * vector::norm(&here.at).max(1.0), unit)
            }
        };
        let mut length = self.stride.unwrap_or(longest);
        for _ in 0..=self.settings.backtracks {
            let mut at = vector::along(&here.at, length, &direction);
            problem.project(&mut at);
            if at == here.at || length < self.settings.tolerance * longest {
                // No way along the gradient stays inside, or none is worth its evaluation.
                return Ok(self.stay(here));
            }
            let next = self.ledger.gradient(problem, at)?;
            if next.is_sound() && next.value > here.value {
                self.stride = Some((1.5 * length).min(longest));
                return Ok(self.go(next));
            }
            length *= 0.5;
        }
        self.stride = Some(length);
        Ok((here.value, State::Held))
    }

    fn go(&mut self, next: Point) -> (f64, State) {
        let value = next.value;
        self.values.push_back(value);
        // The value of the point itself counts too.
        if self.values.len() >= self.settings.history {
            self.values.pop_front();
        }
        self.here = Some(next);
        (value, State::Moved)
    }
}

/// The step's length over the fall of the gradient along it; none where the gradient did not fall: there only the border
/// bounds a step.
fn stride_of(here: &Point, next: &Point) -> Option<f64> {
    let step = vector::difference(&next.at, &here.at);
    let fall = vector::difference(&here.gradient, &next.gradient);
    let product = vector::dot(&step, &fall);
    let stride = vector::dot(&step, &step) / product;
    (product > 0.0 && stride.is_finite()).then_some(stride)
}

fn sign(x: f64) -> f64 {
    if x == 0.0 { 0.0 } else { x.signum() }
}
