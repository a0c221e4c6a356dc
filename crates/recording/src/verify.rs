//! What in a file is whole.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::xdf::{Problem, ReadError, Recording, Stream, read_bytes};

/// A place in a regular stream where samples are missing, or where stamps go back.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Gap {
    /// Index of the sample before it.
    pub after_sample: u64,
    /// Stamp of that sample.
    pub after_s: f64,
    /// To the next stamp; negative when stamps go back.
    pub duration_s: f64,
}

/// What a stream holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StreamReport {
    /// Its number in the file.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Samples found.
    pub samples: u64,
    /// Samples that its footer announces.
    pub footer_samples: Option<u64>,
    /// Whether it has a footer; a recording that crashed has none.
    pub has_footer: bool,
    /// First raw stamp.
    pub first_s: Option<f64>,
    /// Last raw stamp.
    pub last_s: Option<f64>,
    /// Gaps of a regular stream; the first 100.
    pub gaps: Vec<Gap>,
    /// All gaps.
    pub gap_count: u64,
}

/// What a file holds, and what in it is not as it should be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The file.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// Where its last whole chunk ends.
    pub whole_bytes: u64,
    /// Bytes after that: what a crash tore.
    pub torn_tail_bytes: u64,
    /// Bytes before that which belong to no whole chunk.
    pub damaged_bytes: u64,
    /// Number of whole chunks.
    pub chunks: u64,
    /// Its streams, in file order.
    pub streams: Vec<StreamReport>,
    /// What is not as it should be, by offset; the first 1000.
    pub problems: Vec<Problem>,
    /// All of them.
    pub problem_count: u64,
}

impl Report {
    /// Whether every byte belongs to a whole chunk, nothing contradicts itself and every stream has its footer.
    pub fn is_whole(&self) -> bool {
        self.problem_count == 0 && self.missing_footers() == 0
    }

    /// Streams that were not closed.
    pub fn missing_footers(&self) -> usize {
        self.streams.iter().filter(|stream| !stream.has_footer).count()
    }

    /// From a file that was read.
    pub(crate) fn of(path: &Path, recording: &Recording) -> Self {
        let mut problems = recording.problems.clone();
        let mut problem_count = recording.problem_count;
        let streams: Vec<StreamReport> = recording.streams.iter().map(stream_report).collect();
        for stream in &streams {
            let announced = stream.footer_samples.filter(|announced| *announced != stream.samples);
            if let Some(announced) = announced {
                problem_count += 1;
                problems.push(Problem {
                    offset: recording.whole_bytes,
                    end: recording.whole_bytes,
                    what: format!(
                        "stream {} `{}`: {} samples, its footer says {announced}",
                        stream.id, stream.name, stream.samples
                    ),
                });
            }
        }
        Self {
            path: path.into(),
            bytes: recording.bytes,
            whole_bytes: recording.whole_bytes,
            torn_tail_bytes: recording.bytes - recording.whole_bytes,
            damaged_bytes: recording.damaged_bytes,
            chunks: recording.chunks.iter().sum(),
            streams,
            problems,
            problem_count,
        }
    }
}

/// Looks through a file. Any content is answered by a report, also content that is not XDF at all.
///
/// # Errors
/// [`ReadError::Io`] when the path cannot be read.
pub fn verify(path: &Path) -> Result<Report, ReadError> {
    let bytes = std::fs::read(path).map_err(|error| ReadError::Io { path: path.into(), error })?;
    Ok(Report::of(path, &read_bytes(&bytes)))
}

/// Gaps kept per stream.
const GAPS_KEPT: usize = 100;
/// LSL stamps jitter by a chunk; what is shorter than this, or than two periods, is not called a gap.
const SHORTEST_GAP_S: f64 = 0.1;

fn stream_report(stream: &Stream) -> StreamReport {
    let rate_hz = stream.header.rate_hz;
    let allowed_s = if rate_hz > 0.0 { (2.0 / rate_hz).max(SHORTEST_GAP_S) } else { f64::INFINITY };
    let mut gaps = Vec::new();
    let mut gap_count = 0;
    for (index, pair) in stream.stamps_s.windows(2).enumerate().take_while(|_| rate_hz > 0.0) {
        let duration_s = pair[1] - pair[0];
        // Written so that a stamp that is not a number counts as a gap.
        if !(duration_s >= 0.0 && duration_s <= allowed_s) {
            gap_count += 1;
            if gaps.len() < GAPS_KEPT {
                gaps.push(Gap { after_sample: index as u64, after_s: pair[0], duration_s });
            }
        }
    }
    StreamReport {
        id: stream.id,
        name: stream.header.name.clone(),
        samples: stream.samples() as u64,
        footer_samples: stream.footer.as_ref().and_then(|footer| footer.sample_count),
        has_footer: stream.footer.is_some(),
        first_s: stream.stamps_s.first().copied(),
        last_s: stream.stamps_s.last().copied(),
        gaps,
        gap_count,
    }
}
