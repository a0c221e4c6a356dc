//! Letters that the periphery confuses least: made with one model, judged by another.
#![allow(clippy::unwrap_used, reason = "a test that cannot make its cases should end there")]

mod search_support;

use ndarray::{Array2, Array5};
use random::Random;
use search_support::*;
use synthesis::assembly::{Arm, Parts};
use synthesis::constraint::{Constraints, Contrast};
use synthesis::objective::{Source, Term, Units, Weighted};
use synthesis::optimiser::{self, lbfgs};
use synthesis::parametrisation::{Ball, Parametrisation, Perturbation};
use synthesis::search::{Search, Settings};

/// Letters that are easily taken for one another, as rows of five dots.
const LETTERS: [(char, [u8; 7]); 6] = [
    ('B', [0b11110, 0b10001, 0b10001, 0b11110, 0b10001, 0b10001, 0b11110]),
    ('E', [0b11111, 0b10000, 0b10000, 0b11110, 0b10000, 0b10000, 0b11111]),
    ('F', [0b11111, 0b10000, 0b10000, 0b11110, 0b10000, 0b10000, 0b10000]),
    ('P', [0b11110, 0b10001, 0b10001, 0b11110, 0b10000, 0b10000, 0b10000]),
    ('R', [0b11110, 0b10001, 0b10001, 0b11110, 0b10100, 0b10010, 0b10001]),
    ('H', [0b10001, 0b10001, 0b10001, 0b11111, 0b10001, 0b10001, 0b10001]),
];

const SIZE: usize = 64;
const SHAPE: [usize; 5] = [LETTERS.len(), 1, 1, SIZE, SIZE];

/// Mean, contrast and range that both sets have: what is gained is no matter of ink.
fn constraints() -> Constraints {
    contrast(Contrast::Exactly(0.12))
}

/// Dark letters of 30 x 42 px on grey, at the common mean and contrast.
fn letters() -> Array5<f32> {
    let (dot, left, top) = (6, (SIZE - 30) / 2, (SIZE - 42) / 2);
    let mut set = Array5::from_shape_fn(SHAPE, |(letter, _, _, y, x)| {
        let (row, column) = (y.wrapping_sub(top) / dot, x.wrapping_sub(left) / dot);
        let ink = row < 7 && column < 5 && LETTERS[letter].1[row] >> (4 - column) & 1 == 1;
        if ink { 0.2 } else { 0.5 }
    });
    constraints().project(&mut set).unwrap();
    set
}

/// Pooled features of a set in a model, one row each: what the periphery keeps.
fn seen(arm: &Arm, tap: &str, cells: usize, set: &Array5<f32>) -> Array2<f64> {
    // The pooling of the objective itself is what is trained with; the judge has its own.
    let probe = vec![Weighted::one(Term::Suppress { source: Source::tap(tap), units: Units::All })];
    let mut synthesis = assembled(parts(SHAPE, vec![arm.clone()], probe, Constraints::default()));
    let map = synthesis.taps(set).unwrap().remove(0);
    let [count, channels, height, width]: [usize; 4] = map.shape().try_into().unwrap();
    let mut rows = Array2::zeros((count, channels * cells * cells));
    let share = (cells * cells) as f64 / (height * width) as f64;
    for (index, &value) in map.indexed_iter() {
        let cell = (index[1] * cells + index[2] * cells / height) * cells + index[3] * cells / width;
        rows[[index[0], cell]] += share * f64::from(value);
    }
    rows
}

/// Confusion matrix (shown x answered, shares) of an observer who sees features in noise and takes the nearest template.
fn confusion(templates: &Array2<f64>, noise_sd: f64, trials: usize) -> Array2<f64> {
    let count = templates.nrows();
    let mut random = Random::new(12, 0);
    let mut matrix = Array2::zeros((count, count));
    for shown in 0..count {
        for _ in 0..trials {
            let felt = templates.row(shown).mapv(|value| value + noise_sd * random.normal());
            let distance = |answer: usize| (&templates.row(answer) - &felt).mapv(|off| off * off).sum();
            let answer = (0..count).min_by(|&a, &b| distance(a).total_cmp(&distance(b))).unwrap();
            matrix[[shown, answer]] += 1.0 / trials as f64;
        }
    }
    matrix
}

fn errors(matrix: &Array2<f64>) -> f64 {
    1.0 - matrix.diag().sum() / matrix.nrows() as f64
}

/// Smallest distance between two rows.
fn closest(templates: &Array2<f64>) -> f64 {
    let count = templates.nrows();
    let pairs = (0..count).flat_map(|i| (i + 1..count).map(move |j| (i, j)));
    let distance = |(i, j)| (&templates.row(i) - &templates.row(j)).mapv(|off| off * off).sum().sqrt();
    pairs.map(distance).fold(f64::INFINITY, f64::min)
}

fn show(name: &str, matrix: &Array2<f64>) {
    eprintln!("{name}: {:.1} % errors", 100.0 * errors(matrix));
    for (row, (letter, _)) in matrix.rows().into_iter().zip(LETTERS) {
        let cells: Vec<String> = row.iter().map(|share| format!("{:3.0}", 100.0 * share)).collect();
        eprintln!("  {letter} {}", cells.join(" "));
    }
}

#[test]
fn least_confusable_letters_are_told_apart_by_a_model_that_was_not_asked() {
    let (Some(trained), Some(judge)) = (mobilenet(), vgg()) else { return };
    let before = letters();
    let (tap, cells) = ("/f/f.3/Add_output_0", 4);
    // Noise at which the worst pair of the plain letters is at d' = 1.
    let noise_sd = closest(&seen(&trained, tap, cells, &before));
    let term = Term::LeastConfusable {
        source: Source::tap(tap).pooled(cells, cells),
        classes: (0..LETTERS.len()).collect(),
        noise_sd: vec![noise_sd],
        sharpness: 4.0,
    };
    let near = Perturbation::new(before.clone(), Ball::Linf(0.15), 0.0).unwrap();
    let mut synthesis = assembled(Parts {
        parametrisation: Parametrisation::Perturbation(near),
        ..parts(SHAPE, vec![trained], vec![Weighted::one(term)], constraints())
    });
    let optimiser = optimiser::Settings::Lbfgs(lbfgs::Settings::default());
    let mut search =
        Search::begin(&mut synthesis, optimiser, Settings { steps: 15, ..Default::default() }).unwrap();
    search.run(|_| {}).unwrap();
    let (best, trajectory) = search.finish();
    let after = best.shown.stimuli;
    assert!(constraints().feasible(&after, 1e-4), "the same mean and contrast");
    let first = trajectory.records[0].best;
    eprintln!("soft minimum of d' in the model asked: {first:.2} -> {:.2}", best.shown.value);
    assert!(best.shown.value > 1.5 * first);

    let of_judge = |set: &Array5<f32>| seen(&judge, "/Relu_3_output_0", cells, set);
    let (plain, made) = (of_judge(&before), of_judge(&after));
    let noise_sd = 0.7 * closest(&plain);
    let (plain, made) = (confusion(&plain, noise_sd, 300), confusion(&made, noise_sd, 300));
    show("plain letters, held-out model", &plain);
    show("least confusable letters, held-out model", &made);
    assert!(errors(&plain) > 0.1, "nothing to be gained");
    assert!(errors(&made) < 0.7 * errors(&plain), "{} against {}", errors(&made), errors(&plain));
}
