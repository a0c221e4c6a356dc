//! What a session came to that moves one of several populations: how far each is from its baseline at the end, and what one
//! picture that was never corrected would have come to.

use std::collections::BTreeMap;

use planner::components::Components;
use protocol::{Aim, Planner, Selective};
use recording::RecordedSession;
use serde::Serialize;
use timeline::{Amplitudes, Purpose};

use crate::brain::{ModelPopulation, Several};
use crate::error::SessionError;
use crate::steered::{BRAIN_KEY, cells_of};
use planner::Canvas;

/// Populations at the end of a session.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Selected {
    /// The population that was to move.
    pub target: String,
    /// Of the last incumbent, in the order of the protocol.
    pub populations: Vec<Moved>,
    /// What that is worth; not numbers without a committed brain of several populations.
    #[serde(flatten)]
    pub moved: Selectivity,
    /// Whether all other populations are within the tolerance of their baselines.
    pub within_tolerance: Option<bool>,
    /// The first picture that the model proposed after the probes, never corrected: an open loop.
    pub open_loop: Option<OpenLoop>,
}

/// One population.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Moved {
    /// Its name.
    pub name: String,
    /// Level 0..1 for the reference picture (without populations: mean over the probes); only with a committed brain.
    pub baseline: Option<f64>,
    /// Level for the last incumbent.
    pub end: Option<f64>,
    /// Change as a part of the baseline.
    pub change: Option<f64>,
    /// The same change as measured, by the means over all presentations of the two pictures.
    pub measured_change: Option<f64>,
}

/// How far the target moved, and the others with it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Selectivity {
    /// Latent change of the target in the wanted direction, as a part of its baseline.
    pub target_moved: f64,
    /// Largest latent change of another population, as a part of its baseline.
    pub others_moved: f64,
    /// The first over the second, of which at least [`LEAST_MOVED`].
    pub selectivity: f64,
}

/// A change of nothing at all is taken for this, so that the ratio stays a number.
pub const LEAST_MOVED: f64 = 1e-6;

impl Selectivity {
    const UNKNOWN: Self = Self { target_moved: f64::NAN, others_moved: f64::NAN, selectivity: f64::NAN };

    /// Whether the target moved in the wanted direction, and more selectively than in `other`; `None` where either is not
    /// known.
    pub fn beats(&self, other: &Self) -> Option<bool> {
        let is_known = self.selectivity.is_finite() && other.selectivity.is_finite();
        is_known.then_some(self.target_moved > 0.0 && self.selectivity > other.selectivity)
    }

    fn of(changes: &[f64], target: usize, sign: f64) -> Self {
        let others = changes.iter().enumerate().filter(|(at, _)| *at != target);
        let others_moved = others.fold(0.0, |most: f64, (_, change)| most.max(change.abs()));
        let target_moved = sign * changes[target];
        Self { target_moved, others_moved, selectivity: target_moved / others_moved.max(LEAST_MOVED) }
    }
}

/// What the open loop comes to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OpenLoop {
    /// Latent change of each population as a part of its baseline.
    pub changes: Vec<f64>,
    /// What they are worth.
    #[serde(flatten)]
    pub moved: Selectivity,
}

impl Selected {
    /// As a line of the summary.
    pub fn text(&self) -> String {
        let percent =
            |change: Option<f64>| change.map_or("?".into(), |change| format!("{:+.0} %", 100.0 * change));
        let one = |moved: &Moved| match (moved.baseline, moved.end) {
            (Some(from), Some(to)) => {
                format!("{} {from:.2} to {to:.2} ({})", moved.name, percent(moved.change))
            }
            _ => format!("{} {} as measured", moved.name, percent(moved.measured_change)),
        };
        let mut parts: Vec<String> = self.populations.iter().map(one).collect();
        if self.moved.selectivity.is_finite() {
            parts.push(format!("selectivity {:.2}", self.moved.selectivity));
        }
        if let Some(open_loop) = &self.open_loop {
            parts.push(format!("open loop {:.2}", open_loop.moved.selectivity));
        }
        parts.join(", ")
    }
}

