//! Whole searches: anytime, under deadlines, cancelled, from dead starts, the same to the bit; and how far they get.
#![allow(clippy::unwrap_used, reason = "a test that cannot make its cases should end there")]

mod search_support;

use std::sync::atomic::{AtomicU64, Ordering};

use encoding::encoder::Encoder;
use ndarray::Array5;
use search_support::*;
use synthesis::assembly::{Parts, Synthesis};
use synthesis::constraint::{Constraints, Contrast};
use synthesis::objective::{Response, Source, Term, Units, Versus, Weighted};
use synthesis::optimiser::{self, adam, cma, lbfgs, projected};
use synthesis::parametrisation::{Parametrisation, Pixels};
use synthesis::problem::Problem;
use synthesis::robustness::Robustness;
use synthesis::search::{Deadline, Ended, Search, SearchError, Settings, Start};

const SHAPE: [usize; 5] = [1, 1, 3, 8, 8];

fn drive() -> Vec<Weighted> {
    vec![Weighted::one(Term::Unit { source: Source::tap("Add_2_out"), units: Units::one(&[2, 1, 3]) })]
}

fn small_parts() -> Parts {
    parts(SHAPE, vec![plain_arm("conv_next", [1, 3, 8, 8])], drive(), contrast(Contrast::AtMost(0.1)))
}

fn adam_of(rate: f64) -> optimiser::Settings {
    optimiser::Settings::Adam(adam::Settings { rate, ..Default::default() })
}

#[test]
fn the_same_seed_and_steps_give_the_same_bytes_from_load_to_load() {
    let run = |seed: u64| {
        let robustness = Robustness { jitter_px: 1.0, rotation_deg: 5.0, ..Robustness::default() };
        let mut synthesis = assembled(Parts { robustness, views: 2, seed, ..small_parts() });
        let mut search =
            Search::begin(&mut synthesis, adam_of(0.02), Settings { seed, steps: 15, ..Default::default() })
                .unwrap();
        assert_eq!(search.run(|_| {}).unwrap(), Ended::Steps);
        let (best, trajectory) = search.finish();
        let bits: Vec<u32> = best.shown.stimuli.iter().map(|light| light.to_bits()).collect();
        (bits, serde_json::to_string(&trajectory).unwrap())
    };
    let (first, second, other) = (run(3), run(3), run(4));
    assert_eq!(first, second);
    assert_ne!(first.0, other.0);
}

#[test]
fn every_optimiser_rises_and_its_best_is_what_is_shown() {
    let all = [
        adam_of(0.02),
        optimiser::Settings::Lbfgs(lbfgs::Settings::default()),
        optimiser::Settings::ProjectedGradient(projected::Settings::default()),
        optimiser::Settings::CmaEs(cma::Settings::default()),
    ];
    for optimiser in all {
        let name = optimiser.name();
        let mut synthesis = assembled(small_parts());
        let mut search =
            Search::begin(&mut synthesis, optimiser, Settings { steps: 20, ..Default::default() }).unwrap();
        search.run(|_| {}).unwrap();
        let (best, trajectory) = search.finish();
        let (first, last) = (&trajectory.records[0], trajectory.records.last().unwrap());
        assert!(last.best > first.best, "{name}: {} to {}", first.best, last.best);
        assert!(trajectory.records.windows(2).all(|pair| pair[0].best <= pair[1].best), "{name}");
        assert!(
            trajectory.records.windows(2).all(|pair| pair[0].evaluations <= pair[1].evaluations),
            "{name}"
        );
        assert!(trajectory.evaluations_to(0.9).unwrap() <= last.evaluations);
        assert_eq!(best.shown.value, last.best, "{name}");
        let again = synthesis.shown(&best.at).unwrap();
        assert_eq!(again.value, best.shown.value, "{name}: the value is that of the parameters");
        assert_eq!(again.stimuli, best.shown.stimuli, "{name}: the stimulus too");
        assert!(contrast(Contrast::AtMost(0.1)).feasible(&best.shown.stimuli, 1e-5), "{name}");
    }
}

