//! What a recorded session says to somebody who was not inside the participant: frames, samples, and from them the
//! amplitude of the response in each second. The latent response of a simulated participant is not looked at.

use std::f64::consts::TAU;

use participant::{Brain, ContrastResponse, Participant, Person, Setup};
use recording::{ClockKind, RecordedSession};
use signal::{Cascade, StampModel, StampPlan};
use stimulus::element::Onset;
use timeline::Flip;

use super::refuse;
use crate::error::SessionError;
use crate::experiment::{Experiment, Lowered};
use crate::frames::history::moment_of;
use crate::replay::Tracks;
use crate::run::participant::setup;

/// Length of a segment; whole cycles of the response are taken. Long enough for neighbours of the response frequency that
/// are clear of it, short against the fluctuation of the response over seconds.
const SEGMENT_S: f64 = 1.0;
/// Neighbours whose amplitude is noise, in cycles per segment beside the response.
const SIDES: [f64; 4] = [-3.0, -2.0, 2.0, 3.0];
/// A segment whose power exceeds the median by this factor is an artefact.
const ARTEFACT: f64 = 8.0;

/// A session as the fit sees it.
pub struct Observed {
    /// The protocol and rig that ran.
    pub experiment: Experiment,
    /// What they lowered to.
    pub lowered: Lowered,
    /// The screen and stream, as a participant is prepared for them.
    pub setup: Setup,
    /// Instants of the samples.
    pub at_ns: Vec<i64>,
    /// Samples x channels, in uV, holes bridged.
    pub values_uv: Vec<f64>,
    /// Channel in whose unit amplitudes are.
    pub report: usize,
    /// Complex amplitudes of each segment.
    pub segments: Vec<Segment>,
    /// Part of the samples that were missing or no numbers.
    pub holes: f64,
    highpass_hz: f64,
    clock: FrameClock,
    flips: Vec<Flip>,
}

/// About a second of samples.
pub struct Segment {
    /// First sample.
    pub first: usize,
    /// One beyond the last.
    pub end: usize,
    /// Amplitude and phase at the response frequency against the frames, per channel.
    pub amplitude: Vec<[f64; 2]>,
    /// The same beside it.
    pub sides: Vec<Vec<[f64; 2]>>,
    /// Free of holes and artefacts.
    pub usable: bool,
}

/// Instants to frames, by a straight line through the flips, and frames to radians of the response.
struct FrameClock {
    origin_ns: f64,
    frames_per_ns: f64,
    origin_frame: f64,
    radians_per_frame: f64,
}

impl FrameClock {
    /// `None` with fewer than two different flips.
    fn of(flips: &[Flip], radians_per_frame: f64) -> Option<Self> {
        let n = flips.len() as f64;
        let origin_ns = flips.iter().map(|flip| flip.onset_ns as f64).sum::<f64>() / n;
        let origin_frame = flips.iter().map(|flip| flip.frame as f64).sum::<f64>() / n;
        let (mut top, mut bottom) = (0.0, 0.0);
        for flip in flips {
            let (x, y) = (flip.onset_ns as f64 - origin_ns, flip.frame as f64 - origin_frame);
            top += x * y;
            bottom += x * x;
        }
        let frames_per_ns = top / bottom;
        (frames_per_ns.is_finite() && frames_per_ns > 0.0).then_some(Self {
            origin_ns,
            frames_per_ns,
            origin_frame,
            radians_per_frame,
        })
    }

    fn radians(&self, at_ns: i64) -> f64 {
        let frame = self.origin_frame + (at_ns as f64 - self.origin_ns) * self.frames_per_ns;
        self.radians_per_frame * frame
    }
}

