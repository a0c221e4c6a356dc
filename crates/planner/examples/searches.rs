//! The searches against committed brains, with a noisy number instead of an EEG: for tuning them, on brains 1 to 4 alone.
//!
//! Usage: searches BRAIN[,BRAIN...] PRESENTATIONS NOISE SEARCH..., from the top of the repository. NOISE is the SD of a
//! measurement, in levels. A search is `gabor:DRAWN:ONE_OF:CHAMPIONS`, `bayesian:INITIAL:POINTS:CANDIDATES`,
//! `cma:SIGMA:POPULATION:GABORS`, `genetic:AGAIN:POPULATION:ELITE:SPREAD:HALF_LIFE:GABORS`.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a tool for developers")]

use adjoint::Limits;
use encoding::encoder::Encoder;
use encoding::population::{Family, Spec, build};
use planner::features::Eyes;
use planner::search::{Searcher, Settings, bayesian, gabors};
use planner::{Aim, Canvas};
use random::Random;
use synthesis::optimiser::{cma, genetic};
use timeline::Request;

const AFTER: [usize; 8] = [20, 40, 60, 120, 250, 500, 1000, 2000];

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let canvas =
        Canvas { texels: 48, texels_per_deg: 5.0, contrast_rms: 0.2, aperture_deg: 9.2, edge_deg: 0.8 };
    let (count, noise): (usize, f64) = (args[2].parse().unwrap(), args[3].parse().unwrap());
    let brains: Vec<(Eyes, f64)> = args[1].split(',').map(|name| brain(name, &canvas)).collect();
    let mut brains = brains;
    println!("{:34} {AFTER:?}; presentations to 0.5 and 0.8", "mean gain after");
    for text in &args[4..] {
        let mut sums = [0.0; AFTER.len()];
        let mut reached = [Vec::new(), Vec::new()];
        for (at, (eyes, natural)) in brains.iter_mut().enumerate() {
            let gains = run(settings(text), &canvas, eyes, *natural, (count, noise), at as u64);
            for (sum, after) in sums.iter_mut().zip(AFTER) {
                *sum += gains.get(after).copied().unwrap_or(f64::NAN);
            }
            for (reached, mark) in reached.iter_mut().zip([0.5, 0.8]) {
                reached.push(gains.iter().position(|gain| *gain >= mark).unwrap_or(9999));
            }
        }
        let means = sums.map(|sum| (100.0 * sum / brains.len() as f64).round() / 100.0);
        reached.iter_mut().for_each(|reached| reached.sort_unstable());
        println!("{text:34} {means:?}; {:?} {:?}", reached[0], reached[1]);
    }
}

fn settings(text: &str) -> Settings {
    let parts: Vec<&str> = text.split(':').collect();
    let number = |at: usize| parts[at].parse::<f64>().unwrap();
    let whole = |at: usize| number(at) as usize;
    match parts[0] {
        "gabor" => {
            Settings::Gabor(gabors::Settings { drawn: whole(1), one_of: whole(2), champions: whole(3) })
        }
        "bayesian" => Settings::Bayesian(bayesian::Settings {
            initial: whole(1),
            most_points: whole(2),
            candidates: whole(3),
        }),
        "cma" => {
            let population = Some(whole(2)).filter(|population| *population > 0);
            let method = cma::Settings { sigma: number(1), population, ..cma::Settings::default() };
            Settings::CmaEs(method, whole(3))
        }
        _ => {
            let method = genetic::Settings {
                again: whole(1) == 1,
                population: whole(2),
                elite: whole(3),
                spread: number(4),
                half_life: number(5),
                ..genetic::Settings::default()
            };
            Settings::Genetic(method, whole(6))
        }
    }
}

/// A committed brain's level and that of its best natural picture.
fn brain(name: &str, canvas: &Canvas) -> (Eyes, f64) {
    let text = std::fs::read_to_string("crates/session/brains.toml").unwrap();
    let entry = text.split("[[brain]]").find(|entry| entry.contains(&format!("\"{name}\""))).unwrap();
    let of = |key: &str| -> f64 {
        let line = entry.lines().find(|line| line.starts_with(key)).unwrap();
        line.split('=').nth(1).unwrap().trim().parse().unwrap()
    };
    let family = match name.split('-').next().unwrap() {
        "energy" => Family::Energy,
        "maximum" => Family::Maximum,
        _ => Family::Conjunction,
    };
    let mut spec = Spec::draw(family, of("seed") as u64, canvas.texels, canvas.texels_per_deg, 1);
    spec.semisaturation = vec![of("oracle_drive")];
    let encoder = Encoder::from_bytes("brain", &build(&spec).unwrap(), None, &Limits::default()).unwrap();
    (Eyes::values(encoder, "level", canvas, true).unwrap(), of("natural_level"))
}

fn run(
    settings: Settings,
    canvas: &Canvas,
    eyes: &mut Eyes,
    natural: f64,
    (count, noise): (usize, f64),
    seed: u64,
) -> Vec<f64> {
    let mut searcher = Searcher::new(canvas.clone(), settings, Aim::Drive, seed).unwrap();
    let mut random = Random::new(seed, 8);
    let mut request = Request::first(0);
    let mut levels = vec![0.0];
    let mut known: Vec<(Vec<f32>, f64)> = Vec::new();
    let mut gains = Vec::new();
    for index in 0..=count as u64 {
        let proposal = searcher.propose(&request).unwrap();
        let before = known.iter().find(|(pattern, _)| *pattern == proposal.pattern).map(|(_, level)| *level);
        let level = before.unwrap_or_else(|| eyes.features(&canvas.light(&proposal.pattern)).unwrap()[0]);
        if before.is_none() {
            known.push((proposal.pattern, level));
        }
        levels.push(level);
        gains.push((levels[proposal.incumbent as usize] - natural) / (0.85 - natural));
        let gain = (0.2 * random.normal()).exp();
        request = Request {
            index: index + 1,
            at_ns: (index as i64 + 1) * 3_600_000_000,
            presentation: Some(index),
            picture: Some(proposal.picture),
            value: gain * level + noise * random.normal(),
            spread: noise,
            ..request
        };
    }
    gains
}
