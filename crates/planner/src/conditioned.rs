//! Any planner with measurements that are told apart from the state in which they were made.

use std::collections::BTreeMap;

use timeline::Request;

use crate::belief::Prediction;
use crate::state::{Condition, StateGain};
use crate::{AnyPlanner, PlannerError, Proposal};

/// A planner that learns what pictures do at the session's mean state, see [`StateGain`].
pub struct Conditioned {
    planner: AnyPlanner,
    gain: StateGain,
    predicted: BTreeMap<u64, Prediction>,
}

impl Conditioned {
    /// Puts the stage before a planner that was asked nothing yet.
    pub fn new(planner: AnyPlanner, condition: Condition) -> Self {
        Self { planner, gain: StateGain::new(condition), predicted: BTreeMap::new() }
    }

    /// As the planner's own, of what was measured at the mean state.
    ///
    /// # Errors
    /// As the planner's own.
    pub fn propose(
        &mut self,
        request: &Request,
        is_over: &mut dyn FnMut() -> bool,
    ) -> Result<Proposal, PlannerError> {
        let expected = request.picture.and_then(|picture| self.predicted.get(&picture)).copied();
        let corrected = self.gain.take(request, expected);
        let proposal = self.planner.propose(&corrected, is_over)?;
        if self.planner.predicts_values() {
            self.predicted.insert(proposal.picture, proposal.predicted);
        }
        Ok(proposal)
    }

    /// The planner.
    pub fn planner(&self) -> &AnyPlanner {
        &self.planner
    }

    /// The planner.
    pub fn planner_mut(&mut self) -> &mut AnyPlanner {
        &mut self.planner
    }
}
