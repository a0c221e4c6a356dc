//! The session folder: what a session leaves on disk, and how it is read back.
//!
//! - [`xdf`]: the file format (XDF 1.0): writer, tolerant reader, clock correction as pyxdf does it.
//! - [`Recorder`]: one XDF per session, with one stream per raw source and one `int64` stream per record type of
//!   [`timeline`], so that a session can be replayed equal to the bit.
//! - [`MemoryRecorder`]: the same without a file, for studies.
//! - [`RecordedSession`]: the same folder read back into typed records.
//! - [`verify()`] and [`repair()`]: what is whole in a damaged file, and how to make it openable again.
//! - [`SessionFolder`], [`Manifest`]: BIDS-style names, and what has to be known about a run besides its data.
//! - [`info()`]: the streams of a recording, for display.
//!
//! This crate stores; it never interprets. A decoder's name is a string to it.

mod disk;
mod folder;
mod info;
mod manifest;
mod memory;
mod recorder;
mod repair;
mod session;
mod verify;
mod wall;
pub mod xdf;

pub use disk::{FreeSpaceError, check_free, free_bytes};
pub use folder::{FolderError, SessionFolder};
pub use info::{FileInfo, StreamInfo, info};
pub use manifest::{
    ClockKind, DisplayInfo, Machine, Manifest, ManifestError, Outcome, SourceEntry, sha256, sha256_hex,
};
pub use memory::MemoryRecorder;
pub use recorder::{Options, RawStream, RecordError, Recorder, SourceKind, StreamCount, Summary};
pub use repair::{RepairError, Repaired, repair};
pub use session::{OpenError, RecordedSession, RecordedSource};
pub use verify::{Gap, Report, StreamReport, verify};
pub use wall::WallTime;
