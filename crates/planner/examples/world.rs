//! A small world for tuning: the planner against hidden brains, with a noisy number instead of an EEG.
//!
//! Usage: world FAMILY SEED [PRESENTATIONS] [NOISE]
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use adjoint::Limits;
use encoding::encoder::Encoder;
use encoding::population::{Family, Spec, build};
use planner::{Aim, Canvas, Planner, Settings, features::Eyes, probe, propose};
use random::Random;
use timeline::Request;

/// A brain's drive and level of its first population.
struct Brain {
    drive: Eyes,
    level: Eyes,
}

impl Brain {
    fn new(spec: &Spec, canvas: &Canvas) -> Self {
        let bytes = build(spec).unwrap();
        let eyes = |tap| {
            let encoder = Encoder::from_bytes("brain", &bytes, None, &Limits::default()).unwrap();
            Eyes::values(encoder, tap, canvas, true).unwrap()
        };
        Self { drive: eyes("drive"), level: eyes("level") }
    }

    fn level(&mut self, canvas: &Canvas, pattern: &[f32]) -> f64 {
        self.level.features(&canvas.light(pattern)).unwrap()[0]
    }

    /// Drive of the best picture that some restarts of ascent find.
    fn oracle(&mut self, canvas: &Canvas, restarts: usize, steps: u32) -> f64 {
        let mut random = Random::new(9, 9);
        let one = |_| {
            let start = probe::natural(canvas, &mut random).unwrap();
            let judge = |f: &[f64]| (f[0], vec![1.0]);
            let found = propose::climb(&mut self.drive, canvas, &judge, &start, steps, || false).unwrap();
            self.drive.features(&canvas.light(&found.pattern)).unwrap()[0]
        };
        (0..restarts).map(one).fold(0.0, f64::max)
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let family = match args[1].as_str() {
        "energy" => Family::Energy,
        "maximum" => Family::Maximum,
        _ => Family::Conjunction,
    };
    let count: u64 = args.get(3).map_or(100, |n| n.parse().unwrap());
    let noise: f64 = args.get(4).map_or(0.144, |n| n.parse().unwrap());
    let canvas =
        Canvas { texels: 48, texels_per_deg: 5.0, contrast_rms: 0.2, aperture_deg: 9.2, edge_deg: 0.8 };
    for seed in args[2].split(',').map(|seed| seed.parse::<u64>().unwrap()) {
        let mut spec = Spec::draw(family, seed, 48, 5.0, 1);
        let mut brain = Brain::new(&spec, &canvas);
        let began = timeline::clock::now_ns();
        let best = brain.oracle(&canvas, 4, 100);
        let oracle_s = (timeline::clock::now_ns() - began) as f64 / 1e9;
        spec.semisaturation = vec![best];
        let mut brain = Brain::new(&spec, &canvas);
        let mut random = Random::new(5, 5);
        let natural = (0..100).map(|_| {
            let pattern = probe::natural(&canvas, &mut random).unwrap();
            brain.level(&canvas, &pattern)
        });
        let natural = natural.fold(0.0, f64::max);
        let settings = Settings {
            aim: Aim::Drive,
            probes: 20,
            steps: args.get(5).map_or(40, |n| n.parse().unwrap()),
            exploration: args.get(6).map_or(1.0, |n| n.parse().unwrap()),
            forgetting_s: 600.0,
            people: Vec::new(),
            seed,
        };
        let eyes = Eyes::v1(&canvas, true).unwrap();
        let began = timeline::clock::now_ns();
        let mut planner = Planner::new(canvas.clone(), settings, eyes).unwrap();
        let mut request = Request::first(0);
        let mut patterns = vec![planner.first().to_vec()];
        let mut gains = Vec::new();
        let (mut worst, mut fails) = (0.0f64, 0);
        for index in 0..count {
            let proposal = planner.propose(&request, &mut || false).unwrap();
            fails += u32::from(proposal.trust == planner::surprise::Turn::Fails);
            patterns.push(proposal.pattern.clone());
            let level = brain.level(&canvas, &proposal.pattern);
            let best = brain.level(&canvas, &patterns[proposal.incumbent as usize]);
            gains.push((best - natural) / (0.85 - natural));
            worst = worst.max(planner.surprise().0);
            if std::env::var_os("WORLD_LOG").is_some() {
                println!(
                    "{index} {:?} predicted {:.2} {:.2} level {level:.3} uv {:.2} incumbent {best:.3}",
                    proposal.purpose,
                    proposal.predicted.mean,
                    proposal.predicted.sd,
                    3.4 * level
                );
            }
            let gain = (0.2 * random.normal()).exp();
            let value = 3.4 * (gain * level + noise * random.normal());
            request = Request {
                index: index + 1,
                at_ns: (index as i64 + 1) * 3_500_000_000,
                presentation: Some(index),
                picture: Some(proposal.picture),
                value,
                spread: 3.4 * noise,
                ..request
            };
        }
        let took = (timeline::clock::now_ns() - began) as f64 / 1e9;
        let at = |n: usize| gains.get(n - 1).map_or(f64::NAN, |g| (g * 100.0).round() / 100.0);
        println!(
            "{family:?} {seed} natural {natural:.2} oracle in {oracle_s:.1} s; gain at 20 {} 30 {} 40 {} 50 {} 60 {} 80 {} 100 {} 120 {}; {took:.1} s, surprise {worst:.1}, fails {fails}",
            at(20),
            at(30),
            at(40),
            at(50),
            at(60),
            at(80),
            at(100),
            at(120)
        );
    }
}
