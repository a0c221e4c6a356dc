//! What a session came to that keeps a response at a set point with prepared pictures, against loops that are open.

use std::collections::BTreeMap;

use planner::Canvas;
use protocol::Planner;
use recording::RecordedSession;
use serde::Serialize;
use timeline::{Latent, Presentation, Purpose};

use crate::brain::{Brain, ModelPopulation};
use crate::cycle::{Cycle, strongest};
use crate::error::SessionError;
use crate::steered::{BRAIN_KEY, level_of};

/// From the begin of a presentation until its response is steady: ramp, latency, transient.
const STEADY_NS: i64 = 700_000_000;
/// Half of the span over which the gain is averaged so that its drift is left.
const SLOW_NS: i64 = 30_000_000_000;

/// How well a set point was kept.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Kept {
    /// The set point.
    pub set_point_uv: f64,
    /// Presentations from the first that was chosen among the prepared pictures.
    pub presentations: u64,
    /// Mean distance of what was measured from the set point.
    pub measured_error_uv: Option<f64>,
    /// The strongest periodic part of what was measured, presentation by presentation: whether the loop runs in a cycle.
    pub cycle: Option<Cycle>,
    /// Only with a simulated brain: with the drift of the gain alone, and with its fluctuation over seconds, too.
    pub latent: Option<Errors>,
    /// As [`Kept::latent`], with the fluctuation, which presentations of some seconds cannot follow.
    pub latent_with_fluctuation: Option<Errors>,
}

/// Mean distance of the latent response from the set point, of the session and of two open loops on the same course of the gain.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Errors {
    /// The closed loop.
    pub error_uv: f64,
    /// Nominal open loop: the prepared picture that the nominal person, with a brain like the mean of the other committed
    /// ones, would answer to with the set point.
    pub nominal_open_loop_uv: f64,
    /// Open loop calibrated once: the picture that was chosen first, from then on.
    pub calibrated_open_loop_uv: f64,
    /// The closed loop over the nominal open loop.
    pub of_nominal: f64,
    /// The closed loop over the calibrated open loop.
    pub of_calibrated: f64,
}

impl Kept {
    /// As a line of the summary.
    pub fn text(&self) -> String {
        let mut text = format!("{} uV over {} presentations", self.set_point_uv, self.presentations);
        if let Some(error_uv) = self.measured_error_uv {
            text += &format!(", measured error {error_uv:.2} uV");
        }
        if let Some(cycle) = &self.cycle {
            let Cycle { period, part, p } = cycle;
            text += &format!(
                ", strongest cycle {period:.1} presentations, {:.0} % of the variance (p = {p:.2})",
                100.0 * part
            );
        }
        if let Some(latent) = &self.latent {
            text += &format!(
                ", latent {:.2} uV: {:.2} of a nominal open loop, {:.2} of one calibrated once",
                latent.error_uv, latent.of_nominal, latent.of_calibrated
            );
        }
        text
    }
}

/// What a session kept, where its protocol has a set point.
pub fn kept(
    session: &RecordedSession,
    planner: &Planner,
    canvas: &Canvas,
) -> Result<Option<Kept>, SessionError> {
    let Some(hold) = planner.hold else { return Ok(None) };
    let purposes: BTreeMap<u64, Purpose> =
        session.answers.iter().map(|answer| (answer.picture, answer.purpose)).collect();
    // From the first choice on, pictures that were made later to fill a gap included.
    let chosen: Vec<&Presentation> = session
        .presentations
        .iter()
        .skip_while(|shown| purposes.get(&shown.picture) != Some(&Purpose::Prepared))
        .collect();
    let decisions: BTreeMap<u64, f64> =
        session.decisions.iter().map(|decision| (decision.index, decision.value)).collect();
    let measured = chosen.iter().filter_map(|shown| decisions.get(&shown.decision?).copied());
    let measured: Vec<f64> = measured.collect();
    let wanted_uv = hold.set_point_uv;
    let off: Vec<f64> = measured.iter().map(|value| (value - wanted_uv).abs()).collect();
    let mut arms = Arms::of(session, wanted_uv, canvas)?;
    let mut errors =
        |slow: bool| arms.as_mut().and_then(|arms| arms.errors(session, &chosen, wanted_uv, slow));
    Ok(Some(Kept {
        set_point_uv: wanted_uv,
        presentations: chosen.len() as u64,
        measured_error_uv: mean(&off),
        cycle: strongest(&measured),
        latent: errors(true),
        latent_with_fluctuation: errors(false),
    }))
}

