//! A planner whose model is wrong (its cells are shuffled) beside the right one and a search without a model: whether it is
//! noticed, and how far each drives a hidden brain.
//!
//! Usage: wrong_model [BRAINS]
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a tool for developers")]

use adjoint::Limits;
use encoding::encoder::Encoder;
use encoding::population::{Family, Spec, build};
use planner::features::Eyes;
use planner::search::Kind;
use planner::surprise::Turn;
use planner::{Aim, AnyPlanner, Canvas, Method, Settings};
use random::Random;
use timeline::Request;

const PROBES: u32 = 10;
const PRESENTATIONS: u64 = 50;
/// Of a level of 1: what a middle person's presentation of 8 s has.
const NOISE: f64 = 0.09;
const WAVERING: f64 = 0.2;

fn canvas() -> Canvas {
    Canvas { texels: 32, texels_per_deg: 4.0, contrast_rms: 0.2, aperture_deg: 7.6, edge_deg: 0.8 }
}

struct Course {
    /// Presentations after the probes until the model was given up.
    noticed: Option<u64>,
    /// Level of the last incumbent.
    level: f64,
}

fn run(method: Method, family: Family, seed: u64, eyes: impl FnOnce(&Canvas) -> Eyes) -> Course {
    let canvas = canvas();
    let mut spec = Spec::draw(family, seed, canvas.texels, canvas.texels_per_deg, 1);
    spec.semisaturation = vec![0.5];
    let encoder = Encoder::from_bytes("brain", &build(&spec).unwrap(), None, &Limits::default()).unwrap();
    let mut brain = Eyes::values(encoder, "level", &canvas, true).unwrap();
    let settings = Settings {
        aim: Aim::Drive,
        probes: PROBES,
        steps: 16,
        exploration: 1.0,
        forgetting_s: 3600.0,
        people: Vec::new(),
        seed,
    };
    let mut planner = AnyPlanner::new(method, canvas.clone(), settings, |canvas| Ok(eyes(canvas))).unwrap();
    let mut random = Random::new(seed, 50);
    let mut request = Request::first(0);
    let mut levels = vec![f64::NAN];
    let mut course = Course { noticed: None, level: f64::NAN };
    for index in 0..PRESENTATIONS {
        let proposal = planner.propose(&request, &mut || false).unwrap();
        let after = index.saturating_sub(u64::from(PROBES));
        if proposal.trust == Turn::Fails && course.noticed.is_none() {
            course.noticed = Some(after);
        }
        let level = brain.features(&canvas.light(&proposal.pattern)).unwrap()[0];
        levels.push(level);
        course.level = levels[proposal.incumbent as usize];
        let gain = (WAVERING * random.normal()).exp();
        request = Request {
            index: index + 1,
            at_ns: (index as i64 + 1) * 9_600_000_000,
            presentation: Some(index),
            picture: Some(proposal.picture),
            value: gain * level + NOISE * random.normal(),
            spread: NOISE,
            ..request
        };
    }
    course
}

fn main() {
    let count: u64 = std::env::args().nth(1).map_or(8, |count| count.parse().unwrap());
    let mut rows = Vec::new();
    for seed in 0..count {
        let family = Family::ALL[seed as usize % 3];
        let plain = |canvas: &Canvas| Eyes::v1(canvas, true).unwrap();
        let right = run(Method::Model, family, seed, plain);
        let wrong = run(Method::Model, family, seed, |canvas| plain(canvas).shuffled(seed));
        let none = run(Method::Search(Kind::Genetic), family, seed, plain);
        println!(
            "{family:?} {seed}: right {:.2} ({:?}), shuffled {:.2} (noticed after {:?}), without a model {:.2}",
            right.level, right.noticed, wrong.level, wrong.noticed, none.level
        );
        rows.push((right, wrong, none));
    }
    let noticed = rows.iter().filter(|(_, wrong, _)| wrong.noticed.is_some_and(|after| after <= 20)).count();
    let given_up = rows.iter().filter(|(right, ..)| right.noticed.is_some()).count();
    let mean =
        |of: fn(&(Course, Course, Course)) -> f64| rows.iter().map(of).sum::<f64>() / rows.len() as f64;
    let (right, wrong, none) = (mean(|r| r.0.level), mean(|r| r.1.level), mean(|r| r.2.level));
    println!(
        "noticed {noticed} of {count}, right ones given up {given_up}; mean levels {right:.2}, {wrong:.2}, {none:.2}"
    );
}
