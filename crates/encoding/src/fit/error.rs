//! Why parameters cannot be fitted.

use crate::encoder::EncoderError;

/// A fit that cannot be meant, or that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FitError {
    /// The encoder has no such tap or parameter, or its model failed.
    #[error(transparent)]
    Encoder(#[from] EncoderError),
    /// Nothing to fit.
    #[error("no parameter is to be fitted; name at least one of {known}")]
    NoUnknown {
        /// The model's parameters.
        known: String,
    },
    /// A parameter named twice.
    #[error("parameter {name} is named twice")]
    Twice {
        /// The parameter.
        name: String,
    },
    /// An input that is not a single number.
    #[error("parameter {name} has the shape {shape}; only single numbers are fitted")]
    NotANumber {
        /// The parameter.
        name: String,
        /// Its shape as declared.
        shape: String,
    },
    /// Bounds that leave nothing, or that do not hold the present value.
    #[error("parameter {name}: the bounds {low} to {high} {reason}")]
    Bounds {
        /// The parameter.
        name: String,
        /// Lower bound.
        low: f64,
        /// Upper bound.
        high: f64,
        /// What is wrong with them.
        reason: String,
    },
    /// A prior that is no normal distribution.
    #[error("parameter {name}: a prior of mean {mean} and sd {sd}; both must be finite, and the sd above 0")]
    Prior {
        /// The parameter.
        name: String,
        /// Mean given.
        mean: f64,
        /// Standard deviation given.
        sd: f64,
    },
    /// Stimuli and responses that do not pair up.
    #[error("{stimuli} stimuli and {responses} rows of responses; each trial needs both")]
    Pairs {
        /// Number of stimuli.
        stimuli: usize,
        /// Rows of responses.
        responses: usize,
    },
    /// Nothing recorded.
    #[error("the responses have no columns")]
    NoResponse,
    /// Fewer trials than what is to be found from them.
    #[error(
        "{trials} trials{held} cannot bear {parameters} parameters and {readout} numbers of the readout per response; at least {needed} are needed"
    )]
    Trials {
        /// Trials there are.
        trials: usize,
        /// How many are left outside a fold, in words.
        held: String,
        /// Parameters to be fitted.
        parameters: usize,
        /// Free numbers of the readout per response.
        readout: usize,
        /// Trials needed.
        needed: usize,
    },
    /// A response that never changes.
    #[error("response {response} is {value} in all {trials} trials: nothing can be fitted to it")]
    Constant {
        /// Its column.
        response: usize,
        /// Its value.
        value: f64,
        /// Number of trials.
        trials: usize,
    },
    /// A response that is not a number.
    #[error("response {response} of trial {trial} is {value}")]
    NonFinite {
        /// The trial.
        trial: usize,
        /// The column.
        response: usize,
        /// The value.
        value: f64,
    },
    /// A link of another size than features and responses.
    #[error("the readout's {what} {found:?}; features and responses want {wanted:?}")]
    Link {
        /// `weights are` or `intercepts are`.
        what: &'static str,
        /// Shape found.
        found: Vec<usize>,
        /// Shape wanted.
        wanted: Vec<usize>,
    },
    /// A ridge penalty that is not above 0.
    #[error("a ridge penalty of {found}; finite numbers above 0 are allowed")]
    Penalty {
        /// Penalty given.
        found: f64,
    },
    /// A number of folds that the trials do not make.
    #[error("{folds} folds of {trials} trials; 2 to {trials} are possible, or 0 for no cross-validation")]
    Folds {
        /// Folds asked for.
        folds: usize,
        /// Trials there are.
        trials: usize,
    },
    /// A parameter that no tap asked for depends on, or only through steps.
    #[error("no gradient reaches the parameter {name} from the taps {taps}: {source}")]
    NotReached {
        /// The parameter.
        name: String,
        /// Taps asked for.
        taps: String,
        /// The model's words.
        source: Box<EncoderError>,
    },
    /// Parameters that change no response anywhere.
    #[error("parameter {name} changes nothing: the loss is the same at all {points} points looked at")]
    Flat {
        /// The parameter.
        name: String,
        /// Points looked at.
        points: usize,
    },
    /// Features from which no readout can be had.
    #[error("the features predict nothing: {reason}")]
    Features {
        /// Why.
        reason: String,
    },
}
