//! What the recorded turns refer to, and one of them fed to a loop.

use closedloop::{Inputs, Loop, Outputs, SourceInput};
use recording::RecordedSession;
use timeline::{
    Answer, Attenuation, Flip, MAX_SOURCES, Marker, Reply, Response, Take, Turn, ns_from_s, s_from_ns,
};

use crate::error::SessionError;

/// One source as the loop saw it.
pub(crate) struct Track {
    /// Values per sample.
    pub(crate) channels: usize,
    /// Instants of the samples.
    pub(crate) at_ns: Vec<i64>,
    /// Samples x channels.
    pub(crate) values: Vec<f64>,
    /// Markers, for a marker source.
    markers: Vec<Marker>,
}

/// All that the recorded turns refer to.
pub(crate) struct Tracks<'a> {
    /// By source.
    pub(crate) sources: Vec<Track>,
    flips: &'a [Flip],
    answers: &'a [Answer],
    replies: &'a [Reply],
    responses: &'a [Response],
    attenuations: &'a [Attenuation],
}

/// How far the turns have come.
#[derive(Default)]
pub(crate) struct Cursor {
    flips: usize,
    answers: usize,
    replies: usize,
    responses: usize,
    attenuations: usize,
    takes: [Take; MAX_SOURCES],
    markers: Vec<Marker>,
}

impl<'a> Tracks<'a> {
    /// Takes them from the recording.
    ///
    /// # Errors
    /// When they are not all there.
    pub(crate) fn of(session: &'a RecordedSession) -> Result<Self, SessionError> {
        let mut sources = Vec::new();
        for (id, (source, entry)) in session.sources.iter().zip(&session.meta.sources).enumerate() {
            let width = source.info.channel_count.max(1);
            if let Some(&beyond) = entry.wanted.iter().find(|&&wanted| wanted >= width) {
                let reason =
                    format!("source `{}` has {width} channels, the loop used number {beyond}", entry.name);
                return Err(SessionError::NotReplayable { path: session.folder.path().to_owned(), reason });
            }
            // As the inlet did it: a stamp that is no number counts as its chunk's arrival.
            let mut at_ns: Vec<i64> = source.stamps_s.iter().map(|&stamp_s| ns_from_s(stamp_s)).collect();
            for chunk in session.chunks.iter().filter(|chunk| usize::from(chunk.source.0) == id) {
                let first = usize::try_from(chunk.first_sample).unwrap_or(usize::MAX).min(at_ns.len());
                let end = first.saturating_add(chunk.count as usize).min(at_ns.len());
                for (at_ns, stamp_s) in at_ns[first..end].iter_mut().zip(&source.stamps_s[first..end]) {
                    let on_clock_ns = at_ns.saturating_add(chunk.offset_ns);
                    *at_ns = if stamp_s.is_finite() { on_clock_ns } else { chunk.arrival_ns };
                }
            }
            let handed_over = session.chunks.iter().rfind(|chunk| usize::from(chunk.source.0) == id);
            let handed_over = handed_over.map_or(0, |chunk| chunk.first_sample + u64::from(chunk.count));
            let recorded = source.stamps_s.len() as u64;
            if session.is_closed && !entry.wanted.is_empty() && handed_over != recorded {
                let name = &entry.name;
                let reason =
                    format!("source `{name}` sent {handed_over} samples, {recorded} of them were recorded");
                return Err(SessionError::NotReplayable { path: session.folder.path().to_owned(), reason });
            }
            sources.push(Track {
                channels: entry.wanted.len(),
                at_ns,
                values: source
                    .values
                    .chunks_exact(width)
                    .flat_map(|row| entry.wanted.iter().map(|&wanted| row[wanted]))
                    .collect(),
                markers: session.markers.iter().filter(|m| usize::from(m.source.0) == id).copied().collect(),
            });
        }
        Ok(Self {
            sources,
            flips: &session.flips,
            answers: &session.answers,
            replies: &session.replies,
            responses: &session.responses,
            attenuations: &session.attenuations,
        })
    }

