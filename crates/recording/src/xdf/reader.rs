//! Reading: everything that is whole, and a list of what is not.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use thiserror::Error;

use super::header::{StreamHeader, child_text, parse_xml};
use super::walk::{Layout, utf8};
use super::{Format, MAGIC, Piece, Step, Walk, take_varint};

/// Why a file could not be read at all.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The system refused.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Not XDF.
    #[error("byte 0: not an XDF file: it begins with {found:02x?}, expected 58 44 46 3a (`XDF:`){hint}")]
    NotXdf {
        /// Its first bytes, at most four.
        found: Vec<u8>,
        /// What it may be instead.
        hint: &'static str,
    },
}

/// Something in a file that is not as it should be, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// First byte of it.
    pub offset: u64,
    /// One past its last byte, as far as known; equal to `offset` when it is about a whole chunk.
    pub end: u64,
    /// What it is.
    pub what: String,
}

/// Values of a stream, row after row, in the file's own type.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// `float32`.
    Float32(Vec<f32>),
    /// `double64`.
    Double64(Vec<f64>),
    /// `int8`.
    Int8(Vec<i8>),
    /// `int16`.
    Int16(Vec<i16>),
    /// `int32`.
    Int32(Vec<i32>),
    /// `int64`.
    Int64(Vec<i64>),
    /// `string`. Bytes that are not UTF-8 are replaced by U+FFFD.
    Text(Vec<String>),
}

impl Values {
    fn of(format: Format) -> Self {
        match format {
            Format::Float32 => Self::Float32(Vec::new()),
            Format::Double64 => Self::Double64(Vec::new()),
            Format::Int8 => Self::Int8(Vec::new()),
            Format::Int16 => Self::Int16(Vec::new()),
            Format::Int32 => Self::Int32(Vec::new()),
            Format::Int64 => Self::Int64(Vec::new()),
            Format::Text => Self::Text(Vec::new()),
        }
    }

    /// Number of values (samples times channels).
    pub fn len(&self) -> usize {
        match self {
            Self::Float32(values) => values.len(),
            Self::Double64(values) => values.len(),
            Self::Int8(values) => values.len(),
            Self::Int16(values) => values.len(),
            Self::Int32(values) => values.len(),
            Self::Int64(values) => values.len(),
            Self::Text(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All numbers as `f64` (`int64` beyond 2^53 is rounded); empty for text.
    pub fn to_f64(&self) -> Vec<f64> {
        match self {
            Self::Float32(values) => values.iter().map(|&v| f64::from(v)).collect(),
            Self::Double64(values) => values.clone(),
            Self::Int8(values) => values.iter().map(|&v| f64::from(v)).collect(),
            Self::Int16(values) => values.iter().map(|&v| f64::from(v)).collect(),
            Self::Int32(values) => values.iter().map(|&v| f64::from(v)).collect(),
            Self::Int64(values) => values.iter().map(|&v| v as f64).collect(),
            Self::Text(_) => Vec::new(),
        }
    }

    /// The texts; `None` for numbers.
    pub fn texts(&self) -> Option<&[String]> {
        match self {
            Self::Text(texts) => Some(texts),
            _ => None,
        }
    }
}

/// A clock offset as the file holds it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ClockMeasure {
    /// When, on the stream's clock (as LSL's recorder writes it).
    pub time_s: f64,
    /// What has to be added to the stream's stamps to reach the recorder's clock.
    pub offset_s: f64,
}

/// What a stream's footer says. `None` where it does not say, or says something that is not a number.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Footer {
    /// First stamp.
    pub first_s: Option<f64>,
    /// Last stamp.
    pub last_s: Option<f64>,
    /// Number of samples.
    pub sample_count: Option<u64>,
    /// As it stands in the file.
    pub raw_xml: String,
}

impl Footer {
    fn parse(xml: &str) -> Self {
        let mut footer = Self { raw_xml: xml.to_owned(), ..Self::default() };
        if let Ok(document) = parse_xml(xml) {
            let text = |name| child_text(document.root_element(), name);
            footer.first_s = text("first_timestamp").and_then(|text| text.parse().ok());
            footer.last_s = text("last_timestamp").and_then(|text| text.parse().ok());
            footer.sample_count = text("sample_count").and_then(|text| text.parse().ok());
        }
        footer
    }
}

/// One stream of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Stream {
    /// Its number in the file.
    pub id: u32,
    /// What it holds.
    pub header: StreamHeader,
    /// Stamps in seconds of the stream's clock, as they stand in the file; one that the file leaves out is the one
    /// before it plus one nominal period.
    pub stamps_s: Vec<f64>,
    /// How many of them the file leaves out.
    pub deduced: usize,
    /// Values, samples x channels, row after row.
    pub values: Values,
    /// Clock offsets, in file order.
    pub clock_offsets: Vec<ClockMeasure>,
    /// Its footer, if it has one.
    pub footer: Option<Footer>,
}

