//! A session read back: raw sources and typed records, as they were handed over.

use std::path::{Path, PathBuf};

use thiserror::Error;
use timeline::{
    Answer, Attempt, Attenuation, Chunk, ClockOffset, Command, Decision, Drawn, Flip, Latent, LatentRhythm,
    Marker, Notice, Onset, Presentation, Published, Reply, Request, Response, Row, RowError, Score, SourceId,
    State, Trial, Turn,
};

use crate::recorder::{ROLE, ROLE_PICTURES, ROLE_RECORDS, ROLE_SOURCE};
use crate::xdf::{ClockMeasure, Problem, ReadError, Recording, Stream, StreamHeader, Values, read_path};
use crate::{FolderError, Manifest, ManifestError, SessionFolder};

/// Why a session could not be read back.
#[derive(Debug, Error)]
pub enum OpenError {
    /// No session there.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Its recording cannot be read.
    #[error("{path}: {error}")]
    Read {
        /// The recording.
        path: PathBuf,
        /// Why.
        error: ReadError,
    },
    /// Its manifest cannot be read.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A stream that every session has is missing.
    #[error("{path}: no stream `{stream}`: not a recording of a Photic session, or its head is damaged")]
    NoStream {
        /// The recording.
        path: PathBuf,
        /// The stream's name.
        stream: String,
    },
    /// A record that this build cannot have written.
    #[error("{path}: record {record} (from 0): {error}")]
    Record {
        /// The recording.
        path: PathBuf,
        /// Which record of the stream that the error names.
        record: usize,
        /// What is wrong with it.
        error: RowError,
    },
}

/// A raw source of a session.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedSource {
    /// What the source said of itself.
    pub info: StreamHeader,
    /// Stamps as the source gave them, seconds of its own clock.
    pub stamps_s: Vec<f64>,
    /// Values, samples x channels, row after row; empty for a text source.
    pub values: Vec<f64>,
    /// Texts, samples x channels, row after row; empty for a numeric source.
    pub texts: Vec<String>,
    /// Clock offsets as XDF holds them (the exact ones are in [`RecordedSession::clock_offsets`]).
    pub clock_offsets: Vec<ClockMeasure>,
}

/// A session read back. Records stand in the order in which they were recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedSession {
    /// Where it lies.
    pub folder: SessionFolder,
    /// Its manifest.
    pub meta: Manifest,
    /// Raw sources by [`SourceId`].
    pub sources: Vec<RecordedSource>,
    /// Turns of the loop.
    pub turns: Vec<Turn>,
    /// Commands.
    pub commands: Vec<Command>,
    /// When commands were published.
    pub published: Vec<Published>,
    /// Decisions.
    pub decisions: Vec<Decision>,
    /// Flips.
    pub flips: Vec<Flip>,
    /// Chunks of samples as they arrived.
    pub chunks: Vec<Chunk>,
    /// Markers.
    pub markers: Vec<Marker>,
    /// Notices.
    pub notices: Vec<Notice>,
    /// What the simulated participant really did.
    pub latents: Vec<Latent>,
    /// The simulated participant's rhythm, where onsets wait for one (none in recordings of format version 1).
    pub latent_rhythms: Vec<LatentRhythm>,
    /// Presentations with the state that they met (none in recordings of format version 1).
    pub onsets: Vec<Onset>,
    /// Clock offsets, to the nanosecond.
    pub clock_offsets: Vec<ClockOffset>,
    /// What the loop asked of the planner. This and the following are empty in recordings of format version 1.
    pub requests: Vec<Request>,
    /// What it was answered.
    pub answers: Vec<Answer>,
    /// Pictures that were shown, and what measured them.
    pub presentations: Vec<Presentation>,
    /// What a program outside was told; this and `replies` lack in recordings older than them.
    pub states: Vec<State>,
    /// What it answered.
    pub replies: Vec<Reply>,
    /// Trials; this and `scores` lack in recordings older than them.
    pub trials: Vec<Trial>,
    /// Values scored against a baseline.
    pub scores: Vec<Score>,
    /// What presented frames were known by; lacks in recordings older than it.
    pub drawn: Vec<Drawn>,
    /// What the governor let through, as the loop heard it; lacks in recordings older than it.
    pub attenuations: Vec<Attenuation>,
    /// What was pressed; this and `attempts` lack in recordings older than them.
    pub responses: Vec<Response>,
    /// Attempts at trials with people, and at instructions and ratings.
    pub attempts: Vec<Attempt>,
    /// The texels of each picture, by its number.
    pub pictures: Vec<Vec<f32>>,
    /// Whether every stream was closed by its footer: the session ended in order.
    pub is_closed: bool,
    /// What in the recording was not as it should be (a torn end after a crash, damage).
    pub problems: Vec<Problem>,
}

