//! How the response depended on the state at onset, as a session's planner estimated it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use planner::belief::Prediction;
use planner::state::{Effect, StateGain};
use protocol::{Condition, Planner};
use recording::RecordedSession;
use serde::Serialize;
use timeline::Request;

use crate::steering;

/// The dependence that the planner had found at the end.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StateEffect {
    /// `"power"` or `"phase"`.
    pub state: &'static str,
    /// Relative change of the response per unit of the natural logarithm of power; or per unit of the phase's cosine, then of
    /// its sine.
    pub coefficients: Vec<f64>,
    /// Standard error of each, if there is a dependence.
    pub standard_errors: Vec<f64>,
    /// Posterior probability that there is one, from one half beforehand.
    pub probability: f64,
    /// Presentations that told something.
    pub presentations: u64,
}

/// The estimate repeated from the recorded requests and answers; `None` where the planner conditions on nothing.
pub fn state_effect(session: &RecordedSession, planner: &Planner) -> Option<StateEffect> {
    let condition = planner.state?;
    let Effect { coefficients, standard_errors, probability, presentations } =
        repeated(session, planner, condition, |_| {}).effect();
    let state = match condition {
        Condition::Power => "power",
        Condition::Phase => "phase",
    };
    Some(StateEffect { state, coefficients, standard_errors, probability, presentations })
}

/// What the planner learnt of each presentation that it was told of, by its index: the value at the session's mean state and its
/// standard error. Empty where it conditions on nothing.
pub fn at_mean_state(session: &RecordedSession, planner: &Planner) -> BTreeMap<u64, [f64; 2]> {
    let mut learnt = BTreeMap::new();
    if let Some(condition) = planner.state {
        repeated(session, planner, condition, |request| {
            learnt.extend(request.presentation.map(|at| (at, [request.value, request.spread])));
        });
    }
    learnt
}

fn repeated(
    session: &RecordedSession,
    planner: &Planner,
    condition: Condition,
    mut told: impl FnMut(&Request),
) -> StateGain {
    let predicts_values = planner.selective.is_none();
    let predicted: BTreeMap<u64, Prediction> = session
        .answers
        .iter()
        .filter(|_| predicts_values)
        .map(|answer| (answer.picture, Prediction { mean: answer.predicted, sd: answer.predicted_sd }))
        .collect();
    let mut gain = StateGain::new(steering::condition(condition));
    for request in &session.requests {
        let expected = request.picture.and_then(|picture| predicted.get(&picture)).copied();
        told(&gain.take(request, expected));
    }
    gain
}

impl StateEffect {
    /// As a line of the summary.
    pub fn text(&self) -> String {
        let names: &[&str] = match self.state {
            "power" => &["log power"],
            _ => &["cosine", "sine"],
        };
        let mut text = String::new();
        for ((name, b), error) in names.iter().zip(&self.coefficients).zip(&self.standard_errors) {
            let _ = write!(text, "{b:+.2} +- {error:.2} per unit of {name}, ");
        }
        let (probability, count) = (self.probability, self.presentations);
        text + &format!("probability {probability:.2} after {count} presentations")
    }
}
