//! Images that models cannot tell from another, and people can.
#![allow(clippy::unwrap_used, reason = "a test that cannot make its cases should end there")]

mod search_support;

use encoding::encoder::Encoder;
use ndarray::Array5;
use search_support::*;
use synthesis::constraint::Constraints;
use synthesis::objective::{Source, Term, Units, Weighted};
use synthesis::optimiser::{self, lbfgs};
use synthesis::search::{Ended, Search, Settings, Start};

/// Relative distance of the features that counts as the same.
const TOLERANCE: f64 = 1e-3;

/// Searches a metamer of `reference` from `start`; gives the relative distance of the features as an own forward run finds
/// it, the RMS difference of the pixels relative to the reference's RMS contrast, and the evaluations.
fn metamer(arm: Encoder, source: Source, reference: &Array5<f32>, start: &Array5<f32>) -> (f64, f64, u64) {
    let shape: [usize; 5] = reference.shape().try_into().unwrap();
    let probe = vec![Weighted::one(Term::Suppress { source: source.clone(), units: Units::All })];
    let mut looking = assembled(parts(shape, vec![arm.clone()], probe, Constraints::default()));
    let mut seen = |stimuli: &Array5<f32>| looking.read(stimuli).unwrap()[0].row(0).to_vec();
    let wanted = seen(reference);
    // A little less than the tolerance, so that it is met with room for rounding.
    let term = Term::Metamer { source, reference: wanted.clone(), tolerance: 0.9 * TOLERANCE };
    let mut synthesis = assembled(parts(shape, vec![arm], vec![Weighted::one(term)], Constraints::default()));
    let settings = Settings {
        start: Start::Given(synthesis.parametrisation().start_at(start).unwrap()),
        steps: 2000,
        enough: Some(-1.0),
        ..Default::default()
    };
    // Responses that hardly differ make long valleys: a long memory finds their curvature.
    let optimiser = optimiser::Settings::Lbfgs(lbfgs::Settings { memory: 200, ..Default::default() });
    let mut search = Search::begin(&mut synthesis, optimiser, settings).unwrap();
    let ended = search.run(|_| {}).unwrap();
    let (best, trajectory) = search.finish();
    assert_eq!(ended, Ended::Enough, "came to {} tolerances", (-best.shown.value).sqrt());
    let found = seen(&best.shown.stimuli);
    let square = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>();
    let off =
        square(&mut found.iter().zip(&wanted).map(|(a, b)| a - b)) / square(&mut wanted.iter().copied());
    let contrast = f64::from(reference.std(0.0));
    let apart = rms_between(&best.shown.stimuli, reference) / contrast;
    (off.sqrt(), apart, trajectory.records.last().unwrap().evaluations)
}

fn shows(name: &str, (off, apart, evaluations): (f64, f64, u64)) {
    eprintln!(
        "{name}: features within {off:.1e}, pixels {:.0} % apart, {evaluations} evaluations",
        100.0 * apart
    );
    assert!(off <= TOLERANCE, "{name}: features are {off} apart");
    assert!(apart >= 0.10, "{name}: pixels are only {apart} apart");
}

#[test]
fn metamers_of_the_mouse_model() {
    let Some(arm) = mouse() else { return };
    let shape = [1, 1, 1, 36, 64];
    shows("mouse", metamer(arm, Source::tap("rate"), &cloudy(shape, 0.1, 1), &cloudy(shape, 0.1, 2)));
}

#[test]
fn metamers_of_the_pooled_features_of_a_network_for_photographs() {
    let Some(arm) = mobilenet() else { return };
    let shape = [1, 1, 3, 128, 128];
    let source = Source::tap("/f/f.3/Add_output_0").pooled(4, 4);
    shows("mobilenet", metamer(arm, source, &cloudy(shape, 0.1, 1), &cloudy(shape, 0.1, 2)));
}

#[test]
fn metamers_of_the_pooled_complex_cells_of_the_embedded_v1() {
    let shape = [1, 1, 1, 128, 128];
    let source = Source::tap("v1.complex.s1").pooled(4, 4);
    shows("v1", metamer(v1(0.0), source, &cloudy(shape, 0.1, 1), &cloudy(shape, 0.1, 2)));
}
