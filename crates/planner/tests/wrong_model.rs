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
use timeline::{Purpose, Request};

const PROBES: u32 = 10;
/// Presentations of its own in which a model must be noticed.
const WITHIN: u64 = 20;
/// Of a level of 1: what a person's presentation of 8 s has.
const NOISE: f64 = 0.06;

fn canvas() -> Canvas {
    Canvas { texels: 32, texels_per_deg: 4.0, contrast_rms: 0.2, aperture_deg: 7.6, edge_deg: 0.8 }
}

fn planner(seed: u64, is_shuffled: bool) -> Planner {
    let settings = Settings {
        aim: Aim::Drive,
        probes: PROBES,
        steps: 12,
        exploration: 1.0,
        forgetting_s: 3600.0,
        people: Vec::new(),
        seed,
    };
    let eyes = Eyes::v1(&canvas(), true).unwrap();
    let eyes = if is_shuffled { eyes.shuffled(seed) } else { eyes };
    Planner::new(canvas(), settings, eyes).unwrap()
}

/// What a request says of the presentation before it.
fn measured(index: u64, picture: u64, value: f64) -> Request {
    Request {
        index: index + 1,
        at_ns: (index as i64 + 1) * 9_600_000_000,
        presentation: Some(index),
        picture: Some(picture),
        value,
        spread: NOISE,
        ..Request::first(0)
    }
}

/// Presentations of the model's own until it was given up, if it was.
fn given_up(seed: u64, is_shuffled: bool) -> Option<u64> {
    let canvas = canvas();
    let mut spec = Spec::draw(Family::Energy, seed, canvas.texels, canvas.texels_per_deg, 1);
    spec.semisaturation = vec![0.5];
    let encoder = Encoder::from_bytes("brain", &build(&spec).unwrap(), None, &Limits::default()).unwrap();
    let mut brain = Eyes::values(encoder, "level", &canvas, true).unwrap();
    let mut planner = planner(seed, is_shuffled);
    let mut random = Random::new(seed, 50);
    let mut request = Request::first(0);
    for index in 0..=u64::from(PROBES) + WITHIN {
        let proposal = planner.propose(&request, &mut || false).unwrap();
        if proposal.trust == Turn::Fails {
            return Some(index - u64::from(PROBES));
        }
        let level = brain.features(&canvas.light(&proposal.pattern)).unwrap()[0];
        let value = level * (1.0 + 0.1 * random.normal()) + NOISE * random.normal();
        request = measured(index, proposal.picture, value);
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

/// Of the new pictures after a model was given up, the part that the search proposed, where the model's pictures do
/// `of_model` and the search's `of_search`.
fn part_of_search(of_model: f64, of_search: f64) -> f64 {
    let mut planner = planner(3, true);
    let mut random = Random::new(3, 51);
    let mut request = Request::first(0);
    let mut values: Vec<(Vec<f32>, f64)> = Vec::new();
    let (mut failed_at, mut counts) = (None, [0.0, 0.0]);
    for index in 0..100 {
        let proposal = planner.propose(&request, &mut || false).unwrap();
        match proposal.trust {
            Turn::Fails => failed_at = Some(index),
            Turn::Back => break,
            Turn::None => {}
        }
        let known = values.iter().find(|(pattern, _)| *pattern == proposal.pattern).map(|(_, value)| *value);
        let of_search_is = matches!(proposal.purpose, Purpose::Fallback | Purpose::ProbeGabor);
        let value = match (known, failed_at) {
            (Some(value), _) => value,
            // Anything, until it is given up.
            (None, None) => 0.5 + 0.3 * random.normal(),
            (None, Some(at)) => {
                if index > at + 8 {
                    counts[usize::from(of_search_is)] += 1.0;
                }
                if index > at + 32 {
                    break;
                }
                if of_search_is { of_search } else { of_model }
            }
        };
        values.push((proposal.pattern, value));
        request = measured(index, proposal.picture, value + NOISE * random.normal());
    }
    assert!(failed_at.is_some() && counts[0] + counts[1] >= 8.0, "{failed_at:?} {counts:?}");
    counts[1] / (counts[0] + counts[1])
}

#[test]
fn whoever_finds_the_better_pictures_goes_on_after_a_model_was_given_up() {
    let (leads, follows) = (part_of_search(3.0, 0.5), part_of_search(0.5, 3.0));
    println!("the search's part: {leads:.2} where the model leads, {follows:.2} where it follows");
    assert!(leads < 0.4 && follows > 0.6, "{leads} {follows}");
}
