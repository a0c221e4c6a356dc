//! Gradient and gradient-free ways up.
//!
//! | [`Settings`] | takes | for |
//! |---|---|---|
//! | [`Adam`](adam::Adam) | gradients | noisy gradients, robustness transforms that are drawn anew in each step |
//! | [`Lbfgs`](lbfgs::Lbfgs) | gradients | smooth problems, free or constrained: fewest evaluations |
//! | [`ProjectedGradient`](projected::ProjectedGradient) | gradients | hard constraints, bounded perturbations |
//! | [`CmaEs`](cma::CmaEs) | values | up to some hundreds of numbers (a latent), thousands with its diagonal form |
//! | [`Genetic`](genetic::Genetic) | values | latents of image generators, very noisy values |
//! | [`Bayesian`](bayesian::Bayesian) | values | up to some twenty numbers in a box where each value is dear |
//!
//! All raise a value. A value that is not finite is the worst there is and never adopted. A step ends after a bounded
//! number of evaluations, and between two steps (or after one that failed) [`Optimiser::best`] holds the best point seen:
//! stop at any time. The same settings, start, seed and number of steps give the same bytes on the same processor
//! ([`cma`]'s eigenvectors come from a library that picks its kernels by processor; all else is the same everywhere).
//!
//! The gradient-free three also work without a problem: [`Optimiser::ask_tell`] asks for points and is told values, which
//! may come from a brain.

pub mod adam;
pub mod bayesian;
pub mod cma;
pub mod genetic;
pub mod lbfgs;
pub mod projected;

mod batch;
mod ledger;
mod vector;

pub use batch::{AskTell, TellError};
pub use ledger::Evaluations;

use crate::problem::Problem;
use ledger::{Foothold, Ledger};

/// Which optimiser, with its settings. In TOML: `kind = "lbfgs"` and the settings that are not at their default.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Settings {
    /// Adam.
    Adam(adam::Settings),
    /// L-BFGS with projection.
    Lbfgs(lbfgs::Settings),
    /// Projected gradient.
    ProjectedGradient(projected::Settings),
    /// Covariance matrix adaptation.
    CmaEs(cma::Settings),
    /// Genetic algorithm.
    Genetic(genetic::Settings),
    /// Bayesian optimisation in a box.
    Bayesian(bayesian::Settings),
}

impl Settings {
    /// The name as written in TOML.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Adam(_) => "adam",
            Self::Lbfgs(_) => "lbfgs",
            Self::ProjectedGradient(_) => "projected-gradient",
            Self::CmaEs(_) => "cma-es",
            Self::Genetic(_) => "genetic",
            Self::Bayesian(_) => "bayesian",
        }
    }

    /// The optimiser needs gradients of its problem.
    pub fn needs_gradient(&self) -> bool {
        matches!(self, Self::Adam(_) | Self::Lbfgs(_) | Self::ProjectedGradient(_))
    }

    /// Checks the settings for a problem with `dimensions` numbers, as [`Optimiser::prepare`] does.
    ///
    /// # Errors
    /// The first setting outside of what is allowed.
    pub fn check(&self, dimensions: usize) -> Result<(), Error> {
        match self {
            Self::Adam(settings) => settings.check(),
            Self::Lbfgs(settings) => settings.check(),
            Self::ProjectedGradient(settings) => settings.check(),
            Self::CmaEs(settings) => settings.check(),
            Self::Genetic(settings) => settings.check(),
            Self::Bayesian(settings) => settings.check(dimensions),
        }
    }
}

