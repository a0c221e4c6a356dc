//! What crosses a thread, what is recorded and what is replayed: one closed set of small `Copy` records, and the two
//! carriers that move them.
//!
//! - [`event`]: the records. Each is a row of `i64` columns ([`Row`]), which is how the recording stores it.
//! - [`ring`]: every value must arrive (an SPSC ring; a full ring refuses and the writer counts).
//! - [`latest`]: only the newest value matters (a triple buffer).
//! - [`heartbeat`]: whether the other side is alive (a counter that it raises).
//! - [`clock`]: the one clock, monotonic nanoseconds, handed to everything else as a number.
//!
//! Instants are `i64` nanoseconds of the machine's monotonic clock (on Linux the clock that LSL stamps with), in fields
//! and arguments whose names end in `_ns`. Nothing here knows a file, a GPU or an experiment.

pub mod clock;
mod drawn;
pub mod event;
mod gaze;
pub mod heartbeat;
pub mod latest;
mod notice;
mod onset;
mod outside;
mod response;
pub mod ring;
mod row;
mod shown;
mod steering;
mod trial;

pub use drawn::{Attenuation, Drawn};
pub use event::{Chunk, ClockOffset, Decision, Event, Latent, MAX_SOURCES, Marker, SourceId, Take, Turn};
pub use gaze::Gaze;
pub use notice::{Notice, NoticeKind};
pub use onset::{LatentRhythm, Onset, OnsetOutcome};
pub use outside::{Reply, State};
pub use response::{Act, Attempt, AttemptOutcome, Device, KEYS, Response, key_code};
pub use row::{Row, RowError};
pub use shown::{Command, Flip, OnsetClass, Published, Ramp, SceneId};
pub use steering::{
    Amplitudes, Answer, CHANNELS, NOT_MEASURED, Presentation, Purpose, Request, StateAtOnset,
};
pub use trial::{Score, ScoreOutcome, Trial, TrialOutcome};

/// Nanoseconds in one second, for conversions at the edges.
pub const NS_PER_S: f64 = 1e9;

/// Seconds (as LSL stamps and protocol files give them) to nanoseconds, rounded to the nearest.
pub fn ns_from_s(seconds: f64) -> i64 {
    (seconds * NS_PER_S).round() as i64
}

/// Nanoseconds to seconds, for display and for formulas that take seconds.
pub fn s_from_ns(ns: i64) -> f64 {
    ns as f64 / NS_PER_S
}
