//! A session kept in memory instead of written: for studies, which run thousands and keep a row of numbers of each.

use std::path::Path;

use timeline::{Event, SourceId, ring::RowHead};

use crate::recorder::source_header;
use crate::xdf::{Format, StreamHeader};
use crate::{Manifest, RawStream, RecordedSession, RecordedSource, SessionFolder};

/// Takes what a [`crate::Recorder`] takes and gives what [`RecordedSession::open`] would read back, without a file. Texts
/// are not taken: a simulated session has none.
#[derive(Debug)]
pub struct MemoryRecorder {
    session: Kept,
}

/// The parts of a session that fill while it runs.
#[derive(Debug, Default)]
struct Kept {
    sources: Vec<RecordedSource>,
    turns: Vec<timeline::Turn>,
    commands: Vec<timeline::Command>,
    published: Vec<timeline::Published>,
    decisions: Vec<timeline::Decision>,
    flips: Vec<timeline::Flip>,
    chunks: Vec<timeline::Chunk>,
    markers: Vec<timeline::Marker>,
    notices: Vec<timeline::Notice>,
    latents: Vec<timeline::Latent>,
    latent_rhythms: Vec<timeline::LatentRhythm>,
    onsets: Vec<timeline::Onset>,
    clock_offsets: Vec<timeline::ClockOffset>,
    requests: Vec<timeline::Request>,
    answers: Vec<timeline::Answer>,
    presentations: Vec<timeline::Presentation>,
    states: Vec<timeline::State>,
    replies: Vec<timeline::Reply>,
    trials: Vec<timeline::Trial>,
    scores: Vec<timeline::Score>,
    drawn: Vec<timeline::Drawn>,
    attenuations: Vec<timeline::Attenuation>,
    responses: Vec<timeline::Response>,
    attempts: Vec<timeline::Attempt>,
    pictures: Vec<Vec<f32>>,
}

impl MemoryRecorder {
    /// Begins with these sources.
    pub fn new(streams: &[RawStream]) -> Self {
        let sources = streams.iter().enumerate().map(|(index, stream)| {
            let header = source_header(index, stream);
            // As it would stand in a file, so that both ways give the same.
            let xml = header.to_xml();
            RecordedSource {
                info: StreamHeader::parse(&xml).unwrap_or(header),
                stamps_s: Vec::new(),
                values: Vec::new(),
                texts: Vec::new(),
                clock_offsets: Vec::new(),
            }
        });
        Self { session: Kept { sources: sources.collect(), ..Kept::default() } }
    }

    /// Takes a record.
    pub fn take_event(&mut self, event: Event) {
        let session = &mut self.session;
        match event {
            Event::Command(command) => session.commands.push(command),
            Event::Published(published) => session.published.push(published),
            Event::Decision(decision) => session.decisions.push(decision),
            Event::Flip(flip) => session.flips.push(flip),
            Event::Chunk(chunk) => session.chunks.push(chunk),
            Event::Marker(marker) => session.markers.push(marker),
            Event::ClockOffset(offset) => session.clock_offsets.push(offset),
            Event::Turn(turn) => session.turns.push(turn),
            Event::Latent(latent) => session.latents.push(latent),
            Event::LatentRhythm(rhythm) => session.latent_rhythms.push(rhythm),
            Event::Onset(onset) => session.onsets.push(onset),
            Event::Request(request) => session.requests.push(request),
            Event::Answer(answer) => session.answers.push(answer),
            Event::Presentation(presentation) => session.presentations.push(presentation),
            Event::State(state) => session.states.push(state),
            Event::Reply(reply) => session.replies.push(reply),
            Event::Trial(trial) => session.trials.push(trial),
            Event::Score(score) => session.scores.push(score),
            Event::Drawn(drawn) => session.drawn.push(drawn),
            Event::Attenuation(told) => session.attenuations.push(told),
            Event::Response(response) => session.responses.push(response),
            Event::Attempt(attempt) => session.attempts.push(attempt),
            Event::Notice(notice) => session.notices.push(notice),
        }
    }

    /// Takes a sample; values take the source's own format, as in a file.
    pub fn take_sample(&mut self, source: SourceId, head: &RowHead, values: &[f64]) {
        let Some(source) = self.session.sources.get_mut(usize::from(source.0)) else { return };
        if values.len() != source.info.channel_count {
            return;
        }
        source.stamps_s.push(head.stamp_s);
        match source.info.format {
            Format::Float32 => source.values.extend(values.iter().map(|&value| f64::from(value as f32))),
            _ => source.values.extend_from_slice(values),
        }
    }

    /// Takes a picture.
    pub fn take_picture(&mut self, texels: &[f64]) {
        self.session.pictures.push(texels.iter().map(|&value| value as f32).collect());
    }

    /// The session, as if it had been read from a folder of this name.
    pub fn into_session(self, name: &Path, meta: Manifest) -> RecordedSession {
        let Kept {
            sources,
            turns,
            commands,
            published,
            decisions,
            flips,
            chunks,
            markers,
            notices,
            latents,
            latent_rhythms,
            onsets,
            clock_offsets,
            requests,
            answers,
            presentations,
            states,
            replies,
            trials,
            scores,
            drawn,
            attenuations,
            responses,
            attempts,
            pictures,
        } = self.session;
        RecordedSession {
            folder: SessionFolder::nowhere(name),
            meta,
            sources,
            turns,
            commands,
            published,
            decisions,
            flips,
            chunks,
            markers,
            notices,
            latents,
            latent_rhythms,
            onsets,
            clock_offsets,
            requests,
            answers,
            presentations,
            states,
            replies,
            trials,
            scores,
            drawn,
            attenuations,
            responses,
            attempts,
            pictures,
            is_closed: true,
            problems: Vec::new(),
        }
    }
}
