//! A place from which there is a way.

use random::Random;

use super::SearchError;
use crate::assembly::{AssemblyError, Shown, Synthesis};
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

/// A start from which there is a way, and what it took.
pub(super) struct Alive {
    pub at: Vec<f64>,
    pub dead: usize,
    pub evaluations: u64,
    /// What the search need not ask again.
    pub known: Option<Known>,
    /// How it is shown, where that came along.
    pub shown: Option<Shown>,
}

/// An evaluation that an optimiser will ask for first.
#[derive(Debug)]
pub(super) struct Known {
    pub at: Vec<f64>,
    pub value: f64,
    pub gradient: Vec<f64>,
}

/// Tries starts until one is alive: the value finite, some unit responding and, where the optimiser follows it, a gradient.
///
/// Each further try has more contrast: the difference of two random starts is added to a new one, twice as much each
/// time. That needs no knowledge of the parametrisation, for its fixed part drops out of the difference.
///
/// In a set, a stimulus with a term of its own must have a gradient of its own, or it would stay as it is to the end. Only
/// those without are tried anew; a set of which some stay asleep is begun nonetheless.
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
    let of_one = wanted / synthesis.parametrisation().shape()[0].max(1);
    let places = |stimulus: usize| stimulus * of_one..(stimulus + 1) * of_one;
    let own = synthesis.objective().stimuli_of_their_own();
    let mut gradient = vec![0.0; wanted];
    let (mut last, mut evaluations) = (String::new(), 0);
    let mut found: Option<(Alive, Vec<usize>)> = None;
    for dead in 0..tries.max(1) {
        let mut at = candidate(synthesis, start, seed, dead);
        if let Some((before, asleep)) = &found {
            let fresh = std::mem::replace(&mut at, before.at.clone());
            asleep.iter().for_each(|&one| at[places(one)].copy_from_slice(&fresh[places(one)]));
        }
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
            let is_asleep = |&one: &usize| gradient[places(one)].iter().all(|&slope| slope == 0.0);
            let asleep: Vec<usize> = own.iter().copied().filter(is_asleep).collect();
            let known = Some(Known { at: at.clone(), value, gradient: gradient.clone() });
            let shown = synthesis.take_seen();
            let fewer = found.as_ref().is_none_or(|(_, before)| asleep.len() < before.len());
            let done = asleep.is_empty();
            if fewer {
                found = Some((Alive { at, dead, evaluations, known, shown }, asleep));
            }
            if done {
                break;
            }
            continue;
        } else if by_gradient {
            format!("value {value}, a gradient of zeros")
        } else {
            evaluations += 1;
            match synthesis.shown(&at) {
                Ok(shown) if !shown.silent => {
                    return Ok(Alive { at, dead, evaluations, known: None, shown: Some(shown) });
                }
                Ok(_) => format!("value {value}, every tap zero"),
                Err(AssemblyError::Constraint(error)) => error.to_string(),
                Err(error) => return Err(error.into()),
            }
        };
    }
    match found {
        Some((alive, _)) => Ok(Alive { evaluations, ..alive }),
        None => Err(SearchError::Dead { tries: tries.max(1), last }),
    }
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
