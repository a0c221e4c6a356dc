use std::sync::Arc;

use encoding::readout::{self, Plan, Readout, Recorded};
use ndarray::IxDyn;
use random::Random;

use super::*;

fn values(shape: &[usize], seed: u64) -> ArrayD<f32> {
    let mut random = Random::new(seed, 0);
    ArrayD::from_shape_simple_fn(IxDyn(shape), || 0.3 + random.uniform() as f32)
}

fn numbers(count: usize, seed: u64) -> Vec<f64> {
    let mut random = Random::new(seed, 1);
    (0..count).map(|_| 0.2 + random.uniform()).collect()
}

/// A readout that was fitted to responses made of random weights: all of them matter.
fn readout(responses: usize, features: usize) -> Arc<Readout> {
    let trials = 3 * features;
    let random = |rows: usize, columns: usize, seed| {
        Array2::from_shape_vec((rows, columns), numbers(rows * columns, seed)).unwrap() - 0.7
    };
    let shown = random(trials, features, 9);
    let answers = shown.dot(&random(features, responses, 10)) + random(trials, responses, 11) * 0.1;
    let stimuli: Vec<usize> = (0..trials).collect();
    let channels: Vec<String> = (0..responses).map(|channel| format!("channel {channel}")).collect();
    let recorded = Recorded { responses: answers.view(), stimuli: &stimuli, channels: &channels };
    Arc::new(readout::fit(shown.view(), &recorded, None, &Plan::new(1)).unwrap().readout)
}

/// Cotangents against central differences of the value, in steps that f32 holds exactly enough.
fn agrees(terms: &[Weighted], shapes: &[Vec<usize>]) {
    let objective = Objective::new(terms, shapes).unwrap();
    let outputs: Vec<ArrayD<f32>> =
        shapes.iter().zip(11..).map(|(shape, seed)| values(shape, seed)).collect();
    let found = objective.evaluate(&outputs).unwrap();
    assert!(found.value.is_finite() && !found.silent);
    let largest = found.cotangents.iter().flatten().fold(0.0f64, |most, &c| most.max(f64::from(c).abs()));
    assert!(largest > 0.0, "no gradient at all");
    for site in 0..outputs.len() {
        for index in 0..outputs[site].len() {
            let moved = |by: f32| {
                let mut outputs = outputs.clone();
                let value = &mut outputs[site].as_slice_mut().unwrap()[index];
                *value += by;
                (f64::from(*value), objective.evaluate(&outputs).unwrap().value)
            };
            let ((up, high), (down, low)) = (moved(1e-3), moved(-1e-3));
            let slope = (high - low) / (up - down);
            let exact = f64::from(found.cotangents[site].as_slice().unwrap()[index]);
            assert!(
                (slope - exact).abs() < 2e-5 * largest,
                "site {site} at {index}: {slope} against {exact}"
            );
        }
    }
}

fn map() -> Source {
    Source::tap("map")
}

fn every_term() -> Vec<Term> {
    let source = map();
    let unit = |index: &[usize]| Units::one(index);
    let response = |source: Source, seed| Response {
        source,
        units: Units::Only(vec![vec![0, 1, 1], vec![2, 0, 3], vec![1, 2, 2]]),
        mean: numbers(3, seed),
        sd: numbers(3, seed + 1),
    };
    let versus =
        |versus| Term::Discriminate { a: response(map(), 3), b: response(Source::of(1, "map"), 5), versus };
    vec![
        Term::Unit { source: source.clone(), units: unit(&[1, 2, 3]) },
        Term::Suppress { source: source.clone(), units: unit(&[1, 0, 3]) },
        Term::Channel { source: source.clone(), channel: 2, channels: 1, centre: Centre::Whole },
        Term::Channel { source: source.clone(), channel: 3, channels: 3, centre: Centre::Only },
        Term::Direction { source: source.clone(), vector: numbers(36, 1), channels: 1, power: 0.0 },
        Term::Direction { source: source.clone(), vector: numbers(36, 1), channels: 1, power: 2.0 },
        Term::Direction { source: source.clone(), vector: numbers(3, 2), channels: 1, power: 4.0 },
        Term::Target { source: source.clone(), units: Units::All, state: numbers(36, 4) },
        Term::Hold {
            source: source.clone(),
            units: Units::Except(vec![vec![0, 0, 0]]),
            baseline: vec![0.4],
            spread: 0.3,
        },
        Term::Contrast {
            source: source.clone(),
            up: unit(&[0, 0, 0]),
            down: Units::Except(vec![vec![0, 0, 0]]),
            ratio: Ratio::Difference,
        },
        Term::Contrast {
            source: source.clone(),
            up: unit(&[0, 0, 0]),
            down: Units::Except(vec![vec![0, 0, 0]]),
            ratio: Ratio::Log { floor: 0.1 },
        },
        Term::Diverse { source: source.clone(), statistic: Statistic::Features, channels: 1 },
        Term::Diverse { source: source.clone(), statistic: Statistic::Gram, channels: 1 },
        Term::Texture { source: source.clone(), reference: numbers(36, 6), channels: 1 },
        Term::Metamer { source: source.clone(), reference: numbers(36, 7), tolerance: 0.1 },
        Term::LeastConfusable {
            source: source.clone().pooled(2, 3),
            classes: vec![0, 1, 1],
            noise_sd: vec![0.5],
            sharpness: 2.0,
        },
        Term::LeastConfusable { source, classes: vec![0, 1, 2], noise_sd: numbers(36, 3), sharpness: 1.0 },
        versus(Versus::Signed),
        versus(Versus::Squared),
        versus(Versus::Controversial { first: 0, second: 2, sharpness: 3.0 }),
    ]
}