impl Observed {
    /// Takes a session apart.
    ///
    /// # Errors
    /// A session in which nothing that a contrast steers was measured, with what is missing.
    pub fn of(session: &RecordedSession, experiment: Experiment) -> Result<Self, SessionError> {
        let lowered = experiment.lower(session.meta.seed)?;
        let Some(protocol::Decoder::SsvepAmplitude(decoder)) = &experiment.protocol.decoder else {
            return Err(refuse(
                session,
                "its protocol has no ssvep_amplitude decoder, so no contrast was answered to",
            ));
        };
        let samples = experiment.protocol.streams.get(decoder.stream).map(|stream| &stream.kind);
        let Some(protocol::StreamKind::Samples(samples)) = samples else {
            return Err(refuse(session, "its decoder reads no stream of samples"));
        };
        let flicker = lowered.scenery.scenes.get(decoder.stimulus + 1).and_then(stimulus::Scene::flicker);
        let flicker = flicker.ok_or_else(|| refuse(session, "its stimulus does not flicker"))?;
        let (num, den) = flicker.cycles_per_frame();
        let multiple = flicker.response_hz() / flicker.frequency_hz();
        let clock = FrameClock::of(&session.flips, TAU * multiple * num as f64 / den as f64);
        let frames = session.flips.len();
        let clock = clock.ok_or_else(|| refuse(session, &format!("{frames} frames were recorded")))?;
        let tracks = Tracks::of(session)?;
        let track = &tracks.sources[decoder.stream];
        let rows = track.rows().min(track.at_ns.len());
        let live = session.meta.clock == ClockKind::Live;
        let at_ns = instants(&track.at_ns[..rows], samples.rate_hz, live);
        let (values_uv, whole) = bridged(&track.values[..rows * track.channels], track.channels);
        let missing: u64 = session.turns.iter().flat_map(|turn| turn.takes).map(|take| take.skipped).sum();
        let not_whole = whole.iter().filter(|whole| !**whole).count() as u64 + missing;
        let mut observed = Self {
            setup: setup(&lowered, samples, session.meta.seed),
            report: decoder.report_channel,
            highpass_hz: decoder.highpass_hz,
            holes: not_whole as f64 / rows.max(1) as f64,
            flips: session.flips.clone(),
            segments: Vec::new(),
            at_ns,
            values_uv,
            clock,
            lowered,
            experiment,
        };
        observed.segments = observed.demodulate(&observed.values_uv, observed.channels(), &whole)?;
        Ok(observed)
    }

    /// Channels of a sample.
    pub fn channels(&self) -> usize {
        self.setup.channels.len()
    }

    /// Time from one sample to the next.
    pub fn sample_s(&self) -> f64 {
        1.0 / self.setup.rate_hz
    }

    /// What `person` would have been driven by: per sample the waveform of the response at a gain of 1, and the contrast
    /// that it stands for.
    ///
    /// # Errors
    /// When this person cannot answer to this flicker.
    pub fn drive(&self, person: &Person) -> Result<(Vec<f64>, Vec<f64>), SessionError> {
        let mut brain = ContrastResponse::prepare(person, &self.setup)?;
        let (mut wave, mut contrast) = (Vec::new(), Vec::new());
        self.watch(|seen| match seen {
            Seen::Frame(onset_ns, cells) => {
                brain.see(onset_ns, cells);
            }
            Seen::Sample(at_ns) => {
                let drive = brain.drive(at_ns);
                wave.push(drive.response);
                contrast.push(drive.contrast_seen);
            }
        });
        Ok((wave, contrast))
    }

    /// What `participant` answers to the recorded frames, samples x channels.
    pub fn answers(&self, participant: &mut Participant) -> Vec<f64> {
        let channels = participant.channels();
        let mut answers = Vec::with_capacity(self.at_ns.len() * channels);
        let mut row = vec![0.0; channels];
        self.watch(|seen| match seen {
            Seen::Frame(onset_ns, cells) => participant.see(onset_ns, cells),
            Seen::Sample(at_ns) => {
                participant.sample(at_ns, &mut row);
                answers.extend_from_slice(&row);
            }
        });
        answers
    }

