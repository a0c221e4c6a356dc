//! One person in one session.

use random::Random;
use thiserror::Error;

use crate::{
    Brain, ContrastResponse, Day, Flicker, Gaze, Latent, Person, alpha_gain::AlphaGain,
    background::Background, effects::Live, fitted::Noise, gain::Gain, leadfield::leadfield, montage,
    montage::Electrode, nominal,
};

/// The room in which a person sits, in machine units.
#[derive(Debug, Clone, PartialEq)]
pub struct Setup {
    /// EEG samples per second.
    pub rate_hz: f64,
    /// Wanted channels, in order: labels out of [`crate::OCCIPITAL`].
    pub channels: Vec<String>,
    /// Retina cells per row. The middle of the retina is the gaze.
    pub retina_width: usize,
    /// Retina rows.
    pub retina_height: usize,
    /// Retina cells per degree of visual angle.
    pub cells_per_deg: f64,
    /// Retina cells per cycle of the grating; at least 4. Without a grating, take `cells_per_deg` (1 cpd).
    pub cells_per_cycle: f64,
    /// Screen pixels (along a side) averaged into one cell; 1 if cells are single pixels.
    pub pixels_per_cell: u32,
    /// Refresh rate of the screen.
    pub refresh_hz: f64,
    /// The flicker whose response frequency counts.
    pub flicker: Flicker,
    /// Seed of all that is random in this session.
    pub seed: u64,
}

/// A set-up in which no participant can sit.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum PrepareError {
    /// A channel that the simulated head has not.
    #[error("the simulated participant has no channel `{label}`; it has {}", crate::OCCIPITAL.join(" "))]
    Channel {
        /// The label.
        label: String,
    },
    /// No channel at all.
    #[error("the simulated participant was asked for no channel; it has {}", crate::OCCIPITAL.join(" "))]
    NoChannel,
    /// A rate that makes no sense.
    #[error("{what} is {value} Hz; allowed are {least} to {most} Hz")]
    Rate {
        /// Which rate.
        what: &'static str,
        /// Its value.
        value: f64,
        /// Least allowed.
        least: f64,
        /// Most allowed.
        most: f64,
    },
    /// Too coarse or empty a retina.
    #[error(
        "a retina of {width} x {height} cells with {cells_per_deg} cells per degree and {cells_per_cycle} cells per cycle \
         cannot show local contrast; at least 4 cells per cycle and 4 x 4 cells are needed"
    )]
    Retina {
        /// Cells per row.
        width: usize,
        /// Rows.
        height: usize,
        /// Cells per degree.
        cells_per_deg: f64,
        /// Cells per cycle.
        cells_per_cycle: f64,
    },
    /// The person cannot follow the flicker.
    #[error("participant `{name}` gives no response at {hz} Hz")]
    NoResponse {
        /// Response frequency.
        hz: f64,
        /// The person.
        name: String,
    },
}

/// A simulated person, ready to see and to be sampled.
///
/// # What the latent response is
/// [`Latent::response_uv`] is `G(t) R(c(t - latency))`: the amplitude, in uV at Oz, that the part of the response at the
/// response frequency has without noise if drive and gain stay as they are at this sample. `R` is the person's
/// Naka-Rushton function, and `c` the contrast envelope, both 0..1: the largest contrast that the retina showed within
/// the last flicker cycle, smoothed over half a cycle. `G` is the person's gain with drift and fluctuation. So it
/// compares directly with a set point in uV. [`Latent::contrast_seen`] is the same `c`, delayed like the response.
/// [`Latent::gain`] is `G` over the `gain_uv` of the person `nominal`.
///
/// After a fall of contrast the waveform in the EEG is down at once, `c` up to one flicker cycle and its smoothing later.
///
/// Without the fast fluctuation it would be [`Participant::true_gain_uv`] times `R(c)`
/// ([`Person::contrast_response`] of `contrast_seen`).
pub struct Participant {
    topography: Vec<f64>,
    /// Leadfields of all populations but the first.
    further: Vec<Vec<f64>>,
    brain: Box<dyn Brain>,
    gain: Gain,
    alpha_gain: Option<AlphaGain>,
    background: Noise,
    nominal_gain_uv: f64,
    /// What else happens, in a person whose description says so; and the same before the first sample.
    effects: Option<Box<[Live; 2]>>,
    /// The random parts as they are before the first sample, kept for `reset`, which must not allocate.
    fresh: (Gain, Noise),
    sampled_ns: Option<i64>,
    late: u64,
    refused: u64,
}

impl Participant {
    /// Seats a person with the built-in brain.
    ///
    /// # Errors
    /// When a channel is unknown, a rate is out of range, the retina is too coarse or the flicker moves nobody.
    pub fn prepare(person: &Person, setup: &Setup) -> Result<Self, PrepareError> {
        check(setup)?;
        let brain = ContrastResponse::prepare(person, setup)?;
        Self::with_brain(person, setup, Box::new(brain))
    }

