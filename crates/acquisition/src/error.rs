//! What can go wrong with a source, with numbers.

use lsl::LslError;
use thiserror::Error;

/// A source that cannot be used, or an outlet that cannot be made.
#[derive(Debug, Error)]
pub enum AcquisitionError {
    /// No such stream.
    #[error(
        "no {} was seen within {timeout_s} s; {}",
        wanted(.stream_type, .name.as_deref()),
        visible_streams(.visible)
    )]
    NotFound {
        /// Wanted type.
        stream_type: String,
        /// Wanted name.
        name: Option<String>,
        /// How long it was looked for.
        timeout_s: f64,
        /// The streams that are there, one line each.
        visible: Vec<String>,
    },
    /// More than one such stream.
    #[error(
        "{} streams match {}; name one in the rig file under [stream.*]:\n{}",
        .candidates.len(),
        wanted(.stream_type, .name.as_deref()),
        .candidates.join("\n")
    )]
    Ambiguous {
        /// Wanted type.
        stream_type: String,
        /// Wanted name.
        name: Option<String>,
        /// The streams that match, one line each.
        candidates: Vec<String>,
    },
    /// Numbers are wanted and the stream carries texts, or the other way round.
    #[error("stream `{stream}` has the format {found}; {wanted}")]
    Format {
        /// Name of the stream.
        stream: String,
        /// Its format.
        found: &'static str,
        /// What is needed.
        wanted: &'static str,
    },
    /// A marker is one text.
    #[error("stream `{stream}` has {found} channels; a marker stream has 1")]
    MarkerChannels {
        /// Name of the stream.
        stream: String,
        /// Its channels.
        found: usize,
    },
    /// A reply has so many numbers.
    #[error("stream `{stream}` has {found} channels; a reply of a program outside has {wanted}")]
    ReplyChannels {
        /// Name of the stream.
        stream: String,
        /// Its channels.
        found: usize,
        /// Channels needed.
        wanted: usize,
    },
    /// A ring of rows was sized for another source.
    #[error("the {ring} ring has rows of {found} values, the source needs {expected}")]
    RowWidth {
        /// `loop` or `recorder`.
        ring: &'static str,
        /// Values per row.
        found: usize,
        /// Values needed.
        expected: usize,
    },
    /// Labels or units that do not fit an outlet's channels.
    #[error("outlet `{outlet}`: {found} units for {expected} channels; give none, one, or one per channel")]
    Units {
        /// Name of the outlet.
        outlet: String,
        /// Units given.
        found: usize,
        /// Channels.
        expected: usize,
    },
    /// The operating system gave no thread.
    #[error("the thread `{name}` could not be started: {reason}")]
    Thread {
        /// Its name.
        name: String,
        /// What the system says.
        reason: std::io::Error,
    },
    /// A thread ended by a panic, which is a fault of this program.
    #[error("the thread `{name}` panicked")]
    Panicked {
        /// Its name.
        name: String,
    },
    /// liblsl reports an error.
    #[error("stream `{stream}`: {error}")]
    Lsl {
        /// Name of the stream.
        stream: String,
        /// The error.
        error: LslError,
    },
}

impl AcquisitionError {
    /// Says which stream an error of liblsl belongs to.
    pub(crate) fn of(stream: &str) -> impl Fn(LslError) -> Self + '_ {
        move |error| Self::Lsl { stream: stream.to_owned(), error }
    }
}

fn wanted(stream_type: &str, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("LSL stream of type `{stream_type}` named `{name}`"),
        None => format!("LSL stream of type `{stream_type}`"),
    }
}

fn visible_streams(visible: &[String]) -> String {
    if visible.is_empty() {
        return "no stream at all is visible (streams on other machines need --network)".to_owned();
    }
    format!("visible are:\n{}", visible.join("\n"))
}
