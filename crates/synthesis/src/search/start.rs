//! A place from which there is a way.

use random::Random;

use super::SearchError;
use crate::assembly::{AssemblyError, Synthesis};
use crate::problem::Problem;

/// Streams of the starts' random numbers, two for each try.
const START_STREAM: u64 = 1 << 16;

/// Where a search begins.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Start {
    /// At the parametrisation's own random start.
    #[default]
    Drawn,
    /// At these parameters, as [`crate::parametrisation::Parametrisation::start_at`] gives them for an image.
    Given(Vec<f64>),
}

/// A start with a gradient, and what it took.
pub(super) struct Alive {
    pub at: Vec<f64>,
    pub dead: usize,
    pub evaluations: u64,
}

/// Tries starts until one is alive: the value finite, some unit responding and, where the optimiser follows it, a gradient.
///
/// Each further try has more contrast: the difference of two random starts is added to a new one, twice as much each
/// time. That needs no knowledge of the parametrisation, for its fixed part drops out of the difference.
pub(super) fn alive(
    synthesis: &mut Synthesis,
    start: &Start,
    seed: u64,
    tries: usize,
    by_gradient: bool,
) -> Result<Alive, SearchError> {
    let wanted = synthesis.dimensions();
    if let Start::Given(given) = start
        && given.len() != wanted
    {
        return Err(SearchError::Start { found: given.len(), wanted });
    }
    let mut gradient = vec![0.0; wanted];
    let (mut last, mut evaluations) = (String::new(), 0);
    for dead in 0..tries.max(1) {
        let at = candidate(synthesis, start, seed, dead);
        evaluations += 1;
        let value = if by_gradient {
            synthesis.value_and_gradient(&at, &mut gradient)?
        } else {
            synthesis.value(&at)?
        };
        let steepest = gradient.iter().fold(0.0, |most: f64, slope| most.max(slope.abs()));
        last = if !value.is_finite() {
            format!("value {value}")
        } else if by_gradient && !gradient.iter().all(|slope| slope.is_finite()) {
            "a gradient that is not finite".to_owned()
        } else if by_gradient && steepest > 0.0 {
            return Ok(Alive { at, dead, evaluations });
        } else if by_gradient {
            format!("value {value}, a gradient of zeros")
        } else {
            evaluations += 1;
            match synthesis.shown(&at) {
                Ok(shown) if !shown.silent => return Ok(Alive { at, dead, evaluations }),
                Ok(_) => format!("value {value}, every tap zero"),
                Err(AssemblyError::Constraint(error)) => error.to_string(),
                Err(error) => return Err(error.into()),
            }
        };
    }
    Err(SearchError::Dead { tries: tries.max(1), last })
}

fn candidate(synthesis: &Synthesis, start: &Start, seed: u64, dead: usize) -> Vec<f64> {
    let draw = |slot: u64| {
        let mut random = Random::new(seed, START_STREAM + 2 * dead as u64 + slot);
        synthesis.parametrisation().start(&mut random)
    };
    let mut at = match start {
        Start::Drawn => draw(0),
        Start::Given(given) => given.clone(),
    };
    if dead > 0 {
        let gain = libm::exp2(dead as f64 - 1.0);
        for ((value, one), other) in at.iter_mut().zip(draw(0)).zip(draw(1)) {
            *value += gain * (one - other);
        }
    }
    synthesis.project(&mut at);
    at
}