    /// Frames and samples in the order of time; frames come from the shaders' twin.
    fn watch(&self, mut eye: impl FnMut(Seen<'_>)) {
        let mut templates = self.lowered.templates();
        let mut onset = Onset::default();
        let mut cells = vec![0.0; self.lowered.retina.cells()];
        let mut flips = self.flips.iter().peekable();
        for &at_ns in &self.at_ns {
            while let Some(flip) = flips.next_if(|flip| flip.onset_ns <= at_ns) {
                let scene = usize::from(flip.scene.0);
                onset.shown(scene, flip.drawn_for());
                if let Some(template) = templates.get_mut(scene) {
                    let since_onset = onset.since(scene, flip.drawn_for());
                    let moment = moment_of(flip, since_onset);
                    template.frame(&moment, &mut cells);
                    eye(Seen::Frame(flip.onset_ns, &cells));
                }
            }
            eye(Seen::Sample(at_ns));
        }
    }

    /// Amplitudes at the response frequency, segment by segment, of any samples on this session's clock.
    ///
    /// # Errors
    /// When the decoder's high-pass cannot be designed, which its own check refuses before.
    pub fn demodulate(
        &self,
        values: &[f64],
        channels: usize,
        whole: &[bool],
    ) -> Result<Vec<Segment>, SessionError> {
        let response_hz = self.setup.flicker.response_hz();
        let cycles = (SEGMENT_S * response_hz).round().max(1.0);
        let length = (cycles / response_hz * self.setup.rate_hz).round() as usize;
        let mut filter = Cascade::highpass(2, self.highpass_hz, self.setup.rate_hz, channels)
            .map_err(closedloop::PrepareError::from)?;
        filter.settle(&values[..channels.min(values.len())]);
        let mut filtered = values.to_vec();
        filtered.chunks_exact_mut(channels).for_each(|row| filter.step(row));
        let rows = filtered.len() / channels;
        let mut segments: Vec<Segment> = (0..rows / length)
            .map(|n| {
                let (first, end) = (n * length, (n + 1) * length);
                let amplitude = |beside: f64| {
                    let turn = TAU * beside / length as f64;
                    let mut sums = vec![[0.0; 2]; channels];
                    for (row, values) in (first..end).zip(filtered[first * channels..].chunks_exact(channels))
                    {
                        let phase = self.clock.radians(self.at_ns[row]) + turn * (row - first) as f64;
                        let (sin, cos) = (libm::sin(phase), libm::cos(phase));
                        for (sum, value) in sums.iter_mut().zip(values) {
                            sum[0] += value * cos;
                            sum[1] -= value * sin;
                        }
                    }
                    let scale = 2.0 / length as f64;
                    sums.iter().map(|[re, im]| [re * scale, im * scale]).collect::<Vec<_>>()
                };
                Segment {
                    first,
                    end,
                    amplitude: amplitude(0.0),
                    sides: SIDES.map(amplitude).into(),
                    usable: whole[first..end].iter().all(|whole| *whole),
                }
            })
            .collect();
        leave_out_artefacts(&mut segments);
        Ok(segments)
    }
}

enum Seen<'a> {
    Frame(i64, &'a [f64]),
    Sample(i64),
}

/// Live stamps jitter, and the brain's phase would with them; on the virtual clock they are exact and stay.
fn instants(at_ns: &[i64], rate_hz: f64, smooth: bool) -> Vec<i64> {
    if !smooth {
        return at_ns.to_vec();
    }
    let mut line = StampModel::new(StampPlan::samples(1e9 / rate_hz));
    let mut last_ns = i64::MIN;
    let smoothed = at_ns.iter().enumerate().map(|(index, &stamp_ns)| {
        last_ns = line.update(index as u64, stamp_ns).0.max(last_ns);
        last_ns
    });
    smoothed.collect()
}

/// Holes repeat the value before, as in the decoder; which rows had none.
fn bridged(values: &[f64], channels: usize) -> (Vec<f64>, Vec<bool>) {
    let mut bridge = vec![0.0; channels];
    let mut out = Vec::with_capacity(values.len());
    let mut whole = Vec::with_capacity(values.len() / channels.max(1));
    for row in values.chunks_exact(channels.max(1)) {
        whole.push(row.iter().all(|value| value.is_finite()));
        for (held, &value) in bridge.iter_mut().zip(row) {
            if value.is_finite() {
                *held = value;
            }
        }
        out.extend_from_slice(&bridge);
    }
    (out, whole)
}

/// Segments with far more power beside the response than is usual do not count.
fn leave_out_artefacts(segments: &mut [Segment]) {
    let power =
        |segment: &Segment| -> f64 { segment.sides.iter().flatten().map(|[re, im]| re * re + im * im).sum() };
    let mut all: Vec<f64> = segments.iter().filter(|segment| segment.usable).map(power).collect();
    all.sort_by(f64::total_cmp);
    let Some(&median) = all.get(all.len() / 2) else { return };
    for segment in segments {
        segment.usable &= power(segment) <= ARTEFACT * median;
    }
}
