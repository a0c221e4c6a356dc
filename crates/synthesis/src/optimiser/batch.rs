//! Points asked for and values told: the gradient-free optimisers without a problem.

use super::State;
use super::ledger::Ledger;
use super::vector;
use crate::problem::Problem;

/// An optimiser that names points and is told their values, from wherever they come.
///
/// ```text
/// loop { for point in ask(&allowed) { show it, read the answer } tell(&answers) }
/// ```
pub trait AskTell {
    /// Points to be evaluated, at least one. `project` maps a vector to the nearest allowed one, and every point has gone
    /// through it. Until they are answered, the same points come again.
    fn ask(&mut self, project: &dyn Fn(&mut [f64])) -> &[Vec<f64>];

    /// The values of all points asked for, in their order. A value that is not finite means: worse than all others.
    ///
    /// # Errors
    /// Where nothing was asked, or the number of values is another than that of the points. Nothing is learned then.
    fn tell(&mut self, values: &[f64]) -> Result<State, TellError>;

    /// Where the optimiser believes the best values to be, with noise averaged out: another point than the best answer,
    /// which is the luckiest one where answers are noisy. It has not been projected.
    fn recommended(&self) -> Vec<f64>;
}

/// Answers that do not fit the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{told} values were told for {asked} points")]
pub struct TellError {
    /// Points asked for.
    pub asked: usize,
    /// Values told.
    pub told: usize,
}

/// Points under way.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    pub ledger: Ledger,
    pub points: Vec<Vec<f64>>,
    /// Values of the first points, where a step was cut short.
    answers: Vec<f64>,
}

impl Batch {
    pub fn new(start: &[f64]) -> Self {
        Self { ledger: Ledger::new(start), points: Vec::new(), answers: Vec::new() }
    }

    /// Points that can be learned from, out of the batch; noted and counted.
    pub fn answered(&mut self, values: &[f64]) -> Result<Vec<Vec<f64>>, TellError> {
        if values.len() != self.points.len() || values.is_empty() {
            return Err(TellError { asked: self.points.len(), told: values.len() });
        }
        for (point, &value) in self.points.iter().zip(values) {
            self.ledger.note(point, value);
        }
        // Those of `answers` were counted when they were evaluated.
        self.ledger.evaluations.values += (values.len() - self.answers.len()) as u64;
        self.answers.clear();
        Ok(std::mem::take(&mut self.points))
    }
}

/// What [`step`] needs beside [`AskTell`].
pub(super) trait Batched: AskTell {
    fn batch(&mut self) -> &mut Batch;
    fn has_converged(&self) -> bool;
}

/// Asks, evaluates and tells. What was evaluated before an error is not evaluated again by the next step.
pub(super) fn step<O: Batched, P: Problem>(
    optimiser: &mut O,
    problem: &mut P,
) -> Result<(f64, State), P::Error> {
    if optimiser.has_converged() {
        return Ok((optimiser.batch().ledger.best().1, State::Converged));
    }
    optimiser.ask(&|at| problem.project(at));
    let Batch { ledger, points, answers } = optimiser.batch();
    for point in &points[answers.len()..] {
        let value = ledger.value(problem, point)?;
        answers.push(value);
    }
    let values = answers.clone();
    let best = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let state = optimiser.tell(&values).unwrap_or(State::Held);
    Ok((best, state))
}

/// All values equal: no direction can be seen.
pub(super) fn is_flat(values: &[f64]) -> bool {
    values.len() > 1 && vector::is_finite(values) && values.iter().all(|&v| v == values[0])
}