/// Why an optimiser cannot begin.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting outside of its range.
    #[error("{optimiser}: {name} = {value} must be {allowed}")]
    Setting {
        /// Name of the optimiser.
        optimiser: &'static str,
        /// Name of the setting.
        name: &'static str,
        /// What was given.
        value: f64,
        /// What is allowed.
        allowed: &'static str,
    },
    /// Nothing to search over.
    #[error("the start has no numbers")]
    Empty,
    /// A start that is not a point.
    #[error("number {index} of the start is {value} and must be finite")]
    Start {
        /// Index.
        index: usize,
        /// What was given.
        value: f64,
    },
    /// A box that does not fit the start.
    #[error(
        "{optimiser}: lower has {lower} numbers, upper {upper}; both need one for each of the start's {start}"
    )]
    Box {
        /// Name of the optimiser.
        optimiser: &'static str,
        /// Numbers given for the lower bound.
        lower: usize,
        /// Numbers given for the upper bound.
        upper: usize,
        /// Numbers of the start.
        start: usize,
    },
    /// A box without an inside.
    #[error(
        "{optimiser}: bound {index} goes from {lower} to {upper}: both must be finite and the first below the second"
    )]
    Bound {
        /// Name of the optimiser.
        optimiser: &'static str,
        /// Index.
        index: usize,
        /// Lower bound.
        lower: f64,
        /// Upper bound.
        upper: f64,
    },
    /// More numbers than the optimiser can search over.
    #[error("{optimiser}: {given} dimensions, and at most {most} can be searched")]
    Dimensions {
        /// Name of the optimiser.
        optimiser: &'static str,
        /// Dimensions of the start.
        given: usize,
        /// The most there may be.
        most: usize,
    },
}

/// Why a step failed. The optimiser stays as it was before, but for evaluations made and a better best.
#[derive(Debug, thiserror::Error)]
pub enum StepError<E> {
    /// The problem is not the one for which the optimiser was prepared.
    #[error("the problem has {problem} dimensions, the start had {start}")]
    Dimensions {
        /// Dimensions of the problem.
        problem: usize,
        /// Numbers of the start.
        start: usize,
    },
    /// The problem's own error.
    #[error(transparent)]
    Problem(#[from] E),
}

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It went to another point, or learned from new points.
    Moved,
    /// Nothing was adopted in this step; the next ones may still.
    Held,
    /// No further step will change anything.
    Converged,
    /// No finite value with a gradient was found around the start, and none is looked for any more.
    Lost,
}

impl State {
    fn without_foothold(foothold: &Foothold) -> Self {
        if foothold.is_lost() { Self::Lost } else { Self::Held }
    }

    /// Further steps are of no use.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Converged | Self::Lost)
    }
}

/// Account of one step.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Progress {
    /// Value reached in this step: of the point gone to, or the best of the points tried. Minus infinity if none was
    /// finite.
    pub value: f64,
    /// Best value of all steps. Minus infinity if none was finite.
    pub best: f64,
    /// Evaluations of all steps.
    pub evaluations: Evaluations,
    /// What the step came to.
    pub state: State,
}

/// A way up, step by step.
#[derive(Debug, Clone)]
pub enum Optimiser {
    /// Adam.
    Adam(adam::Adam),
    /// L-BFGS with projection.
    Lbfgs(lbfgs::Lbfgs),
    /// Projected gradient.
    ProjectedGradient(projected::ProjectedGradient),
    /// Covariance matrix adaptation.
    CmaEs(cma::CmaEs),
    /// Genetic algorithm.
    Genetic(genetic::Genetic),
    /// Bayesian optimisation in a box.
    Bayesian(bayesian::Bayesian),
}

impl Optimiser {
    /// An optimiser that begins at `start`; nothing is evaluated yet. `seed` settles everything that is drawn.
    ///
    /// # Errors
    /// A setting out of range, a start that is empty or not finite.
    pub fn prepare(settings: Settings, start: &[f64], seed: u64) -> Result<Self, Error> {
        if start.is_empty() {
            return Err(Error::Empty);
        }
        if let Some(index) = start.iter().position(|x| !x.is_finite()) {
            return Err(Error::Start { index, value: start[index] });
        }
        settings.check(start.len())?;
        Ok(match settings {
            Settings::Adam(s) => Self::Adam(adam::Adam::new(s, start, seed)),
            Settings::Lbfgs(s) => Self::Lbfgs(lbfgs::Lbfgs::new(s, start, seed)),
            Settings::ProjectedGradient(s) => {
                Self::ProjectedGradient(projected::ProjectedGradient::new(s, start, seed))
            }
            Settings::CmaEs(s) => Self::CmaEs(cma::CmaEs::new(s, start, seed)),
            Settings::Genetic(s) => Self::Genetic(genetic::Genetic::new(s, start, seed)),
            Settings::Bayesian(s) => Self::Bayesian(bayesian::Bayesian::new(s, start, seed)),
        })
    }

