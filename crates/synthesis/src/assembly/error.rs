//! Why the pieces do not go together, or a run of them gave nothing.

use adjoint::{ModelError, StepError};

use crate::constraint::ConstraintError;
use crate::objective::ObjectiveError;
use crate::parametrisation::ParametrisationError;
use crate::prior::PriorError;
use crate::robustness::RobustnessError;

/// What is wrong with an assembly, said before the work starts; or what ended an evaluation.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum AssemblyError {
    /// The objective.
    #[error(transparent)]
    Objective(#[from] ObjectiveError),
    /// The constraints leave nothing.
    #[error(transparent)]
    Constraint(#[from] ConstraintError),
    /// A prior's settings.
    #[error(transparent)]
    Prior(#[from] PriorError),
    /// The robustness settings.
    #[error(transparent)]
    Robustness(#[from] RobustnessError),
    /// The parametrisation.
    #[error(transparent)]
    Parametrisation(#[from] ParametrisationError),
    /// A model that gives no gradient.
    #[error("model {arm}: {source}")]
    Model {
        /// Which, counted from 0.
        arm: usize,
        /// Why.
        source: Box<ModelError>,
    },
    /// A model that is not there.
    #[error("term {term} reads model {arm}; there are {count}, counted from 0")]
    Arm {
        /// The term's name.
        term: &'static str,
        /// The model asked for.
        arm: usize,
        /// Models given.
        count: usize,
    },
    /// A model that nothing reads.
    #[error("no term reads model {arm}")]
    Idle {
        /// Which, counted from 0.
        arm: usize,
    },
    /// A tensor that its model does not compute.
    #[error("model {arm} has no tap {tap}; {near}")]
    Tap {
        /// Which model, counted from 0.
        arm: usize,
        /// The name asked for.
        tap: String,
        /// Names that there are.
        near: String,
    },
    /// A tap whose first axis does not count the stimuli.
    #[error(
        "tap {tap} of model {arm} has the shape {shape:?}; its first axis has to count the {stimuli} stimuli"
    )]
    Batch {
        /// Which model, counted from 0.
        arm: usize,
        /// The tap.
        tap: String,
        /// Its shape.
        shape: Vec<usize>,
        /// Size of the set.
        stimuli: usize,
    },
    /// An input that is not there, not alone, or without a value.
    #[error("model {arm}: {message}")]
    Input {
        /// Which model, counted from 0.
        arm: usize,
        /// What is wrong and what is allowed.
        message: String,
    },
    /// Stimuli that no resampling brings to a model's shape.
    #[error(
        "model {arm} takes {wanted:?} [T, C, H, W], the stimuli are {found:?}: frames and channels do not match"
    )]
    Fit {
        /// Which model, counted from 0.
        arm: usize,
        /// The form's shape.
        wanted: [usize; 4],
        /// The stimuli's.
        found: [usize; 4],
    },
    /// No views to average over.
    #[error("{views} views per step; at least 1 is needed")]
    Views {
        /// Given.
        views: usize,
    },
    /// The flag was raised.
    #[error("cancelled")]
    Cancelled,
    /// A run failed.
    #[error("model {arm}: {source}")]
    Step {
        /// Which model, counted from 0.
        arm: usize,
        /// Why.
        source: StepError,
    },
}
