//! What can go wrong, with what was tried.

use thiserror::Error;

/// liblsl could not be opened.
#[derive(Debug, Error)]
#[error(
    "liblsl (1.17 or newer) was not found. Tried:\n{}\nGet it with `make setup`, or set PHOTIC_LIBLSL to the \
     library's file",
    list(.tried)
)]
pub struct LoadError {
    /// Every place that was tried, and what it answered, in order.
    pub tried: Vec<(String, String)>,
}

fn list(tried: &[(String, String)]) -> String {
    tried.iter().map(|(place, answer)| format!("  {place}: {answer}")).collect::<Vec<_>>().join("\n")
}

/// The configuration could not be set.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigureError {
    /// liblsl can be configured once per process.
    #[error("liblsl was configured before, and otherwise: it reads its configuration once per process")]
    Already,
    /// The id would break the configuration text or the stream query that it becomes part of.
    #[error("LSL session id `{0}`: allowed are 1 to 128 letters, digits, `-`, `_` and `.`")]
    SessionId(String),
}

/// A call of liblsl failed.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum LslError {
    /// The time ran out.
    #[error("LSL: {what} took longer than {timeout_s} s")]
    Timeout {
        /// What was asked for.
        what: &'static str,
        /// The bound.
        timeout_s: f64,
    },
    /// The source is gone and cannot be found again.
    #[error("LSL: {what}: the stream's source is lost")]
    Lost {
        /// What was asked for.
        what: &'static str,
    },
    /// liblsl refused, or failed inside.
    #[error("LSL: {what} failed with liblsl's error code {code}")]
    Code {
        /// What was asked for.
        what: &'static str,
        /// liblsl's `lsl_error_code_t`, 0 when it only returned a null pointer.
        code: i32,
    },
    /// A text with a NUL character in it.
    #[error("LSL: the text {0:?} has a NUL character in it")]
    Nul(String),
    /// Buffer lengths that do not fit together.
    #[error("LSL: {values} values do not make {samples} samples of {channels} channels")]
    Shape {
        /// Values in the buffer.
        values: usize,
        /// Stamps in the buffer.
        samples: usize,
        /// Channels of the stream.
        channels: usize,
    },
    /// A stamp that liblsl cannot transmit: it replaces 0 by the time of the call and -1 by a guess.
    #[error("LSL: a stamp of {0} s cannot be sent; stamps must be above 0 and finite")]
    Stamp(f64),
    /// The channel count that a stream may have.
    #[error("LSL: a stream of {0} channels cannot be made; allowed are 1 to 2147483647")]
    ChannelCount(usize),
}

impl LslError {
    /// Reads a `lsl_error_code_t`.
    pub(crate) fn check(code: i32, what: &'static str, timeout_s: f64) -> Result<(), Self> {
        match code {
            0 => Ok(()),
            -1 => Err(Self::Timeout { what, timeout_s }),
            -2 => Err(Self::Lost { what }),
            code => Err(Self::Code { what, code }),
        }
    }
}
