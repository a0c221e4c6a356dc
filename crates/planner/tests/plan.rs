//! The planner against a brain that is not its model, without noise.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

use adjoint::Limits;
use encoding::encoder::Encoder;
use encoding::population::{Family, Spec, build};
use planner::features::Eyes;
use planner::{Aim, Canvas, Planner, Settings, probe};
use random::Random;
use timeline::{Purpose, Request};

fn canvas() -> Canvas {
    Canvas { texels: 32, texels_per_deg: 4.0, contrast_rms: 0.2, aperture_deg: 7.6, edge_deg: 0.8 }
}

fn settings(aim: Aim) -> Settings {
    Settings {
        aim,
        probes: 10,
        steps: 16,
        exploration: 1.0,
        forgetting_s: 600.0,
        people: Vec::new(),
        seed: 3,
    }
}

/// Level of a drawn brain's population whose drive is a half at `semisaturation`.
fn brain(canvas: &Canvas, semisaturation: f64) -> Eyes {
    let mut spec = Spec::draw(Family::Energy, 2, canvas.texels, canvas.texels_per_deg, 1);
    spec.semisaturation = vec![semisaturation];
    let encoder = Encoder::from_bytes("brain", &build(&spec).unwrap(), None, &Limits::default()).unwrap();
    Eyes::values(encoder, "level", canvas, true).unwrap()
}

/// Levels of the pictures shown, their purposes, and the level of the last incumbent.
fn run(aim: Aim, count: u64) -> (Vec<f64>, Vec<Purpose>, f64) {
    let canvas = canvas();
    let mut brain = brain(&canvas, 0.5);
    let eyes = Eyes::v1(&canvas, true).unwrap();
    let mut planner = Planner::new(canvas.clone(), settings(aim), eyes).unwrap();
    let mut request = Request::first(0);
    let (mut levels, mut purposes, mut incumbent) = (vec![0.0], Vec::new(), 0);
    for index in 0..count {
        let proposal = planner.propose(&request, &mut || false).unwrap();
        let level = brain.features(&canvas.light(&proposal.pattern)).unwrap()[0];
        levels.push(level);
        purposes.push(proposal.purpose);
        incumbent = proposal.incumbent;
        let at_ns = (index as i64 + 1) * 3_000_000_000;
        let (picture, presentation) = (Some(proposal.picture), Some(index));
        request =
            Request { index: index + 1, at_ns, presentation, picture, value: level, spread: 0.01, ..request };
    }
    let last = levels[incumbent as usize];
    (levels, purposes, last)
}

#[test]
fn a_brain_is_driven_beyond_every_probe() {
    let (levels, purposes, incumbent) = run(Aim::Drive, 30);
    let best_probe = levels[1..=10].iter().copied().fold(0.0, f64::max);
    println!("best probe {best_probe:.3}, incumbent {incumbent:.3}");
    assert!(purposes[..10].iter().all(|p| matches!(p, Purpose::ProbeNatural | Purpose::ProbeGabor)));
    assert!(purposes[10..].iter().all(|p| !matches!(p, Purpose::ProbeNatural | Purpose::ProbeGabor)));
    assert!(incumbent > 1.2 * best_probe, "{incumbent} against {best_probe}");
    let (again, ..) = run(Aim::Drive, 14);
    assert_eq!(levels[..15], again, "the same seed and steps give the same pictures");
}

#[test]
fn a_brain_is_suppressed_below_most_probes() {
    let (levels, _, incumbent) = run(Aim::Suppress, 24);
    let mut probes = levels[1..=10].to_vec();
    probes.sort_by(f64::total_cmp);
    println!("probes {probes:.3?}, incumbent {incumbent:.4}");
    assert!(incumbent <= probes[2], "{incumbent} against {probes:?}");
}

#[test]
fn probes_are_what_they_say() {
    let canvas = canvas();
    let mut random = Random::new(1, 0);
    let constraints = canvas.constraints();
    for _ in 0..20 {
        for picture in [
            probe::natural(&canvas, &mut random).unwrap(),
            probe::gabor(&canvas, &mut random).unwrap(),
            probe::broadband(&canvas, &mut random).unwrap(),
        ] {
            assert_eq!(picture.len(), canvas.count());
            assert!(picture.iter().all(|texel| (-1.0..=1.0).contains(texel)));
            assert!(constraints.feasible(&canvas.light(&picture), 1e-4));
        }
    }
    // A Gabor varies along its orientation: along x at 0, along y at 90 degrees.
    let n = canvas.texels;
    let slopes = |orientation_deg: f64| {
        let gabor = probe::gabor_at(&canvas, [0.0, 0.0], orientation_deg.to_radians(), 0.5, 0.0, 1.5);
        let squared = |step: usize| -> f64 {
            let inner = (n + 1..n * (n - 1) - 1).map(|at| f64::from(gabor[at + step] - gabor[at]).powi(2));
            inner.sum()
        };
        (squared(1), squared(n))
    };
    let (along, across) = slopes(0.0);
    assert!(along > 5.0 * across, "{along} {across}");
    let (along, across) = slopes(90.0);
    assert!(across > 5.0 * along, "{along} {across}");
}

#[test]
fn settings_out_of_range_are_refused() {
    let canvas = canvas();
    for (change, says) in [
        (Settings { probes: 1, ..settings(Aim::Drive) }, "probes is 1"),
        (Settings { steps: 0, ..settings(Aim::Drive) }, "steps is 0"),
        (Settings { forgetting_s: 0.0, ..settings(Aim::Drive) }, "forgetting_s is 0"),
        (Settings { exploration: f64::NAN, ..settings(Aim::Drive) }, "exploration is NaN"),
    ] {
        let eyes = Eyes::v1(&canvas, true).unwrap();
        let error = Planner::new(canvas.clone(), change, eyes).err().unwrap().to_string();
        assert!(error.contains(says), "{error}");
    }
    let empty = Canvas { contrast_rms: 0.9, ..canvas };
    let eyes = Eyes::v1(&self::canvas(), true).unwrap();
    assert!(Planner::new(empty, settings(Aim::Drive), eyes).is_err(), "no picture has that contrast");
}