/// The populations of a session, where its protocol moves one.
pub fn selected(
    session: &RecordedSession,
    planner: &Planner,
    canvas: &Canvas,
) -> Result<Option<Selected>, SessionError> {
    let sign = if planner.aim == Aim::Suppress { -1.0 } else { 1.0 };
    let Some(incumbent) = session.answers.last().map(|answer| answer.incumbent) else { return Ok(None) };
    match (&planner.selective, planner.aim) {
        (Some(selective), _) => several(session, selective, sign, incumbent, canvas).map(Some),
        (None, Aim::Suppress) => single(session, incumbent, canvas).map(Some),
        (None, _) => Ok(None),
    }
}

fn several(
    session: &RecordedSession,
    selective: &Selective,
    sign: f64,
    incumbent: u64,
    canvas: &Canvas,
) -> Result<Selected, SessionError> {
    let first = |purpose: Purpose| session.answers.iter().find(|answer| answer.purpose == purpose);
    let reference = first(Purpose::Reference).map(|answer| answer.picture);
    let open = first(Purpose::Exploit).map(|answer| answer.picture);
    let mut levels = Levels::of(session, selective, canvas)?;
    let baseline = reference.and_then(|picture| levels.as_mut()?.of_picture(session, picture));
    let mut changes = |picture: Option<u64>| {
        let levels = levels.as_mut()?.of_picture(session, picture?)?;
        let baseline = baseline.as_ref()?;
        Some((
            levels.iter().zip(baseline).map(|(level, from)| level / from - 1.0).collect::<Vec<f64>>(),
            levels,
        ))
    };
    let end = changes(Some(incumbent));
    let open_loop = changes(open)
        .map(|(changes, _)| OpenLoop { moved: Selectivity::of(&changes, selective.target, sign), changes });
    let measured = reference.and_then(|reference| measured(session, selective, reference, incumbent));
    let others = |(at, _): &(usize, &f64)| *at != selective.target;
    let populations = selective.populations.iter().enumerate().map(|(at, population)| Moved {
        name: population.name.clone(),
        baseline: baseline.as_ref().map(|levels| levels[at]),
        end: end.as_ref().map(|(_, levels)| levels[at]),
        change: end.as_ref().map(|(changes, _)| changes[at]),
        measured_change: measured.as_ref().map(|changes| changes[at]),
    });
    Ok(Selected {
        target: selective.populations[selective.target].name.clone(),
        populations: populations.collect(),
        moved: end
            .as_ref()
            .map_or(Selectivity::UNKNOWN, |(changes, _)| Selectivity::of(changes, selective.target, sign)),
        within_tolerance: end.as_ref().map(|(changes, _)| {
            changes.iter().enumerate().filter(others).all(|(_, change)| change.abs() <= selective.tolerance)
        }),
        open_loop,
    })
}

/// One response: its level for the incumbent against the mean over the probes.
fn single(session: &RecordedSession, incumbent: u64, canvas: &Canvas) -> Result<Selected, SessionError> {
    let name = session.meta.extra.get(BRAIN_KEY).and_then(|name| name.as_str());
    let mut population = name.map(|name| ModelPopulation::open(name, canvas)).transpose()?;
    let mut level = |picture: u64| level_of(population.as_mut()?, session, picture)?.first().copied();
    let probes = session.answers.iter().filter(|answer| is_probe(answer.purpose));
    let probes: Option<Vec<f64>> = probes.map(|answer| level(answer.picture)).collect();
    let baseline = probes.map(|levels| levels.iter().sum::<f64>() / levels.len() as f64);
    let end = level(incumbent);
    let change = end.zip(baseline).map(|(end, baseline)| end / baseline - 1.0);
    let moved = Moved { name: "response".into(), baseline, end, change, measured_change: None };
    let (target, populations) = (moved.name.clone(), vec![moved]);
    Ok(Selected { target, populations, moved: Selectivity::UNKNOWN, within_tolerance: None, open_loop: None })
}

fn is_probe(purpose: Purpose) -> bool {
    matches!(purpose, Purpose::ProbeNatural | Purpose::ProbeGabor)
}

/// The latent levels of the protocol's populations.
struct Levels {
    population: ModelPopulation,
    /// Per population of the protocol, its place in the brain.
    places: Vec<usize>,
}

