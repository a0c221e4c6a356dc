//! Making a damaged file openable again. Nothing that was whole is lost, and nothing that was removed is thrown away.
//!
//! - Torn only at the end: the tail goes to `NAME.torn`, the file is cut there in place.
//! - Damaged before: the file goes to `NAME.damaged` as it is, and all whole chunks go to a new file of its name.
//!
//! Then every stream without a footer gets one.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use thiserror::Error;

use crate::verify::Report;
use crate::xdf::{Ended, MAGIC, Piece, ReadError, Recording, Sink, Step, StreamId, Walk, Writer, read_bytes};

/// Why a file could not be repaired. The file is then as it was, or its torn tail was saved and cut off.
#[derive(Debug, Error)]
pub enum RepairError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// No stream in it.
    #[error("{path}: no stream header in {bytes} bytes, nothing to save")]
    Nothing {
        /// The file.
        path: PathBuf,
        /// Its length.
        bytes: u64,
    },
    /// The system refused.
    #[error("{path}: cannot {action}: {error}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The footers could not be written.
    #[error("{path}: {ended}")]
    Ended {
        /// The file.
        path: PathBuf,
        /// Where and why.
        ended: Ended,
    },
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Repaired {
    /// The file before.
    pub before: Report,
    /// Bytes taken out of it.
    pub removed_bytes: u64,
    /// Where they, or the whole file before, went.
    pub saved_as: Option<PathBuf>,
    /// Streams that got a footer.
    pub footers_added: usize,
}

/// Repairs a file in place.
///
/// # Errors
/// [`RepairError`].
pub fn repair(path: &Path) -> Result<Repaired, RepairError> {
    let bytes = fs::read(path).map_err(|error| ReadError::Io { path: path.into(), error })?;
    let recording = read_bytes(&bytes);
    if recording.streams.is_empty() {
        return Err(RepairError::Nothing { path: path.into(), bytes: recording.bytes });
    }
    let whole = recording.whole_bytes as usize;
    let is_damaged = recording.damaged_bytes > 0 || !bytes.starts_with(MAGIC);
    let (saved_as, length) = if is_damaged {
        let kept = whole_chunks(&bytes);
        let saved = replace(path, &kept)?;
        (Some(saved), kept.len())
    } else if whole < bytes.len() {
        let saved = free_name(path, "torn");
        save(&saved, &bytes[whole..])?;
        (Some(saved), whole)
    } else {
        (None, whole)
    };
    let footers_added = finish(path, &recording, length as u64)?;
    Ok(Repaired {
        before: Report::of(path, &recording),
        removed_bytes: (bytes.len() - length) as u64,
        saved_as,
        footers_added,
    })
}

/// Magic and all whole chunks, byte for byte; boundaries that lost their frame are not chunks.
fn whole_chunks(bytes: &[u8]) -> Vec<u8> {
    let mut kept = MAGIC.to_vec();
    let mut walk = Walk::new(bytes);
    while let Some(step) = walk.step() {
        match step {
            Step::Chunk { piece: Piece::Unknown, .. } | Step::Damage { .. } => {}
            Step::Chunk { offset, end, .. } => kept.extend(&bytes[offset..end]),
        }
    }
    kept
}

/// Writes the new file beside the old one, keeps the old one under another name, then puts the new one in its place.
fn replace(path: &Path, kept: &[u8]) -> Result<PathBuf, RepairError> {
    let part = free_name(path, "part");
    save(&part, kept)?;
    let saved = free_name(path, "damaged");
    let moved = fs::rename(path, &saved).and_then(|()| fs::rename(&part, path));
    moved.map_err(|error| RepairError::Io {
        action: "put the repaired file in place",
        path: path.into(),
        error,
    })?;
    Ok(saved)
}

/// `PATH.suffix`, or `PATH.suffix2` and so on when that is taken.
fn free_name(path: &Path, suffix: &str) -> PathBuf {
    let named = |text: String| {
        let mut name: OsString = path.as_os_str().to_owned();
        name.push(text);
        PathBuf::from(name)
    };
    let first = named(format!(".{suffix}"));
    let others = (2_u64..).map(|number| named(format!(".{suffix}{number}")));
    std::iter::once(first.clone()).chain(others).find(|name| !name.exists()).unwrap_or(first)
}

fn save(path: &Path, bytes: &[u8]) -> Result<(), RepairError> {
    let saved = File::create_new(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    saved.map_err(|error| RepairError::Io { action: "save", path: path.into(), error })
}

/// Cuts the file to `length` and appends the footers that are missing; gives their number.
fn finish(path: &Path, recording: &Recording, length: u64) -> Result<usize, RepairError> {
    let missing: Vec<_> = recording.streams.iter().filter(|stream| stream.footer.is_none()).collect();
    if missing.is_empty() && length == recording.bytes {
        return Ok(0);
    }
    let fail = |error| RepairError::Io { action: "repair", path: path.into(), error };
    let mut file = OpenOptions::new().write(true).open(path).map_err(fail)?;
    file.cut(length).and_then(|()| file.seek(SeekFrom::Start(length))).map_err(fail)?;
    let mut writer = Writer::resume(file, length);
    for stream in &missing {
        let ends = stream.stamps_s.first().copied().zip(stream.stamps_s.last().copied());
        let offsets: Vec<_> =
            stream.clock_offsets.iter().map(|offset| (offset.time_s, offset.offset_s)).collect();
        writer
            .footer_of(StreamId(stream.id), stream.samples() as u64, ends, &offsets)
            .map_err(|ended| RepairError::Ended { path: path.into(), ended })?;
    }
    writer.persist().map_err(|ended| RepairError::Ended { path: path.into(), ended })?;
    Ok(missing.len())
}
