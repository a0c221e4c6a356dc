//! Why a model cannot serve as an encoder, or a question to it cannot be meant.

use adjoint::{LoadError, ModelError, StepError};

use crate::form::Layout;

/// A model that was refused, or a question that does not fit it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncoderError {
    /// The file was refused.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The model gives no gradient for this question.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Parameters that no V1 can have.
    #[error(transparent)]
    V1(#[from] crate::v1::Fault),
    /// A run failed.
    #[error("{file}: {source}")]
    Step {
        /// The model's file.
        file: String,
        /// What failed.
        source: StepError,
    },
    /// None of the inputs, or more than one, can take stimuli.
    #[error(
        "{file}: {count} inputs could take stimuli (floating point, 4 or 5 axes); one is needed. The inputs are {inputs}"
    )]
    Input {
        /// The model's file.
        file: String,
        /// How many could.
        count: usize,
        /// All inputs with type and shape.
        inputs: String,
    },
    /// The order of axes does not follow from the shape alone.
    #[error("input {input} of shape {shape}: {reason}; say the layout")]
    Ambiguous {
        /// The input.
        input: String,
        /// Its shape as declared.
        shape: String,
        /// What cannot be told.
        reason: String,
    },
    /// An axis that neither the file nor the caller gives a size.
    #[error("input {input} of shape {shape} leaves the {axis} open; give a number")]
    OpenAxis {
        /// The input.
        input: String,
        /// Its shape as declared.
        shape: String,
        /// `frames`, `channels`, `height` or `width`.
        axis: &'static str,
    },
    /// A file that does not say what its input's numbers mean.
    #[error(
        "{file}: the file does not say what its numbers mean; give the transfer (linear or sRGB), mean and sd that it was trained with"
    )]
    NoForm {
        /// The model's file.
        file: String,
    },
    /// A form that contradicts itself.
    #[error("the form has {what} {found}; {allowed}")]
    Form {
        /// Which part.
        what: &'static str,
        /// What it is.
        found: String,
        /// What is allowed.
        allowed: String,
    },
    /// A form that is not the model's input.
    #[error(
        "input {input} of {file} has the shape {declared}; a batch in the form's layout {layout:?} is {given:?}"
    )]
    InputShape {
        /// The input.
        input: String,
        /// The model's file.
        file: String,
        /// Shape as declared.
        declared: String,
        /// The form's layout.
        layout: Layout,
        /// The form's shape for one stimulus.
        given: Vec<usize>,
    },
    /// A tensor that the model does not compute.
    #[error("{file} has no tap called {name}{near}")]
    Tap {
        /// The model's file.
        file: String,
        /// Name asked for.
        name: String,
        /// Names that are close, if any.
        near: String,
    },
    /// No tap asked for.
    #[error("{file}: no tap is asked for; name at least one")]
    NoTap {
        /// The model's file.
        file: String,
    },
    /// A tensor whose first axis is not the batch.
    #[error("tap {tap} has the shape {shape:?} for {batch} stimuli: its first axis does not count stimuli")]
    Batch {
        /// The tap.
        tap: String,
        /// Its shape.
        shape: Vec<usize>,
        /// Stimuli given.
        batch: usize,
    },
    /// A number of stimuli that the model cannot take.
    #[error("{file} takes stimuli in batches of {own}; {found} were asked for")]
    BatchSize {
        /// The model's file.
        file: String,
        /// The batch that the file fixes.
        own: usize,
        /// Number asked for.
        found: usize,
    },
    /// More pooling cells than positions, or no positions to pool.
    #[error("tap {tap} of shape {shape:?} cannot be pooled to {cells:?} cells: {reason}")]
    Pool {
        /// The tap.
        tap: String,
        /// Its shape.
        shape: Vec<usize>,
        /// Rows and columns asked for.
        cells: [usize; 2],
        /// Why not.
        reason: String,
    },
    /// Stimuli of another shape than the form's.
    #[error("stimuli have the shape {found:?} [B, T, C, H, W]; the form wants [B, {}, {}, {}, {}]", .wanted[0], .wanted[1], .wanted[2], .wanted[3])]
    Stimuli {
        /// Shape given.
        found: Vec<usize>,
        /// T, C, H, W of the form.
        wanted: [usize; 4],
    },
    /// Light that is not a number between 0 and 1.
    #[error("stimulus {stimulus} has a light of {value}; allowed is 0 (black) to 1 (white)")]
    Light {
        /// Which stimulus of the set.
        stimulus: usize,
        /// The value.
        value: f32,
    },
    /// A parameter that the model does not have.
    #[error("{file} has no parameter called {name}; it has {known}")]
    Parameter {
        /// The model's file.
        file: String,
        /// Name asked for.
        name: String,
        /// Those there are.
        known: String,
    },
    /// A parameter without a value.
    #[error("the input {name} of {file}, beside the stimulus, has no value; give one")]
    NoValue {
        /// The model's file.
        file: String,
        /// The input.
        name: String,
    },
    /// A value that the parameter does not take.
    #[error("parameter {name} is {found}; {allowed}")]
    ParameterValue {
        /// The parameter.
        name: String,
        /// Value given.
        found: String,
        /// What is allowed.
        allowed: String,
    },
    /// A response that is not a number.
    #[error("tap {tap} is {value} at {stimulus}")]
    NonFinite {
        /// The tap.
        tap: String,
        /// The value.
        value: f32,
        /// For which stimulus.
        stimulus: String,
    },
    /// Two runs that differ.
    #[error(
        "tap {tap} differs between two runs on the same stimulus, first at element {element}: {first} and {second}"
    )]
    Random {
        /// The tap.
        tap: String,
        /// Position in row-major order.
        element: usize,
        /// Value of the first run.
        first: f32,
        /// Value of the second run.
        second: f32,
    },
    /// A gradient of nothing but zeros.
    #[error(
        "no gradient of tap {tap} reaches the stimulus at {stimulus}: all its derivatives there are zero"
    )]
    Flat {
        /// The tap.
        tap: String,
        /// For which stimulus.
        stimulus: String,
    },
    /// A lesion or stimulation that cannot be meant.
    #[error("the tap {tap} cannot be changed: {reason}")]
    Intervention {
        /// The tap.
        tap: String,
        /// Why not, with shapes or values.
        reason: String,
    },
}
