//! Writes the committed brains of simulated participants: drawn populations, with the level of the best picture that
//! gradient ascent finds and of the best natural one. Takes some minutes per brain.
//!
//! Usage: brains 1-4 101-108 > crates/session/brains.toml. Settings are tuned on brains 1 to 4 of each family; 101 to 108 are
//! held out.
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

fn main() {
    let canvas =
        Canvas { texels: 48, texels_per_deg: 5.0, contrast_rms: 0.2, aperture_deg: 9.2, edge_deg: 0.8 };
    let ranges: Vec<String> = std::env::args().skip(1).collect();
    println!(
        "# Made by the example `brains` of crate `planner` (brains {}); do not edit. Keys: `Brain` in brain.rs.",
        ranges.join(" ")
    );
    println!("# Settings are tuned on brains 1 to 4 of each family; 101 to 108 are held out.");
    println!(
        "\n[canvas]\ntexels = 48\ntexels_per_deg = 5.0\ncontrast_rms = 0.2\naperture_deg = 9.2\nedge_deg = 0.8"
    );
    let seeds = ranges.iter().map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        first.parse().unwrap()..=last.parse::<u64>().unwrap()
    });
    for seed in seeds.flatten() {
        for family in Family::ALL {
            let mut spec = Spec::draw(family, seed, canvas.texels, canvas.texels_per_deg, 1);
            let drive = oracle(&spec, &canvas);
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

fn eyes(spec: &Spec, canvas: &Canvas, tap: &str) -> Eyes {
    let encoder = Encoder::from_bytes("brain", &build(spec).unwrap(), None, &Limits::default()).unwrap();
    Eyes::values(encoder, tap, canvas, true).unwrap()
}

/// Drive of the best picture of some ascents, each from another natural picture.
fn oracle(spec: &Spec, canvas: &Canvas) -> f64 {
    let mut drive = eyes(spec, canvas, "drive");
    let mut random = Random::new(spec.texels as u64, 9);
    let judge = |features: &[f64]| (features[0], vec![1.0]);
    let one = |_| {
        let start = probe::natural(canvas, &mut random).unwrap();
        let found = propose::climb(&mut drive, canvas, &judge, &start, STEPS, || false).unwrap();
        drive.features(&canvas.light(&found.pattern)).unwrap()[0]
    };
    (0..RESTARTS).map(one).fold(0.0, f64::max)
}
