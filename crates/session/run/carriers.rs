//! Every ring of a session, laid once: who writes, who reads, how much fits.

use std::collections::BTreeMap;

use acquisition::{ChannelFormat, ChannelMap, MarkerPorts, SinkPorts, SourceInfo};
use closedloop::Loop;
use recording::xdf::Format;
use recording::{RawStream, SourceEntry, SourceKind};
use timeline::latest::{LatestReader, latest};
use timeline::ring::{RowReader, RowWriter, Writer, ring, rows};
use timeline::{Attenuation, Command, Event, Flip, SourceId};

use super::recorder::{RecorderPump, Target};
use crate::turns::{LoopDriver, Port};

/// What the recorder may be behind by before a ring is full. It pumps ten times a second; a stalled disk takes longer.
const RECORDER_SLACK_S: f64 = 20.0;

/// Events of one thread that may wait: the loop's turns are the most frequent, a thousand a second at worst.
pub const EVENTS: usize = 1 << 15;

/// Flips that may wait for the loop: replay counts them, so this ring must outlast the longest hold by the recorder.
const FLIPS: usize = 1 << 14;

/// Changes of what the governor lets through that may wait for the loop: one a frame at worst.
const ATTENUATIONS: usize = 1 << 9;

/// Markers of one source that may wait for the loop, for the same reason.
const MARKERS: usize = 1 << 12;

/// Texts that may wait for the recorder.
const TEXTS: usize = 4096;

/// Rows that the loop's ring holds beyond the bound at which it skips, so that skipping comes before refusing.
const LAG_FACTOR: usize = 4;

/// One source, as found and checked.
pub struct Source {
    /// The protocol's name for it.
    pub name: String,
    /// What it says of itself.
    pub info: SourceInfo,
    /// How it is read.
    pub kind: Kind,
}

/// How a source is read.
pub enum Kind {
    /// Samples.
    Samples {
        /// Which channels the loop gets.
        map: ChannelMap,
        /// How old the oldest waiting sample may be before the loop skips to the newest.
        max_lag_s: f64,
    },
    /// Markers, with the protocol's codes by text.
    Markers(BTreeMap<String, u32>),
}

/// The writing ends of one source.
pub enum SourcePorts {
    /// For an inlet of samples, or for the participant inside this process.
    Samples(SinkPorts),
    /// For an inlet of markers.
    Markers(MarkerPorts),
}

/// All ends of all carriers.
pub struct Carriers {
    /// By [`SourceId`].
    pub sources: Vec<SourcePorts>,
    /// The display's.
    pub flips: Writer<Flip>,
    /// The display's.
    pub attenuations: Writer<Attenuation>,
    /// The display's.
    pub display_events: Writer<Event>,
    /// The display's.
    pub commands: LatestReader<Option<Command>>,
    /// The participant's.
    pub participant_events: Writer<Event>,
    /// The loop with its ends.
    pub driver: LoopDriver,
    /// The recorder with its ends.
    pub pump: RecorderPump,
}

impl Carriers {
    /// Lays all rings; `room` is how many events of one thread may wait for the recorder.
    pub fn lay(sources: &[Source], step: Loop, recorder: impl Into<Target>, room: usize) -> Self {
        let (texts_in, texts) = crossbeam_channel::bounded(TEXTS);
        let mut recorder_events = Vec::new();
        let mut event_ring = || {
            let (writer, reader) = ring(room);
            recorder_events.push(reader);
            writer
        };
        // First in line: what a recorded turn took must not be younger than the turn, or a torn end could not be replayed.
        let loop_events = event_ring();
        let mut recorder_rows = Vec::new();
        let mut ports = Vec::new();
        let mut source_ports = Vec::new();
        for (id, source) in sources.iter().enumerate() {
            let events = event_ring();
            match &source.kind {
                Kind::Samples { map, max_lag_s } => {
                    let max_lag = (max_lag_s * source.info.rate_hz).ceil().max(16.0) as usize;
                    let (loop_rows, reader) = rows(LAG_FACTOR * max_lag, map.len());
                    ports.push(Port::Samples { rows: reader, max_lag });
                    let slack = (RECORDER_SLACK_S * source.info.rate_hz).ceil().max(1024.0) as usize;
                    let (for_recorder, reader) = rows(slack, source.info.channel_count);
                    recorder_rows.push((SourceId(id as u16), reader));
                    source_ports.push(SourcePorts::Samples(SinkPorts {
                        loop_rows,
                        recorder_rows: for_recorder,
                        events,
                    }));
                }
                Kind::Markers(_) => {
                    let (loop_markers, reader) = ring(MARKERS);
                    ports.push(Port::Markers(reader));
                    let texts = texts_in.clone();
                    source_ports.push(SourcePorts::Markers(MarkerPorts { loop_markers, events, texts }));
                }
            }
        }
        let (flips, flips_reader) = ring(FLIPS);
        let (publish, commands) = latest(&None);
        let display_events = event_ring();
        let participant_events = event_ring();
        let (attenuations, heard) = ring(ATTENUATIONS);
        let mut driver = LoopDriver::new(step, ports, flips_reader, publish, loop_events);
        driver.heed(heard);
        let pump = RecorderPump::new(recorder, recorder_events, recorder_rows, texts);
        Self {
            sources: source_ports,
            flips,
            attenuations,
            display_events,
            commands,
            participant_events,
            driver,
            pump,
        }
    }
}

/// The ring in which retina frames reach the participant: a second of them, so that a stall of either side loses none.
pub fn retina_ring(cells: usize, refresh_hz: f64) -> (RowWriter, RowReader) {
    rows(refresh_hz.ceil().max(16.0) as usize, cells)
}

/// The source as the recorder's header says it.
pub fn raw_stream(source: &Source) -> RawStream {
    let info = &source.info;
    RawStream {
        name: info.name.clone(),
        stream_type: info.stream_type.clone(),
        channel_count: info.channel_count,
        labels: info.channel_labels.clone(),
        units: info.units.clone(),
        rate_hz: info.rate_hz,
        format: format_of(info.format),
        source_xml: Some(info.xml.clone()).filter(|xml| !xml.is_empty()),
        kind: match source.kind {
            Kind::Samples { .. } => SourceKind::Numeric,
            Kind::Markers(_) => SourceKind::Text,
        },
    }
}

/// The source as the manifest says it.
pub fn source_entry(source: &Source) -> SourceEntry {
    let info = &source.info;
    SourceEntry {
        name: source.name.clone(),
        stream_name: info.name.clone(),
        stream_type: info.stream_type.clone(),
        rate_hz: info.rate_hz,
        labels: info.channel_labels.clone(),
        units: info.units.clone(),
        wanted: match &source.kind {
            Kind::Samples { map, .. } => map.indices().to_vec(),
            Kind::Markers(_) => Vec::new(),
        },
        time_scale: info.time_scale,
    }
}

fn format_of(format: ChannelFormat) -> Format {
    match format {
        ChannelFormat::Float32 => Format::Float32,
        ChannelFormat::Double64 => Format::Double64,
        ChannelFormat::Int8 => Format::Int8,
        ChannelFormat::Int16 => Format::Int16,
        ChannelFormat::Int32 => Format::Int32,
        ChannelFormat::Int64 => Format::Int64,
        ChannelFormat::String => Format::Text,
    }
}