/// Who is compared.
struct Arms {
    population: ModelPopulation,
    known: BTreeMap<u64, f64>,
    nominal: u64,
    calibrated: u64,
}

impl Arms {
    fn of(session: &RecordedSession, wanted_uv: f64, canvas: &Canvas) -> Result<Option<Self>, SessionError> {
        let name = session.meta.extra.get(BRAIN_KEY).and_then(|name| name.as_str());
        let first = session.answers.iter().find(|answer| answer.purpose == Purpose::Prepared);
        let (Some(name), Some(first)) = (name, first) else { return Ok(None) };
        let Some(nominal) = nominal(session, name, wanted_uv, canvas)? else { return Ok(None) };
        let population = ModelPopulation::open(name, canvas)?;
        Ok(Some(Self { population, known: BTreeMap::new(), nominal, calibrated: first.picture }))
    }

    fn level(&mut self, session: &RecordedSession, picture: u64) -> Option<f64> {
        if let Some(level) = self.known.get(&picture) {
            return Some(*level);
        }
        let level = level_of(&mut self.population, session.pictures.get(picture as usize)?);
        self.known.insert(picture, level);
        Some(level)
    }

    fn errors(
        &mut self,
        session: &RecordedSession,
        chosen: &[&Presentation],
        wanted_uv: f64,
        slow: bool,
    ) -> Option<Errors> {
        let (nominal, calibrated) =
            (self.level(session, self.nominal)?, self.level(session, self.calibrated)?);
        let mut off = [Vec::new(), Vec::new(), Vec::new()];
        for shown in chosen {
            let level = self.level(session, shown.picture)?;
            let Some(gain_uv) = gain_uv(&session.latents, shown, slow) else { continue };
            for (off, level) in off.iter_mut().zip([level, nominal, calibrated]) {
                off.push((gain_uv * level - wanted_uv).abs());
            }
        }
        let [error_uv, nominal_open_loop_uv, calibrated_open_loop_uv] =
            [mean(&off[0])?, mean(&off[1])?, mean(&off[2])?];
        Some(Errors {
            error_uv,
            nominal_open_loop_uv,
            calibrated_open_loop_uv,
            of_nominal: error_uv / nominal_open_loop_uv,
            of_calibrated: error_uv / calibrated_open_loop_uv,
        })
    }
}

/// The prepared picture for the nominal person.
fn nominal(
    session: &RecordedSession,
    own: &str,
    wanted_uv: f64,
    canvas: &Canvas,
) -> Result<Option<u64>, SessionError> {
    let others = Brain::all().iter().filter(|brain| brain.name != own);
    let mut others =
        others.map(|brain| ModelPopulation::drawn(brain, canvas)).collect::<Result<Vec<_>, _>>()?;
    let prepared = session.answers.iter().take_while(|answer| answer.purpose != Purpose::Prepared);
    let prepared = prepared.filter(|answer| answer.purpose == Purpose::Exploit);
    let off = |picture: u64| -> Option<f64> {
        let texels = session.pictures.get(picture as usize)?;
        let levels: Vec<f64> = others.iter_mut().map(|brain| level_of(brain, texels)).collect();
        Some((participant::nominal().gain_uv * mean(&levels)? - wanted_uv).abs())
    };
    let mut off = off;
    let all: Vec<(u64, f64)> =
        prepared.filter_map(|answer| Some((answer.picture, off(answer.picture)?))).collect();
    Ok(all.into_iter().min_by(|a, b| a.1.total_cmp(&b.1)).map(|(picture, _)| picture))
}

/// The person's gain in a presentation: its mean while the response was steady, or its drift around the middle.
fn gain_uv(latents: &[Latent], shown: &Presentation, slow: bool) -> Option<f64> {
    let (from_ns, to_ns) = match slow {
        true => {
            let middle_ns = shown.begin_ns + (shown.end_ns - shown.begin_ns) / 2;
            (middle_ns - SLOW_NS, middle_ns + SLOW_NS)
        }
        false => (shown.begin_ns + STEADY_NS, shown.end_ns),
    };
    let from = latents.partition_point(|latent| latent.at_ns < from_ns);
    let to = latents.partition_point(|latent| latent.at_ns < to_ns);
    let gains: Vec<f64> = latents.get(from..to)?.iter().map(|latent| latent.gain).collect();
    mean(&gains).map(|gain| gain * participant::nominal().gain_uv)
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