impl Levels {
    fn of(
        session: &RecordedSession,
        selective: &Selective,
        canvas: &Canvas,
    ) -> Result<Option<Self>, SessionError> {
        let name = session.meta.extra.get(BRAIN_KEY).and_then(|name| name.as_str());
        let Some(brain) = name.and_then(Several::find) else { return Ok(None) };
        let places = places(&brain.name, selective).map_err(SessionError::Usage)?;
        Ok(Some(Self { population: ModelPopulation::several(brain, canvas)?, places }))
    }

    fn of_picture(&mut self, session: &RecordedSession, picture: u64) -> Option<Vec<f64>> {
        let levels = level_of(&mut self.population, session, picture)?;
        self.places.iter().map(|&at| levels.get(at).copied()).collect()
    }
}

/// The levels of a picture that reverses: each population by its better phase.
fn level_of(population: &mut ModelPopulation, session: &RecordedSession, picture: u64) -> Option<Vec<f64>> {
    let texels = session.pictures.get(picture as usize)?;
    let mut levels = |sign: f64| population.levels_of(&cells_of(texels, sign));
    let (one, other) = (levels(1.0)?, levels(-1.0)?);
    Some(one.iter().zip(&other).map(|(one, other)| one.max(*other)).collect())
}

/// The place in a brain of each population that a protocol names.
///
/// # Errors
/// In words, beginning with the brain's name: it has one population, or none of a name.
pub fn places(brain: &str, selective: &Selective) -> Result<Vec<usize>, String> {
    if Several::find(brain).is_none() {
        let names: Vec<&str> = Several::all().iter().map(|brain| brain.name.as_str()).collect();
        let wanted = selective.populations.len();
        return Err(format!(
            "{brain} has 1 population, [planner.selective] has {wanted}; brains with several: {}",
            names.join(", ")
        ));
    }
    let place = |population: &protocol::Population| {
        Several::POPULATIONS.iter().position(|name| *name == population.name).ok_or_else(|| {
            let known = Several::POPULATIONS.join(", ");
            format!("{brain}: no population \"{}\"; there are {known}", population.name)
        })
    };
    selective.populations.iter().map(place).collect()
}

/// Why a participant with this brain cannot take part in sessions of this planner, in words that begin with its name.
pub fn misfit(brain: &str, planner: Option<&Planner>) -> Option<String> {
    match planner.map(|planner| &planner.selective) {
        None => Some(format!("{brain}: the protocol has no [planner] with pictures")),
        Some(Some(selective)) => places(brain, selective).err(),
        Some(None) => Several::find(brain).map(|_| {
            let known = Several::POPULATIONS.join(", ");
            format!("{brain} has several populations ({known}): [planner.selective] must say which is meant")
        }),
    }
}

/// Change of each population from the reference to a picture, as measured.
fn measured(
    session: &RecordedSession,
    selective: &Selective,
    reference: u64,
    picture: u64,
) -> Option<Vec<f64>> {
    let hashes: BTreeMap<u64, u64> =
        session.answers.iter().map(|answer| (answer.picture, answer.hash)).collect();
    let channels = session
        .requests
        .iter()
        .map(|request| request.amplitudes.iter().take_while(|amplitude| amplitude[0].is_finite()).count());
    let channels = channels.max()?;
    let windows = |picture: u64| -> Vec<Amplitudes> {
        let same = |shown: &u64| hashes.get(shown) == hashes.get(&picture);
        let requests = session.requests.iter().filter(|request| request.picture.as_ref().is_some_and(same));
        requests.map(|request| request.amplitudes).filter(|window| window[0][0].is_finite()).collect()
    };
    let localisers = session.answers.iter().filter(|answer| answer.purpose == Purpose::Localiser);
    let localised: Vec<Vec<Amplitudes>> =
        localisers.take(selective.populations.len()).map(|answer| windows(answer.picture)).collect();
    let components = Components::fit(&localised, channels)?;
    let mean = |picture: u64| -> Option<Vec<f64>> {
        let all: Vec<Vec<f64>> =
            windows(picture).iter().filter_map(|window| components.measure(window)).collect();
        let count = all.len() as f64;
        let mean = |at: usize| all.iter().map(|one| one[at]).sum::<f64>() / count;
        (!all.is_empty()).then(|| (0..localised.len()).map(mean).collect())
    };
    let (from, to) = (mean(reference)?, mean(picture)?);
    Some(from.iter().zip(&to).map(|(from, to)| to / from - 1.0).collect())
}
