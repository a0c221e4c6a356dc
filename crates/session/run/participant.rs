//! The simulated participant's way into a session: sees the retina's rows, answers with samples.

use acquisition::{AcquisitionError, ChannelFormat, ChunkSink, OutletSpec, SampleOutlet};
use participant::{Participant, Person, Population, PopulationResponse, Setup};
use stimulus::Scene;
use stimulus::element::Pattern;
use timeline::ring::{RowReader, Writer};
use timeline::{Event, LatentRhythm, Notice, NoticeKind, s_from_ns};

use super::eyes::Eyes;
use crate::error::SessionError;
use crate::experiment::Lowered;

/// Samples per chunk: an amplifier's typical 32 ms at 250 Hz.
const CHUNK: usize = 8;

/// Where the answer goes.
pub enum Way {
    /// Over LSL, as an amplifier's would.
    Outlet(SampleOutlet),
    /// Straight into the carriers, without liblsl or on the virtual clock.
    Sink(Box<ChunkSink>),
    /// To somebody else (`photic simulate`).
    Taker(Box<dyn Taker>),
}

/// Takes the answer where it goes neither way.
pub trait Taker: Send {
    /// Looks at the participant right after it gave the sample of this instant, which may then be lost.
    fn sampled(&mut self, at_ns: i64, participant: &Participant);
    /// Takes a chunk: one stamp for each sample that is not lost, values one sample after the other, float32 in `f64`. Empty
    /// when all are lost.
    ///
    /// # Errors
    /// When LSL does not take it.
    fn chunk(&mut self, stamps_s: &[f64], values: &[f64]) -> Result<(), AcquisitionError>;
}

/// The participant in its chair.
pub struct Chair {
    participant: Participant,
    retina: RowReader,
    cells: Vec<f64>,
    events: Writer<Event>,
    way: Way,
    /// Whom an eye tracker sees, where there is one.
    eyes: Option<Eyes>,
    rate_hz: f64,
    chunk: usize,
    /// Weights of the channels in the signal that onsets wait for; empty where none do.
    rhythm: Vec<f64>,
    start_ns: i64,
    next: u64,
    late: u64,
    stamps_s: Vec<f64>,
    values: Vec<f64>,
    row: Vec<f64>,
}

/// What an eye tracker sees: nothing behind a lid that is more than half down.
fn seen(gaze: participant::Gaze) -> Option<[f64; 2]> {
    (gaze.lid < 0.5).then_some([gaze.x_deg, gaze.y_deg])
}

/// Builds the person for this session's screen and stream.
///
/// # Errors
/// When the protocol wants channels that the simulated head does not have.
pub fn prepare(
    person: &Person,
    lowered: &Lowered,
    samples: &protocol::Samples,
    seed: u64,
    population: Option<Box<dyn Population>>,
) -> Result<Participant, SessionError> {
    let setup = setup(lowered, samples, seed);
    Ok(match population {
        None => Participant::prepare(person, &setup)?,
        Some(population) => {
            let centres_deg = population.centres_deg().to_vec();
            let brain = PopulationResponse::prepare(person, &setup, population)?;
            let participant = Participant::with_brain(person, &setup, Box::new(brain))?;
            if centres_deg.is_empty() {
                participant
            } else {
                participant.spread_over(person, &setup, &centres_deg)?
            }
        }
    })
}

/// This session's screen and stream, as a participant sees and answers them.
pub fn setup(lowered: &Lowered, samples: &protocol::Samples, seed: u64) -> Setup {
    let grid = &lowered.retina;
    let cell_px = f64::from(grid.cell_px);
    let gratings = lowered.scenery.scenes.iter().flat_map(|scene| &scene.elements);
    let grating =
        gratings.map(|element| &element.pattern).find(|pattern| matches!(pattern, Pattern::Grating { .. }));
    let per_px = grating.and_then(Pattern::highest_frequency_per_px);
    let flickering = lowered.scenery.scenes.iter().find_map(Scene::flicker);
    let cells_per_deg = lowered.scenery.screen.px_per_deg / cell_px;
    let flicker = flickering.map_or(
        // Nothing flickers, so nothing is answered to; any frequency will do.
        participant::Flicker {
            kind: participant::FlickerKind::Counterphase,
            hz: lowered.scenery.screen.refresh_hz / 8.0,
            waveform: participant::Waveform::Sine,
        },
        |flicker| participant::Flicker {
            kind: match flicker.kind() {
                stimulus::FlickerKind::Counterphase => participant::FlickerKind::Counterphase,
                stimulus::FlickerKind::OnOff => participant::FlickerKind::OnOff,
            },
            hz: flicker.frequency_hz(),
            waveform: match flicker.waveform() {
                stimulus::Waveform::Sine => participant::Waveform::Sine,
                stimulus::Waveform::Square => participant::Waveform::Square,
            },
        },
    );
    Setup {
        rate_hz: samples.rate_hz,
        channels: samples.channels.clone(),
        retina_width: grid.columns as usize,
        retina_height: grid.rows as usize,
        cells_per_deg,
        cells_per_cycle: per_px.map_or(cells_per_deg, |per_px| 1.0 / (per_px * cell_px)),
        pixels_per_cell: grid.cell_px,
        refresh_hz: lowered.scenery.screen.refresh_hz,
        flicker,
        seed,
    }
}