#[test]
fn the_best_under_views_is_judged_without_them() {
    let robustness = Robustness { jitter_px: 2.0, ..Robustness::default() };
    let mut synthesis = assembled(Parts { robustness, views: 2, ..small_parts() });
    let mut search =
        Search::begin(&mut synthesis, adam_of(0.03), Settings { steps: 15, ..Default::default() }).unwrap();
    search.run(|_| {}).unwrap();
    let (best, trajectory) = search.finish();
    assert!(best.step > 0);
    let plain = assembled(small_parts()).shown(&best.at).unwrap();
    assert_eq!(plain.value, best.shown.value);
    assert_eq!(plain.stimuli, best.shown.stimuli);
    let last = trajectory.records.last().unwrap();
    assert_ne!(last.value, last.best, "values under views are others");
}

/// A clock on which each look takes a millisecond.
fn slow_clock() -> u64 {
    static NOW_NS: AtomicU64 = AtomicU64::new(0);
    NOW_NS.fetch_add(1_000_000, Ordering::Relaxed)
}

#[test]
fn a_deadline_is_kept_and_leaves_the_best_so_far() {
    let mut synthesis = assembled(small_parts());
    let begun_ns = slow_clock();
    let deadline = Deadline { clock: slow_clock, at_ns: begun_ns + 60_000_000 };
    let settings = Settings { steps: u64::MAX, deadline: Some(deadline), ..Default::default() };
    let mut search = Search::begin(&mut synthesis, adam_of(0.02), settings.clone()).unwrap();
    let first = search.best().shown.value;
    assert_eq!(search.run(|_| {}).unwrap(), Ended::Deadline);
    assert_eq!(search.step().unwrap(), Some(Ended::Deadline), "an end is an end");
    // The last evaluation, its record, the look that found no time for another, its record, and this one.
    let over_ns = slow_clock().saturating_sub(begun_ns + 60_000_000);
    assert!(over_ns <= 5_000_000, "over by {over_ns} ns");
    let (best, trajectory) = search.finish();
    assert!(best.shown.value > first && best.step > 3, "{first} {:?}", best.step);
    let elapsed: Vec<u64> = trajectory.records.iter().map(|record| record.elapsed_ns.unwrap()).collect();
    assert!(elapsed.is_sorted());
    // A deadline that has passed leaves the start, as it would be shown.
    let mut search = Search::begin(&mut synthesis, adam_of(0.02), settings).unwrap();
    assert_eq!(search.run(|_| {}).unwrap(), Ended::Deadline);
    assert!(search.best().shown.value.is_finite());
}

#[test]
fn a_raised_flag_ends_the_search_and_keeps_the_best() {
    let mut synthesis = assembled(small_parts());
    let cancel = synthesis.cancel();
    let settings = Settings { steps: u64::MAX, ..Default::default() };
    let mut search = Search::begin(&mut synthesis, adam_of(0.02), settings.clone()).unwrap();
    let raised = cancel.clone();
    let ended = search
        .run(move |record| {
            if record.step == 7 {
                raised.raise();
            }
        })
        .unwrap();
    assert_eq!(ended, Ended::Cancelled);
    let best = search.best().clone();
    assert!(best.step <= 8 && best.shown.value > search.trajectory().records[0].best);
    drop(search);
    let error = Search::begin(&mut synthesis, adam_of(0.02), settings.clone()).expect_err("still raised");
    assert_eq!(error.to_string(), "cancelled");
    cancel.clear();
    let settings = Settings { steps: 1, start: Start::Given(best.at), ..settings };
    let search = Search::begin(&mut synthesis, adam_of(0.02), settings).unwrap();
    assert_eq!(search.best().shown.value, best.shown.value, "goes on where it ended");
}

#[test]
fn good_enough_is_an_end() {
    let mut synthesis = assembled(small_parts());
    let mut search = Search::begin(&mut synthesis, adam_of(0.02), Settings::default()).unwrap();
    search.run(|_| {}).unwrap();
    let (best, trajectory) = search.finish();
    let enough = trajectory.records[0].best + 0.5 * (best.shown.value - trajectory.records[0].best);
    let settings = Settings { enough: Some(enough), ..Default::default() };
    let mut search = Search::begin(&mut synthesis, adam_of(0.02), settings).unwrap();
    assert_eq!(search.run(|_| {}).unwrap(), Ended::Enough);
    assert!(search.best().shown.value >= enough);
    assert_eq!(
        search.trajectory().records.last().unwrap().evaluations,
        trajectory.evaluations_to(0.5).unwrap()
    );
}