#[test]
fn gradients_are_those_of_finite_differences() {
    for term in every_term() {
        let terms = [Weighted::one(term).times(1.5)];
        let shapes = vec![vec![3, 3, 3, 4]; sites(&terms).len()];
        agrees(&terms, &shapes);
    }
}

#[test]
fn gradients_pass_through_h_and_add_up_over_terms() {
    let source = map().through(readout(5, 36));
    let terms = [
        Weighted::one(Term::Unit { source: source.clone(), units: Units::one(&[1]) }).only(0),
        Weighted::one(Term::Suppress { source: source.clone(), units: Units::one(&[2]) }).times(0.5),
        Weighted::one(Term::Direction {
            source: source.clone(),
            vector: numbers(5, 2),
            channels: 1,
            power: 1.0,
        }),
        Weighted::one(Term::Target { source: source.clone(), units: Units::All, state: numbers(5, 4) })
            .times(3.0),
        Weighted::one(Term::Hold { source, units: Units::one(&[3]), baseline: vec![0.4], spread: 0.3 }),
        Weighted::one(Term::Unit { source: map(), units: Units::one(&[0, 0, 0]) }).only(2),
    ];
    agrees(&terms, &[vec![3, 3, 3, 4]]);
}

#[test]
fn two_people_are_told_apart_by_their_readouts_on_one_model() {
    let side = |readout| Response {
        source: map().through(readout),
        units: Units::All,
        mean: numbers(3, 3),
        sd: numbers(3, 4),
    };
    // The first three channels of one person against the three of another.
    let mut a = side(readout(4, 12));
    a.units = Units::Only(vec![vec![0], vec![1], vec![2]]);
    let b = side(readout(3, 12));
    let terms = [Weighted::one(Term::Discriminate { a, b, versus: Versus::Squared })];
    assert_eq!(sites(&terms).len(), 1, "one tap serves both people");
    agrees(&terms, &[vec![2, 12]]);
}

#[test]
fn pooled_features_pass_through_h() {
    let source = map().pooled(3, 2).through(readout(4, 18));
    let target = Term::Target { source, units: Units::All, state: numbers(4, 4) };
    let suppress = Term::Suppress { source: map(), units: Units::All };
    agrees(&[Weighted::one(target), Weighted::one(suppress)], &[vec![2, 3, 3, 4]]);
    let last = Source { pool: Some(Pool { cells: [2, 2], axes: [1, 2] }), ..map() };
    let unit = Term::Unit { source: last, units: Units::one(&[1, 0, 2]) };
    let output = values(&[1, 4, 4, 3], 5);
    let objective = Objective::new(&[Weighted::one(unit)], &[vec![1, 4, 4, 3]]).unwrap();
    let found = objective.evaluate(std::slice::from_ref(&output)).unwrap().value;
    let cell = [2, 3].iter().flat_map(|&row| [0, 1].map(|column| output[[0, row, column, 2]]));
    let by_hand = cell.sum::<f32>() / 4.0;
    assert!((found - f64::from(by_hand)).abs() < 1e-6);
}

