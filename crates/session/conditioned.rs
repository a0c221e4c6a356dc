//! How the response depended on the state at onset, as a session's planner estimated it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use planner::belief::Prediction;
use planner::state::{Effect, StateGain};
use protocol::{Condition, Planner};
use recording::RecordedSession;
use serde::Serialize;

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
    let predicts_values = planner.selective.is_none();
    let predicted: BTreeMap<u64, Prediction> = session
        .answers
        .iter()
        .filter(|_| predicts_values)
        .map(|answer| (answer.picture, Prediction { mean: answer.predicted, sd: answer.predicted_sd }))
        .collect();
    let mut gain = StateGain::new(steering::condition(condition));
    for request in &session.requests {
        gain.take(request, request.picture.and_then(|picture| predicted.get(&picture)).copied());
    }
    let Effect { coefficients, standard_errors, probability, presentations } = gain.effect();
    let state = match condition {
        Condition::Power => "power",
        Condition::Phase => "phase",
    };
    Some(StateEffect { state, coefficients, standard_errors, probability, presentations })
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
