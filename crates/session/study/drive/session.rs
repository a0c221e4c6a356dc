//! One session of a drive study: a planner, a brain, and the channel between them.

use std::collections::BTreeMap;

use encoding::population::Family;
use planner::surprise::Turn;
use random::Random;
use timeline::{Request, ns_from_s};

use super::super::{Row, Seeds};
use super::channel::Line;
use super::spec::{Job, Spec};
use crate::brain::ModelPopulation;
use crate::error::SessionError;
use crate::run::hash_of;
use crate::steered::{level_in_phase, level_of};
use crate::steering;

/// Gains for which the number of presentations is told.
pub const MARKS: [(f64, &str); 3] =
    [(0.5, "presentations_to_50"), (0.8, "presentations_to_80"), (0.95, "presentations_to_95")];

/// Presentations after which the gain is told.
pub const AFTER: [(u32, &str); 9] = [
    (20, "gain_20"),
    (40, "gain_40"),
    (60, "gain_60"),
    (90, "gain_90"),
    (120, "gain_120"),
    (250, "gain_250"),
    (500, "gain_500"),
    (1000, "gain_1000"),
    (2000, "gain_2000"),
];

/// Names of the columns of numbers, in the order of the table. A gain after more presentations than the arm has, and a number
/// of presentations to a gain that was not reached, are NaN.
pub fn columns() -> impl Iterator<Item = &'static str> {
    let first = ["presentations", "measured", "model_failures", "model_failed_at", "gain_best"];
    first.into_iter().chain(MARKS.map(|mark| mark.1)).chain(AFTER.map(|after| after.1))
}

/// The column of that name.
pub fn column(key: &str) -> Option<usize> {
    columns().position(|name| name == key)
}

/// Runs a session. One that cannot run is a row too.
pub fn run(spec: &Spec, seeds: Seeds, job: &Job) -> Row {
    match measure(spec, seeds, job) {
        Ok(values) => Row { values, error: None },
        Err(error) => Row { values: vec![f64::NAN; columns().count()], error: Some(error.to_string()) },
    }
}

/// Calibration comes before the first presentation.
const CALIBRATION_S: f64 = 57.0;

fn measure(spec: &Spec, seeds: Seeds, job: &Job) -> Result<Vec<f64>, SessionError> {
    let (arm, person) = (&spec.arms[job.arm], spec.participants[job.participant]);
    let brain = spec.set(seeds).brains[job.brain];
    // Same noise, gain and calibration in all arms; another for each brain and person.
    let stream = brain
        .name
        .bytes()
        .chain(person.name.bytes())
        .fold(17u64, |hash, byte| hash.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte));
    let seed = Random::new(job.seed, stream).next_u64() >> 1;
    let mut line = Line::open(person, seed)?;
    let experiment = &arm.experiment;
    let (lowered, given) = (experiment.lower(seed)?, arm.given.clone());
    let planner = steering::planner(&experiment.protocol, &lowered, given, seed, true)?;
    let mut planner = planner.ok_or_else(|| SessionError::Usage("the protocol has no [planner]".into()))?;
    let mut population = ModelPopulation::drawn(brain, &spec.canvas)?;
    let mut known: BTreeMap<u64, f64> = BTreeMap::new();
    let mut levels = vec![f64::NAN];
    let mut course = Course::default();
    let mut request = Request::first(ns_from_s(CALIBRATION_S));
    for shown in 0..=u64::from(arm.presentations) {
        let proposal = planner.propose(&request, &mut || false)?;
        let hash = hash_of(&proposal.pattern);
        let level = *known.entry(hash).or_insert_with(|| match brain.family {
            Family::Maximum => level_of(&mut population, &proposal.pattern),
            // Squares know no sign.
            Family::Energy | Family::Conjunction => level_in_phase(&mut population, &proposal.pattern, 1.0),
        });
        levels.push(level);
        if proposal.trust == Turn::Fails {
            course.failures += 1;
            course.failed_at.get_or_insert(shown);
        }
        // Picture 0 is the calibration's, at another contrast: no result.
        let incumbent = Some(proposal.incumbent as usize).filter(|incumbent| *incumbent > 0);
        let gain = incumbent.and_then(|at| brain.normalised_gain(levels[at], &spec.canvas));
        course.gains.push(gain.unwrap_or(f64::NAN));
        if shown == u64::from(arm.presentations) {
            break;
        }
        let at_s = CALIBRATION_S + spec.period_s * (shown + 1) as f64;
        let [value, spread] = line.measure(level, at_s);
        course.measured += u32::from(value.is_finite());
        request = Request {
            index: shown + 1,
            at_ns: ns_from_s(at_s),
            presentation: Some(shown),
            picture: Some(proposal.picture),
            value,
            spread,
            ..request
        };
    }
    Ok(course.values())
}

#[derive(Default)]
struct Course {
    /// Of the incumbent after 0, 1, 2 ... presentations.
    gains: Vec<f64>,
    measured: u32,
    failures: u32,
    /// Presentations after which the model was first given up.
    failed_at: Option<u64>,
}

impl Course {
    fn values(&self) -> Vec<f64> {
        let first =
            |mark: f64| self.gains.iter().position(|&gain| gain >= mark).map_or(f64::NAN, |at| at as f64);
        let after = |count: u32| self.gains.get(count as usize).copied().unwrap_or(f64::NAN);
        let best = self.gains.iter().copied().fold(f64::NAN, f64::max);
        let counts = [
            (self.gains.len() - 1) as f64,
            f64::from(self.measured),
            f64::from(self.failures),
            self.failed_at.map_or(f64::NAN, |at| at as f64),
            best,
        ];
        counts.into_iter().chain(MARKS.map(|mark| first(mark.0))).chain(AFTER.map(|at| after(at.0))).collect()
    }
}
