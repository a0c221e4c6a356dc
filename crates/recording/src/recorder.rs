//! The session's file while it is being written: one stream per raw source, one `int64` stream per record type.
//!
//! Records and samples collect in memory and go out as chunks in [`Recorder::flush`], causes before effects: samples
//! first, turns last. So a file that a crash cut short holds, for each turn in it, what that turn was given, provided
//! that the caller drains the samples' rings *after* the ring that carries the turns.

mod lanes;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use thiserror::Error;
use timeline::ring::RowHead;
use timeline::{ClockOffset, Event, SourceId, s_from_ns};

use crate::SessionFolder;
use crate::xdf::{Channel, Ended, Format, Sink, StreamHeader, Writer};
use lanes::{Lane, Records};

/// Header field that tells our streams from other people's.
pub(crate) const ROLE: &str = "photic_role";
/// [`ROLE`] of a raw source; followed by its number.
pub(crate) const ROLE_SOURCE: &str = "source ";
/// [`ROLE`] of a stream of records.
pub(crate) const ROLE_RECORDS: &str = "records";
/// [`ROLE`] of the stream of pictures.
pub(crate) const ROLE_PICTURES: &str = "pictures";
/// Header field with the session's metadata for a reader that has only the XDF.
const META: &str = "photic_meta";

/// What a source sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// Numbers: [`Recorder::take_sample`].
    Numeric,
    /// Text: [`Recorder::take_text`].
    Text,
}

/// A raw source to be recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct RawStream {
    /// The stream's own name.
    pub name: String,
    /// Its content type.
    pub stream_type: String,
    /// Values per sample.
    pub channel_count: usize,
    /// Channel labels; may be empty.
    pub labels: Vec<String>,
    /// Channel units; may be empty.
    pub units: Vec<String>,
    /// Nominal rate; 0 for an irregular stream.
    pub rate_hz: f64,
    /// How the source sends its values, and how they are stored. [`SourceKind::Text`] is always [`Format::Text`].
    pub format: Format,
    /// The source's own description (LSL's `lsl_get_xml`), of which everything but host and address is kept.
    pub source_xml: Option<String>,
    /// What it sends.
    pub kind: SourceKind,
}

/// When the recorder does what it does now and then.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Between two calls of `fdatasync`; `None` leaves it to the system (for virtual clocks, which run faster).
    pub persist_every_ns: Option<i64>,
    /// Between two boundary chunks.
    pub boundary_every_ns: i64,
    /// Values of a picture, where the session shows pictures; each becomes a sample of the stream `photic-pictures`.
    pub picture_texels: Option<usize>,
    /// Goes into the first stream's header, as text (e.g. the manifest as JSON), for whoever finds the XDF alone.
    pub meta: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            persist_every_ns: Some(2_000_000_000),
            boundary_every_ns: 10_000_000_000,
            picture_texels: None,
            meta: String::new(),
        }
    }
}

impl Options {
    /// For a virtual clock: no `fdatasync` but the last.
    pub fn virtual_clock() -> Self {
        Self { persist_every_ns: None, ..Self::default() }
    }
}

/// Why recording could not start.
#[derive(Debug, Error)]
pub enum RecordError {
    /// The file could not be made. An existing one is never overwritten.
    #[error("{path}: cannot create the recording: {error}")]
    Create {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Its headers could not be written.
    #[error("{path}: {ended}")]
    Ended {
        /// The file.
        path: PathBuf,
        /// Where and why.
        ended: Ended,
    },
}

/// Samples of one stream in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StreamCount {
    /// Its name.
    pub name: String,
    /// Samples written.
    pub samples: u64,
    /// Samples refused because they did not fit the stream (wrong width or kind).
    pub refused: u64,
    /// Samples whose index was not the number of samples before it: somebody lost some on the way here.
    pub out_of_order: u64,
}

/// What a recording came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Length of the file.
    pub bytes: u64,
    /// Raw sources in order, then record types.
    pub streams: Vec<StreamCount>,
    /// Where and why the file ended before the session did, with all bytes not written.
    pub ended_early: Option<Ended>,
}

/// Writes the session's XDF. Never panics, never blocks but on the disk; belongs on the recorder thread.
#[derive(Debug)]
pub struct Recorder<S: Sink = File> {
    writer: Writer<S>,
    sources: Vec<Lane>,
    pictures: Option<Lane>,
    records: Records,
    options: Options,
    next_boundary_ns: Option<i64>,
    next_persist_ns: Option<i64>,
    /// An end that happened inside a `take_...` call; told by the next flush.
    untold: Option<Ended>,
}

