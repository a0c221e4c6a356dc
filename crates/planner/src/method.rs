//! Any way of choosing pictures, as a session's planner.

use timeline::{NoticeKind, Request};

use crate::conditioned::Conditioned;
use crate::features::Eyes;
use crate::holder::Holder;
use crate::open_loop::OpenLoop;
use crate::search::{self, Kind, Searcher};
use crate::selective::Selective;
use crate::state::Condition;
use crate::{Canvas, Planner, PlannerError, Proposal, Settings};

/// How pictures are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// The closed loop: a response model that learns from every picture.
    Model,
    /// The same model, fitted once to the probes.
    OpenLoop,
    /// A search that knows no model.
    Search(Kind),
}

/// A planner of any method.
pub enum AnyPlanner {
    /// See [`Method::Model`].
    Model(Box<Planner>),
    /// See [`Method::OpenLoop`].
    OpenLoop(Box<OpenLoop>),
    /// See [`Method::Search`].
    Search(Box<Searcher>),
    /// One of several populations.
    Selective(Box<Selective>),
    /// One response at a set point.
    Holder(Box<Holder>),
    /// Any of them, where the response depends on the state at onset.
    Conditioned(Box<Conditioned>),
}

impl AnyPlanner {
    /// Prepares a planner. `eyes` makes the model for the methods that have one. A search takes aim and seed of the settings.
    ///
    /// # Errors
    /// As [`Planner::new`] and [`Searcher::new`].
    pub fn new(
        method: Method,
        canvas: Canvas,
        settings: Settings,
        eyes: impl FnOnce(&Canvas) -> Result<Eyes, PlannerError>,
    ) -> Result<Self, PlannerError> {
        Ok(match method {
            Method::Model => {
                let eyes = eyes(&canvas)?;
                Self::Model(Box::new(Planner::new(canvas, settings, eyes)?))
            }
            Method::OpenLoop => {
                let eyes = eyes(&canvas)?;
                Self::OpenLoop(Box::new(OpenLoop::new(canvas, settings, eyes)?))
            }
            Method::Search(kind) => {
                let Settings { aim, seed, .. } = settings;
                Self::Search(Box::new(Searcher::new(canvas, search::Settings::of(kind), aim, seed)?))
            }
        })
    }

    /// The same planner, learning what pictures do at the session's mean state.
    #[must_use]
    pub fn conditioned(self, condition: Condition) -> Self {
        Self::Conditioned(Box::new(Conditioned::new(self, condition)))
    }

    /// Whether its predictions are of what the decoder measures: those for several populations are of a component.
    pub fn predicts_values(&self) -> bool {
        match self {
            Self::Conditioned(stage) => stage.planner().predicts_values(),
            Self::Selective(_) => false,
            Self::Model(_) | Self::OpenLoop(_) | Self::Search(_) | Self::Holder(_) => true,
        }
    }

    /// Picture 0, which calibration shows.
    pub fn first(&self) -> &[f32] {
        match self {
            Self::Model(planner) => planner.first(),
            Self::OpenLoop(planner) => planner.first(),
            Self::Search(planner) => planner.first(),
            Self::Selective(planner) => planner.first(),
            Self::Holder(planner) => planner.first(),
            Self::Conditioned(stage) => stage.planner().first(),
        }
    }

    /// Learns what the last picture did and proposes the next. `is_over` ends the search of a model's picture early.
    ///
    /// # Errors
    /// A model that fails; a canvas that takes no picture.
    pub fn propose(
        &mut self,
        request: &Request,
        is_over: &mut dyn FnMut() -> bool,
    ) -> Result<Proposal, PlannerError> {
        match self {
            Self::Model(planner) => planner.propose(request, is_over),
            Self::OpenLoop(planner) => planner.propose(request, is_over),
            Self::Search(planner) => planner.propose(request),
            Self::Selective(planner) => planner.propose(request, is_over),
            Self::Holder(planner) => planner.propose(request, is_over),
            Self::Conditioned(stage) => stage.propose(request, is_over),
        }
    }

    /// Mean squared surprise of the last presentations, and how many; nothing where no model learns.
    pub fn surprise(&self) -> (f64, usize) {
        match self {
            Self::Model(planner) => planner.surprise(),
            Self::Selective(planner) => planner.surprise(),
            Self::Holder(planner) => planner.surprise(),
            Self::Conditioned(stage) => stage.planner().surprise(),
            Self::OpenLoop(_) | Self::Search(_) => (1.0, 0),
        }
    }

    /// What somebody should know beside the answers, once each: kind, count and value of a notice.
    pub fn notice(&mut self) -> Option<(NoticeKind, i64, f64)> {
        match self {
            Self::Selective(planner) => planner.notice(),
            Self::Holder(planner) => planner.notice(),
            Self::Conditioned(stage) => stage.planner_mut().notice(),
            Self::Model(_) | Self::OpenLoop(_) | Self::Search(_) => None,
        }
    }
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Model,
        Self::OpenLoop,
        Self::Search(Kind::Gabor),
        Self::Search(Kind::Bayesian),
        Self::Search(Kind::CmaEs),
        Self::Search(Kind::Genetic),
    ];
}
