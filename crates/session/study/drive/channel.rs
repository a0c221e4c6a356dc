//! What a presentation of a picture measures in a person, without a session: the fast channel of drive studies.
//!
//! A session on the virtual clock spends its time on frames, samples and filters; a search that is censored at 2,000
//! presentations would take minutes of it. The channel gives the decoder's value of a presentation as
//!
//! ```text
//! value = scale_uv * gain(t) * level + sd_uv * N(0, 1)
//! ```
//!
//! with `scale_uv`, `sd_uv`, the standard error that the decoder states and the part of presentations that it cannot measure as
//! they were *measured in sessions of that person* ([`observe`], made by the example `channels`). `gain` is the person's own
//! drift and fluctuation, averaged over the decoder's window. Several calibrations were measured, and a session of the channel
//! draws one of them. What it leaves out: adaptation, and errors that depend on one another.

use std::sync::LazyLock;

use participant::Person;
use random::Random;
use serde::Deserialize;

use crate::brain::{Brain, ModelPopulation};
use crate::error::SessionError;
use crate::experiment::Experiment;
use crate::run::simulated::{Instead, in_memory};
use crate::run::{participant as chair, sources};
use crate::steered::level_of;
use crate::steering;

/// The file of committed channels, made by the example `channels`.
pub const TABLE: &str = include_str!("channels.toml");

static CHANNELS: LazyLock<Vec<Channel>> = LazyLock::new(|| {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        channel: Vec<Channel>,
    }
    #[expect(clippy::expect_used, reason = "a committed file that a test reads")]
    toml::from_str::<File>(TABLE).expect("channels.toml").channel
});

/// How a person's presentations are measured.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// The person's name.
    pub participant: String,
    /// One for each session in which it was measured: calibrations differ, most where the response is weak.
    pub calibrations: Vec<Calibration>,
}

/// What a session's calibration made of the person's response.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Presentations that it was measured by.
    pub presentations: u32,
    /// Decoder's value of a level of 1 at the person's mean gain.
    pub scale_uv: f64,
    /// Standard error of `scale_uv`.
    pub scale_error_uv: f64,
    /// SD of the value around that of the noise-free response.
    pub sd_uv: f64,
    /// Standard error that the decoder states, on average.
    pub spread_uv: f64,
    /// Part of the presentations without a value.
    pub lost: f64,
}

impl Channel {
    /// All that are committed.
    pub fn all() -> &'static [Channel] {
        &CHANNELS
    }

    /// That of a person; `None` where it was not measured.
    pub fn of(person: &Person) -> Option<&'static Channel> {
        Self::all().iter().find(|channel| channel.participant == person.name)
    }
}

/// A presentation in a session.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen {
    /// Level of the picture in the brain.
    pub level: f64,
    /// Noise-free response in the decoder's window.
    pub response_uv: f64,
    /// What the decoder made of it, and the standard error that it stated; `None` where it had no window.
    pub value_uv: Option<[f64; 2]>,
}

/// Presentations of a whole session of `person` with `brain` on the virtual clock, decoder included.
///
/// # Errors
/// What keeps the session from running.
pub fn observe(
    experiment: &Experiment,
    person: &Person,
    brain: &Brain,
    seed: u64,
    seconds: f64,
) -> Result<Vec<Seen>, SessionError> {
    let lowered = experiment.lower(seed)?;
    let canvas = steering::canvas(&experiment.protocol, &lowered)
        .ok_or_else(|| SessionError::Usage("the protocol shows no pictures".into()))?;
    let samples = sources::participant_stream(&experiment.protocol)?.samples;
    let population = Box::new(ModelPopulation::drawn(brain, &canvas)?);
    let seated = chair::prepare(person, &lowered, samples, seed, Some(population))?;
    let instead = Instead { participant: Some(seated), ..Instead::default() };
    let session = in_memory(experiment.clone(), &person.name, seed, Some(seconds), instead, &mut ())?;
    let window_ns = timeline::ns_from_s(WINDOW_S);
    let mut population = ModelPopulation::drawn(brain, &canvas)?;
    let one = |shown: &timeline::Presentation| {
        let decision = shown.decision.and_then(|index| session.decisions.iter().find(|d| d.index == index));
        let end_ns = decision.map_or(shown.end_ns, |decision| decision.decided_ns);
        let within = session.latents.iter().filter(|l| (end_ns - window_ns..=end_ns).contains(&l.at_ns));
        let (sum, count) = within.fold((0.0, 0.0), |(sum, n), latent| (sum + latent.response_uv, n + 1.0));
        Some(Seen {
            level: level_of(&mut population, session.pictures.get(shown.picture as usize)?),
            response_uv: sum / count,
            value_uv: decision.map(|decision| [decision.value, decision.spread]),
        })
    };
    // The last one may be cut short by the end of the session.
    let whole = session.presentations.len().saturating_sub(1);
    Ok(session.presentations[..whole].iter().filter_map(one).collect())
}