/// Two units behind rectifiers, found by looking: one that grey drives, and one that is silent at faint starts and not at
/// strong ones.
fn awake_and_asleep(arm: &Encoder, tap: &str, shape: [usize; 5]) -> ([usize; 3], [usize; 3]) {
    let map = arm.taps().into_iter().find(|known| known.name == tap).unwrap().shape.unwrap();
    let probe = vec![Weighted::one(Term::Suppress { source: Source::tap(tap), units: Units::All })];
    let mut looking = assembled(parts(shape, vec![arm.clone()], probe, Constraints::default()));
    let mut units = |sd, seed| looking.read(&noise(shape, sd, seed)).unwrap()[0].row(0).to_vec();
    let faint = units(0.0, 1);
    let strong: Vec<Vec<f64>> = (0..8).map(|seed| units(0.4, seed)).collect();
    let place = |unit: usize| [unit / (map[2] * map[3]), unit / map[3] % map[2], unit % map[3]];
    let awake = (0..faint.len()).find(|&unit| faint[unit] > 0.0).expect("a unit that grey drives");
    let asleep = (0..faint.len())
        .find(|&unit| faint[unit] == 0.0 && strong.iter().filter(|one| one[unit] > 0.0).count() >= 2)
        .expect("a unit that grey does not drive");
    (place(awake), place(asleep))
}

#[test]
fn a_dead_start_is_left_for_one_with_more_contrast() {
    let (arm, tap) = (plain_arm("cnn_small", [1, 3, 12, 12]), "Relu_0_out");
    // The file fixes a batch of two.
    let shape = [2, 1, 3, 12, 12];
    let (_, index) = awake_and_asleep(&arm, tap, shape);
    let unit = Term::Unit { source: Source::tap(tap), units: Units::one(&index) };
    let pixels = Parametrisation::Pixels(Pixels::new(shape, 1e-3));
    let terms = vec![Weighted::one(unit).only(0)];
    let fresh = parts(shape, vec![arm], terms, Constraints::default());
    let mut synthesis = assembled(Parts { parametrisation: pixels, ..fresh });
    let mut search =
        Search::begin(&mut synthesis, adam_of(0.02), Settings { steps: 20, tries: 16, ..Default::default() })
            .unwrap();
    search.run(|_| {}).unwrap();
    let (best, trajectory) = search.finish();
    assert!(trajectory.dead_starts > 0);
    assert!(best.shown.value > 0.0);
}

#[test]
fn a_stimulus_of_a_set_that_starts_dead_is_woken_alone() {
    let (arm, tap) = (plain_arm("cnn_small", [1, 3, 12, 12]), "Relu_0_out");
    let shape = [2, 1, 3, 12, 12];
    let (awake, asleep) = awake_and_asleep(&arm, tap, shape);
    let term = |index: [usize; 3], stimulus: usize| {
        Weighted::one(Term::Unit { source: Source::tap(tap), units: Units::one(&index) }).only(stimulus)
    };
    let run = |terms: Vec<Weighted>, steps: u64| {
        let pixels = Parametrisation::Pixels(Pixels::new(shape, 1e-3));
        let fresh = parts(shape, vec![arm.clone()], terms, Constraints::default());
        let mut synthesis = assembled(Parts { parametrisation: pixels, ..fresh });
        let settings = Settings { steps, tries: 16, ..Default::default() };
        let mut search = Search::begin(&mut synthesis, adam_of(0.02), settings).unwrap();
        search.run(|_| {}).unwrap();
        search.finish()
    };
    let (best, trajectory) = run(vec![term(awake, 0), term(asleep, 1)], 20);
    assert!(trajectory.dead_starts > 0);
    assert!(best.shown.terms.iter().all(|&value| value > 0.0), "{:?}", best.shown.terms);
    // The other stimulus keeps its first start.
    let (alone, _) = run(vec![term(awake, 0)], 0);
    let (both, _) = run(vec![term(awake, 0), term(asleep, 1)], 0);
    let of_one = alone.at.len() / 2;
    assert_eq!(both.at[..of_one], alone.at[..of_one]);
    assert_ne!(both.at[of_one..], alone.at[of_one..]);
}