impl Stream {
    /// Number of samples.
    pub fn samples(&self) -> usize {
        self.stamps_s.len()
    }
}

/// A file read.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// XML of the file header; empty when it is missing.
    pub file_header_xml: String,
    /// Streams, by the order of their headers.
    pub streams: Vec<Stream>,
    /// What was not as it should be, by offset; the first 1000.
    pub problems: Vec<Problem>,
    /// All problems, also those beyond the first 1000.
    pub problem_count: u64,
    /// Length of the file.
    pub bytes: u64,
    /// Where its last whole chunk ends.
    pub whole_bytes: u64,
    /// Bytes before that which belong to no whole chunk.
    pub damaged_bytes: u64,
    /// Whole chunks by tag (1..=6); index 0 counts unknown tags.
    pub chunks: [u64; 7],
}

/// A damaged file must not fill the memory with its complaints.
const PROBLEMS_KEPT: usize = 1000;

/// Reads a file from memory.
///
/// # Errors
/// [`ReadError::NotXdf`] when it does not begin with `XDF:`. Anything else is a [`Problem`].
pub fn read(bytes: &[u8]) -> Result<Recording, ReadError> {
    if !bytes.starts_with(MAGIC) {
        let hint = match bytes {
            [0x1f, 0x8b, ..] => "; it is compressed by gzip (.xdfz): unpack it first",
            [] => "; it is empty",
            _ => "",
        };
        return Err(ReadError::NotXdf { found: bytes.iter().take(4).copied().collect(), hint });
    }
    Ok(read_bytes(bytes))
}

/// Reads a file.
///
/// # Errors
/// [`ReadError`].
pub fn read_path(path: &Path) -> Result<Recording, ReadError> {
    let bytes = std::fs::read(path).map_err(|error| ReadError::Io { path: path.into(), error })?;
    read(&bytes)
}

/// Reads whatever is there; a missing magic is a problem like others.
pub(crate) fn read_bytes(bytes: &[u8]) -> Recording {
    let mut reader = Reader::new(bytes);
    let mut walk = Walk::new(bytes);
    while let Some(step) = walk.step() {
        match step {
            Step::Chunk { offset, end, piece } => reader.take(offset, end, piece),
            Step::Damage { offset, end, what } => {
                if end == bytes.len() {
                    reader.problem(offset, end, format!("torn at the end: {what}"));
                } else {
                    reader.recording.damaged_bytes += (end - offset) as u64;
                    reader.recording.whole_bytes = end as u64;
                    reader.problem(offset, end, what);
                }
            }
        }
    }
    reader.recording
}

struct Reader {
    recording: Recording,
    index: BTreeMap<u32, usize>,
}

impl Reader {
    fn new(bytes: &[u8]) -> Self {
        let recording = Recording {
            file_header_xml: String::new(),
            streams: Vec::new(),
            problems: Vec::new(),
            problem_count: 0,
            bytes: bytes.len() as u64,
            whole_bytes: 0,
            damaged_bytes: 0,
            chunks: [0; 7],
        };
        let mut reader = Self { recording, index: BTreeMap::new() };
        if bytes.starts_with(MAGIC) {
            reader.recording.whole_bytes = MAGIC.len() as u64;
        } else {
            reader.problem(0, 0, "the file does not begin with `XDF:`".into());
        }
        reader
    }

    fn problem(&mut self, offset: usize, end: usize, what: String) {
        self.recording.problem_count += 1;
        if self.recording.problems.len() < PROBLEMS_KEPT {
            self.recording.problems.push(Problem { offset: offset as u64, end: end as u64, what });
        }
    }

    fn stream(&mut self, id: u32) -> Option<&mut Stream> {
        self.index.get(&id).and_then(|&at| self.recording.streams.get_mut(at))
    }

