//! What has no score.

use ndarray::ArrayView2;

use crate::readout::NoConvergence;

/// Why there is no score. Rows are conditions or trials, from 0.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ScoreError {
    /// Two things that should have the same size.
    #[error("{what}: {found}, must be {expected}")]
    Size {
        /// What was counted.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there must be.
        expected: usize,
    },
    /// Fewer than the score is defined for.
    #[error("{found} {what}: at least {needed} are needed")]
    TooFew {
        /// What was counted.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// The least number.
        needed: usize,
    },
    /// A value that is not a number.
    #[error("{what}: row {row}, column {column} is {value}; every value must be finite")]
    NonFinite {
        /// Which matrix.
        what: &'static str,
        /// Row.
        row: usize,
        /// Column.
        column: usize,
        /// What stands there.
        value: f64,
    },
    /// A row or column without variation, where the score divides by it.
    #[error("{what} {index} does not vary")]
    Constant {
        /// What it is.
        what: &'static str,
        /// Which one.
        index: usize,
    },
    /// A stimulus that was shown once, where repeats are needed to know the noise.
    #[error(
        "stimulus {stimulus} has {repeats} repeat: at least 2 of each are needed to tell noise from signal"
    )]
    NoRepeat {
        /// Its number.
        stimulus: usize,
        /// Trials that showed it.
        repeats: usize,
    },
    /// A condition that is missing from a part of the data.
    #[error(
        "condition {condition} has no trial in partition {partition}: every partition needs all conditions"
    )]
    Missing {
        /// Its number.
        condition: usize,
        /// The partition's.
        partition: usize,
    },
    /// A parameter outside its range.
    #[error("{what} is {value}, must be {allowed}")]
    Parameter {
        /// Which.
        what: &'static str,
        /// Its value.
        value: f64,
        /// What it may be.
        allowed: &'static str,
    },
    /// Fully whitened representations that span all conditions are all alike.
    #[error(
        "{conditions} conditions but rank {rank}: fully whitened, every such representation has distance 0"
    )]
    Saturated {
        /// Conditions.
        conditions: usize,
        /// Rank of the centred representation.
        rank: usize,
    },
    /// Noise in fewer directions than there are channels: it cannot be inverted.
    #[error(
        "the noise covariance of {channels} channels is singular: smallest over largest variance {ratio:e}"
    )]
    SingularNoise {
        /// Channels.
        channels: usize,
        /// Smallest eigenvalue over the largest.
        ratio: f64,
    },
    /// See [`NoConvergence`].
    #[error(transparent)]
    NoConvergence(#[from] NoConvergence),
}

/// Every value is a finite number.
pub(super) fn finite(what: &'static str, matrix: ArrayView2<'_, f64>) -> Result<(), ScoreError> {
    match matrix.indexed_iter().find(|(_, value)| !value.is_finite()) {
        Some(((row, column), &value)) => Err(ScoreError::NonFinite { what, row, column, value }),
        None => Ok(()),
    }
}

/// This is as long as it has to be.
pub(super) fn sized(what: &'static str, found: usize, expected: usize) -> Result<(), ScoreError> {
    if found == expected { Ok(()) } else { Err(ScoreError::Size { what, found, expected }) }
}

/// There are enough of them.
pub(super) fn enough(what: &'static str, found: usize, needed: usize) -> Result<(), ScoreError> {
    if found >= needed { Ok(()) } else { Err(ScoreError::TooFew { what, found, needed }) }
}
