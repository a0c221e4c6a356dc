//! What a readout cannot be fitted to, said before any fitting starts.

use super::spectrum::NoConvergence;

/// Why there is no readout. Rows are trials, from 0; columns are features or channels, from 0.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadoutError {
    /// Features, responses and stimulus indices do not count the same trials.
    #[error(
        "{features} trials of features, {responses} of responses, {stimuli} stimulus indices: must be the same"
    )]
    Trials {
        /// Rows of the features.
        features: usize,
        /// Rows of the responses.
        responses: usize,
        /// Length of the stimulus indices.
        stimuli: usize,
    },
    /// One of the sizes is zero, or the names are not one per channel.
    #[error(
        "{features} features, {channels} channels, {names} channel names: need features, and a name for each channel"
    )]
    Sizes {
        /// Columns of the features.
        features: usize,
        /// Columns of the responses.
        channels: usize,
        /// Channel names.
        names: usize,
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
    /// Channels that never change: no weights can be learned from them, and no score is defined.
    #[error("responses that do not vary over {trials} trials: {}", .channels.join(", "))]
    ConstantResponses {
        /// Their names.
        channels: Vec<String>,
        /// Trials looked at.
        trials: usize,
    },
    /// Features that never change, all of them.
    #[error("none of the {features} features varies over {trials} trials")]
    ConstantFeatures {
        /// Columns of the features.
        features: usize,
        /// Trials looked at.
        trials: usize,
    },
    /// The folds leave too little to learn from.
    #[error(
        "{stimuli} stimuli in {folds} folds, and {inner_folds} folds within each, leave {left} stimuli to learn from; \
         at least {needed} are needed"
    )]
    TooFewStimuli {
        /// Distinct stimuli.
        stimuli: usize,
        /// Outer folds.
        folds: usize,
        /// Folds within each.
        inner_folds: usize,
        /// Distinct stimuli in the smallest training set.
        left: usize,
        /// The least number.
        needed: usize,
    },
    /// A number of folds that is not one.
    #[error("{folds} folds for {stimuli} stimuli: allowed are 2 to the number of stimuli")]
    Folds {
        /// Folds asked for.
        folds: usize,
        /// Distinct stimuli that are there.
        stimuli: usize,
    },
    /// A penalty that is not positive and finite, or none at all.
    #[error(
        "penalty ratio {ratio} of {count} in the grid: each must be positive and finite, and there must be one"
    )]
    Penalty {
        /// The offending value, NaN for an empty grid.
        ratio: f64,
        /// Length of the grid.
        count: usize,
    },
    /// A share of the prior that is not one.
    #[error("prior weight {weight}: allowed is above 0, up to 1 (0 is always tried)")]
    PriorWeight {
        /// The value.
        weight: f64,
    },
    /// A prior, or a matrix given to a finished readout, of another shape.
    #[error("{what} is [{}, {}], must be [{}, {}]", .found[0], .found[1], .expected[0], .expected[1])]
    Shape {
        /// Which matrix.
        what: &'static str,
        /// Rows and columns found.
        found: [usize; 2],
        /// Rows and columns needed.
        expected: [usize; 2],
    },
    /// The prior's channels are others, or in another order.
    #[error("channel {index} is {found} in {what}, must be {expected}")]
    ChannelName {
        /// Whose channel.
        what: &'static str,
        /// Position.
        index: usize,
        /// Name found.
        found: String,
        /// Name needed.
        expected: String,
    },
    /// A prior from too few people.
    #[error("a prior {kind} needs {needed} people or more, got {people}")]
    TooFewPeople {
        /// What it was to say.
        kind: &'static str,
        /// People given.
        people: usize,
        /// The least number.
        needed: usize,
    },
    /// No tap to choose from.
    #[error("no taps to choose from")]
    NoTaps,
    /// Something in one of several taps.
    #[error("tap {tap}: {error}")]
    Tap {
        /// Its name.
        tap: String,
        /// What is wrong with it.
        error: Box<ReadoutError>,
    },
    /// See [`NoConvergence`].
    #[error(transparent)]
    NoConvergence(#[from] NoConvergence),
}
