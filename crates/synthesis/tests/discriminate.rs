//! Stimuli about which two models, or two people, disagree.
#![allow(clippy::unwrap_used, reason = "a test that cannot make its cases should end there")]

mod search_support;

use ndarray::{Array5, ArrayD, s};
use search_support::*;
use synthesis::assembly::{Arm, Parts};
use synthesis::constraint::{Constraints, Contrast};
use synthesis::objective::{Response, Source, Term, Units, Versus, Weighted, sites};
use synthesis::optimiser::{self, lbfgs};
use synthesis::search::{Search, Settings};

/// Mean and SD of each of some units over reference stimuli.
fn z(values: &[ArrayD<f32>], units: &[Vec<usize>]) -> (Vec<f64>, Vec<f64>) {
    let of_unit = |unit: &Vec<usize>| -> (f64, f64) {
        let index: Vec<usize> = std::iter::once(0).chain(unit.iter().copied()).collect();
        let all: Vec<f64> = values.iter().map(|one| f64::from(one[&index[..]])).collect();
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        let variance = all.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / all.len() as f64;
        (mean, variance.sqrt())
    };
    units.iter().map(of_unit).unzip()
}

#[test]
fn two_models_disagree_more_than_over_any_of_a_hundred_images() {
    let (Some(first), Some(second)) = (mouse(), mobilenet()) else { return };
    let (a, b) = (Source::of(0, "rate"), Source::of(1, "/f/f.2/conv/conv.2/Conv_output_0"));
    let (units_a, units_b) = (vec![vec![3]], vec![vec![5, 15, 15]]);
    // Grey light of the mouse model's size; the other model is shown the same picture, resampled.
    let shape = [1, 1, 1, 36, 64];
    let arms = || -> Vec<Arm> { vec![first.clone(), second.clone()] };
    let constraints = contrast(Contrast::AtMost(0.15));
    let probe =
        [&a, &b].map(|source| Weighted::one(Term::Suppress { source: source.clone(), units: Units::All }));
    let mut looking = assembled(parts(shape, arms(), probe.to_vec(), Constraints::default()));
    let images: Vec<Array5<f32>> = (0..100).map(|seed| cloudy(shape, 0.15, 100 + seed)).collect();
    let (mut of_a, mut of_b) = (Vec::new(), Vec::new());
    for image in &images {
        let mut taps = looking.taps(image).unwrap();
        of_b.push(taps.pop().unwrap());
        of_a.push(taps.pop().unwrap());
    }
    let side = |source: &Source, units: &[Vec<usize>], values: &[ArrayD<f32>]| {
        let (mean, sd) = z(values, units);
        Response { source: source.clone(), units: Units::Only(units.to_vec()), mean, sd }
    };
    let (a, b) = (side(&a, &units_a, &of_a), side(&b, &units_b, &of_b));
    let terms = vec![Weighted::one(Term::Discriminate { a, b, versus: Versus::Signed })];
    assert_eq!(sites(&terms).len(), 2);
    let mut synthesis = assembled(Parts { ..parts(shape, arms(), terms, constraints) });
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
