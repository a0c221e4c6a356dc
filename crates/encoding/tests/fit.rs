//! Fitting parameters to simulated people whose parameters are known: a small network for what has a closed form.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

use adjoint::Limits;
use encoding::encoder::{Encoder, Features};
use encoding::fit::{Effort, Fit, FitError, Link, Trials, Unknown, fit};
use encoding::form::{Form, Layout};
use encoding::onnx::{Dim, Graph};
use ndarray::{Array1, Array2, Array5, ArrayView2, arr0};
use random::Random;

const SIDE: usize = 12;

/// image -> times a Gaussian window around (`x`, 5.5) of 2 px -> times `gain` -> `seen`; `idle` is added to what nothing
/// reads.
fn network() -> Encoder {
    let mut graph = Graph::new("window", "what a window lets through");
    let batch = Dim::Open("batch");
    let shape = [batch, Dim::Fixed(1), Dim::Fixed(SIDE), Dim::Fixed(SIDE)];
    let image = graph.input("image", &shape, "light");
    let [x, gain, idle] = ["x", "gain", "idle"].map(|name| graph.input(name, &[Dim::Fixed(1)], ""));
    let places: Vec<f32> = (0..SIDE).map(|place| place as f32).collect();
    let rows: Vec<f32> = places.iter().map(|place| (-(place - 5.5).powi(2) / 8.0).exp()).collect();
    let columns = graph.constant("columns", &[1, 1, 1, SIDE], &places);
    let window = graph.constant("rows", &[1, 1, SIDE, 1], &rows);
    let off = graph.sub("off", &columns, &x);
    let squared = graph.mul("squared", &off, &off);
    let scale = graph.scalar("scale", -1.0 / 8.0);
    let exponent = graph.mul("exponent", &squared, &scale);
    let across = graph.node("across", "Exp", &[&exponent], &[]);
    let window = graph.mul("window", &across, &window);
    let through = graph.mul("through", &image, &window);
    let seen = graph.mul("seen", &through, &gain);
    let aside = graph.add("aside", &image, &idle);
    graph.output(&seen, &shape, "");
    graph.output(&aside, &shape, "");
    for (name, value) in [("x", "4, 0, 11"), ("gain", "1, 0, 10"), ("idle", "0, -1, 1")] {
        graph.property(&format!("photic.parameter.{name}"), value);
    }
    let form = Form::linear(Layout::Nchw, [1, 1, SIDE, SIDE]);
    Encoder::from_bytes("window.onnx", &graph.finish().unwrap(), Some(form), &Limits::default()).unwrap()
}

fn with(encoder: &Encoder, values: &[(&str, f64)]) -> Encoder {
    let mut encoder = encoder.clone();
    for (name, value) in values {
        encoder.set_parameter(name, arr0(*value as f32).into_dyn()).unwrap();
    }
    encoder
}

fn features() -> [Features; 1] {
    [Features::pooled("seen", 4, 4)]
}

fn stimuli(random: &mut Random, count: usize) -> Array5<f32> {
    Array5::from_shape_simple_fn([count, 1, 1, SIDE, SIDE], || random.uniform() as f32)
}

fn normal(random: &mut Random, rows: usize, columns: usize) -> Array2<f64> {
    Array2::from_shape_simple_fn((rows, columns), || random.normal())
}

/// The same weights for every person: the population's.
fn weights() -> Array2<f64> {
    normal(&mut Random::new(99, 0), 16, 3)
}

fn drive(person: &Encoder, stimuli: &Array5<f32>) -> Array2<f64> {
    person.features(stimuli.view(), &features()).unwrap()[0].dot(&weights())
}

fn quick(seed: u64) -> Effort {
    Effort { screened: 12, starts: 1, steps: 20, folds: 0, seed, threads: 1 }
}