    /// Whether the recording still holds what the turn took.
    pub(crate) fn check(&self, turn: &Turn) -> Result<(), String> {
        let lacks = |what: &str, has: usize, end: u64| {
            let at = s_from_ns(turn.now_ns);
            format!("turn {} (at {at:.3} s) took {what} up to {end}, the recording has {has}", turn.index)
        };
        if turn.flips_end > self.flips.len() as u64 {
            return Err(lacks("flips", self.flips.len(), turn.flips_end));
        }
        if turn.answers_end > self.answers.len() as u64 {
            return Err(lacks("answers", self.answers.len(), turn.answers_end));
        }
        if turn.replies_end > self.replies.len() as u64 {
            return Err(lacks("replies", self.replies.len(), turn.replies_end));
        }
        if turn.responses_end > self.responses.len() as u64 {
            return Err(lacks("responses", self.responses.len(), turn.responses_end));
        }
        for (track, take) in self.sources.iter().zip(&turn.takes) {
            let has =
                if track.channels == 0 { track.markers.len() } else { track.at_ns.len().min(track.rows()) };
            if take.end > has as u64 {
                return Err(lacks("samples", has, take.end));
            }
        }
        Ok(())
    }

    /// Feeds one recorded turn to a loop.
    pub(crate) fn step(&self, step: &mut Loop, cursor: &mut Cursor, turn: &Turn, outputs: &mut Outputs) {
        let mut inputs = [SourceInput::default(); MAX_SOURCES];
        cursor.markers.clear();
        for (id, track) in self.sources.iter().enumerate() {
            let (before, take) = (cursor.takes[id].end as usize, turn.takes[id]);
            let end = take.end as usize;
            if track.channels == 0 {
                cursor.markers.extend_from_slice(track.markers.get(before..end).unwrap_or_default());
                continue;
            }
            let first = (before + take.skipped as usize).min(end);
            inputs[id] = SourceInput {
                skipped: take.skipped,
                first_sample: first as u64,
                at_ns: track.at_ns.get(first..end).unwrap_or_default(),
                values: track.values.get(first * track.channels..end * track.channels).unwrap_or_default(),
            };
        }
        let flips_end = turn.flips_end as usize;
        let attenuations = self.attenuations.get(cursor.attenuations..).unwrap_or_default();
        let attenuations = &attenuations[..attenuations.partition_point(|told| told.turn <= turn.index)];
        let inputs = Inputs {
            turn: turn.index,
            now_ns: turn.now_ns,
            stop: turn.stop,
            held: turn.held,
            flips: self.flips.get(cursor.flips..flips_end).unwrap_or_default(),
            markers: &cursor.markers,
            sources: &inputs[..self.sources.len()],
            answers: self.answers.get(cursor.answers..turn.answers_end as usize).unwrap_or_default(),
            replies: self.replies.get(cursor.replies..turn.replies_end as usize).unwrap_or_default(),
            responses: self.responses.get(cursor.responses..turn.responses_end as usize).unwrap_or_default(),
            attenuations,
        };
        step.step(&inputs, outputs);
        cursor.flips = flips_end;
        cursor.answers = turn.answers_end as usize;
        cursor.replies = turn.replies_end as usize;
        cursor.responses = turn.responses_end as usize;
        cursor.attenuations += attenuations.len();
        cursor.takes = turn.takes;
    }

    /// Turns of `chunk` samples each, of every source in step; markers and flips come with the samples of their time.
    pub(super) fn synthetic_turns(&self, chunk: usize, session: &RecordedSession) -> Vec<Turn> {
        let longest = self.sources.iter().map(|track| track.at_ns.len()).max().unwrap_or(0);
        let lead = self.sources.iter().find(|track| track.channels > 0 && track.at_ns.len() == longest);
        let Some(lead) = lead else { return Vec::new() };
        let start_ns = session.turns.first().map_or(0, |turn| turn.now_ns);
        let mut turns: Vec<Turn> = Vec::new();
        let mut end = 0;
        while end < longest {
            end = (end + chunk).min(longest);
            let now_ns = lead.at_ns[end - 1].max(start_ns);
            let mut takes = [Take::default(); MAX_SOURCES];
            for (take, track) in takes.iter_mut().zip(&self.sources) {
                take.end = if track.channels > 0 {
                    end.min(track.at_ns.len()) as u64
                } else {
                    track.markers.partition_point(|marker| marker.at_ns <= now_ns) as u64
                };
            }
            let flips_end = self.flips.partition_point(|flip| flip.onset_ns <= now_ns) as u64;
            turns.push(Turn {
                index: turns.len() as u64,
                now_ns,
                flips_end,
                stop: false,
                held: false,
                takes,
                answers_end: 0,
                replies_end: 0,
                responses_end: 0,
            });
        }
        turns
    }
}

impl Track {
    /// Whole samples.
    pub(crate) fn rows(&self) -> usize {
        self.values.len() / self.channels.max(1)
    }
}
