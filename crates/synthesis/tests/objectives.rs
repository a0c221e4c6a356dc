//! Whole assemblies: gradients from the objective back to the parameters, and what is refused before the work.
#![allow(clippy::unwrap_used, reason = "a test that cannot make its cases should end there")]

mod search_support;

use encoding::encoder::Encoder;
use encoding::v1::{self, Params, Temporal};
use ndarray::Array5;
use random::Random;
use search_support::*;
use synthesis::assembly::{Parts, Synthesis};
use synthesis::constraint::{Constraints, Contrast};
use synthesis::objective::{Centre, Source, Statistic, Term, Units, Weighted, drive_and_hold};
use synthesis::parametrisation::{Ball, Fourier, FourierSpec, Parametrisation, Perturbation, Pixels};
use synthesis::prior::{Penalty, Prior};
use synthesis::problem::Problem;
use synthesis::robustness::Robustness;

const SHAPE: [usize; 5] = [2, 1, 3, 10, 9];

/// Two smooth networks that look at another size than the stimulus, and a term of each kind of coupling.
fn two_arms() -> Parts {
    let arms = vec![plain_arm("conv_next", [1, 3, 8, 8]), plain_arm("divisive_normalisation", [1, 3, 8, 8])];
    let (first, second) = (Source::of(0, "Add_2_out"), Source::of(1, "Div_0_out"));
    let terms = vec![
        Weighted::one(Term::Unit { source: first.clone(), units: Units::one(&[2, 1, 3]) }).only(0),
        Weighted::one(Term::Channel {
            source: second.clone(),
            channel: 1,
            channels: 1,
            centre: Centre::Whole,
        }),
        Weighted::one(Term::Diverse { source: first, statistic: Statistic::Gram, channels: 1 }).times(0.5),
        Weighted::one(Term::LeastConfusable {
            source: second.pooled(2, 2),
            classes: vec![0, 1],
            noise_sd: vec![0.1],
            sharpness: 1.0,
        })
        .times(0.1),
    ];
    parts(SHAPE, arms, terms, Constraints::default())
}

/// The gradient along random directions against differences of the value.
fn agrees(parts: Parts, what: &str) {
    let mut problem = Synthesis::new(parts).unwrap();
    problem.draw_views(3);
    let mut at = problem.parametrisation().start(&mut Random::new(5, 0));
    problem.project(&mut at);
    let mut gradient = vec![0.0; at.len()];
    let value = problem.value_and_gradient(&at, &mut gradient).unwrap();
    assert_eq!(value, problem.value(&at).unwrap(), "{what}: value alone");
    let mut random = Random::new(6, 0);
    let size = gradient.iter().map(|slope| slope * slope).sum::<f64>().sqrt();
    assert!(size > 0.0, "{what}: no gradient");
    for _ in 0..6 {
        // Mostly along the gradient, so that the slope stands out of the f32 network's rounding.
        let direction: Vec<f64> =
            gradient.iter().map(|slope| slope / size + random.normal() / (at.len() as f64).sqrt()).collect();
        let h = 3e-3;
        let mut along = |by: f64| {
            let moved: Vec<f64> = at.iter().zip(&direction).map(|(x, d)| x + by * d).collect();
            problem.value(&moved).unwrap()
        };
        let found = (along(h) - along(-h)) / (2.0 * h);
        let exact: f64 = gradient.iter().zip(&direction).map(|(g, d)| g * d).sum();
        assert!((found - exact).abs() < 0.01 * exact.abs(), "{what}: {found} against {exact}");
    }
}

#[test]
fn the_gradient_passes_through_models_forms_and_sizes() {
    agrees(two_arms(), "pixels");
}

#[test]
fn the_gradient_passes_through_parametrisations_projections_views_and_priors() {
    let fourier = Parametrisation::Fourier(
        Fourier::new(SHAPE, &FourierSpec { noise: 0.1, ..Default::default() }).unwrap(),
    );
    agrees(Parts { parametrisation: fourier, ..two_arms() }, "fourier");
    let base = noise(SHAPE, 0.1, 3);
    let near = Parametrisation::Perturbation(Perturbation::new(base, Ball::L2(2.0), 0.02).unwrap());
    agrees(Parts { parametrisation: near, ..two_arms() }, "perturbation");
    let constraints = Constraints {
        // Not clipped anywhere: at a clip the slope has two sides.
        mean: Some(0.45),
        contrast: Some(Contrast::Exactly(0.06)),
        ..Constraints::default()
    };
    let loose = Parametrisation::Pixels(Pixels::new(SHAPE, 0.08));
    let fixed = Parts { parametrisation: loose, constraints, ..two_arms() };
    let fourier = Parametrisation::Fourier(
        Fourier::new(SHAPE, &FourierSpec { noise: 0.1, ..Default::default() }).unwrap(),
    );
    agrees(Parts { parametrisation: fourier, ..fixed }, "mean and contrast");
    let robustness = Robustness { jitter_px: 1.5, rotation_deg: 10.0, scale: 0.1, ..Robustness::default() };
    agrees(Parts { robustness, views: 3, ..two_arms() }, "three views");
    let priors = vec![
        Prior { weight: 3.0, penalty: Penalty::TotalVariation { temporal: 0.0, smoothing: 0.05 } },
        Prior { weight: 5.0, penalty: Penalty::Blur { sd_px: 1.0 } },
    ];
    agrees(Parts { priors, ..two_arms() }, "priors");
}