#[test]
fn a_gain_with_a_prior_is_the_closed_form() {
    let mut random = Random::new(1, 0);
    let x = stimuli(&mut random, 60);
    let encoder = network();
    let clean = drive(&encoder, &x);
    let y = &clean * 1.7 + normal(&mut random, 60, 3) * 0.3;
    let link = Link::Fixed { weights: weights(), intercepts: Array1::zeros(3) };
    for (mean, sd) in [(1.0, 1e3), (1.0, 0.05)] {
        let unknowns = [Unknown::between("gain", 0.0, 10.0).with_prior(mean, sd)];
        let trials = Trials { stimuli: x.view(), responses: y.view() };
        let found = fit(&encoder, &features(), &link, &unknowns, trials, &quick(0)).unwrap();
        // The posterior mode for variances that are themselves those of the residuals, by repetition.
        let (mut gain, mut precision) = (1.0, 0.0);
        for _ in 0..200 {
            let off = &y - &(&clean * gain);
            let variance = off.map_axis(ndarray::Axis(0), |column| column.dot(&column) / 60.0);
            precision = 1.0 / (sd * sd);
            let mut pull = mean / (sd * sd);
            for ((s, y), variance) in clean.columns().into_iter().zip(y.columns()).zip(&variance) {
                precision += s.dot(&s) / variance;
                pull += s.dot(&y) / variance;
            }
            gain = pull / precision;
        }
        let estimate = &found.estimates[0];
        assert!((estimate.value - gain).abs() < 0.05 / precision.sqrt(), "{estimate:?}, closed form {gain}");
        assert!((estimate.standard_error * precision.sqrt() - 1.0).abs() < 0.01, "{estimate:?} {precision}");
        assert_eq!((estimate.unfitted, estimate.at_bound), (1.0, false));
    }
}

#[test]
fn standard_errors_are_the_scatter_of_estimates() {
    let encoder = network();
    let link = Link::Scaled { weights: weights() };
    let unknowns = [Unknown::between("x", 0.0, 11.0)];
    let (mut sum, mut squares) = (0.0, 0.0);
    let people = 60;
    for seed in 0..people {
        let mut random = Random::new(seed, 3);
        let x = stimuli(&mut random, 80);
        let truth = 3.0 + 5.0 * random.uniform();
        let clean = drive(&with(&encoder, &[("x", truth)]), &x);
        let y = &clean * 1.3 + normal(&mut random, 80, 3) * (0.7 * clean.std(1.0));
        let trials = Trials { stimuli: x.view(), responses: y.view() };
        let found = fit(&encoder, &features(), &link, &unknowns, trials, &quick(seed)).unwrap();
        let z = (found.estimates[0].value - truth) / found.estimates[0].standard_error;
        (sum, squares) = (sum + z, squares + z * z);
    }
    let (mean, rms) = (sum / people as f64, (squares / people as f64).sqrt());
    // The standard error of the root mean square of 60 standard normal numbers is 0.09.
    assert!(mean.abs() < 0.4 && (0.75..1.3).contains(&rms), "mean {mean:.2}, root mean square {rms:.2}");
}

#[test]
fn a_readout_that_is_solved_for_finds_the_place_too_and_predicts_new_trials_better() {
    let mut random = Random::new(8, 0);
    let encoder = network();
    let x = stimuli(&mut random, 90);
    let clean = drive(&with(&encoder, &[("x", 7.0)]), &x);
    let y = &clean + &(normal(&mut random, 90, 3) * (0.5 * clean.std(1.0)));
    let trials = Trials { stimuli: x.view(), responses: y.view() };
    let unknowns = [Unknown::between("x", 0.0, 11.0)];
    let effort = Effort { folds: 3, ..quick(2) };
    // Without a prior the readout is to be found from the same trials, and the place is known less well.
    for (prior, most_error) in [(None, 1.0), (Some(weights()), 0.3)] {
        // A variance of 1 for each weight.
        let link = Link::Ridge { prior, penalty: 0.2 };
        let found = fit(&encoder, &features(), &link, &unknowns, trials, &effort).unwrap();
        let estimate = &found.estimates[0];
        assert!((estimate.value - 7.0).abs() < 4.0 * estimate.standard_error, "{estimate:?}");
        assert!(estimate.standard_error < most_error && found.loss < found.unfitted_loss, "{estimate:?}");
        let validation = found.validation.clone().unwrap();
        assert!(validation.improvement > 0.0, "{validation:?}");
        assert!(
            validation.fitted_r2.iter().zip(&validation.unfitted_r2).all(|(a, b)| a > b),
            "{validation:?}"
        );
        assert_eq!(validation.parameters.len(), 3);
        let mut fitted = encoder.clone();
        found.apply(&mut fitted).unwrap();
        let predicted = fitted.features(x.view(), &features()).unwrap()[0].dot(&found.weights);
        let off = &y - &(predicted + Array1::from(found.intercepts.clone()));
        assert!(off.std(0.0) < 0.7 * y.std(0.0));
    }
}