    /// One iteration: a move of a gradient method, a generation, or one point of Bayesian optimisation. Evaluations are
    /// bounded: 1 for Adam (2 in the first step), twice `evaluations` for L-BFGS, `backtracks` + 1 for the projected
    /// gradient, the population (which restarts of CMA-ES double), 1 for the Bayesian. A generation that was cut short by
    /// an error is finished by the next step, without evaluating the same points again.
    ///
    /// # Errors
    /// Where the problem fails (or was cancelled), or has other dimensions than the start. The optimiser can go on.
    pub fn step<P: Problem>(&mut self, problem: &mut P) -> Result<Progress, StepError<P::Error>> {
        let (problem_has, start) = (problem.dimensions(), self.ledger().best().0.len());
        if problem_has != start {
            return Err(StepError::Dimensions { problem: problem_has, start });
        }
        let (value, state) = match self {
            Self::Adam(o) => o.step(problem)?,
            Self::Lbfgs(o) => o.step(problem)?,
            Self::ProjectedGradient(o) => o.step(problem)?,
            Self::CmaEs(o) => batch::step(o, problem)?,
            Self::Genetic(o) => batch::step(o, problem)?,
            Self::Bayesian(o) => batch::step(o, problem)?,
        };
        Ok(Progress { value, best: self.best().1, evaluations: self.evaluations(), state })
    }

    /// The best point so far and its value; the start and minus infinity before any finite value.
    pub fn best(&self) -> (&[f64], f64) {
        self.ledger().best()
    }

    /// Evaluations so far.
    pub fn evaluations(&self) -> Evaluations {
        self.ledger().evaluations
    }

    /// The interface without a problem; `None` for those that need gradients.
    pub fn ask_tell(&mut self) -> Option<&mut dyn AskTell> {
        match self {
            Self::Adam(_) | Self::Lbfgs(_) | Self::ProjectedGradient(_) => None,
            Self::CmaEs(o) => Some(o),
            Self::Genetic(o) => Some(o),
            Self::Bayesian(o) => Some(o),
        }
    }

    fn ledger(&self) -> &Ledger {
        match self {
            Self::Adam(o) => &o.ledger,
            Self::Lbfgs(o) => &o.ledger,
            Self::ProjectedGradient(o) => &o.ledger,
            Self::CmaEs(o) => &o.batch.ledger,
            Self::Genetic(o) => &o.batch.ledger,
            Self::Bayesian(o) => &o.batch.ledger,
        }
    }
}

/// Checks of the settings of one optimiser, which it names in errors.
struct Check(&'static str);

impl Check {
    fn that(&self, holds: bool, name: &'static str, value: f64, allowed: &'static str) -> Result<(), Error> {
        if holds { Ok(()) } else { Err(Error::Setting { optimiser: self.0, name, value, allowed }) }
    }

    fn positive(&self, name: &'static str, value: f64) -> Result<(), Error> {
        self.that(value > 0.0 && value.is_finite(), name, value, "finite and above 0")
    }

    fn not_negative(&self, name: &'static str, value: f64) -> Result<(), Error> {
        self.that(value >= 0.0 && value.is_finite(), name, value, "finite and at least 0")
    }

    fn share(&self, name: &'static str, value: f64) -> Result<(), Error> {
        self.that((0.0..1.0).contains(&value), name, value, "in [0, 1)")
    }

    fn count(
        &self,
        name: &'static str,
        value: usize,
        least: usize,
        allowed: &'static str,
    ) -> Result<(), Error> {
        self.that(value >= least, name, value as f64, allowed)
    }

    /// A box around `dimensions` numbers.
    fn bounds(&self, lower: &[f64], upper: &[f64], dimensions: usize) -> Result<(), Error> {
        let optimiser = self.0;
        if lower.len() != dimensions || upper.len() != dimensions {
            return Err(Error::Box { optimiser, lower: lower.len(), upper: upper.len(), start: dimensions });
        }
        for (index, (&lower, &upper)) in lower.iter().zip(upper).enumerate() {
            if !(lower < upper && lower.is_finite() && upper.is_finite()) {
                return Err(Error::Bound { optimiser, index, lower, upper });
            }
        }
        Ok(())
    }
}