#[test]
fn nothing_is_evaluated_twice() {
    let mut synthesis = assembled(small_parts());
    let mut search =
        Search::begin(&mut synthesis, adam_of(0.02), Settings { steps: 10, ..Default::default() }).unwrap();
    assert_eq!(search.trajectory().records[0].evaluations, 1, "the start's gradient tells its plain value");
    search.run(|_| {}).unwrap();
    // Each step of Adam then asks for the gradient where it has come to.
    assert_eq!(search.trajectory().records.last().unwrap().evaluations, 11);
}

#[test]
fn starts_that_are_all_dead_end_with_numbers() {
    // A model never differs from itself.
    let side = || Response {
        source: Source::tap("Add_2_out"),
        units: Units::All,
        mean: vec![0.0; 96],
        sd: vec![1.0; 96],
    };
    let terms = vec![Weighted::one(Term::Discriminate { a: side(), b: side(), versus: Versus::Squared })];
    let mut synthesis = assembled(Parts { terms, ..small_parts() });
    let settings = Settings { tries: 4, ..Default::default() };
    let error = Search::begin(&mut synthesis, adam_of(0.02), settings).expect_err("no way");
    assert_eq!(
        error.to_string(),
        "4 starts of growing contrast are all dead; the last has value 0, a gradient of zeros"
    );
    let wrong = Settings { start: Start::Given(vec![0.5; 7]), ..Default::default() };
    let error = Search::begin(&mut synthesis, adam_of(0.02), wrong).expect_err("too short");
    assert!(matches!(error, SearchError::Start { found: 7, wanted: 192 }));
}

/// Plain gradient ascent: steps of a set length along the normalised gradient, projected.
fn plain_ascent(synthesis: &mut Synthesis, start: &[f64], steps: usize, length: f64) -> f64 {
    let mut at = start.to_vec();
    let mut gradient = vec![0.0; at.len()];
    let mut best = f64::NEG_INFINITY;
    for _ in 0..steps {
        synthesis.project(&mut at);
        best = best.max(synthesis.value_and_gradient(&at, &mut gradient).unwrap());
        let size = gradient.iter().map(|slope| slope * slope).sum::<f64>().sqrt();
        at.iter_mut().zip(&gradient).for_each(|(x, slope)| *x += length * slope / size.max(1e-30));
    }
    best
}

#[test]
fn the_mouse_model_is_driven_as_far_as_plain_ascent_from_twenty_starts() {
    let Some(arm) = mouse() else { return };
    let shape = [1, 1, 1, 36, 64];
    let unit = 100;
    let terms = vec![Weighted::one(Term::Unit { source: Source::tap("rate"), units: Units::one(&[unit]) })];
    let mut synthesis = assembled(parts(shape, vec![arm.clone()], terms, contrast(Contrast::Exactly(0.1))));
    let steps = 25;
    let plain: Vec<f64> = (0..20)
        .map(|seed| {
            let start: Array5<f32> = noise(shape, 0.1, seed);
            let at = synthesis.parametrisation().start_at(&start).unwrap();
            plain_ascent(&mut synthesis, &at, steps, 1.0)
        })
        .collect();
    let mean = plain.iter().sum::<f64>() / 20.0;
    let most = plain.iter().copied().fold(0.0, f64::max);
    let optimiser = optimiser::Settings::Lbfgs(lbfgs::Settings::default());
    let mut search =
        Search::begin(&mut synthesis, optimiser, Settings { steps: steps as u64, ..Default::default() })
            .unwrap();
    search.run(|_| {}).unwrap();
    let (best, trajectory) = search.finish();
    let evaluations = trajectory.records.last().unwrap().evaluations;
    eprintln!(
        "unit {unit}: {:.3} in {evaluations} evaluations, {} to 90 %; plain ascent {mean:.3} on average, {most:.3} at best",
        best.shown.value,
        trajectory.evaluations_to(0.9).unwrap(),
    );
    assert!(best.shown.value >= mean, "unit {unit}: {} against {mean}", best.shown.value);
}
