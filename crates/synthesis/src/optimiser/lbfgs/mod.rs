//! L-BFGS upwards, with projection: the smooth way with the fewest evaluations.

mod line;
mod memory;

use super::ledger::{Foothold, Ledger, Point, tangent_gradient};
use super::{Check, Error, State, vector};
use crate::problem::Problem;
use line::Line;
use memory::Memory;

/// Settings of [`Lbfgs`].
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    /// Steps remembered for the curvature. Default 10.
    pub memory: usize,
    /// Length of the very first trial step, relative to max(1, length of the start). Default 0.1.
    pub first_step: f64,
    /// Share of the linear promise that a step must keep (c1 of Nocedal and Wright), in (0, 0.5). Default 1e-4.
    pub sufficient: f64,
    /// Share of the slope that may be left after a step (c2), above `sufficient` and below 1; small: line searches close
    /// to exact. Default 0.9.
    pub curvature: f64,
    /// Evaluations in one line search at most; a step makes two searches at most. Default 20.
    pub evaluations: usize,
    /// Projections for one step at a border at most. Default 20.
    pub projections: usize,
    /// The search has converged when the projected gradient is as small, relative to the largest that was met. Default
    /// 1e-10.
    pub tolerance: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            memory: 10,
            first_step: 0.1,
            sufficient: 1e-4,
            curvature: 0.9,
            evaluations: 20,
            projections: 20,
            tolerance: 1e-10,
        }
    }
}

impl Settings {
    pub(super) fn check(&self) -> Result<(), Error> {
        let check = Check("lbfgs");
        check.count("memory", self.memory, 1, "at least 1")?;
        check.positive("first-step", self.first_step)?;
        check.that(
            0.0 < self.sufficient && self.sufficient < 0.5,
            "sufficient",
            self.sufficient,
            "in (0, 0.5)",
        )?;
        let between = self.sufficient < self.curvature && self.curvature < 1.0;
        check.that(between, "curvature", self.curvature, "between `sufficient` and 1")?;
        check.count("evaluations", self.evaluations, 2, "at least 2")?;
        check.count("projections", self.projections, 1, "at least 1")?;
        check.not_negative("tolerance", self.tolerance)
    }
}

/// Limited-memory BFGS (Nocedal and Wright, Numerical Optimization, 2nd ed., 7.2) with strong Wolfe line searches.
///
/// Where the quasi-Newton step would leave the allowed set, the quadratic model itself is raised within the set, which
/// costs projections but no evaluations (Schmidt et al., "Optimizing costly functions with simple constraints", AISTATS
/// 2009); the line search then goes along a straight line inside. The set should be convex; on others each trial is
/// projected again, and what it reaches is kept only if the value has risen.
///
/// A step that finds nothing forgets the memory and tries along the gradient alone; if that too finds nothing, the search
/// has converged to rounding.
#[derive(Debug, Clone)]
pub struct Lbfgs {
    settings: Settings,
    pub(super) ledger: Ledger,
    foothold: Foothold,
    here: Option<Point>,
    memory: Memory,
    /// Length of the next step without a memory, once there was a first one.
    reach: Option<f64>,
    /// Largest projected gradient so far.
    steepest: f64,
    converged: bool,
}

impl Lbfgs {
    pub(super) fn new(settings: Settings, start: &[f64], seed: u64) -> Self {
        Self {
            memory: Memory::new(settings.memory),
            settings,
            ledger: Ledger::new(start),
            foothold: Foothold::new(start, seed),
            here: None,
            reach: None,
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
        let Some(here) = &self.here else { return Ok((f64::NEG_INFINITY, State::Lost)) };
        let tangent = tangent_gradient(problem, &here.at, &here.gradient);
        let slope = vector::norm(&tangent);
        self.steepest = self.steepest.max(slope);
        if self.converged || slope <= self.settings.tolerance * self.steepest {
            self.converged = true;
            return Ok((here.value, State::Converged));
        }
        let reach = self.reach.unwrap_or_else(|| self.settings.first_step * vector::norm(&here.at).max(1.0));
        let mut next = attempt(&self.settings, problem, &mut self.ledger, here, &self.memory, reach)?;
        if next.is_none() && !self.memory.is_empty() {
            self.memory.clear();
            next = attempt(&self.settings, problem, &mut self.ledger, here, &self.memory, reach)?;
        }
        let Some(next) = next else {
            self.converged = true;
            return Ok((here.value, State::Converged));
        };
        let step = vector::difference(&next.at, &here.at);
        let length = vector::norm(&step);
        let mut learned = self.memory.learn(step.clone(), vector::difference(&here.gradient, &next.gradient));
        if !learned {
            // On a curved border the value falls off along the border where it does not along a straight line.
            let after = tangent_gradient(problem, &next.at, &next.gradient);
            learned = self.memory.learn(step, vector::difference(&tangent, &after));
        }
        self.reach = Some(if learned { length } else { 4.0 * length });
        let value = next.value;
        self.here = Some(next);
        Ok((value, State::Moved))
    }
}

/// One line search from `here`; `None` where it found no point worth going to.
fn attempt<P: Problem>(
    settings: &Settings,
    problem: &mut P,
    ledger: &mut Ledger,
    here: &Point,
    memory: &Memory,
    reach: f64,
) -> Result<Option<Point>, P::Error> {
    let mut direction = memory.ascent(&here.gradient);
    if memory.is_empty() {
        let scale = reach / vector::norm(&direction);
        direction.iter_mut().for_each(|d| *d *= scale);
    }
    let free = vector::along(&here.at, 1.0, &direction);
    let mut allowed = free.clone();
    problem.project(&mut allowed);
    let away = vector::largest(&vector::difference(&allowed, &free));
    let is_free = away <= 1e-9 * vector::largest(&direction);
    if !is_free {
        let target = memory.model_of(&direction, &here.gradient).raised_within(
            problem,
            &here.at,
            &here.gradient,
            allowed,
            settings.projections,
        );
        direction = vector::difference(&target, &here.at);
    }
    // Beyond a point of the set's border there is nothing to be found.
    let longest = if is_free { f64::INFINITY } else { 1.0 };
    Line { settings, here, direction: &direction, longest }.search(problem, ledger)
}
