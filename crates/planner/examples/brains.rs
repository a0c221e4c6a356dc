//! Writes the committed brains of simulated participants: drawn populations, with the level of the best picture that
//! gradient ascent finds and of the best natural one. Takes some minutes per brain.
//!
//! Usage: brains 1-6 101-108 > crates/session/brains.toml, then brains several 1-2 101-102 >> crates/session/brains.toml.
//! Settings are tuned on brains 1 to 6 of each family; those from 101 on are held out.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a tool for developers")]

use adjoint::Limits;
use encoding::encoder::Encoder;
use encoding::population::{Family, Spec, build};
use planner::features::Eyes;
use planner::{Canvas, probe, propose};
use random::Random;

/// Restarts and steps of the oracle.
const RESTARTS: usize = 20;
const STEPS: u32 = 80;
/// Natural pictures of which the best is taken.
const NATURALS: usize = 200;

/// Restarts and steps of each population's oracle, where there are several.
const FEWER_RESTARTS: usize = 6;
const FEWER_STEPS: u32 = 60;

fn main() {
    let ranges: Vec<String> = std::env::args().skip(1).collect();
    if let Some(("several", ranges)) = ranges.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        return several(ranges);
    }
    let canvas =
        Canvas { texels: 48, texels_per_deg: 5.0, contrast_rms: 0.2, aperture_deg: 9.2, edge_deg: 0.8 };
    println!(
        "# Made by the example `brains` of crate `planner` (brains {}); do not edit. Keys: `Brain` in brain.rs.",
        ranges.join(" ")
    );
    println!("# Settings are tuned on brains 1 to 6 of each family; those from 101 on are held out.");
    println!(
        "\n[canvas]\ntexels = 48\ntexels_per_deg = 5.0\ncontrast_rms = 0.2\naperture_deg = 9.2\nedge_deg = 0.8"
    );
    for seed in seeds(&ranges) {
        for family in Family::ALL {
            let mut spec = Spec::draw(family, seed, canvas.texels, canvas.texels_per_deg, 1);
            let drive = oracle(&spec, &canvas, 0, [RESTARTS, STEPS as usize]);
            spec.semisaturation = vec![drive];
            let mut level = eyes(&spec, &canvas, "level");
            let mut random = Random::new(seed, 5);
            let natural = (0..NATURALS).map(|_| {
                let picture = probe::natural(&canvas, &mut random).unwrap();
                level.features(&canvas.light(&picture)).unwrap()[0]
            });
            let natural = natural.fold(0.0, f64::max);
            let family = format!("{family:?}").to_lowercase();
            println!("\n[[brain]]\nname = \"{family}-{seed}\"\nfamily = \"{family}\"\nseed = {seed}");
            println!("oracle_drive = {drive:.6}\noracle_level = 0.85\nnatural_level = {natural:.6}");
        }
    }
}

fn seeds(ranges: &[String]) -> impl Iterator<Item = u64> {
    ranges.iter().flat_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        first.parse().unwrap()..=last.parse::<u64>().unwrap()
    })
}

fn eyes(spec: &Spec, canvas: &Canvas, tap: &str) -> Eyes {
    let encoder = Encoder::from_bytes("brain", &build(spec).unwrap(), None, &Limits::default()).unwrap();
    Eyes::values(encoder, tap, canvas, true).unwrap()
}

/// Brains of several populations: the drive of each population's best picture.
fn several(ranges: &[String]) {
    let canvas =
        Canvas { texels: 48, texels_per_deg: 5.0, contrast_rms: 0.2, aperture_deg: 9.2, edge_deg: 0.8 };
    for seed in seeds(ranges) {
        for family in Family::ALL {
            let spec = Spec::several(family, seed, canvas.texels, canvas.texels_per_deg);
            let drive = |at| oracle(&spec, &canvas, at, [FEWER_RESTARTS, FEWER_STEPS as usize]);
            let drives: Vec<String> =
                (0..spec.populations.len()).map(|at| format!("{:.6}", drive(at))).collect();
            let family = format!("{family:?}").to_lowercase();
            println!("\n[[several]]\nname = \"{family}-several-{seed}\"");
            println!("family = \"{family}\"\nseed = {seed}\noracle_drives = [{}]", drives.join(", "));
        }
    }
}

/// Drive of a population for the best picture of some ascents, each from another natural picture.
fn oracle(spec: &Spec, canvas: &Canvas, population: usize, [restarts, steps]: [usize; 2]) -> f64 {
    let mut drive = eyes(spec, canvas, "drive");
    let mut random = Random::new(spec.texels as u64, 9);
    let judge = |features: &[f64]| {
        let mut slope = vec![0.0; features.len()];
        slope[population] = 1.0;
        (features[population], slope)
    };
    let one = |_| {
        let start = probe::natural(canvas, &mut random).unwrap();
        let found = propose::climb(&mut drive, canvas, &judge, &start, steps as u32, || false).unwrap();
        drive.features(&canvas.light(&found.pattern)).unwrap()[population]
    };
    (0..restarts).map(one).fold(0.0, f64::max)
}