impl RecordedSession {
    /// Reads a session from its folder or its recording. A torn end is no error: everything before it is there.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let folder = SessionFolder::open(path)?;
        let meta = Manifest::read(&folder)?;
        let path = folder.xdf_path();
        let recording = read_path(&path).map_err(|error| OpenError::Read { path: path.clone(), error })?;
        Self::assemble(folder, meta, recording, path)
    }

    /// The source of that number.
    pub fn source(&self, source: SourceId) -> Option<&RecordedSource> {
        self.sources.get(usize::from(source.0))
    }

    fn assemble(
        folder: SessionFolder,
        meta: Manifest,
        recording: Recording,
        path: PathBuf,
    ) -> Result<Self, OpenError> {
        let is_closed = recording.streams.iter().all(|stream| stream.footer.is_some());
        let mut parts = Parts { path, records: Vec::new(), sources: Vec::new() };
        let mut pictures = Vec::new();
        for stream in recording.streams {
            match stream.header.field(ROLE) {
                Some(ROLE_RECORDS) => parts.records.push(stream),
                Some(ROLE_PICTURES) => pictures = pictures_of(&stream),
                Some(role) => {
                    if let Some(index) = role.strip_prefix(ROLE_SOURCE).and_then(|index| index.parse().ok()) {
                        parts.sources.push((index, stream));
                    }
                }
                None => {}
            }
        }
        Ok(Self {
            sources: parts.take_sources(meta.sources.len())?,
            turns: parts.take()?,
            commands: parts.take()?,
            published: parts.take()?,
            decisions: parts.take()?,
            flips: parts.take()?,
            chunks: parts.take()?,
            markers: parts.take()?,
            notices: parts.take()?,
            latents: parts.take()?,
            latent_rhythms: parts.take_newer()?,
            onsets: parts.take_newer()?,
            clock_offsets: parts.take()?,
            requests: parts.take_newer()?,
            answers: parts.take_newer()?,
            presentations: parts.take_newer()?,
            states: parts.take_newer()?,
            replies: parts.take_newer()?,
            trials: parts.take_newer()?,
            scores: parts.take_newer()?,
            drawn: parts.take_newer()?,
            attenuations: parts.take_newer()?,
            responses: parts.take_newer()?,
            attempts: parts.take_newer()?,
            pictures,
            is_closed,
            problems: recording.problems,
            folder,
            meta,
        })
    }
}

/// Streams of a recording, sorted by role.
struct Parts {
    path: PathBuf,
    records: Vec<Stream>,
    sources: Vec<(usize, Stream)>,
}

impl Parts {
    /// Raw sources in order; their numbers must run from 0 without a gap, at least as far as the manifest says.
    fn take_sources(&mut self, expected: usize) -> Result<Vec<RecordedSource>, OpenError> {
        let mut sources = std::mem::take(&mut self.sources);
        sources.sort_by_key(|(index, _)| *index);
        let gap = sources.iter().enumerate().position(|(at, (index, _))| at != *index);
        if let Some(missing) = gap.or((sources.len() < expected).then_some(sources.len())) {
            return Err(OpenError::NoStream {
                path: self.path.clone(),
                stream: format!("{ROLE_SOURCE}{missing}"),
            });
        }
        Ok(sources.into_iter().map(|(_, stream)| RecordedSource::from(stream)).collect())
    }

    /// Records that older recordings have no stream for.
    fn take_newer<T: Row>(&mut self) -> Result<Vec<T>, OpenError> {
        let is_there = self.records.iter().any(|stream| stream.header.name == T::STREAM);
        if is_there { self.take() } else { Ok(Vec::new()) }
    }

    fn take<T: Row>(&mut self) -> Result<Vec<T>, OpenError> {
        let found = self.records.iter().find(|stream| stream.header.name == T::STREAM);
        let Some((width, Values::Int64(columns))) =
            found.map(|stream| (stream.header.channel_count, &stream.values))
        else {
            return Err(OpenError::NoStream { path: self.path.clone(), stream: T::STREAM.into() });
        };
        // An older recording may have fewer columns than this build writes; the row itself says which it can miss.
        let rows = columns.chunks_exact(width.max(1)).enumerate();
        rows.map(|(record, row)| {
            T::read(row).map_err(|error| OpenError::Record { path: self.path.clone(), record, error })
        })
        .collect()
    }
}

fn pictures_of(stream: &Stream) -> Vec<Vec<f32>> {
    match &stream.values {
        Values::Float32(values) => {
            values.chunks_exact(stream.header.channel_count.max(1)).map(<[f32]>::to_vec).collect()
        }
        _ => Vec::new(),
    }
}

impl From<Stream> for RecordedSource {
    fn from(stream: Stream) -> Self {
        let (values, texts) = match stream.values {
            Values::Double64(values) => (values, Vec::new()),
            Values::Text(texts) => (Vec::new(), texts),
            other => (other.to_f64(), Vec::new()),
        };
        Self {
            info: stream.header,
            stamps_s: stream.stamps_s,
            values,
            texts,
            clock_offsets: stream.clock_offsets,
        }
    }
}
