//! A chunk becomes rows and events: the pure part of an inlet.

use timeline::ring::{RowHead, RowWriter, Writer};
use timeline::{Chunk, Event, NoticeKind, SourceId, ns_from_s};

use crate::check::ChannelMap;
use crate::continuity::Continuity;
use crate::error::AcquisitionError;
use crate::port::EventPort;

/// What a sink has to know of its source.
#[derive(Debug, Clone, PartialEq)]
pub struct SinkSpec {
    /// The source.
    pub source: SourceId,
    /// Values per sample as they arrive.
    pub channel_count: usize,
    /// Which of them the loop gets.
    pub map: ChannelMap,
    /// Nominal samples per second of stamp time (of a played recording: its rate times the speed); 0 is irregular.
    pub rate_hz: f64,
}

/// Where a sink writes to.
pub struct SinkPorts {
    /// To the loop: rows of `map.len()` values.
    pub loop_rows: RowWriter,
    /// To the recorder: rows of `channel_count` values.
    pub recorder_rows: RowWriter,
    /// To the recorder.
    pub events: Writer<Event>,
}

/// What went through a sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SinkCounts {
    /// Samples that arrived.
    pub samples: u64,
    /// Chunks that arrived.
    pub chunks: u64,
    /// Samples that the loop's ring refused.
    pub refused_by_loop: u64,
    /// Samples that the recorder's ring refused: these are not in the recording.
    pub refused_by_recorder: u64,
    /// Events that the recorder's ring refused and that no notice speaks of.
    pub refused_events: u64,
    /// Samples with a value that is not a number in a channel that the loop gets.
    pub not_finite: u64,
    /// Samples that seem to be missing, by their stamps.
    pub lost: u64,
    /// Steps of the stamps back or beyond a second.
    pub jumps: u64,
}

/// Turns chunks into rows and events. Allocates nothing after it is made.
pub struct ChunkSink {
    source: SourceId,
    channel_count: usize,
    map: ChannelMap,
    loop_rows: RowWriter,
    recorder_rows: RowWriter,
    events: EventPort,
    continuity: Continuity,
    offset_ns: i64,
    counts: SinkCounts,
}

impl ChunkSink {
    /// A sink that has seen nothing; the clock offset is 0.
    ///
    /// # Errors
    /// [`AcquisitionError::RowWidth`] when a ring's rows have another width than the source needs.
    pub fn new(spec: SinkSpec, ports: SinkPorts) -> Result<Self, AcquisitionError> {
        let SinkSpec { source, channel_count, map, rate_hz } = spec;
        for (ring, found, expected) in [
            ("loop", ports.loop_rows.width(), map.len()),
            ("recorder", ports.recorder_rows.width(), channel_count),
        ] {
            if found != expected {
                return Err(AcquisitionError::RowWidth { ring, found, expected });
            }
        }
        Ok(Self {
            source,
            channel_count,
            map,
            loop_rows: ports.loop_rows,
            recorder_rows: ports.recorder_rows,
            events: EventPort::new(source, ports.events),
            continuity: Continuity::new(rate_hz),
            offset_ns: 0,
            counts: SinkCounts::default(),
        })
    }

    /// From now on `offset_ns` is added to stamps to reach this machine's clock. The measurement is an event.
    pub fn set_clock_offset(&mut self, at_ns: i64, offset_ns: i64) {
        self.offset_ns = offset_ns;
        self.events.clock_offset(at_ns, offset_ns);
    }

    /// Takes a chunk: one stamp per sample, and the samples' values one after the other (`stamps_s.len()` times
    /// `channel_count`; what goes beyond the shorter of the two is left out). The loop's ring gets all samples or
    /// none, the recorder's as many as fit; both counts are told.
    pub fn accept(&mut self, arrival_ns: i64, stamps_s: &[f64], values: &[f64]) {
        debug_assert_eq!(values.len(), stamps_s.len() * self.channel_count);
        let count = stamps_s.len().min(values.len() / self.channel_count.max(1));
        if count == 0 {
            return;
        }
        let (stamps_s, first_sample) = (&stamps_s[..count], self.counts.samples);
        let refused = self.write_rows(arrival_ns, first_sample, stamps_s, values);
        self.counts.samples += count as u64;
        self.counts.chunks += 1;
        self.counts.refused_by_loop += refused;
        let chunk = Chunk {
            source: self.source,
            first_sample,
            count: count as u32,
            arrival_ns,
            offset_ns: self.offset_ns,
            refused: refused as u32,
        };
        self.events.emit(arrival_ns, Event::Chunk(chunk));
        self.judge_stamps(arrival_ns, stamps_s);
        self.judge_values(arrival_ns, &values[..count * self.channel_count]);
    }

