//! The planners as one.

use timeline::{NoticeKind, Request};

use crate::holder::Holder;
use crate::selective::Selective;
use crate::{Planner, PlannerError, Proposal};

/// Any planner.
#[expect(clippy::large_enum_variant, reason = "one value per session")]
pub enum AnyPlanner {
    /// One response, as much or as little of it as possible.
    Single(Planner),
    /// One of several populations.
    Selective(Selective),
    /// One response at a set point.
    Holder(Holder),
}

impl AnyPlanner {
    /// Picture 0: what calibration shows.
    pub fn first(&self) -> &[f32] {
        match self {
            Self::Single(planner) => planner.first(),
            Self::Selective(planner) => planner.first(),
            Self::Holder(planner) => planner.first(),
        }
    }

    /// Learns what the last picture did and proposes the next. `is_over` ends the search for it early (a deadline).
    ///
    /// # Errors
    /// A model that fails.
    pub fn propose(
        &mut self,
        request: &Request,
        is_over: &mut dyn FnMut() -> bool,
    ) -> Result<Proposal, PlannerError> {
        match self {
            Self::Single(planner) => planner.propose(request, is_over),
            Self::Selective(planner) => planner.propose(request, is_over),
            Self::Holder(planner) => planner.propose(request, is_over),
        }
    }

    /// Mean squared surprise of the last presentations, and how many.
    pub fn surprise(&self) -> (f64, usize) {
        match self {
            Self::Single(planner) => planner.surprise(),
            Self::Selective(planner) => planner.surprise(),
            Self::Holder(planner) => planner.surprise(),
        }
    }

    /// What somebody should know beside the answers, once each: kind, count and value of a notice.
    pub fn notice(&mut self) -> Option<(NoticeKind, i64, f64)> {
        match self {
            Self::Single(_) => None,
            Self::Selective(planner) => planner.notice(),
            Self::Holder(planner) => planner.notice(),
        }
    }
}
