//! What arrives, and what goes out. Nothing here filters, corrects or decides.
//!
//! - [`find`] picks one stream, [`check`] compares it with what the protocol expects, [`spawn_inlet`] and
//!   [`spawn_markers`] start the thread that pulls it, and [`streams`] lists what is there.
//! - [`ChunkSink`] and [`MarkerSink`] are the pure part: a chunk or a marker becomes rows and events. A source inside
//!   this process (a simulated participant without liblsl) and tests go through the same code.
//! - [`SampleOutlet`] and [`MarkerOutlet`] send.
//!
//! Samples go to two rings as rows of `f64`: to the loop the wanted channels in the protocol's order (all samples of
//! a chunk or none), to the recorder all channels as they came. Raw stamps are never changed.

mod check;
mod clock;
mod continuity;
mod error;
mod find;
mod inlet;
mod marker;
mod outlet;
mod port;
mod replies;
mod sink;
mod source;

pub use check::{ChannelMap, CheckError, Expected, check};
pub use error::AcquisitionError;
pub use find::{Found, Want, find, streams};
pub use inlet::{InletPlan, InletThread, MarkerPlan, MarkerThread, ThreadPorts, spawn_inlet, spawn_markers};
pub use lsl::ChannelFormat;
pub use marker::{MarkerCounts, MarkerPorts, MarkerSink, TextMarker};
pub use outlet::{MarkerOutlet, OutletSpec, SampleOutlet};
pub use replies::{ReplyPorts, ReplySink, ReplyThread, spawn_replies};
pub use sink::{ChunkSink, SinkCounts, SinkPorts, SinkSpec};
pub use source::{SourceInfo, TIME_SCALE_KEY};
