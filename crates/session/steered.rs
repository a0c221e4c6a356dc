//! What a session of presentations came to: counts by purpose, and, where the brain is a committed one, how far it was driven.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use protocol::Aim;
use recording::RecordedSession;
use serde::Serialize;
use timeline::{NoticeKind, Purpose};

use crate::brain::{Brain, ModelPopulation};
use crate::conditioned::{StateEffect, state_effect};
use crate::error::SessionError;
use crate::experiment::{Experiment, Lowered};
use crate::kept::{Kept, kept};
use crate::selected::{Selected, selected};
use crate::steering;

/// Key of the manifest that names the simulated participant's brain.
pub const BRAIN_KEY: &str = "brain";

/// Gains for which the number of presentations is told.
const MARKS: [f64; 3] = [0.5, 0.8, 0.95];

/// A session of presentations in numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Steered {
    /// Pictures shown, probes included.
    pub presentations: u64,
    /// Those that the decoder could measure.
    pub measured: u64,
    /// Pictures proposed, by purpose.
    pub purposes: BTreeMap<&'static str, u64>,
    /// The picture that the planner would have shown next, had it been the end.
    pub incumbent: Option<u64>,
    /// How often the planner gave its model up.
    pub model_failures: u64,
    /// Answers that did not come in time.
    pub planner_silent: u64,
    /// Time from a request to its answer in ms: median and largest.
    pub planning_ms: Option<[f64; 2]>,
    /// Only with a committed brain, where its response is to be driven.
    pub gain: Option<Gain>,
    /// Only where one of several populations is moved, or the response is suppressed.
    pub selected: Option<Selected>,
    /// Only where a set point is held.
    pub kept: Option<Kept>,
    /// Only where the planner conditions on the state at onset.
    pub state: Option<StateEffect>,
}

/// How far a committed brain was driven: `(r - r_natural) / (r_oracle - r_natural)` of the incumbent's latent level, with the
/// best of 200 natural pictures and the best of 20 ascents through the brain itself, under the same constraints.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Gain {
    /// Of the last incumbent.
    pub normalised: f64,
    /// Of the incumbent after each presentation; not a number before there is one.
    pub course: Vec<f64>,
    /// Presentations until the gain was first at 0.5, 0.8 and 0.95.
    pub presentations_to: [Option<u64>; 3],
}

impl Steered {
    /// Counts the presentations of a session in a folder; `None` where it has none. The gain is found by asking the brain
    /// that the manifest names.
    pub fn of(session: &RecordedSession) -> Option<Self> {
        let mut steered = Self::counted(session)?;
        // What the folder does not tell is left out.
        let (protocol, rig) = (session.folder.protocol_path(), session.folder.rig_path());
        let _ = Experiment::load(&protocol, Some(&rig))
            .and_then(|experiment| steered.judge(session, &experiment));
        Some(steered)
    }

    /// The same of a session of this experiment that is only in memory.
    ///
    /// # Errors
    /// A brain that does not fit the experiment.
    pub fn of_experiment(
        session: &RecordedSession,
        experiment: &Experiment,
    ) -> Result<Option<Self>, SessionError> {
        let Some(mut steered) = Self::counted(session) else { return Ok(None) };
        steered.judge(session, experiment)?;
        Ok(Some(steered))
    }

    fn counted(session: &RecordedSession) -> Option<Self> {
        if session.requests.is_empty() {
            return None;
        }
        let mut purposes = BTreeMap::new();
        for answer in &session.answers {
            *purposes.entry(Purpose::name(answer.purpose)).or_insert(0) += 1;
        }
        let count =
            |kind: NoticeKind| session.notices.iter().filter(|notice| notice.kind == kind).count() as u64;
        let mut planning: Vec<f64> = session
            .answers
            .iter()
            .filter_map(|answer| {
                let request = session.requests.iter().find(|request| request.index == answer.request)?;
                Some((answer.at_ns - request.at_ns) as f64 / 1e6)
            })
            .collect();
        planning.sort_by(f64::total_cmp);
        Some(Self {
            presentations: session.presentations.len() as u64,
            measured: session.presentations.iter().filter(|shown| shown.decision.is_some()).count() as u64,
            purposes,
            incumbent: session.answers.last().map(|answer| answer.incumbent),
            model_failures: count(NoticeKind::ModelFails),
            planner_silent: count(NoticeKind::PlannerSilent),
            planning_ms: planning.last().map(|&most| [planning[planning.len() / 2], most]),
            gain: None,
            selected: None,
            kept: None,
            state: None,
        })
    }

