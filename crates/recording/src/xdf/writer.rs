//! Writing: one `write` per chunk, so that a process that is killed leaves at most one torn chunk behind.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

use thiserror::Error;

use super::block::SampleBlock;
use super::header::{self, StreamHeader};
use super::{BOUNDARY, MAGIC, put_varint, tag};

/// Number of a stream inside one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u32);

/// Where a file goes.
pub trait Sink: Write {
    /// Cuts what was written back to its first `len` bytes, so that it ends at a whole chunk.
    ///
    /// # Errors
    /// What the system says.
    fn cut(&mut self, len: u64) -> io::Result<()>;

    /// Brings what was written so far to the disk.
    ///
    /// # Errors
    /// What the system says.
    fn persist(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for File {
    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)?;
        self.seek(SeekFrom::Start(len)).map(|_| ())
    }

    fn persist(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

impl Sink for Vec<u8> {
    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.truncate(usize::try_from(len).unwrap_or(usize::MAX));
        Ok(())
    }
}

/// Any other [`Write`]: cannot be cut back, so a failed write may leave a torn chunk at the end.
#[derive(Debug)]
pub struct Plain<W>(pub W);

impl<W: Write> Write for Plain<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<W: Write> Sink for Plain<W> {
    fn cut(&mut self, _len: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// The disk is full or failed: the file ends at its last whole chunk.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "recording ended at byte {whole_bytes}, the last whole chunk: {reason}; {not_written} bytes not written"
)]
pub struct Ended {
    /// Length of the file.
    pub whole_bytes: u64,
    /// Bytes that were to be written and were not, so far.
    pub not_written: u64,
    /// What the system said.
    pub reason: String,
}

/// What the footer of a stream will say.
#[derive(Debug, Clone, Default)]
struct Tally {
    samples: u64,
    first_s: f64,
    last_s: f64,
    offsets: Vec<(f64, f64)>,
}

/// Writes one XDF file. After a failed write it is *ended*: it cuts the file back to the last whole chunk, says so once
/// as an error, and from then on takes everything, writes nothing and counts.
#[derive(Debug)]
pub struct Writer<S: Sink> {
    sink: S,
    bytes: u64,
    ended: Option<Ended>,
    tallies: Vec<Tally>,
    scratch: Vec<u8>,
}

impl<S: Sink> Writer<S> {
    /// Starts a file: magic and file header, in one write.
    ///
    /// # Errors
    /// [`Ended`] when even that fails.
    pub fn start(sink: S) -> Result<Self, Ended> {
        let mut writer = Self { sink, bytes: 0, ended: None, tallies: Vec::new(), scratch: Vec::new() };
        writer.scratch.extend(MAGIC);
        let xml = b"<?xml version=\"1.0\"?><info><version>1.0</version></info>";
        writer.frame(tag::FILE_HEADER, None, &[xml]);
        writer.append()?;
        Ok(writer)
    }

    /// Goes on at the end of an existing file of `bytes` bytes: footers only, for repair.
    pub(crate) fn resume(sink: S, bytes: u64) -> Self {
        Self { sink, bytes, ended: None, tallies: Vec::new(), scratch: Vec::new() }
    }

    /// Declares a stream.
    ///
    /// # Errors
    /// [`Ended`], once.
    pub fn add_stream(&mut self, header: &StreamHeader) -> Result<StreamId, Ended> {
        self.tallies.push(Tally::default());
        let id = StreamId(self.tallies.len() as u32);
        self.frame(tag::STREAM_HEADER, Some(id), &[header.to_xml().as_bytes()]);
        self.append()?;
        Ok(id)
    }

    /// Writes the block as one chunk and empties it; nothing when it is empty.
    ///
    /// # Errors
    /// [`Ended`], once.
    pub fn write_block(&mut self, block: &mut SampleBlock) -> Result<(), Ended> {
        if block.count == 0 {
            return Ok(());
        }
        let mut count = Vec::with_capacity(9);
        put_varint(&mut count, block.count);
        self.frame(tag::SAMPLES, Some(block.stream), &[&count, &block.body]);
        let was_ended = self.ended.is_some();
        let written = self.append();
        if let Some(tally) = self.tally(block.stream).filter(|_| written.is_ok() && !was_ended) {
            if tally.samples == 0 {
                tally.first_s = block.first_s;
            }
            tally.last_s = block.last_s;
            tally.samples += block.count;
        }
        block.clear();
        written
    }

    /// Writes a clock offset: at `time_s` of the stream's own clock, `offset_s` had to be added to the stream's stamps
    /// to reach the recorder's clock.
    ///
    /// # Errors
    /// [`Ended`], once.
    pub fn write_clock_offset(&mut self, stream: StreamId, time_s: f64, offset_s: f64) -> Result<(), Ended> {
        self.frame(tag::CLOCK_OFFSET, Some(stream), &[&time_s.to_le_bytes(), &offset_s.to_le_bytes()]);
        let was_ended = self.ended.is_some();
        self.append()?;
        if let Some(tally) = self.tally(stream).filter(|_| !was_ended) {
            tally.offsets.push((time_s, offset_s));
        }
        Ok(())
    }

