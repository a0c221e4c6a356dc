//! Why the pieces do not go together, or a run of them gave nothing.

use std::sync::Arc;

use adjoint::StepError;
use encoding::encoder::EncoderError;

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
    /// A model that cannot serve: no such tap, no gradient, a parameter without a value.
    #[error("model {arm}: {source}")]
    Model {
        /// Which, counted from 0.
        arm: usize,
        /// Why.
        source: Arc<EncoderError>,
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
    /// A tap whose first axis does not count the stimuli.
    #[error(
        "tap {tap} of model {arm} has the shape {shape:?}; its first axis has to count the {stimuli} stimuli, or their frames"
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
