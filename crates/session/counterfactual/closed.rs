//! The loop closed through a drawn participant, and what it came to.

use recording::RecordedSession;
use serde::Serialize;
use timeline::{Command, Row, s_from_ns};

use super::draw::Drawn;
use super::observe::Observed;
use crate::error::SessionError;
use crate::experiment::Experiment;
use crate::report::blocks;
use crate::run::simulated::{Instead, in_memory};
use crate::study::contrast_held;
use crate::summary::Summary;

/// Points of a course per second.
const COURSE_HZ: f64 = 4.0;

/// What one closed loop came to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Came {
    /// Mean absolute error of the modelled response over all time with a set point.
    pub latent_error_uv: f64,
    /// ... of the decoder's values.
    pub measured_error_uv: f64,
    /// Mean contrast shown over all time with a set point.
    pub contrast_mean: f64,
    /// How much it moved per second of that time.
    pub contrast_change_per_s: f64,
    /// Decisions taken.
    pub decisions: f64,
}

impl Came {
    /// From a session, recorded or modelled; what it does not have is NaN.
    pub fn of(session: &RecordedSession, experiment: &Experiment) -> Self {
        let protocol = Some(&experiment.protocol);
        let error = Summary::with_protocol(session, protocol).tracking_error.unwrap_or_default();
        let held = contrast_held(session, &blocks(session, protocol));
        Self {
            latent_error_uv: error.latent.unwrap_or(f64::NAN),
            measured_error_uv: error.measured.unwrap_or(f64::NAN),
            contrast_mean: held.mean,
            contrast_change_per_s: held.change_per_s,
            decisions: session.decisions.len() as f64,
        }
    }
}

/// A closed loop with the courses that a figure shows.
pub struct Closed {
    /// Its numbers.
    pub came: Came,
    /// Contrast shown, four points a second from the first turn on.
    pub contrast: Vec<f64>,
    /// Modelled response in uV, likewise; empty for a session without one.
    pub response_uv: Vec<f64>,
    /// Its commands.
    pub commands: Vec<Command>,
}

impl Closed {
    /// Takes what is needed out of a session.
    pub fn of(session: &RecordedSession, experiment: &Experiment) -> Self {
        let start_ns = session.turns.first().map_or(0, |turn| turn.now_ns);
        let end_ns = session.turns.last().map_or(0, |turn| turn.now_ns);
        let points = (s_from_ns(end_ns - start_ns) * COURSE_HZ) as usize;
        let at_ns = |point: usize| start_ns + (point as f64 / COURSE_HZ * 1e9) as i64;
        let flip = |point| session.flips.partition_point(|flip| flip.onset_ns <= at_ns(point)).checked_sub(1);
        let latent =
            |point| session.latents.partition_point(|latent| latent.at_ns <= at_ns(point)).checked_sub(1);
        Self {
            came: Came::of(session, experiment),
            contrast: (0..points).map(|at| flip(at).map_or(0.0, |n| session.flips[n].contrast)).collect(),
            response_uv: if session.latents.is_empty() {
                Vec::new()
            } else {
                (0..points).map(|at| latent(at).map_or(0.0, |n| session.latents[n].response_uv)).collect()
            },
            commands: session.commands.clone(),
        }
    }

    /// Runs an experiment on a drawn day; as long as the recording.
    ///
    /// # Errors
    /// What keeps such a session from running.
    pub fn run(
        experiment: &Experiment,
        drawn: &Drawn,
        observed: &Observed,
        seed: u64,
        seconds: Option<f64>,
    ) -> Result<Self, SessionError> {
        let instead = Instead { participant: Some(drawn.participant(observed)?), ..Instead::default() };
        let session = in_memory(experiment.clone(), "nominal", seed, seconds, instead, &mut ())?;
        Ok(Self::of(&session, experiment))
    }
}

/// Seconds of a point of a course.
pub fn point_s(point: usize) -> f64 {
    point as f64 / COURSE_HZ
}

/// How many of the recorded commands came again, each with the same bits in all its columns.
pub fn same_commands(recorded: &[Command], closed: &[Command]) -> usize {
    let columns = |command: &Command| {
        let mut row = Vec::new();
        command.write(&mut |value| row.push(value));
        row
    };
    recorded.iter().zip(closed).take_while(|(a, b)| columns(a) == columns(b)).count()
}