/// Length of the window that measures a presentation; that of protocols/drive.toml.
const WINDOW_S: f64 = 8.0;

/// What explains a session of a person: the decoder's scale by least squares on the noise-free response, and what is left.
/// `None` where fewer than three presentations were measured.
pub fn fitted(person: &Person, session: &[Seen]) -> Option<Calibration> {
    let seen: Vec<(f64, [f64; 2])> =
        session.iter().filter_map(|seen| Some((seen.response_uv, seen.value_uv?))).collect();
    if seen.len() < 3 {
        return None;
    }
    let (top, below) = seen.iter().fold((0.0, 0.0), |(t, b), (r, [value, _])| (t + r * value, b + r * r));
    let scale = top / below;
    let square = seen.iter().map(|(r, [value, _])| (value - scale * r) * (value - scale * r)).sum::<f64>();
    let count = seen.len() as f64;
    let sd_uv = (square / (count - 1.0)).sqrt();
    Some(Calibration {
        presentations: seen.len() as u32,
        scale_uv: scale * person.gain_uv,
        scale_error_uv: sd_uv / below.sqrt() * person.gain_uv,
        sd_uv,
        spread_uv: seen.iter().map(|(_, [_, spread])| spread).sum::<f64>() / count,
        lost: 1.0 - count / session.len() as f64,
    })
}

/// The channel in use: a person's gain moves from presentation to presentation.
#[derive(Debug, Clone)]
pub struct Line {
    calibration: Calibration,
    random: Random,
    drift: Process,
    fluctuation: Process,
    now_s: f64,
}

/// An Ornstein-Uhlenbeck process by its exact transitions.
#[derive(Debug, Clone)]
struct Process {
    sd: f64,
    tau_s: f64,
    value: f64,
}

impl Process {
    fn new(sd: f64, tau_s: f64, random: &mut Random) -> Self {
        Self { sd, tau_s, value: sd * random.normal() }
    }

    fn step(&mut self, step_s: f64, random: &mut Random) {
        let keep = libm::exp(-step_s / self.tau_s);
        self.value = keep * self.value + self.sd * (1.0 - keep * keep).sqrt() * random.normal();
    }
}

/// Steps within a window.
const STEPS: u32 = 20;

impl Line {
    /// The channel of a person; `seed` settles noise and gain, and which of the measured calibrations it is.
    ///
    /// # Errors
    /// A person whose channel is not in the committed table.
    pub fn open(person: &Person, seed: u64) -> Result<Self, SessionError> {
        let channel = Channel::of(person).ok_or_else(|| {
            let text = format!("{}: its channel was not measured; see the example `channels`", person.name);
            SessionError::Usage(text)
        })?;
        let mut random = Random::new(seed, 40);
        let which = (random.uniform() * channel.calibrations.len() as f64) as usize;
        let calibration = channel.calibrations[which];
        let drift = Process::new(person.drift_sd, person.drift_tau_s, &mut random);
        let fluctuation = Process::new(person.fluctuation_sd, person.fluctuation_tau_s, &mut random);
        Ok(Self { calibration, random, drift, fluctuation, now_s: 0.0 })
    }

    /// What a presentation measures whose window ends at `at_s`, later than the one before: value (not a number where it is
    /// lost) and the standard error that the decoder states.
    pub fn measure(&mut self, level: f64, at_s: f64) -> [f64; 2] {
        let wait_s = (at_s - WINDOW_S - self.now_s).max(0.0);
        self.drift.step(wait_s, &mut self.random);
        self.fluctuation.step(wait_s, &mut self.random);
        let mut gain = 0.0;
        // A fluctuation multiplies by 1 on average.
        let bias = 0.5 * self.fluctuation.sd * self.fluctuation.sd;
        for _ in 0..STEPS {
            self.drift.step(WINDOW_S / f64::from(STEPS), &mut self.random);
            self.fluctuation.step(WINDOW_S / f64::from(STEPS), &mut self.random);
            gain += libm::exp(self.drift.value + self.fluctuation.value - bias) / f64::from(STEPS);
        }
        self.now_s = at_s;
        let Calibration { scale_uv, sd_uv, spread_uv, lost, .. } = self.calibration;
        let value = scale_uv * gain * level + sd_uv * self.random.normal();
        let is_lost = self.random.uniform() < lost;
        [if is_lost { f64::NAN } else { value }, spread_uv]
    }
}