    fn judge(&mut self, session: &RecordedSession, experiment: &Experiment) -> Result<(), SessionError> {
        let lowered = experiment.lower(session.meta.seed)?;
        let (Some(planner), Some(canvas)) =
            (&experiment.protocol.planner, steering::canvas(&experiment.protocol, &lowered))
        else {
            return Ok(());
        };
        if planner.aim == Aim::Drive {
            self.gain = gain(session, experiment, &lowered)?;
        }
        self.selected = selected(session, planner, &canvas)?;
        self.kept = kept(session, planner, &canvas)?;
        self.state = state_effect(session, planner);
        Ok(())
    }
}

fn gain(
    session: &RecordedSession,
    experiment: &Experiment,
    lowered: &Lowered,
) -> Result<Option<Gain>, SessionError> {
    let name = session.meta.extra.get(BRAIN_KEY).and_then(|name| name.as_str());
    let (Some(brain), Some(canvas)) =
        (name.and_then(Brain::find), steering::canvas(&experiment.protocol, lowered))
    else {
        return Ok(None);
    };
    let mut population = ModelPopulation::drawn(brain, &canvas)?;
    let mut known: BTreeMap<u64, f64> = BTreeMap::new();
    let mut course = Vec::new();
    for answer in &session.answers {
        // Picture 0 is the calibration's, at another contrast: nothing is believed best yet.
        if answer.incumbent == 0 {
            course.push(f64::NAN);
            continue;
        }
        let level = match known.get(&answer.incumbent) {
            Some(level) => *level,
            None => {
                let Some(texels) = session.pictures.get(answer.incumbent as usize) else { continue };
                let level = level_of(&mut population, texels);
                known.insert(answer.incumbent, level);
                level
            }
        };
        let Some(gain) = brain.normalised_gain(level, &canvas) else { return Ok(None) };
        course.push(gain);
    }
    let presentations_to = MARKS.map(|mark| course.iter().position(|&gain| gain >= mark).map(|at| at as u64));
    Ok(course.last().map(|&normalised| Gain { normalised, course: course.clone(), presentations_to }))
}

/// Linear light of a picture, or of its negative with `sign` = -1.
pub(crate) fn cells_of(texels: &[f32], sign: f64) -> Vec<f64> {
    texels.iter().map(|&texel| 0.5 + 0.5 * sign * f64::from(texel)).collect()
}

/// The level of a picture that reverses: that of its better phase.
pub(crate) fn level_of(population: &mut ModelPopulation, texels: &[f32]) -> f64 {
    level_in_phase(population, texels, 1.0).max(level_in_phase(population, texels, -1.0))
}

/// The level of a picture times `sign`.
pub(crate) fn level_in_phase(population: &mut ModelPopulation, texels: &[f32], sign: f64) -> f64 {
    population.level_of(&cells_of(texels, sign)).unwrap_or(f64::NAN)
}

impl Steered {
    /// Name and text of each line of the summary.
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        let mut shown = format!("{}, {} measured", self.presentations, self.measured);
        for (purpose, count) in &self.purposes {
            let _ = write!(shown, ", {count} {purpose}");
        }
        let mut lines = vec![("presentations", shown)];
        if self.model_failures > 0 {
            lines.push(("model", format!("given up {} times", self.model_failures)));
        }
        if let Some(gain) = &self.gain {
            let mut text = format!("{:.3}", gain.normalised);
            for (mark, count) in MARKS.iter().zip(gain.presentations_to) {
                let _ = match count {
                    Some(count) => write!(text, ", {mark} after {count} presentations"),
                    None => write!(text, ", {mark} never"),
                };
            }
            lines.push(("normalised gain", text));
        }
        if let Some(selected) = &self.selected {
            lines.push(("populations", selected.text()));
        }
        if let Some(kept) = &self.kept {
            lines.push(("set point kept", kept.text()));
        }
        if let Some(state) = &self.state {
            lines.push(("state at onset", state.text()));
        }
        lines
    }
}