    /// Writes a boundary, at which a reader can find its way again after damage.
    ///
    /// # Errors
    /// [`Ended`], once.
    pub fn write_boundary(&mut self) -> Result<(), Ended> {
        self.frame(tag::BOUNDARY, None, &[&BOUNDARY]);
        self.append()
    }

    /// Brings everything written so far to the disk.
    ///
    /// # Errors
    /// [`Ended`], once, when the disk fails.
    pub fn persist(&mut self) -> Result<(), Ended> {
        if self.ended.is_some() {
            return Ok(());
        }
        match self.sink.persist() {
            Ok(()) => Ok(()),
            Err(error) => Err(self.end(&error, 0)),
        }
    }

    /// Writes the footers of all streams and brings the file to the disk.
    ///
    /// # Errors
    /// [`Ended`], once. The file is usable all the same.
    pub fn close(&mut self) -> Result<(), Ended> {
        let tallies = std::mem::take(&mut self.tallies);
        let written = tallies.iter().zip(1..).try_for_each(|(tally, id)| self.footer(StreamId(id), tally));
        self.tallies = tallies;
        written?;
        self.persist()
    }

    /// Bytes in the file: whole chunks only.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Samples of a stream in the file.
    pub fn samples(&self, stream: StreamId) -> u64 {
        (stream.0 as usize)
            .checked_sub(1)
            .and_then(|at| self.tallies.get(at))
            .map_or(0, |tally| tally.samples)
    }

    /// Why and where the file ended early, if it did, with everything not written since.
    pub fn ended(&self) -> Option<&Ended> {
        self.ended.as_ref()
    }

    /// Counts bytes that the caller held back because the file has ended.
    pub fn count_not_written(&mut self, bytes: u64) {
        if let Some(ended) = &mut self.ended {
            ended.not_written += bytes;
        }
    }

    /// The sink.
    pub fn into_sink(self) -> S {
        self.sink
    }

    /// Writes one footer; `first` and `last` are left out when there was no sample.
    pub(crate) fn footer_of(
        &mut self,
        stream: StreamId,
        samples: u64,
        ends_s: Option<(f64, f64)>,
        offsets: &[(f64, f64)],
    ) -> Result<(), Ended> {
        let (first_s, last_s) = ends_s.unwrap_or((0.0, 0.0));
        self.footer(stream, &Tally { samples, first_s, last_s, offsets: offsets.to_vec() })
    }

    fn footer(&mut self, stream: StreamId, tally: &Tally) -> Result<(), Ended> {
        let mut xml = String::from("<?xml version=\"1.0\"?><info>");
        if tally.samples > 0 {
            header::put(&mut xml, "first_timestamp", &tally.first_s.to_string());
            header::put(&mut xml, "last_timestamp", &tally.last_s.to_string());
        }
        header::put(&mut xml, "sample_count", &tally.samples.to_string());
        xml.push_str("<clock_offsets>");
        for (time_s, offset_s) in &tally.offsets {
            xml.push_str("<offset>");
            header::put(&mut xml, "time", &time_s.to_string());
            header::put(&mut xml, "value", &offset_s.to_string());
            xml.push_str("</offset>");
        }
        xml.push_str("</clock_offsets></info>");
        self.frame(tag::STREAM_FOOTER, Some(stream), &[xml.as_bytes()]);
        self.append()
    }

    fn tally(&mut self, stream: StreamId) -> Option<&mut Tally> {
        (stream.0 as usize).checked_sub(1).and_then(|at| self.tallies.get_mut(at))
    }

    /// Appends a chunk to the scratch buffer.
    fn frame(&mut self, tag: u16, stream: Option<StreamId>, parts: &[&[u8]]) {
        let content: usize = parts.iter().map(|part| part.len()).sum();
        let length = 2 + content + if stream.is_some() { 4 } else { 0 };
        put_varint(&mut self.scratch, length as u64);
        self.scratch.extend(tag.to_le_bytes());
        if let Some(StreamId(id)) = stream {
            self.scratch.extend(id.to_le_bytes());
        }
        parts.iter().for_each(|part| self.scratch.extend_from_slice(part));
    }

    /// Hands the scratch buffer to the system, in one write unless the system takes it in pieces.
    fn append(&mut self) -> Result<(), Ended> {
        let length = self.scratch.len() as u64;
        if self.ended.is_some() {
            self.count_not_written(length);
            self.scratch.clear();
            return Ok(());
        }
        let written = self.sink.write_all(&self.scratch);
        self.scratch.clear();
        match written {
            Ok(()) => {
                self.bytes += length;
                Ok(())
            }
            Err(error) => Err(self.end(&error, length)),
        }
    }

    fn end(&mut self, error: &io::Error, not_written: u64) -> Ended {
        let mut reason = error.to_string();
        if let Err(cut) = self.sink.cut(self.bytes) {
            reason = format!("{reason}; and the torn chunk could not be cut off: {cut}");
        }
        let ended = Ended { whole_bytes: self.bytes, not_written, reason };
        self.ended = Some(ended.clone());
        ended
    }
}