    /// Seats a person with another brain; gain, topography and background stay the person's.
    ///
    /// # Errors
    /// When a channel is unknown or a rate is out of range.
    pub fn with_brain(person: &Person, setup: &Setup, brain: Box<dyn Brain>) -> Result<Self, PrepareError> {
        check(setup)?;
        let electrodes = electrodes(setup)?;
        if electrodes.is_empty() {
            return Err(PrepareError::NoChannel);
        }
        // The person's own seed is mixed in, so that two people in one study do not share their noise.
        let seed = setup.seed ^ person.mixing_seed.rotate_left(32);
        let gain = Gain::new(person, setup.rate_hz, Random::new(seed, GAIN_STREAM));
        let random = Random::new(seed, BACKGROUND_STREAM);
        let background = match person.effects.blinks {
            None => Background::new(person, &electrodes, setup.rate_hz, random),
            // Those that hide the picture too are the effects'.
            Some(_) => {
                let open = Person { blink_uv: 0.0, ..person.clone() };
                Background::new(&open, &electrodes, setup.rate_hz, random)
            }
        };
        let background = Noise::Made(Box::new(background));
        let effects = Live::new(person, setup, &electrodes, seed);
        Ok(Self {
            topography: electrodes.iter().map(|e| person.topography.in_order()[e.index]).collect(),
            further: Vec::new(),
            brain,
            nominal_gain_uv: nominal().gain_uv,
            alpha_gain: AlphaGain::new(person, setup.rate_hz),
            effects: effects.map(|live| Box::new([live.clone(), live])),
            fresh: (gain.clone(), background.clone()),
            gain,
            background,
            sampled_ns: None,
            late: 0,
            refused: 0,
        })
    }

    /// Seats a person fitted to a recorded session on its day. Of `person` only what makes the response counts: contrast
    /// response, latency, filters. [`Latent::gain`] and [`Participant::true_gain_uv`] are those of the day's course.
    ///
    /// # Errors
    /// As [`Participant::prepare`], but that channels may have any labels.
    pub fn on_day(person: &Person, setup: &Setup, day: Day) -> Result<Self, PrepareError> {
        check(setup)?;
        if day.topography.is_empty() {
            return Err(PrepareError::NoChannel);
        }
        let gain = Gain::new(person, setup.rate_hz, Random::new(setup.seed, GAIN_STREAM));
        let gain = gain.along(day.ln_gain_uv, day.knot_samples);
        let background = Noise::Recorded { rows_uv: day.noise_uv, next: 0 };
        Ok(Self {
            topography: day.topography,
            further: Vec::new(),
            brain: Box::new(ContrastResponse::prepare(person, setup)?),
            nominal_gain_uv: nominal().gain_uv,
            alpha_gain: None,
            effects: None,
            fresh: (gain.clone(), background.clone()),
            gain,
            background,
            sampled_ns: None,
            late: 0,
            refused: 0,
        })
    }

    /// Gives each population of the brain a leadfield by its place in the visual field, [x, y] in degrees with y up, so that
    /// the EEG is the sum of all. At its best electrode each answers with the person's gain.
    ///
    /// # Errors
    /// When a channel is unknown.
    pub fn spread_over(
        mut self,
        person: &Person,
        setup: &Setup,
        centres_deg: &[[f64; 2]],
    ) -> Result<Self, PrepareError> {
        let electrodes = electrodes(setup)?;
        let topography: Vec<f64> = electrodes.iter().map(|e| person.topography.in_order()[e.index]).collect();
        let mut fields = centres_deg.iter().map(|&centre| leadfield(centre, &electrodes, &topography));
        if let Some(first) = fields.next() {
            self.topography = first;
        }
        self.further = fields.collect();
        Ok(self)
    }

    /// Channels of a sample.
    pub fn channels(&self) -> usize {
        self.topography.len()
    }

    /// Shows a frame: linear light 0..1 per retina cell, row-major, on screen from `onset_ns`. Frames come in order.
    pub fn see(&mut self, onset_ns: i64, cells: &[f64]) {
        if self.sampled_ns.is_some_and(|at_ns| onset_ns <= at_ns - self.brain.delay_ns()) {
            self.late += 1;
        }
        let cells = match &mut self.effects {
            None => cells,
            Some(effects) => effects[0].look(onset_ns, cells),
        };
        if !self.brain.see(onset_ns, cells) {
            self.refused += 1;
        }
    }

