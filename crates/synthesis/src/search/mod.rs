//! One run of an optimiser over a [`Synthesis`]: anytime, under a deadline in time or in steps, cancellable.
//!
//! [`Search::begin`] finds a start that is alive and judges it, so that from then on [`Search::best`] always holds a stimulus as it
//! would be shown, with its plain value. [`Search::step`] makes one step; [`Search::run`] goes on until something ends it.
//!
//! Same seed, same number of steps, same bytes: where [`crate::assembly::Parts::repeatable`] is set (the models' methods are
//! not chosen by timing) and no deadline in time is given, for that too makes the number of evaluations depend on a clock.

mod start;
mod trajectory;
mod watch;

use crate::assembly::{AssemblyError, Shown, Synthesis};
use crate::optimiser::{self, Optimiser, StepError};

pub use start::Start;
pub use trajectory::{Record, Trajectory};
pub use watch::Deadline;

use watch::{Found, Price, Stopped, Watched};

/// How long a search may go on, and from where.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Settles starts and optimiser; the views have the assembly's.
    pub seed: u64,
    /// Where it begins.
    pub start: Start,
    /// Most steps.
    pub steps: u64,
    /// Latest end. An evaluation that would probably end later is not begun.
    pub deadline: Option<Deadline>,
    /// A plain value that is good enough to stop.
    pub enough: Option<f64>,
    /// Starts that are tried before a search is given up.
    pub tries: usize,
}

impl Default for Settings {
    /// 200 steps from a drawn start of seed 0, at most 10 tries to find one that is alive.
    fn default() -> Self {
        Self { seed: 0, start: Start::Drawn, steps: 200, deadline: None, enough: None, tries: 10 }
    }
}

/// Why a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Ended {
    /// All steps were made.
    Steps,
    /// No time was left for another evaluation.
    Deadline,
    /// The flag was raised.
    Cancelled,
    /// The value is good enough.
    Enough,
    /// Further steps would change nothing.
    Converged,
    /// The optimiser found no way from its start.
    Lost,
}

/// Why a search cannot begin or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// The assembly.
    #[error(transparent)]
    Assembly(#[from] AssemblyError),
    /// The optimiser's settings.
    #[error(transparent)]
    Optimiser(#[from] optimiser::Error),
    /// A start of another length.
    #[error("the start has {found} numbers, the parametrisation {wanted}")]
    Start {
        /// Given.
        found: usize,
        /// Needed.
        wanted: usize,
    },
    /// No start has a way up.
    #[error("{tries} starts of growing contrast are all dead; the last has {last}")]
    Dead {
        /// Starts tried.
        tries: usize,
        /// What the last one was like.
        last: String,
    },
    /// An optimiser and an assembly that do not belong together.
    #[error("the optimiser searches {start} numbers, the assembly has {problem}")]
    Dimensions {
        /// Of the optimiser.
        start: usize,
        /// Of the assembly.
        problem: usize,
    },
}

/// The best point so far.
#[derive(Debug, Clone)]
pub struct Best {
    /// The step that found it, 0 for the start.
    pub step: u64,
    /// Its parameters.
    pub at: Vec<f64>,
    /// How it is shown and what it is worth, without any view's noise.
    pub shown: Shown,
}

/// A search under way.
#[derive(Debug)]
pub struct Search<'a> {
    synthesis: &'a mut Synthesis,
    optimiser: Optimiser,
    settings: Settings,
    /// Views are drawn anew for each step.
    redraw: bool,
    price: Price,
    begun_ns: u64,
    steps: u64,
    evaluations: u64,
    known: Option<start::Known>,
    best: Best,
    trajectory: Trajectory,
    ended: Option<Ended>,
}

impl<'a> Search<'a> {
    /// Finds a start that is alive and judges it. At least one evaluation is made, whatever the deadline.
    ///
    /// # Errors
    /// Settings out of range; no start that is alive, with what was tried; a raised flag; a model that fails.
    pub fn begin(
        synthesis: &'a mut Synthesis,
        optimiser: optimiser::Settings,
        settings: Settings,
    ) -> Result<Self, SearchError> {
        let begun_ns = settings.deadline.map_or(0, |deadline| (deadline.clock)());
        synthesis.draw_views(0);
        let by_gradient = optimiser.needs_gradient();
        let start = start::alive(synthesis, &settings.start, settings.seed, settings.tries, by_gradient)?;
        let name = optimiser.name().to_owned();
        // Only where no value of an earlier step is compared with one of the next: there other views are other samples
        // of one gradient. Elsewhere a step up would be the luck of its views.
        let redraw = matches!(optimiser, optimiser::Settings::Adam(_) | optimiser::Settings::CmaEs(_));
        let optimiser = Optimiser::prepare(optimiser, &start.at, settings.seed)?;
        let price = Price { evaluation_ns: synthesis.step_cost_ns(), shown_ns: 0 };
        let (evaluations, shown) = match start.shown {
            Some(shown) => (start.evaluations, shown),
            None => (start.evaluations + 1, synthesis.shown(&start.at)?),
        };
        let mut search = Self {
            redraw,
            price,
            begun_ns,
            steps: 0,
            evaluations,
            known: start.known,
            best: Best { step: 0, at: start.at, shown },
            trajectory: Trajectory {
                seed: settings.seed,
                optimiser: name,
                dead_starts: start.dead,
                records: Vec::new(),
            },
            ended: None,
            synthesis,
            optimiser,
            settings,
        };
        search.record(search.best.shown.value);
        Ok(search)
    }

