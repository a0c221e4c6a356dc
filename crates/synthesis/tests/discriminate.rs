//! Stimuli about which two models, or two people, disagree.
#![allow(clippy::unwrap_used, reason = "a test that cannot make its cases should end there")]

mod search_support;

use encoding::encoder::Encoder;
use ndarray::{Array2, Array5, s};
use search_support::*;
use synthesis::constraint::{Constraints, Contrast};
use synthesis::objective::{Response, Source, Term, Units, Versus, Weighted, sites};
use synthesis::optimiser::{self, lbfgs};
use synthesis::search::{Search, Settings};

/// Mean and SD of a unit over reference stimuli.
fn z(values: &[Array2<f64>], unit: usize) -> (f64, f64) {
    let all: Vec<f64> = values.iter().map(|one| one[[0, unit]]).collect();
    let mean = all.iter().sum::<f64>() / all.len() as f64;
    let variance = all.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / all.len() as f64;
    (mean, variance.sqrt())
}

#[test]
fn two_models_disagree_more_than_over_any_of_a_hundred_images() {
    let (Some(first), Some(second)) = (mouse(), mobilenet()) else { return };
    let (a, b) = (Source::of(0, "rate"), Source::of(1, "/f/f.2/conv/conv.2/Conv_output_0"));
    // Grey light of the mouse model's size; the other model is shown the same picture, resampled.
    let shape = [1, 1, 1, 36, 64];
    let arms = || -> Vec<Encoder> { vec![first.clone(), second.clone()] };
    let constraints = contrast(Contrast::AtMost(0.15));
    let probe =
        [&a, &b].map(|source| Weighted::one(Term::Suppress { source: source.clone(), units: Units::All }));
    let mut looking = assembled(parts(shape, arms(), probe.to_vec(), Constraints::default()));
    let images: Vec<Array5<f32>> = (0..100).map(|seed| cloudy(shape, 0.15, 100 + seed)).collect();
    let (mut of_a, mut of_b) = (Vec::new(), Vec::new());
    for image in &images {
        let mut read = looking.read(image).unwrap();
        of_b.push(read.pop().unwrap());
        of_a.push(read.pop().unwrap());
    }
    let side = |source: &Source, index: &[usize], unit: usize, values: &[Array2<f64>]| {
        let (mean, sd) = z(values, unit);
        Response { source: source.clone(), units: Units::one(index), mean: vec![mean], sd: vec![sd] }
    };
    // Neuron 3, and the fifth channel in the middle of a map of 32 x 32.
    let (a, b) = (side(&a, &[3], 3, &of_a), side(&b, &[5, 16, 16], (5 * 32 + 16) * 32 + 16, &of_b));
    let terms = vec![Weighted::one(Term::Discriminate { a, b, versus: Versus::Signed })];
    assert_eq!(sites(&terms).len(), 2);
    let mut synthesis = assembled(parts(shape, arms(), terms, constraints));
    let natural = images.iter().map(|image| {
        let at = synthesis.parametrisation().start_at(image).unwrap();
        synthesis.shown(&at).unwrap().value
    });
    let natural = natural.fold(f64::NEG_INFINITY, f64::max);
    let optimiser = optimiser::Settings::Lbfgs(lbfgs::Settings::default());
    let mut search =
        Search::begin(&mut synthesis, optimiser, Settings { steps: 30, ..Default::default() }).unwrap();
    search.run(|_| {}).unwrap();
    let (best, _) = search.finish();
    eprintln!(
        "z of mouse unit - z of MobileNet unit: {:.2}; best of 100 images {natural:.2}",
        best.shown.value
    );
    assert!(best.shown.value > 2.0 * natural, "{} against {natural}", best.shown.value);
    assert!(best.shown.stimuli.slice(s![0, 0, 0, .., ..]).iter().all(|light| (0.0..=1.0).contains(light)));
}