    fn take(&mut self, offset: usize, end: usize, piece: Piece<'_>) {
        self.recording.whole_bytes = end as u64;
        let tag = match piece {
            Piece::FileHeader { xml } => {
                if self.recording.file_header_xml.is_empty() {
                    self.recording.file_header_xml = utf8(xml).into_owned();
                } else {
                    self.problem(offset, end, "a second file header; the first holds".into());
                }
                1
            }
            Piece::StreamHeader { id, header } => {
                self.add_stream(offset, end, id, *header);
                2
            }
            Piece::Samples { id, layout, samples, content } => {
                if let Some(stream) = self.stream(id) {
                    decode(stream, layout, samples, content);
                }
                3
            }
            Piece::ClockOffset { id, time_s, offset_s } => {
                if let Some(stream) = self.stream(id) {
                    stream.clock_offsets.push(ClockMeasure { time_s, offset_s });
                }
                4
            }
            Piece::Boundary => 5,
            Piece::StreamFooter { id, xml } => {
                if let Some(stream) = self.stream(id) {
                    stream.footer = Some(Footer::parse(&utf8(xml)));
                }
                6
            }
            Piece::Unknown => 0,
        };
        self.recording.chunks[tag] += 1;
    }

    fn add_stream(&mut self, offset: usize, end: usize, id: u32, header: StreamHeader) {
        if self.index.contains_key(&id) {
            return self.problem(offset, end, format!("a second header of stream {id}; the first holds"));
        }
        self.index.insert(id, self.recording.streams.len());
        let values = Values::of(header.format);
        self.recording.streams.push(Stream {
            id,
            header,
            stamps_s: Vec::new(),
            deduced: 0,
            values,
            clock_offsets: Vec::new(),
            footer: None,
        });
    }
}

/// Appends samples whose bytes the walk has checked.
fn decode(stream: &mut Stream, layout: Layout, samples: usize, content: &[u8]) {
    let mut cursor = Cursor {
        rest: content,
        samples,
        channels: layout.channels,
        last_s: stream.stamps_s.last().copied().unwrap_or(0.0),
        period_s: if stream.header.rate_hz > 0.0 { 1.0 / stream.header.rate_hz } else { 0.0 },
        deduced: 0,
    };
    let stamps = &mut stream.stamps_s;
    stamps.reserve(samples);
    match &mut stream.values {
        Values::Float32(values) => cursor.numbers(stamps, values, f32::from_le_bytes),
        Values::Double64(values) => cursor.numbers(stamps, values, f64::from_le_bytes),
        Values::Int8(values) => cursor.numbers(stamps, values, i8::from_le_bytes),
        Values::Int16(values) => cursor.numbers(stamps, values, i16::from_le_bytes),
        Values::Int32(values) => cursor.numbers(stamps, values, i32::from_le_bytes),
        Values::Int64(values) => cursor.numbers(stamps, values, i64::from_le_bytes),
        Values::Text(values) => cursor.texts(stamps, values),
    }
    stream.deduced += cursor.deduced;
}

struct Cursor<'a> {
    rest: &'a [u8],
    samples: usize,
    channels: usize,
    last_s: f64,
    period_s: f64,
    deduced: usize,
}

impl Cursor<'_> {
    fn stamp(&mut self) -> Option<f64> {
        let (&marker, rest) = self.rest.split_first()?;
        self.last_s = if marker == 0 {
            self.rest = rest;
            self.deduced += 1;
            self.last_s + self.period_s
        } else {
            let (stamp, rest) = rest.split_first_chunk::<8>()?;
            self.rest = rest;
            f64::from_le_bytes(*stamp)
        };
        Some(self.last_s)
    }

    fn numbers<T, const N: usize>(
        &mut self,
        stamps: &mut Vec<f64>,
        values: &mut Vec<T>,
        from_le: impl Fn([u8; N]) -> T,
    ) {
        values.reserve(self.samples.saturating_mul(self.channels).min(self.rest.len() / N));
        for _ in 0..self.samples {
            let Some(stamp) = self.stamp() else { return };
            let Some((row, rest)) = self.rest.split_at_checked(self.channels * N) else { return };
            self.rest = rest;
            stamps.push(stamp);
            values.extend(row.as_chunks::<N>().0.iter().map(|bytes| from_le(*bytes)));
        }
    }

    fn texts(&mut self, stamps: &mut Vec<f64>, values: &mut Vec<String>) {
        for _ in 0..self.samples {
            let Some(stamp) = self.stamp() else { return };
            stamps.push(stamp);
            for _ in 0..self.channels {
                let length = take_varint(&mut self.rest).unwrap_or(0) as usize;
                let (text, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, &[]));
                self.rest = rest;
                values.push(String::from_utf8_lossy(text).into_owned());
            }
        }
    }
}