impl Recorder<File> {
    /// Creates the session's XDF and writes all headers.
    ///
    /// # Errors
    /// [`RecordError`] with the path and the system's words.
    pub fn create(
        folder: &SessionFolder,
        streams: &[RawStream],
        options: Options,
    ) -> Result<Self, RecordError> {
        Self::create_at(&folder.xdf_path(), streams, options)
    }

    /// The same at any path.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn create_at(path: &Path, streams: &[RawStream], options: Options) -> Result<Self, RecordError> {
        let file =
            File::create_new(path).map_err(|error| RecordError::Create { path: path.into(), error })?;
        Self::start(file, streams, options).map_err(|ended| RecordError::Ended { path: path.into(), ended })
    }
}

impl<S: Sink> Recorder<S> {
    /// The same into any sink.
    ///
    /// # Errors
    /// [`Ended`] when the headers cannot be written.
    pub fn start(sink: S, streams: &[RawStream], options: Options) -> Result<Self, Ended> {
        let mut writer = Writer::start(sink)?;
        let mut sources = Vec::with_capacity(streams.len());
        for (index, stream) in streams.iter().enumerate() {
            let mut header = source_header(index, stream);
            if index == 0 && !options.meta.is_empty() {
                header.fields.push((META.into(), options.meta.clone()));
            }
            sources.push(Lane::add(&mut writer, &header)?);
        }
        let pictures =
            options.picture_texels.map(|texels| Lane::of_pictures(&mut writer, texels)).transpose()?;
        let records = Records::start(&mut writer)?;
        Ok(Self {
            writer,
            sources,
            pictures,
            records,
            options,
            next_boundary_ns: None,
            next_persist_ns: None,
            untold: None,
        })
    }

    /// Takes a record. A clock offset is also written as XDF's own, for other readers.
    pub fn take_event(&mut self, event: Event) {
        let lane = self.records.push(&event);
        let written = lane.write_if_large(&mut self.writer);
        self.keep(written);
        if let Event::ClockOffset(offset) = event {
            self.write_clock_offset(offset);
        }
    }

    /// Takes a sample of a numeric source: the stamp untouched, the values cast back to the source's own format.
    /// A sample of another width is refused and counted; one of an unknown source is not taken at all.
    pub fn take_sample(&mut self, source: SourceId, head: &RowHead, values: &[f64]) {
        let Some(lane) = self.sources.get_mut(usize::from(source.0)) else { return };
        let taken = lane.block.push_numbers(head.stamp_s, values);
        lane.count(taken, Some(head.index));
        let written = lane.write_if_large(&mut self.writer);
        self.keep(written);
    }

    /// Takes a picture, at the instant at which the planner had it. They come in the order of their numbers, from 0.
    pub fn take_picture(&mut self, head: &RowHead, texels: &[f64]) {
        let Some(lane) = &mut self.pictures else { return };
        let taken = lane.block.push_numbers(head.stamp_s, texels);
        lane.count(taken, Some(head.index));
        let written = lane.write_if_large(&mut self.writer);
        self.keep(written);
    }

    /// Takes a text of a text source. In a stream of several channels it is the first channel's, the others are empty.
    pub fn take_text(&mut self, source: SourceId, stamp_s: f64, text: &str) {
        let Some(lane) = self.sources.get_mut(usize::from(source.0)) else { return };
        let taken = if lane.channels == 1 {
            lane.block.push_texts(stamp_s, &[text])
        } else {
            let mut texts = vec![""; lane.channels];
            if let Some(first) = texts.first_mut() {
                *first = text;
            }
            lane.block.push_texts(stamp_s, &texts)
        };
        lane.count(taken, None);
        let written = lane.write_if_large(&mut self.writer);
        self.keep(written);
    }