#[test]
fn views_are_those_of_their_step() {
    let robustness = Robustness { jitter_px: 2.0, ..Robustness::default() };
    let mut problem = assembled(Parts { robustness, views: 2, ..two_arms() });
    let at = problem.parametrisation().start(&mut Random::new(5, 0));
    let mut values = Vec::new();
    for step in [0, 1, 0] {
        problem.draw_views(step);
        values.push(problem.value(&at).unwrap());
        assert_eq!(problem.value(&at).unwrap(), values[values.len() - 1], "one function within a step");
    }
    assert_ne!(values[0], values[1], "other views in another step");
    assert_eq!(values[0], values[2], "the same views in the same step");
    assert!(problem.take_seen().is_none(), "a view is not what is shown");
    assert_eq!(problem.shown(&at).unwrap().value, assembled(two_arms()).shown(&at).unwrap().value);
}

fn refused(parts: Parts) -> String {
    Synthesis::new(parts).expect_err("refused").to_string()
}

#[test]
fn what_does_not_fit_is_said_before_the_work_with_names_and_numbers() {
    let unit = |source: Source| vec![Weighted::one(Term::Unit { source, units: Units::one(&[2, 1, 3]) })];
    let arm = || vec![plain_arm("conv_next", [1, 3, 8, 8])];
    let with = |terms| parts(SHAPE, arm(), terms, Constraints::default());
    let text = refused(with(unit(Source::tap("Add_2_output"))));
    assert!(text.contains("has no tap called Add_2_output") && text.contains("Add_2_out"), "{text}");
    assert_eq!(
        refused(with(unit(Source::of(2, "Add_2_out")))),
        "term unit reads model 2; there are 1, counted from 0"
    );
    let text = refused(with(vec![Weighted::one(Term::Unit {
        source: Source::tap("Add_2_out"),
        units: Units::one(&[6, 0, 0]),
    })]));
    assert!(
        text.contains("unit [6, 0, 0] is outside tap Add_2_out of model 0") && text.contains("[6, 4, 4]"),
        "{text}"
    );
    let mut terms = drive_and_hold(&Source::tap("Add_2_out"), &[0, 0, 0], vec![0.0], 1.0, 1.0).to_vec();
    terms.push(Weighted::one(Term::Suppress {
        source: Source::tap("Add_2_out"),
        units: Units::one(&[0, 0, 0]),
    }));
    let text = refused(with(terms));
    assert!(text.contains("unit [0, 0, 0] is driven (term 0) and suppressed (term 2)"), "{text}");
    let two = Parts { arms: vec![arm().remove(0), arm().remove(0)], ..with(unit(Source::tap("Add_2_out"))) };
    assert_eq!(refused(two), "no term reads model 1");
    let grey = parts([1, 1, 2, 8, 8], arm(), unit(Source::tap("Add_2_out")), Constraints::default());
    assert!(refused(grey).contains("takes [1, 3, 8, 8] [T, C, H, W], the stimuli are [1, 2, 8, 8]"));
    let dark =
        Constraints { mean: Some(0.01), contrast: Some(Contrast::Exactly(0.4)), ..Constraints::default() };
    let text = refused(Parts { constraints: dark, ..with(unit(Source::tap("Add_2_out"))) });
    assert!(text.contains("0.4") && text.contains("0.01"), "{text}");
    assert!(refused(Parts { views: 0, ..with(unit(Source::tap("Add_2_out"))) }).contains("0 views"));
    assert_eq!(refused(with(Vec::new())), "an objective needs at least one term");
}

#[test]
fn references_are_what_the_taps_say() {
    let source = Source::tap("Div_0_out");
    let arms = || vec![plain_arm("divisive_normalisation", [1, 3, 8, 8])];
    let shape = [1, 1, 3, 8, 8];
    let image: Array5<f32> = noise(shape, 0.1, 4);
    let probe = vec![Weighted::one(Term::Suppress { source: source.clone(), units: Units::All })];
    let read = assembled(parts(shape, arms(), probe, Constraints::default())).read(&image).unwrap();
    let reference = read[0].row(0).to_vec();
    let metamer = vec![Weighted::one(Term::Metamer { source, reference, tolerance: 1e-3 })];
    let mut same = assembled(parts(shape, arms(), metamer, Constraints::default()));
    let at = same.parametrisation().start_at(&image).unwrap();
    assert_eq!(same.shown(&at).unwrap().value, 0.0, "an image is its own metamer");
}

#[test]
fn frames_of_a_movie_are_an_axis_of_their_own() {
    let temporal = Temporal { frames: 4, ..Temporal::default() };
    let params = Params {
        size_px: [32, 32],
        width_deg: 2.0,
        scales_cpd: vec![3.2, 1.6],
        temporal: Some(temporal),
        ..Params::default()
    };
    let arm = Encoder::v1(&params).unwrap();
    let shape = [2, 4, 1, 32, 32];
    let tap = v1::taps(&params).into_iter().find(|tap| tap.name == "v1.direction.s1").unwrap();
    assert_eq!(tap.shape[0], 4, "frames stand beside movies");
    // The last frame's middle unit of the third channel, in the second movie only.
    let index = [3, 2, tap.shape[2] / 2, tap.shape[3] / 2];
    let unit = Term::Unit { source: Source::tap("v1.direction.s1"), units: Units::one(&index) };
    let terms = vec![Weighted::one(unit).only(1)];
    let loose = Parametrisation::Pixels(Pixels::new(shape, 0.1));
    let fresh = parts(shape, vec![arm], terms, Constraints::default());
    let mut problem = assembled(Parts { parametrisation: loose, ..fresh });
    let at = problem.parametrisation().start(&mut Random::new(5, 0));
    let mut gradient = vec![0.0; at.len()];
    problem.value_and_gradient(&at, &mut gradient).unwrap();
    let (first, second) = gradient.split_at(at.len() / 2);
    assert!(first.iter().all(|&slope| slope == 0.0), "the first movie has no part in it");
    assert!(second.iter().any(|&slope| slope != 0.0));
}