    /// The sample at `at_ns` in uV, one value per channel, and what it stands on. Consecutive calls are consecutive
    /// samples. It depends on no frame later than `at_ns - delay_ns`; if such a frame is not there yet, the last one
    /// holds on and the frame counts as late when it comes.
    pub fn sample(&mut self, at_ns: i64, out: &mut [f64]) -> Latent {
        let mut drive = self.brain.drive(at_ns);
        let mut gain_uv = self.gain.step();
        if let Some(effects) = &mut self.effects {
            drive = effects[0].drive(drive);
            gain_uv *= effects[0].step();
        }
        if let Some(alpha_gain) = &mut self.alpha_gain {
            gain_uv *= alpha_gain.factor(drive.contrast_seen);
        }
        let response_uv = gain_uv * drive.response;
        for (place, share) in out.iter_mut().zip(&self.topography) {
            *place = share * response_uv;
        }
        for (drive, leadfield) in self.brain.others().iter().zip(&self.further) {
            out.iter_mut()
                .zip(leadfield)
                .for_each(|(place, share)| *place += share * gain_uv * drive.response);
        }
        self.background.add(out);
        if let Some(alpha_gain) = &mut self.alpha_gain {
            alpha_gain.follow(self.background.alpha_power());
        }
        if let Some(effects) = &mut self.effects {
            effects[0].add(at_ns, out);
        }
        self.sampled_ns = Some(at_ns);
        Latent {
            at_ns,
            response_uv: gain_uv * drive.level,
            gain: gain_uv / self.nominal_gain_uv,
            contrast_seen: drive.contrast_seen,
        }
    }

    /// Amplitude at Oz for full drive at the last sample: with drift, attention and what alpha does, without the fast
    /// fluctuation. It is what an ideal controller may know.
    pub fn true_gain_uv(&self) -> f64 {
        let slow_uv = self
            .effects
            .as_ref()
            .map_or(self.gain.slow_uv(), |effects| self.gain.slow_uv() * effects[0].factor());
        self.alpha_gain.map_or(slow_uv, |alpha_gain| slow_uv * alpha_gain.now())
    }

    /// Where the eyes are at the last sample; `None` for a person who neither moves them nor closes them over the picture.
    pub fn gaze(&self) -> Option<Gaze> {
        self.effects.as_ref().and_then(|effects| effects[0].gaze())
    }

    /// Whether the last sample is lost on its way to whoever listens.
    pub fn lost(&self) -> bool {
        self.effects.as_ref().is_some_and(|effects| effects[0].lost())
    }

    /// The alpha rhythm at the last sample, without noise, in a weighted sum of the channels: in uV, what is in the signal and
    /// the same a quarter of a cycle later. Its angle is the true phase. For a judge, never for the loop.
    pub fn true_alpha_uv(&self, weights: &[f64]) -> [f64; 2] {
        self.background.alpha_uv(weights)
    }

    /// Frames that came after a sample that should have used them.
    pub fn late_count(&self) -> u64 {
        self.late
    }

    /// Frames that could not be used: another number of cells than prepared for, or light that is not a number.
    pub fn refused_count(&self) -> u64 {
        self.refused
    }

    /// Least time from a photon to the first sample that it moves. A frame may be handed in this long after its onset.
    pub fn delay_ns(&self) -> i64 {
        self.brain.delay_ns()
    }

    /// Back to the moment after preparation, with the same random numbers to come.
    pub fn reset(&mut self) {
        self.brain.reset();
        self.gain = self.fresh.0.clone();
        self.background.restore(&self.fresh.1);
        if let Some(effects) = &mut self.effects {
            let [live, fresh] = &mut **effects;
            live.restore(fresh);
        }
        if let Some(alpha_gain) = &mut self.alpha_gain {
            alpha_gain.reset();
        }
        self.sampled_ns = None;
        self.late = 0;
        self.refused = 0;
    }
}

const GAIN_STREAM: u64 = 1;
const BACKGROUND_STREAM: u64 = 2;

fn electrodes(setup: &Setup) -> Result<Vec<Electrode>, PrepareError> {
    let found = |label: &String| {
        montage::electrode(label).ok_or_else(|| PrepareError::Channel { label: label.clone() })
    };
    setup.channels.iter().map(found).collect()
}

fn check(setup: &Setup) -> Result<(), PrepareError> {
    let rates = [
        ("the sample rate", setup.rate_hz, 100.0, 10_000.0),
        ("the refresh rate", setup.refresh_hz, 10.0, 1000.0),
        ("the flicker", setup.flicker.hz, 0.5, 0.5 * setup.refresh_hz),
        ("the response", setup.flicker.response_hz(), 0.5, 0.4 * setup.rate_hz),
    ];
    for (what, value, least, most) in rates {
        if !(least..=most).contains(&value) {
            return Err(PrepareError::Rate { what, value, least, most });
        }
    }
    Ok(())
}