    /// Writes what waits, and now and then a boundary; now and then brings it to the disk, which can take long.
    /// Call it about every 100 ms: that much a crash can lose.
    ///
    /// # Errors
    /// [`Ended`] once, when the disk is full or failed; the file then ends at its last whole chunk. Recording can go on
    /// to be called; what it is given is counted and dropped.
    pub fn flush(&mut self, now_ns: i64) -> Result<(), Ended> {
        self.write_waiting();
        let boundary_ns = self.next_boundary_ns.get_or_insert(now_ns + self.options.boundary_every_ns);
        if now_ns >= *boundary_ns {
            self.next_boundary_ns = Some(now_ns + self.options.boundary_every_ns);
            let written = self.writer.write_boundary();
            self.keep(written);
        }
        if let Some(every_ns) = self.options.persist_every_ns
            && now_ns >= *self.next_persist_ns.get_or_insert(now_ns + every_ns)
        {
            self.next_persist_ns = Some(now_ns + every_ns);
            let persisted = self.writer.persist();
            self.keep(persisted);
        }
        self.untold.take().map_or(Ok(()), Err)
    }

    /// Writes what waits, then the footers, and brings the file to the disk. Works after an early end as well.
    pub fn close(mut self, now_ns: i64) -> Summary {
        // The summary tells of an early end, so these two need not.
        let _ = self.flush(now_ns);
        let _ = self.writer.close();
        let streams = self.sources.iter().chain(&self.pictures).chain(&self.records.lanes);
        Summary {
            bytes: self.writer.bytes(),
            streams: streams
                .map(|lane| StreamCount {
                    name: lane.name.clone(),
                    samples: self.writer.samples(lane.id),
                    refused: lane.refused,
                    out_of_order: lane.out_of_order,
                })
                .collect(),
            ended_early: self.writer.ended().cloned(),
        }
    }

    /// Where and why the file ended early, if it did.
    pub fn ended(&self) -> Option<&Ended> {
        self.writer.ended()
    }

    /// Bytes in the file so far.
    pub fn bytes(&self) -> u64 {
        self.writer.bytes()
    }

    fn write_waiting(&mut self) {
        for lane in self.sources.iter_mut().chain(&mut self.pictures).chain(&mut self.records.lanes) {
            if let Err(ended) = self.writer.write_block(&mut lane.block) {
                self.untold = Some(ended);
            }
        }
    }

    /// XDF's own clock offset has the time of measurement on the *source's* clock, because readers fit the offset over
    /// it and apply the fit to the source's stamps; LSL's recorder writes it so.
    fn write_clock_offset(&mut self, offset: ClockOffset) {
        let Some(lane) = self.sources.get(usize::from(offset.source.0)) else { return };
        let time_s = s_from_ns(offset.at_ns - offset.offset_ns);
        let written = self.writer.write_clock_offset(lane.id, time_s, s_from_ns(offset.offset_ns));
        self.keep(written);
    }

    fn keep(&mut self, written: Result<(), Ended>) {
        if let Err(ended) = written {
            self.untold = Some(ended);
        }
    }
}

/// Header of a raw source: what it says of itself, without host and address.
pub(crate) fn source_header(index: usize, stream: &RawStream) -> StreamHeader {
    const PRIVATE: [&str; 7] = [
        "hostname",
        "v4address",
        "v4data_port",
        "v4service_port",
        "v6address",
        "v6data_port",
        "v6service_port",
    ];
    let format = if stream.kind == SourceKind::Text { Format::Text } else { stream.format };
    let own =
        StreamHeader::new(&stream.name, &stream.stream_type, stream.channel_count, stream.rate_hz, format);
    let described = stream.source_xml.as_deref().and_then(|xml| StreamHeader::parse(xml).ok());
    let mut header = match described {
        Some(described) => StreamHeader {
            fields: described.fields,
            desc_xml: described.desc_xml,
            channels: described.channels,
            ..own
        },
        None => own,
    };
    header.fields.retain(|(name, _)| {
        !PRIVATE.contains(&name.as_str()) && !name.starts_with("photic_") && !name.eq("stream_id")
    });
    header.fields.insert(0, (ROLE.into(), format!("{ROLE_SOURCE}{index}")));
    if header.channels.len() != stream.channel_count {
        let text = |texts: &[String], at: usize| texts.get(at).cloned().unwrap_or_default();
        let is_described = !stream.labels.is_empty() || !stream.units.is_empty();
        header.channels = (0..if is_described { stream.channel_count } else { 0 })
            .map(|at| Channel {
                label: text(&stream.labels, at),
                unit: text(&stream.units, at),
                kind: stream.stream_type.clone(),
            })
            .collect();
    }
    // What was cut out of its context may not stand alone (a namespace declared further up); data without a readable
    // header are lost, so then the source's own description is left out.
    if StreamHeader::parse(&header.to_xml()).is_err() {
        header.desc_xml.clear();
    }
    header
}