    /// Makes one step, unless something has ended the search. Gives what has.
    ///
    /// # Errors
    /// A model that fails. A raised flag is no error but an end.
    pub fn step(&mut self) -> Result<Option<Ended>, SearchError> {
        self.ended = self.ended.or_else(|| self.is_over());
        if self.ended.is_some() {
            return Ok(self.ended);
        }
        if self.redraw {
            self.synthesis.draw_views(self.steps);
        }
        let mut watched = Watched {
            synthesis: &mut *self.synthesis,
            deadline: self.settings.deadline,
            price: &mut self.price,
            evaluations: &mut self.evaluations,
            best: None,
            known: &mut self.known,
        };
        let answer = self.optimiser.step(&mut watched);
        let found = watched.best;
        self.steps += 1;
        let value = found.as_ref().map_or(f64::NEG_INFINITY, |found| found.value);
        if let Some(found) = found {
            self.judge(found)?;
        }
        let value = answer.as_ref().map_or(value, |progress| progress.value);
        self.record(value);
        self.ended = match answer {
            Ok(progress) => match progress.state {
                optimiser::State::Converged => Some(Ended::Converged),
                optimiser::State::Lost => Some(Ended::Lost),
                optimiser::State::Moved | optimiser::State::Held => None,
            },
            Err(StepError::Problem(Stopped::OutOfTime)) => Some(Ended::Deadline),
            Err(StepError::Problem(Stopped::Assembly(AssemblyError::Cancelled))) => Some(Ended::Cancelled),
            Err(StepError::Problem(Stopped::Assembly(error))) => return Err(error.into()),
            Err(StepError::Dimensions { problem, start }) => {
                return Err(SearchError::Dimensions { problem, start });
            }
        };
        self.ended = self.ended.or_else(|| self.is_over());
        Ok(self.ended)
    }

    /// Steps until something ends the search; `report` sees each record.
    ///
    /// # Errors
    /// As [`Search::step`].
    pub fn run(&mut self, mut report: impl FnMut(&Record)) -> Result<Ended, SearchError> {
        loop {
            let (before, ended) = (self.steps, self.step()?);
            if let (true, Some(record)) = (self.steps > before, self.trajectory.records.last()) {
                report(record);
            }
            if let Some(ended) = ended {
                return Ok(ended);
            }
        }
    }

    /// The best so far, at any time.
    pub fn best(&self) -> &Best {
        &self.best
    }

    /// The record so far.
    pub fn trajectory(&self) -> &Trajectory {
        &self.trajectory
    }

    /// Gives up the search for its results.
    pub fn finish(self) -> (Best, Trajectory) {
        (self.best, self.trajectory)
    }

    fn is_over(&self) -> Option<Ended> {
        if self.settings.enough.is_some_and(|enough| self.best.shown.value >= enough) {
            return Some(Ended::Enough);
        }
        (self.steps >= self.settings.steps).then_some(Ended::Steps)
    }

    /// Compares a step's best point with the best so far, by what is shown.
    fn judge(&mut self, found: Found) -> Result<(), SearchError> {
        let shown = match found.shown {
            Some(shown) => shown,
            None => {
                let begun_ns = self.now_ns();
                let shown = match self.synthesis.shown(&found.at) {
                    Ok(shown) => shown,
                    // The flag was raised since; what was best before still is.
                    Err(AssemblyError::Cancelled) => return Ok(()),
                    Err(error) => return Err(error.into()),
                };
                self.evaluations += 1;
                self.price.shown_ns = self.price.shown_ns.max(self.now_ns().saturating_sub(begun_ns));
                shown
            }
        };
        if shown.value > self.best.shown.value {
            self.best = Best { step: self.steps, at: found.at, shown };
        }
        Ok(())
    }

    fn now_ns(&self) -> u64 {
        self.settings.deadline.map_or(0, |deadline| (deadline.clock)())
    }

    fn record(&mut self, value: f64) {
        let elapsed_ns = self.settings.deadline.map(|_| self.now_ns().saturating_sub(self.begun_ns));
        self.trajectory.records.push(Record {
            step: self.steps,
            value,
            best: self.best.shown.value,
            evaluations: self.evaluations,
            elapsed_ns,
        });
    }
}
