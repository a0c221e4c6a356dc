//! One session of a study: run in memory, measured, forgotten.

use closedloop::{ControllerPlan, ResponsePlan};
use participant::Person;
use recording::RecordedSession;
use timeline::NoticeKind;

use super::metrics::{METRICS, OF_ANY, of_pictures};
use super::{Condition, Job, Row, Seeds, Spec};
use crate::error::SessionError;
use crate::experiment::response_of;
use crate::report::{Block, blocks, extent};
use crate::run::participant::Chair;
use crate::run::simulated::{Instead, in_memory};
use crate::run::virtual_clock::Watcher;
use crate::steered::Steered;
use crate::steering::FILES_KEY;
use crate::summary::{Summary, TrackingError};
use crate::turns::LoopDriver;

/// Notes the participant's slow gain at each chunk, for the judge, and tells it to the one controller that may know.
#[derive(Default)]
struct Whisper {
    gains_uv: Vec<f64>,
}

impl Watcher for Whisper {
    fn before_turn(&mut self, driver: &mut LoopDriver, chair: &Chair) {
        let gain_uv = chair.true_gain_uv();
        driver.step_mut().set_known_gain(gain_uv);
        // The gain moves with every chunk, and only then.
        if self.gains_uv.last() != Some(&gain_uv) {
            self.gains_uv.push(gain_uv);
        }
    }
}

/// Runs a session. One that cannot run is a row too: a study must say what failed, and go on.
pub fn run(spec: &Spec, seeds: Seeds, job: &Job) -> Row {
    let condition = &spec.conditions[job.condition];
    let person = spec.participants[job.participant];
    let known_gain = spec.arms[condition.arm].known_gain;
    let brain = spec.brain(seeds, job).map(str::to_owned);
    let instead = Instead { brain, ..Instead::default() };
    match measure(condition, person, job.seed, known_gain, instead) {
        Ok(values) => Row { values, error: None },
        Err(error) => Row { values: vec![f64::NAN; METRICS.len()], error: Some(error.to_string()) },
    }
}

fn measure(
    Condition { experiment, files, .. }: &Condition,
    person: &Person,
    seed: u64,
    known_gain: bool,
    mut instead: Instead,
) -> Result<Vec<f64>, SessionError> {
    if known_gain {
        let plan = experiment.lower(seed)?.plan.controller;
        let plan = plan.ok_or_else(|| SessionError::Usage("the protocol has no controller".into()))?;
        instead.controller = Some(ControllerPlan::KnownGain(ResponsePlan {
            semisaturation: person.semisaturation,
            exponent: person.exponent,
            ..*response_of(&plan)
        }));
    }
    let mut whisper = Whisper::default();
    let mut session = in_memory(experiment.clone(), &person.name, seed, None, instead, &mut whisper)?;
    let ran_with = session.meta.extra.get(FILES_KEY).cloned().unwrap_or_else(|| serde_json::json!([]));
    if ran_with != serde_json::json!(files) {
        let text = "a file that the protocol names was changed while the study ran";
        return Err(SessionError::Usage(text.into()));
    }
    let protocol = Some(&experiment.protocol);
    let summary = Summary::with_protocol(&session, protocol);
    let held = contrast_held(&session, &blocks(&session, protocol));
    let calibrated = session
        .notices
        .iter()
        .rfind(|notice| matches!(notice.kind, NoticeKind::Calibrated | NoticeKind::CalibrationFailed));
    let calibrated =
        calibrated.filter(|notice| notice.kind == NoticeKind::Calibrated).map(|notice| notice.value);
    let length_s = extent(&session).length_s();
    let error = summary.tracking_error.unwrap_or_default();
    let pictures = of_pictures(Steered::of_experiment(&session, experiment)?.as_ref());
    take_out_the_fluctuation(&mut session, person, &whisper.gains_uv)?;
    let slow = Summary::with_protocol(&session, protocol).tracking_error.and_then(|error| error.latent);
    let TrackingError { latent, latent_settled, measured, measured_settled, .. } = error;
    let or_nan = |value: Option<f64>| value.unwrap_or(f64::NAN);
    let of_any: [f64; OF_ANY] = [
        or_nan(latent),
        or_nan(latent_settled),
        or_nan(slow),
        or_nan(measured),
        or_nan(measured_settled),
        held.mean,
        held.change_per_s,
        or_nan(calibrated),
        or_nan(summary.accuracy),
        summary.decisions as f64,
        summary.commands as f64,
        summary.frames as f64,
        summary.missed_frames as f64,
        summary.samples as f64,
        summary.samples_lost as f64,
        held.seconds,
        length_s,
    ];
    Ok(of_any.into_iter().chain(pictures).collect())
}

/// The contrast over all time with a set point; NaN where there was none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Held {
    /// Mean over time.
    pub mean: f64,
    /// Sum of all changes from frame to frame, per second.
    pub change_per_s: f64,
    /// The time, in s.
    pub seconds: f64,
}

/// From the frames: what was shown, not what was commanded.
pub(crate) fn contrast_held(session: &RecordedSession, blocks: &[Block]) -> Held {
    let (mut area, mut change, mut seconds) = (0.0, 0.0, 0.0);
    let held = blocks.iter().filter(|block| block.set_point.is_some());
    for span in held.map(|block| block.span) {
        let first = session.flips.partition_point(|flip| flip.onset_ns < span.start_ns);
        let end = session.flips.partition_point(|flip| flip.onset_ns < span.end_ns);
        for pair in session.flips[first..end].windows(2) {
            let lasts_s = timeline::s_from_ns(pair[1].onset_ns - pair[0].onset_ns);
            area += pair[0].contrast * lasts_s;
            change += (pair[1].contrast - pair[0].contrast).abs();
            seconds += lasts_s;
        }
    }
    Held { mean: area / seconds, change_per_s: change / seconds, seconds }
}

/// Replaces the latent response by the one of the slow gain.
fn take_out_the_fluctuation(
    session: &mut RecordedSession,
    person: &Person,
    gains_uv: &[f64],
) -> Result<(), SessionError> {
    // Before the first chunk there was a gain too, but no latent response.
    let latents = session.latents.len();
    let first = gains_uv.len().checked_sub(latents).filter(|&first| first <= 1);
    let first = first.ok_or_else(|| {
        SessionError::Usage(format!("{latents} latent responses were recorded, but {} gains", gains_uv.len()))
    })?;
    for (latent, gain_uv) in session.latents.iter_mut().zip(&gains_uv[first..]) {
        latent.response_uv = gain_uv * person.contrast_response(latent.contrast_seen);
    }
    Ok(())
}
