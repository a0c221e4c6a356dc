//! A planner with its cells in any order beside one with the right ones: the first is given up within twenty presentations of
//! its own, the second is not.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

use adjoint::Limits;
use encoding::encoder::Encoder;
use encoding::population::{Family, Spec, build};
use planner::features::Eyes;
use planner::surprise::Turn;
use planner::{Aim, Canvas, Planner, Settings};
use random::Random;
use timeline::Request;

const PROBES: u32 = 10;
/// Presentations of its own in which a model must be noticed.
const WITHIN: u64 = 20;
/// Of a level of 1: what a person's presentation of 8 s has.
const NOISE: f64 = 0.06;

/// Presentations of the model's own until it was given up, if it was.
fn given_up(seed: u64, is_shuffled: bool) -> Option<u64> {
    let canvas =
        Canvas { texels: 32, texels_per_deg: 4.0, contrast_rms: 0.2, aperture_deg: 7.6, edge_deg: 0.8 };
    let mut spec = Spec::draw(Family::Energy, seed, canvas.texels, canvas.texels_per_deg, 1);
    spec.semisaturation = vec![0.5];
    let encoder = Encoder::from_bytes("brain", &build(&spec).unwrap(), None, &Limits::default()).unwrap();
    let mut brain = Eyes::values(encoder, "level", &canvas, true).unwrap();
    let settings = Settings {
        aim: Aim::Drive,
        probes: PROBES,
        steps: 12,
        exploration: 1.0,
        forgetting_s: 3600.0,
        people: Vec::new(),
        seed,
    };
    let eyes = Eyes::v1(&canvas, true).unwrap();
    let eyes = if is_shuffled { eyes.shuffled(seed) } else { eyes };
    let mut planner = Planner::new(canvas.clone(), settings, eyes).unwrap();
    let mut random = Random::new(seed, 50);
    let mut request = Request::first(0);
    for index in 0..=u64::from(PROBES) + WITHIN {
        let proposal = planner.propose(&request, &mut || false).unwrap();
        if proposal.trust == Turn::Fails {
            return Some(index - u64::from(PROBES));
        }
        let level = brain.features(&canvas.light(&proposal.pattern)).unwrap()[0];
        request = Request {
            index: index + 1,
            at_ns: (index as i64 + 1) * 9_600_000_000,
            presentation: Some(index),
            picture: Some(proposal.picture),
            value: level * (1.0 + 0.1 * random.normal()) + NOISE * random.normal(),
            spread: NOISE,
            ..request
        };
    }
    None
}

#[test]
fn a_wrong_model_is_noticed_and_a_right_one_kept() {
    let wrong: Vec<_> = (0..6).map(|seed| given_up(seed, true)).collect();
    let right: Vec<_> = (0..6).map(|seed| given_up(seed, false)).collect();
    println!("wrong ones after {wrong:?}, right ones after {right:?}");
    assert!(wrong.iter().flatten().count() >= 5, "{wrong:?}");
    assert!(right.iter().flatten().count() <= 2, "{right:?}");
}