    /// Judges what waits for more samples. Call it once, at the end.
    pub fn finish(&mut self, at_ns: i64) {
        let lost = self.continuity.finish();
        self.tell_lost(at_ns, lost);
    }

    /// What went through so far.
    pub fn counts(&self) -> SinkCounts {
        SinkCounts { refused_events: self.events.owed(), ..self.counts }
    }

    /// Returns how many samples the loop's ring refused.
    fn write_rows(&mut self, arrival_ns: i64, first_sample: u64, stamps_s: &[f64], values: &[f64]) -> u64 {
        let offset_ns = self.offset_ns;
        let head = |i: usize, stamp_s: f64| RowHead {
            index: first_sample + i as u64,
            stamp_s,
            at_ns: at_ns(stamp_s, offset_ns, arrival_ns),
        };
        let samples = || stamps_s.iter().zip(values.chunks_exact(self.channel_count)).enumerate();
        let fits = self.loop_rows.vacant() >= stamps_s.len();
        if fits {
            for (i, (&stamp_s, sample)) in samples() {
                let wanted = self.map.indices().iter().map(|&channel| sample[channel]);
                // There is room: only the reading end, which makes more of it, acts on the ring besides this thread.
                let _ = self.loop_rows.push(head(i, stamp_s), wanted);
            }
        }
        let mut unrecorded = 0;
        for (i, (&stamp_s, sample)) in samples() {
            unrecorded += u64::from(!self.recorder_rows.push(head(i, stamp_s), sample.iter().copied()));
        }
        if unrecorded > 0 {
            self.counts.refused_by_recorder += unrecorded;
            self.events.notice(arrival_ns, NoticeKind::RingFull, unrecorded as i64, 0.0);
        }
        if fits { 0 } else { stamps_s.len() as u64 }
    }

    fn judge_stamps(&mut self, arrival_ns: i64, stamps_s: &[f64]) {
        let (mut lost, mut worst_s) = (0, None::<f64>);
        for &stamp_s in stamps_s {
            let verdict = self.continuity.see(stamp_s);
            lost += verdict.lost;
            if let Some(jump_s) = verdict.jump_s {
                self.counts.jumps += 1;
                let larger = worst_s.is_none_or(|worst_s| jump_s.abs() > worst_s.abs());
                worst_s = if larger { Some(jump_s) } else { worst_s };
            }
        }
        if let Some(jump_s) = worst_s {
            // A stamp that is no number becomes 0 ns here; `value` tells it.
            self.events.notice(arrival_ns, NoticeKind::StampJump, ns_from_s(jump_s), jump_s);
        }
        self.tell_lost(arrival_ns, lost);
    }

    fn tell_lost(&mut self, at_ns: i64, lost: u64) {
        if lost > 0 {
            self.counts.lost += lost;
            self.events.notice(at_ns, NoticeKind::SamplesLost, i64::try_from(lost).unwrap_or(i64::MAX), 0.0);
        }
    }

    /// Counts samples with a wanted value that is not finite; the notice's value is the first such channel, in the
    /// protocol's order.
    fn judge_values(&mut self, arrival_ns: i64, values: &[f64]) {
        let (mut count, mut first) = (0u64, None);
        for sample in values.chunks_exact(self.channel_count) {
            if let Some(at) = self.map.indices().iter().position(|&channel| !sample[channel].is_finite()) {
                count += 1;
                first = first.or(Some(at));
            }
        }
        if let Some(channel) = first {
            self.counts.not_finite += count;
            self.events.notice(arrival_ns, NoticeKind::NotFinite, count as i64, channel as f64);
        }
    }
}

/// The stamp on this machine's clock; a stamp that is no number counts as now.
pub(crate) fn at_ns(stamp_s: f64, offset_ns: i64, arrival_ns: i64) -> i64 {
    if stamp_s.is_finite() { ns_from_s(stamp_s).saturating_add(offset_ns) } else { arrival_ns }
}
