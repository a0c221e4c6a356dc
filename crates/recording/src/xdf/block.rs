//! Samples on their way into one chunk, already in the file's form.

use thiserror::Error;

use super::{Format, StreamId, put_varint};

/// A sample with another number of values than its stream has channels, or of the wrong kind.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a sample with {found} {kind} for a stream of {expected} x {format:?}")]
pub struct WidthError {
    /// Values found.
    pub found: usize,
    /// What they are.
    pub kind: &'static str,
    /// Channels of the stream.
    pub expected: usize,
    /// Format of the stream.
    pub format: Format,
}

/// Samples of one stream that wait to be written as one chunk.
#[derive(Debug, Clone)]
pub struct SampleBlock {
    pub(super) stream: StreamId,
    pub(super) body: Vec<u8>,
    pub(super) count: u64,
    pub(super) first_s: f64,
    pub(super) last_s: f64,
    format: Format,
    channels: usize,
}

/// Byte that announces an explicit 8-byte stamp.
const STAMPED: u8 = 8;

impl SampleBlock {
    /// An empty block for a stream of that format and width.
    pub fn new(stream: StreamId, format: Format, channels: usize) -> Self {
        Self { stream, body: Vec::new(), count: 0, first_s: 0.0, last_s: 0.0, format, channels }
    }

    /// Appends one sample of numbers, cast to the stream's format (integers saturate, fractions are cut off, NaN
    /// becomes 0, as `as` does; what came from that format comes back equal to the bit).
    ///
    /// # Errors
    /// [`WidthError`] when the number of values is not the number of channels, or the stream holds text.
    pub fn push_numbers(&mut self, stamp_s: f64, values: &[f64]) -> Result<(), WidthError> {
        self.fits(values.len(), "numbers", self.format != Format::Text)?;
        self.begin(stamp_s);
        let body = &mut self.body;
        match self.format {
            Format::Float32 => values.iter().for_each(|&v| body.extend((v as f32).to_le_bytes())),
            Format::Double64 => values.iter().for_each(|&v| body.extend(v.to_le_bytes())),
            Format::Int8 => values.iter().for_each(|&v| body.extend((v as i8).to_le_bytes())),
            Format::Int16 => values.iter().for_each(|&v| body.extend((v as i16).to_le_bytes())),
            Format::Int32 => values.iter().for_each(|&v| body.extend((v as i32).to_le_bytes())),
            Format::Int64 => values.iter().for_each(|&v| body.extend((v as i64).to_le_bytes())),
            Format::Text => {}
        }
        Ok(())
    }

    /// Appends one sample of `int64` values, every bit kept.
    ///
    /// # Errors
    /// [`WidthError`] when the number of values is not the number of channels, or the stream is not `int64`.
    pub fn push_ints(&mut self, stamp_s: f64, values: &[i64]) -> Result<(), WidthError> {
        self.fits(values.len(), "int64 values", self.format == Format::Int64)?;
        self.begin(stamp_s);
        values.iter().for_each(|value| self.body.extend(value.to_le_bytes()));
        Ok(())
    }

    /// Appends one sample of texts.
    ///
    /// # Errors
    /// [`WidthError`] when the number of texts is not the number of channels, or the stream holds numbers.
    pub fn push_texts(&mut self, stamp_s: f64, texts: &[&str]) -> Result<(), WidthError> {
        self.fits(texts.len(), "texts", self.format == Format::Text)?;
        self.begin(stamp_s);
        for text in texts {
            put_varint(&mut self.body, text.len() as u64);
            self.body.extend(text.as_bytes());
        }
        Ok(())
    }

    /// Samples that wait.
    pub fn len(&self) -> u64 {
        self.count
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes that wait.
    pub fn bytes(&self) -> usize {
        self.body.len()
    }

    pub(super) fn clear(&mut self) {
        self.body.clear();
        self.count = 0;
    }

    fn fits(&self, found: usize, kind: &'static str, kind_fits: bool) -> Result<(), WidthError> {
        if kind_fits && found == self.channels {
            return Ok(());
        }
        Err(WidthError { found, kind, expected: self.channels, format: self.format })
    }

    fn begin(&mut self, stamp_s: f64) {
        if self.count == 0 {
            self.first_s = stamp_s;
        }
        self.last_s = stamp_s;
        self.count += 1;
        self.body.push(STAMPED);
        self.body.extend(stamp_s.to_le_bytes());
    }
}
