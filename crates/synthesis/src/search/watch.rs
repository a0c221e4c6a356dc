//! What a search sees of an optimiser's evaluations: the clock before each, and the best point of the step.

use crate::assembly::{AssemblyError, Shown, Synthesis};
use crate::problem::Problem;
use crate::search::start::Known;

/// A clock and the instant at which the search has to be over.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    /// Reads the time in ns, on a scale of the caller's.
    pub clock: fn() -> u64,
    /// The instant, on that scale. `u64::MAX` only measures.
    pub at_ns: u64,
}

/// What evaluations cost so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Price {
    pub evaluation_ns: u64,
    pub shown_ns: u64,
}

/// Why an evaluation gave no value.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stopped {
    /// Another evaluation would end beyond the deadline.
    #[error("out of time")]
    OutOfTime,
    /// The evaluation itself.
    #[error(transparent)]
    Assembly(#[from] AssemblyError),
}

/// [`Synthesis`] under watch, for one step.
pub(super) struct Watched<'a> {
    pub synthesis: &'a mut Synthesis,
    pub deadline: Option<Deadline>,
    pub price: &'a mut Price,
    /// Made so far.
    pub evaluations: &'a mut u64,
    pub best: Option<Found>,
    /// What the search for a start has found out already.
    pub known: &'a mut Option<Known>,
}

/// Best point of a step.
pub(super) struct Found {
    pub at: Vec<f64>,
    /// Under the views.
    pub value: f64,
    /// How it is shown, where the evaluation has told.
    pub shown: Option<Shown>,
}

impl Watched<'_> {
    fn evaluate(
        &mut self,
        at: &[f64],
        one: impl FnOnce(&mut Synthesis) -> Result<f64, AssemblyError>,
    ) -> Result<f64, Stopped> {
        let begun_ns = self.deadline.map(|deadline| (deadline.clock)());
        if let (Some(now_ns), Some(deadline)) = (begun_ns, self.deadline) {
            // What the step has found must still be judged as it is shown.
            let needed_ns = self.price.evaluation_ns.saturating_add(self.price.shown_ns);
            if now_ns.saturating_add(needed_ns) > deadline.at_ns {
                return Err(Stopped::OutOfTime);
            }
        }
        let value = one(self.synthesis)?;
        *self.evaluations += 1;
        if let (Some(begun_ns), Some(deadline)) = (begun_ns, self.deadline) {
            let cost_ns = (deadline.clock)().saturating_sub(begun_ns);
            self.price.evaluation_ns = self.price.evaluation_ns.max(cost_ns);
        }
        if value.is_finite() && self.best.as_ref().is_none_or(|best| value > best.value) {
            self.best = Some(Found { at: at.to_vec(), value, shown: self.synthesis.take_seen() });
        }
        Ok(value)
    }
}

impl Problem for Watched<'_> {
    type Error = Stopped;

    fn dimensions(&self) -> usize {
        self.synthesis.dimensions()
    }

    fn value(&mut self, at: &[f64]) -> Result<f64, Stopped> {
        self.evaluate(at, |synthesis| synthesis.value(at))
    }

    fn value_and_gradient(&mut self, at: &[f64], gradient: &mut [f64]) -> Result<f64, Stopped> {
        // The start, under the same views. It was judged before the first step.
        if let Some(known) = self.known.take().filter(|known| known.at == at) {
            gradient.copy_from_slice(&known.gradient);
            return Ok(known.value);
        }
        self.evaluate(at, |synthesis| synthesis.value_and_gradient(at, gradient))
    }

    fn project(&self, at: &mut [f64]) {
        self.synthesis.project(at);
    }
}