#[test]
fn closed_forms() {
    let value = |term: Term, output: ArrayD<f32>| {
        let objective = Objective::new(&[Weighted::one(term)], &[output.shape().to_vec()]).unwrap();
        objective.evaluate(&[output]).unwrap().value
    };
    let array = |shape: &[usize], flat: &[f32]| ArrayD::from_shape_vec(IxDyn(shape), flat.to_vec()).unwrap();
    let source = Source::tap("map");
    // Two stimuli, 3 apart in one unit and 4 in the other, noise 2: d' = 2.5, and one pair has no softness.
    let classes = vec![0, 1];
    let apart =
        Term::LeastConfusable { source: source.clone(), classes, noise_sd: vec![2.0], sharpness: 7.0 };
    assert!((value(apart, array(&[2, 2], &[0.0, 1.0, 3.0, 5.0])) - 2.5).abs() < 1e-9);
    // At right angles: no similarity. Equal up to a factor: similarity 1.
    let diverse = Term::Diverse { source: source.clone(), statistic: Statistic::Features, channels: 1 };
    assert!(value(diverse.clone(), array(&[2, 2], &[1.0, 0.0, 0.0, 2.0])).abs() < 1e-12);
    assert!((value(diverse, array(&[2, 2], &[1.0, 2.0, 2.0, 4.0])) + 1.0).abs() < 1e-12);
    // A Gram matrix forgets places: the shuffled map has the same texture, and another metamer value.
    let reference: Vec<f64> = vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let shuffled = array(&[1, 2, 1, 3], &[3.0, 1.0, 2.0, 6.0, 4.0, 5.0]);
    let texture = Term::Texture { source: source.clone(), reference: reference.clone(), channels: 1 };
    assert!(value(texture, shuffled.clone()).abs() < 1e-12);
    let metamer = Term::Metamer { source: source.clone(), reference, tolerance: 0.5 };
    let off = (4.0 + 1.0 + 1.0 + 4.0 + 1.0 + 1.0) / 91.0 / 0.25;
    assert!((value(metamer, shuffled) + off).abs() < 1e-12);
    // exp(difference of logs) is the ratio of the means with the floor.
    let ratio = Term::Contrast {
        source: source.clone(),
        up: Units::one(&[0]),
        down: Units::one(&[1]),
        ratio: Ratio::Log { floor: 1.0 },
    };
    assert!((value(ratio.clone(), array(&[1, 2], &[5.0, 1.0])) - 3.0f64.ln()).abs() < 1e-12);
    assert!(!value(ratio, array(&[1, 2], &[5.0, -2.0])).is_finite(), "not defined, and not an answer");
    // Along the vector the cosine is 1 and the value |v||f|.
    let along = Term::Direction { source, vector: vec![3.0, 4.0], channels: 1, power: 3.0 };
    assert!((value(along, array(&[1, 2], &[6.0, 8.0])) - 50.0).abs() < 1e-9);
}

#[test]
fn channels_last_reads_the_same_units() {
    let last = values(&[2, 4, 5, 3], 1);
    let first = last.clone().permuted_axes(IxDyn(&[0, 3, 1, 2])).as_standard_layout().into_owned();
    let gram = |channels, output: &ArrayD<f32>| {
        let terms = [
            Weighted::one(Term::Diverse { source: map(), statistic: Statistic::Gram, channels }),
            Weighted::one(Term::Channel { source: map(), channel: 2, channels, centre: Centre::Only }),
            Weighted::one(Term::Channel { source: map(), channel: 1, channels, centre: Centre::Whole }),
        ];
        Objective::new(&terms, &[output.shape().to_vec()])
            .unwrap()
            .evaluate(std::slice::from_ref(output))
            .unwrap()
            .terms
    };
    for (a, b) in gram(3, &last).iter().zip(gram(1, &first)) {
        assert!((a - b).abs() < 1e-12, "{a} {b}");
    }
}

fn refused(terms: &[Weighted], shape: &[usize]) -> String {
    Objective::new(terms, &[shape.to_vec()]).expect_err("refused").to_string()
}