/// The stream that the participant's EEG travels in. `tag` keeps two runs on one machine apart.
pub fn outlet_spec(person: &Person, samples: &protocol::Samples, stream_type: &str, tag: &str) -> OutletSpec {
    OutletSpec {
        name: format!("photic-participant-{}-{tag}", person.name),
        stream_type: stream_type.to_owned(),
        channel_labels: samples.channels.clone(),
        units: vec!["microvolts".into()],
        rate_hz: samples.rate_hz,
        format: ChannelFormat::Float32,
        source_id: format!("photic-participant-{}-{tag}", person.name),
        time_scale: 1.0,
        positions_mm: Vec::new(),
        desc: vec![("simulated_participant".into(), person.name.clone())],
    }
}

impl Chair {
    /// Sits the participant down; the first sample is taken at the first call of [`Chair::advance`].
    pub fn new(
        participant: Participant,
        retina: RowReader,
        events: Writer<Event>,
        way: Way,
        rate_hz: f64,
    ) -> Self {
        let channels = participant.channels();
        Self {
            cells: vec![0.0; retina.width()],
            retina,
            events,
            way,
            eyes: None,
            rate_hz,
            chunk: CHUNK,
            rhythm: Vec::new(),
            start_ns: 0,
            next: 0,
            late: 0,
            stamps_s: Vec::with_capacity(CHUNK),
            values: Vec::with_capacity(CHUNK * channels),
            row: vec![0.0; channels],
            participant,
        }
    }

    /// Puts the true rhythm of every sample on record, in that weighted sum of the channels; nothing where it is empty.
    pub fn record_rhythm(&mut self, weights: Vec<f64>) {
        self.rhythm = weights;
    }

    /// An eye tracker sees the participant's eyes, as they are at each sample of its brain.
    pub fn show_eyes(&mut self, eyes: Eyes) {
        self.eyes = Some(eyes);
    }

    /// Samples in a chunk, at least 1, in place of the usual 8.
    pub fn in_chunks_of(&mut self, samples: usize) {
        self.chunk = samples.max(1);
    }

    /// When the first sample is taken.
    pub fn start(&mut self, start_ns: i64) {
        self.start_ns = start_ns;
        if let Some(eyes) = &mut self.eyes {
            eyes.start(start_ns);
        }
    }

    /// When the last sample of the next chunk is due.
    pub fn next_chunk_ns(&self) -> i64 {
        self.sample_ns(self.next + self.chunk as u64 - 1)
    }

    /// The participant's true gain, for the yardstick of a bench.
    pub fn true_gain_uv(&self) -> f64 {
        self.participant.true_gain_uv()
    }

    /// Sees every frame that waits and hands over every chunk that is complete at `now_ns`.
    ///
    /// # Errors
    /// When LSL does not take a chunk.
    pub fn advance(&mut self, now_ns: i64) -> Result<(), AcquisitionError> {
        while let Some(head) = self.retina.pop(&mut self.cells) {
            self.participant.see(head.at_ns, &self.cells);
        }
        while self.next_chunk_ns() <= now_ns {
            self.chunk(now_ns)?;
        }
        Ok(())
    }

    fn chunk(&mut self, now_ns: i64) -> Result<(), AcquisitionError> {
        self.stamps_s.clear();
        self.values.clear();
        for _ in 0..self.chunk {
            let at_ns = self.sample_ns(self.next);
            let latent = self.participant.sample(at_ns, &mut self.row);
            if let Way::Taker(taker) = &mut self.way {
                taker.sampled(at_ns, &self.participant);
            }
            if let Some(eyes) = &mut self.eyes {
                eyes.follow(at_ns, self.participant.gaze().and_then(seen), now_ns);
            }
            if !self.rhythm.is_empty() {
                let [re_uv, im_uv] = self.participant.true_alpha_uv(&self.rhythm);
                let _ = self.events.push(Event::LatentRhythm(LatentRhythm { at_ns, re_uv, im_uv }));
            }
            if !self.participant.lost() {
                self.stamps_s.push(s_from_ns(at_ns));
                // The stream is float32, so what the loop gets over either way has the same bits.
                self.values.extend(self.row.iter().map(|&value| f64::from(value as f32)));
            }
            self.next += 1;
            if self.next.is_multiple_of(self.chunk as u64) {
                // A full ring costs the judge a point, nothing else.
                let _ = self.events.push(Event::Latent(latent));
            }
        }
        let late = self.participant.late_count();
        if late > self.late {
            let count = (late - self.late) as i64;
            self.late = late;
            let notice =
                Notice { at_ns: now_ns, kind: NoticeKind::RetinaLate, source: None, count, value: 0.0 };
            let _ = self.events.push(Event::Notice(notice));
        }
        match &mut self.way {
            Way::Outlet(outlet) => outlet.push(&self.stamps_s, &self.values),
            Way::Sink(sink) => {
                sink.accept(now_ns, &self.stamps_s, &self.values);
                Ok(())
            }
            Way::Taker(taker) => taker.chunk(&self.stamps_s, &self.values),
        }
    }

    fn sample_ns(&self, index: u64) -> i64 {
        self.start_ns + (index as f64 * 1e9 / self.rate_hz).round() as i64
    }
}
