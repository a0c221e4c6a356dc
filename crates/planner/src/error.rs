//! Why a planner cannot plan.

use encoding::encoder::EncoderError;
use synthesis::constraint::ConstraintError;

/// See each variant.
#[derive(Debug, thiserror::Error)]
pub enum PlannerError {
    /// A number is outside what is allowed.
    #[error("{what} is {value}, allowed is {allowed}")]
    Number {
        /// Which number.
        what: &'static str,
        /// Its value.
        value: f64,
        /// What is allowed.
        allowed: &'static str,
    },
    /// The model cannot be read or asked.
    #[error(transparent)]
    Model(#[from] EncoderError),
    /// The model failed on a picture.
    #[error("the planner's model fails: {0}")]
    Step(String),
    /// No picture meets the constraints.
    #[error(transparent)]
    Constraint(#[from] ConstraintError),
    /// A tap that is no grid of cells for one picture.
    #[error("tap `{tap}` has the shape {shape:?}, allowed is [1, channels, rows, columns]")]
    Shape {
        /// The tap.
        tap: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// No feature of the model varies between pictures.
    #[error("tap `{tap}`: none of its {count} features varies between {probes} probes")]
    Silent {
        /// The tap.
        tap: String,
        /// Features of it.
        count: usize,
        /// Pictures tried.
        probes: usize,
    },
}
