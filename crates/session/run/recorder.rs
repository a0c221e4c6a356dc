//! From every thread's ring into the recording. Live this runs on the `recorder` thread, on the virtual clock between
//! events; either way everything that was handed over is written.

use crossbeam_channel::Receiver;
use timeline::ring::{Reader, RowHead, RowReader};
use timeline::{Command, Decision, Event, Latent, Notice, NoticeKind, SourceId};

use acquisition::TextMarker;
use recording::{MemoryRecorder, Recorder, Summary};

/// Time between two writes: what a crash can lose.
pub const PUMP_EVERY_NS: i64 = 100_000_000;

/// What a person wants to see while it runs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Status {
    /// Frames shown.
    pub frames: u64,
    /// Refreshes that showed an old frame again.
    pub missed_frames: u64,
    /// Samples of all sources.
    pub samples: u64,
    /// The newest decision.
    pub decision: Option<Decision>,
    /// The newest command.
    pub command: Option<Command>,
    /// What the simulated participant really does.
    pub latent: Option<Latent>,
    /// Index of the running block.
    pub block: Option<usize>,
    /// The newest notice that is not about blocks.
    pub notice: Option<Notice>,
}

/// Where a session goes.
pub enum Target {
    /// Into its folder.
    Disk(Box<Recorder>),
    /// Nowhere: it is kept, whole, for a study.
    Memory(Box<MemoryRecorder>),
}

impl Target {
    fn take_event(&mut self, event: Event) {
        match self {
            Self::Disk(recorder) => recorder.take_event(event),
            Self::Memory(recorder) => recorder.take_event(event),
        }
    }

    fn take_picture(&mut self, head: &RowHead, texels: &[f64]) {
        match self {
            Self::Disk(recorder) => recorder.take_picture(head, texels),
            Self::Memory(recorder) => recorder.take_picture(texels),
        }
    }

    fn take_sample(&mut self, source: SourceId, head: &RowHead, values: &[f64]) {
        match self {
            Self::Disk(recorder) => recorder.take_sample(source, head, values),
            Self::Memory(recorder) => recorder.take_sample(source, head, values),
        }
    }
}

impl From<Recorder> for Target {
    fn from(recorder: Recorder) -> Self {
        Self::Disk(Box::new(recorder))
    }
}

/// The recorder with the reading ends of all rings.
pub struct RecorderPump {
    recorder: Target,
    events: Vec<Reader<Event>>,
    rows: Vec<(SourceId, RowReader)>,
    /// The planner's events and pictures. Nobody waits for their end: a planner may be stuck.
    planner: Option<(Reader<Event>, RowReader)>,
    row: Vec<f64>,
    texts: Receiver<TextMarker>,
    status: Status,
}

impl RecorderPump {
    /// Takes the reading ends.
    pub fn new(
        recorder: impl Into<Target>,
        events: Vec<Reader<Event>>,
        rows: Vec<(SourceId, RowReader)>,
        texts: Receiver<TextMarker>,
    ) -> Self {
        Self {
            recorder: recorder.into(),
            events,
            rows,
            planner: None,
            row: Vec::new(),
            texts,
            status: Status::default(),
        }
    }

    /// Where the planner's events and pictures come from.
    pub fn connect(&mut self, events: Reader<Event>, pictures: RowReader) {
        self.planner = Some((events, pictures));
    }

    /// Where the events of one more thread come from.
    pub fn hear(&mut self, events: Reader<Event>) {
        self.events.push(events);
    }

    /// Writes everything that waits. `true` once every writing end but the planner's is gone and all is written.
    pub fn pump(&mut self, now_ns: i64) -> bool {
        // Before the rings are read: what is handed over after this look is for the next call.
        let finished = self.events.iter().all(Reader::is_finished)
            && self.rows.iter().all(|(_, rows)| rows.is_finished());
        let of_planner = self.planner.iter_mut().map(|(events, _)| events);
        for ring in self.events.iter_mut().chain(of_planner) {
            while let Some(event) = ring.pop() {
                self.status.note(&event);
                self.recorder.take_event(event);
            }
        }
        for (source, rows) in &mut self.rows {
            self.row.resize(rows.width(), 0.0);
            while let Some(head) = rows.pop(&mut self.row) {
                self.status.samples += 1;
                self.recorder.take_sample(*source, &head, &self.row);
            }
        }
        if let Some((_, pictures)) = &mut self.planner {
            self.row.resize(pictures.width(), 0.0);
            while let Some(head) = pictures.pop(&mut self.row) {
                self.recorder.take_picture(&head, &self.row);
            }
        }
        while let Ok(marker) = self.texts.try_recv() {
            if let Target::Disk(recorder) = &mut self.recorder {
                recorder.take_text(marker.source, marker.stamp_s, &marker.text);
            }
        }
        if let Target::Disk(recorder) = &mut self.recorder
            && let Err(ended) = recorder.flush(now_ns)
        {
            // The file ends at its last whole chunk; the session goes on, because a person is in it.
            let count = i64::try_from(ended.not_written).unwrap_or(i64::MAX);
            let kind = NoticeKind::RecordingEnded;
            self.status.notice = Some(Notice { at_ns: now_ns, kind, source: None, count, value: 0.0 });
        }
        finished
    }

    /// Whether recording ended before the session.
    pub fn has_ended(&self) -> bool {
        match &self.recorder {
            Target::Disk(recorder) => recorder.ended().is_some(),
            Target::Memory(_) => false,
        }
    }

    /// What a person wants to see.
    pub fn status(&self) -> Status {
        self.status
    }

    /// Writes the rest and the footers.
    pub fn close(mut self, now_ns: i64) -> Summary {
        self.pump(now_ns);
        match self.recorder {
            Target::Disk(recorder) => recorder.close(now_ns),
            Target::Memory(_) => Summary { bytes: 0, streams: Vec::new(), ended_early: None },
        }
    }

    /// Takes the rest and hands over what was kept; `None` when it went to the disk.
    pub fn kept(mut self, now_ns: i64) -> Option<MemoryRecorder> {
        self.pump(now_ns);
        match self.recorder {
            Target::Disk(_) => None,
            Target::Memory(recorder) => Some(*recorder),
        }
    }
}

impl Status {
    fn note(&mut self, event: &Event) {
        match *event {
            Event::Flip(flip) => {
                self.frames += 1;
                self.missed_frames += u64::from(flip.missed);
            }
            Event::Decision(decision) => self.decision = Some(decision),
            Event::Command(command) => self.command = Some(command),
            Event::Latent(latent) => self.latent = Some(latent),
            Event::Notice(notice) => match notice.kind {
                NoticeKind::BlockBegin => self.block = usize::try_from(notice.count).ok(),
                NoticeKind::BlockEnd => {}
                _ => self.notice = Some(notice),
            },
            Event::Published(_)
            | Event::LatentRhythm(_)
            | Event::Onset(_)
            | Event::Chunk(_)
            | Event::Marker(_)
            | Event::ClockOffset(_)
            | Event::Request(_)
            | Event::Answer(_)
            | Event::Presentation(_)
            | Event::State(_)
            | Event::Reply(_)
            | Event::Trial(_)
            | Event::Score(_)
            | Event::Drawn(_)
            | Event::Attenuation(_)
            | Event::Response(_)
            | Event::Attempt(_)
            | Event::Turn(_) => {}
        }
    }
}
