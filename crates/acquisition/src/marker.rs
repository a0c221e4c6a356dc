//! A marker becomes a record for the loop and a text for the recorder.

use std::collections::BTreeMap;

use crossbeam_channel::Sender;
use timeline::ring::Writer;
use timeline::{Event, Marker, NoticeKind, SourceId, ns_from_s};

use crate::continuity::Continuity;
use crate::port::EventPort;
use crate::sink::at_ns;

/// A marker as it arrived, for the recorder. Texts are not `Copy`, so they travel in a channel and not in a ring.
#[derive(Debug, Clone, PartialEq)]
pub struct TextMarker {
    /// The source.
    pub source: SourceId,
    /// 0, 1, 2 ... in this source.
    pub index: u64,
    /// The stamp as the source gave it, untouched.
    pub stamp_s: f64,
    /// When the inlet had it.
    pub arrival_ns: i64,
    /// The text.
    pub text: String,
}

/// Where markers go.
pub struct MarkerPorts {
    /// To the loop.
    pub loop_markers: Writer<Marker>,
    /// To the recorder.
    pub events: Writer<Event>,
    /// To the recorder: the texts. A bounded channel; a full one refuses and is counted.
    pub texts: Sender<TextMarker>,
}

/// What went through a marker sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MarkerCounts {
    /// Markers that arrived.
    pub markers: u64,
    /// Markers that the protocol does not name.
    pub unnamed: u64,
    /// Markers that the loop's ring refused.
    pub refused_by_loop: u64,
    /// Texts that the recorder's channel refused: these are not in the recording.
    pub refused_by_recorder: u64,
    /// Events that the recorder's ring refused and that no notice speaks of.
    pub refused_events: u64,
    /// Stamps that go back.
    pub jumps: u64,
}

/// Turns texts with stamps into markers.
pub struct MarkerSink {
    source: SourceId,
    codes: BTreeMap<String, u32>,
    loop_markers: Writer<Marker>,
    events: EventPort,
    texts: Sender<TextMarker>,
    continuity: Continuity,
    offset_ns: i64,
    counts: MarkerCounts,
}

impl MarkerSink {
    /// A sink that has seen nothing; `codes` are the protocol's codes by text.
    pub fn new(source: SourceId, codes: BTreeMap<String, u32>, ports: MarkerPorts) -> Self {
        let MarkerPorts { loop_markers, events, texts } = ports;
        Self {
            source,
            codes,
            loop_markers,
            events: EventPort::new(source, events),
            texts,
            continuity: Continuity::new(0.0),
            offset_ns: 0,
            counts: MarkerCounts::default(),
        }
    }

    /// From now on `offset_ns` is added to stamps to reach this machine's clock. The measurement is an event.
    pub fn set_clock_offset(&mut self, at_ns: i64, offset_ns: i64) {
        self.offset_ns = offset_ns;
        self.events.clock_offset(at_ns, offset_ns);
    }

    /// Takes a marker.
    pub fn accept(&mut self, arrival_ns: i64, stamp_s: f64, text: String) {
        let code = self.codes.get(&text).copied();
        let marker = Marker {
            source: self.source,
            index: self.counts.markers,
            at_ns: at_ns(stamp_s, self.offset_ns, arrival_ns),
            arrival_ns,
            code,
        };
        self.counts.markers += 1;
        self.counts.unnamed += u64::from(code.is_none());
        let mut refused = 0;
        if !self.loop_markers.push(marker) {
            self.counts.refused_by_loop += 1;
            refused += 1;
        }
        let text = TextMarker { source: self.source, index: marker.index, stamp_s, arrival_ns, text };
        if self.texts.try_send(text).is_err() {
            self.counts.refused_by_recorder += 1;
            refused += 1;
        }
        self.events.emit(arrival_ns, Event::Marker(marker));
        if refused > 0 {
            self.events.notice(arrival_ns, NoticeKind::RingFull, refused, 0.0);
        }
        if let Some(jump_s) = self.continuity.see(stamp_s).jump_s {
            self.counts.jumps += 1;
            self.events.notice(arrival_ns, NoticeKind::StampJump, ns_from_s(jump_s), jump_s);
        }
    }

    /// What went through so far.
    pub fn counts(&self) -> MarkerCounts {
        MarkerCounts { refused_events: self.events.owed(), ..self.counts }
    }
}
