//! Letters that the periphery confuses least: made with one model, judged by another.
#![allow(clippy::unwrap_used, reason = "a test that cannot make its cases should end there")]

mod search_support;

use encoding::encoder::Encoder;
use ndarray::{Array2, Array5};
use random::Random;
use search_support::*;
use synthesis::assembly::Parts;
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
fn seen(arm: &Encoder, source: &Source, set: &Array5<f32>) -> Array2<f64> {
    let probe = vec![Weighted::one(Term::Suppress { source: source.clone(), units: Units::All })];
    let mut synthesis = assembled(parts(SHAPE, vec![arm.clone()], probe, Constraints::default()));
    synthesis.read(set).unwrap().remove(0)
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
fn least_confusable_letters_are_told_apart_by_models_that_were_not_asked() {
    let (Some(trained), Some(judge)) = (mobilenet(), vgg()) else { return };
    let before = letters();
    let source = Source::tap("/f/f.3/Add_output_0").pooled(4, 4);
    // Noise at which the worst pair of the plain letters is at d' = 1.
    let noise_sd = closest(&seen(&trained, &source, &before));
    let term = Term::LeastConfusable {
        source,
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

    // As large a change of each pixel, in blocks so coarse that pooling does not remove it, and by chance.
    let mut random = Random::new(13, 0);
    let blocks = Array5::from_shape_simple_fn([LETTERS.len(), 1, 1, 8, 8], || {
        if random.uniform() < 0.5 { -0.15 } else { 0.15 }
    });
    let mut changed = before.clone();
    changed
        .indexed_iter_mut()
        .for_each(|((letter, _, _, y, x), light)| *light += blocks[[letter, 0, 0, y / 8, x / 8]]);
    constraints().project(&mut changed).unwrap();

    // Pooled features of a network for edges; the complex cells of a V1 that looks 8 degrees past the letters.
    let judges = [
        ("VGG16", judge, Source::tap("/Relu_3_output_0").pooled(4, 4)),
        ("V1 at 8 degrees", v1(8.0), Source::tap("v1.complex")),
    ];
    for (name, judge, source) in judges {
        let noise_sd = 0.7 * closest(&seen(&judge, &source, &before));
        let judged = |set| confusion(&seen(&judge, &source, set), noise_sd, 150);
        let (plain, made, chance) = (judged(&before), judged(&after), judged(&changed));
        show(&format!("plain letters, {name}"), &plain);
        show(&format!("least confusable letters, {name}"), &made);
        eprintln!("letters changed as much at random, {name}: {:.1} % errors", 100.0 * errors(&chance));
        assert!(errors(&plain) > 0.1, "nothing to be gained");
        assert!(errors(&made) < 0.7 * errors(&plain), "{} against {}", errors(&made), errors(&plain));
        assert!(
            errors(&made) < 0.7 * errors(&chance),
            "{} against chance {}",
            errors(&made),
            errors(&chance)
        );
    }
}