#[test]
fn what_cannot_be_is_refused_with_names_and_numbers() {
    let shape = [1, 3, 3, 4];
    let unit = |index: &[usize]| Weighted::one(Term::Unit { source: map(), units: Units::one(index) });
    assert_eq!(
        refused(&[unit(&[3, 0, 0])], &shape),
        "unit: unit [3, 0, 0] is outside tap map of model 0, whose shape without the stimuli is [3, 3, 4]"
    );
    assert!(refused(&[unit(&[0, 0])], &shape).contains("unit [0, 0] is outside"));
    let suppress = Weighted::one(Term::Suppress { source: map(), units: Units::All });
    assert_eq!(
        refused(&[unit(&[1, 0, 2]), suppress.clone()], &shape),
        "tap map of model 0: unit [1, 0, 2] is driven (term 0) and suppressed (term 1)"
    );
    assert!(
        refused(&[unit(&[1, 0, 2]), unit(&[1, 0, 2]).times(-1.0)], &shape).contains("suppressed (term 1)")
    );
    let hold = Term::Hold { source: map(), units: Units::All, baseline: vec![0.0], spread: 1.0 };
    assert!(
        refused(&[Weighted::one(hold), unit(&[0, 0, 1])], &shape)
            .contains("held (term 0) and driven (term 1)")
    );
    let whole =
        Weighted::one(Term::Channel { source: map(), channel: 1, channels: 1, centre: Centre::Whole });
    assert!(refused(&[suppress.clone(), whole], &shape).contains("unit [1, 0, 0] is suppressed"));
    let h = map().through(readout(2, 35));
    assert_eq!(
        refused(&[Weighted::one(Term::Suppress { source: h, units: Units::All })], &shape),
        "readout: H takes 35 features; tap map of model 0 has 36"
    );
    let target = Term::Target { source: map(), units: Units::All, state: vec![0.0; 30] };
    assert!(
        refused(&[Weighted::one(target)], &shape)
            .contains("state has 30 numbers; tap map of model 0 takes 36")
    );
    let diverse = Term::Diverse { source: map(), statistic: Statistic::Features, channels: 1 };
    assert!(refused(&[Weighted::one(diverse)], &shape).contains("a set of 1 stimulus"));
    let one_class =
        Term::LeastConfusable { source: map(), classes: vec![4, 4], noise_sd: vec![1.0], sharpness: 1.0 };
    assert!(refused(&[Weighted::one(one_class)], &[2, 5]).contains("all 2 stimuli are of class 4"));
    assert!(refused(&[suppress.only(2)], &[2, 5]).contains("stimulus 2 of a set of 2"));
    let channel = Term::Channel { source: map(), channel: 3, channels: 1, centre: Centre::Whole };
    assert!(
        refused(&[Weighted::one(channel)], &shape)
            .contains("channel 3 of tap map of model 0; allowed is 0 to 2")
    );
    let coarse = Term::Suppress { source: map().pooled(4, 1), units: Units::All };
    assert!(refused(&[Weighted::one(coarse)], &shape).contains("rows of the pooling grid: 4"));
    let state = vec![f64::NAN; 36];
    let nan = Term::Target { source: map(), units: Units::All, state };
    assert!(refused(&[Weighted::one(nan)], &shape).contains("state is NaN"));
    assert_eq!(refused(&[], &shape), "an objective needs at least one term");
}

#[test]
fn opposite_wishes_for_different_stimuli_or_units_are_no_contradiction() {
    let unit = |index: usize| Weighted::one(Term::Unit { source: map(), units: Units::one(&[index]) });
    let down = |index: usize| Weighted::one(Term::Suppress { source: map(), units: Units::one(&[index]) });
    Objective::new(&[unit(0).only(0), down(0).only(1)], &[vec![2, 3]]).unwrap();
    Objective::new(&[unit(0), down(1)], &[vec![2, 3]]).unwrap();
    Objective::new(&drive_and_hold(&map(), &[1], vec![0.0], 1.0, 2.0), &[vec![1, 3]]).unwrap();
}

#[test]
fn silence_is_seen() {
    let objective =
        Objective::new(&[Weighted::one(Term::Unit { source: map(), units: Units::All })], &[vec![1, 3]])
            .unwrap();
    assert!(objective.evaluate(&[ArrayD::zeros(IxDyn(&[1, 3]))]).unwrap().silent);
    assert!(!objective.evaluate(&[ArrayD::ones(IxDyn(&[1, 3]))]).unwrap().silent);
}
