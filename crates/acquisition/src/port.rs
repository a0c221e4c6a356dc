//! The way of a source's events to the recorder.

use timeline::ring::Writer;
use timeline::{ClockOffset, Event, Notice, NoticeKind, SourceId};

/// Writes events and owns up to those that the ring refused as soon as it has room again.
pub(crate) struct EventPort {
    source: SourceId,
    writer: Writer<Event>,
    owed: i64,
}

impl EventPort {
    pub(crate) fn new(source: SourceId, writer: Writer<Event>) -> Self {
        Self { source, writer, owed: 0 }
    }

    pub(crate) fn emit(&mut self, at_ns: i64, event: Event) {
        if self.owed > 0 && self.writer.vacant() >= 2 {
            let (kind, source, count) = (NoticeKind::RingFull, Some(self.source), self.owed);
            if self.writer.push(Event::Notice(Notice { at_ns, kind, source, count, value: 0.0 })) {
                self.owed = 0;
            }
        }
        if self.owed > 0 || !self.writer.push(event) {
            self.owed += 1;
        }
    }

    pub(crate) fn notice(&mut self, at_ns: i64, kind: NoticeKind, count: i64, value: f64) {
        let source = Some(self.source);
        self.emit(at_ns, Event::Notice(Notice { at_ns, kind, source, count, value }));
    }

    pub(crate) fn clock_offset(&mut self, at_ns: i64, offset_ns: i64) {
        self.emit(at_ns, Event::ClockOffset(ClockOffset { source: self.source, at_ns, offset_ns }));
    }

    /// Events that could not be handed over and were not owned up to yet.
    pub(crate) fn owed(&self) -> u64 {
        self.owed.unsigned_abs()
    }
}