#[test]
fn fits_repeat_to_the_bit() {
    let mut random = Random::new(2, 0);
    let x = stimuli(&mut random, 40);
    let encoder = network();
    let y = drive(&with(&encoder, &[("x", 6.0)]), &x) + normal(&mut random, 40, 3) * 0.2;
    let trials = Trials { stimuli: x.view(), responses: y.view() };
    let unknowns = [Unknown::between("x", 0.0, 11.0)];
    let link = Link::Scaled { weights: weights() };
    let run = |threads| -> Fit {
        let effort = Effort { folds: 2, threads, ..quick(5) };
        fit(&encoder, &features(), &link, &unknowns, trials, &effort).unwrap()
    };
    assert_eq!(run(1), run(2));
}

#[test]
fn what_cannot_be_fitted_is_named_before_the_work() {
    let mut random = Random::new(4, 0);
    let encoder = network();
    let x = stimuli(&mut random, 20);
    let y = normal(&mut random, 20, 3);
    let scaled = Link::Scaled { weights: weights() };
    let ask = |unknowns: &[Unknown], link: &Link, y: ArrayView2<'_, f64>, folds: usize| -> FitError {
        let (unknowns, link) = (unknowns.to_vec(), link.clone());
        let trials = Trials { stimuli: x.view(), responses: y };
        fit(&encoder, &features(), &link, &unknowns, trials, &Effort { folds, ..quick(0) }).unwrap_err()
    };
    let place = [Unknown::between("x", 0.0, 11.0)];
    let said = |error: FitError, words: &[&str]| {
        let message = error.to_string();
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    };
    said(ask(&[], &scaled, y.view(), 0), &["x, gain, idle"]);
    said(ask(&[Unknown::between("radius", 0.0, 1.0)], &scaled, y.view(), 0), &["radius", "x, gain, idle"]);
    said(ask(&[place[0].clone(), place[0].clone()], &scaled, y.view(), 0), &["x is named twice"]);
    said(ask(&[Unknown::between("x", 5.0, 5.0)], &scaled, y.view(), 0), &["5 to 5 leave nothing"]);
    said(ask(&[Unknown::between("x", 0.0, 12.0)], &scaled, y.view(), 0), &["the model takes, 0 to 11"]);
    said(ask(&[Unknown::between("x", 5.0, 6.0)], &scaled, y.view(), 0), &["present value 4"]);
    said(ask(&[place[0].clone().with_prior(1.0, 0.0)], &scaled, y.view(), 0), &["sd 0"]);
    let idle = ask(&[place[0].clone(), Unknown::between("idle", -1.0, 1.0)], &scaled, y.view(), 0);
    assert!(matches!(&idle, FitError::NotReached { name, .. } if name == "idle"), "{idle}");
    let mut flat = y.clone();
    flat.column_mut(1).fill(2.5);
    said(ask(&place, &scaled, flat.view(), 0), &["response 1 is 2.5 in all 20 trials"]);
    let mut hole = y.clone();
    hole[[7, 2]] = f64::NAN;
    said(ask(&place, &scaled, hole.view(), 0), &["response 2 of trial 7 is NaN"]);
    said(ask(&place, &scaled, y.slice(ndarray::s![..19, ..]), 0), &["20 stimuli and 19 rows"]);
    said(ask(&place, &scaled, y.slice(ndarray::s![.., ..2]), 0), &["[16, 3]", "[16, 2]"]);
    said(ask(&place, &Link::Scaled { weights: Array2::ones((9, 3)) }, y.view(), 0), &["[9, 3]", "[16, 3]"]);
    said(ask(&place, &Link::Ridge { prior: None, penalty: 0.0 }, y.view(), 0), &["penalty of 0"]);
    said(ask(&place, &scaled, y.view(), 21), &["21 folds of 20 trials"]);
    let few = Trials {
        stimuli: x.slice(ndarray::s![..3, .., .., .., ..]),
        responses: y.slice(ndarray::s![..3, ..]),
    };
    said(
        fit(&encoder, &features(), &scaled, &place, few, &quick(0)).unwrap_err(),
        &["3 trials cannot bear 1 parameters and 2 numbers", "at least 4"],
    );
}
