//! Scores by their properties: what they must not see, what they are on average, what they refuse.
#![allow(clippy::unwrap_used, reason = "a test that cannot make its cases should end there")]

use encoding::score::{
    Comparison, Dissimilarity, Estimator, Kernel, Noise, Rdm, ScoreError, cka, crossnobis, explained,
    noise_ceiling, pearson, procrustes_distance, r2, rdm_noise_ceiling, whitened_procrustes_distance,
};
use ndarray::{Array1, Array2, Axis, array, concatenate, s};
use proptest::prelude::*;
use random::Random;

fn normal(random: &mut Random, n: usize, p: usize) -> Array2<f64> {
    Array2::from_shape_fn((n, p), |_| random.normal())
}

/// An orthogonal matrix, by Gram-Schmidt.
fn rotation(random: &mut Random, n: usize) -> Array2<f64> {
    let mut q = normal(random, n, n);
    for i in 0..n {
        for j in 0..i {
            let along = q.row(i).dot(&q.row(j));
            let other = q.row(j).to_owned();
            q.row_mut(i).scaled_add(-along, &other);
        }
        let length = q.row(i).dot(&q.row(i)).sqrt();
        q.row_mut(i).mapv_inplace(|v| v / length);
    }
    q
}

/// Mean and standard error.
fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

#[track_caller]
fn unbiased(what: &str, values: &[f64], truth: f64) {
    let (mean, error) = mean_and_error(values);
    assert!((mean - truth).abs() < 3.0 * error, "{what}: mean {mean:.5} +- {error:.5}, true {truth:.5}");
}

/// Trials of stimuli with normal signal and noise of these powers; `repeats[s]` of stimulus s.
fn trials(
    random: &mut Random,
    signal: f64,
    noise: f64,
    repeats: &[usize],
) -> (Array2<f64>, Vec<usize>, Array2<f64>) {
    let stimuli: Vec<usize> = repeats.iter().enumerate().flat_map(|(s, &count)| vec![s; count]).collect();
    let truth: Vec<f64> = repeats.iter().map(|_| signal.sqrt() * random.normal()).collect();
    let expected = Array2::from_shape_fn((stimuli.len(), 1), |(row, _)| truth[stimuli[row]]);
    let responses = expected.mapv(|v| v + noise.sqrt() * random.normal());
    (responses, stimuli, expected)
}

#[test]
fn the_noise_ceiling_is_unbiased_over_a_thousand_simulations() {
    let mut random = Random::new(21, 0);
    let mut plain_is_biased = false;
    for ratio in [0.1, 0.5, 2.0] {
        for repeats in [2, 4, 10] {
            let found: Vec<_> = (0..1000)
                .map(|_| {
                    let (responses, stimuli, _) = trials(&mut random, ratio, 1.0, &[repeats; 20]);
                    noise_ceiling(responses.view(), &stimuli).unwrap()[0]
                })
                .collect();
            let of = |get: fn(&encoding::score::Ceiling) -> f64| found.iter().map(get).collect::<Vec<f64>>();
            let case = format!("signal/noise {ratio}, {repeats} repeats");
            unbiased(&format!("signal, {case}"), &of(|c| c.signal_power), ratio);
            unbiased(&format!("noise, {case}"), &of(|c| c.noise_power), 1.0);
            let truth = ratio / (ratio + 1.0 / repeats as f64);
            unbiased(&format!("ceiling, {case}"), &of(|c| c.r2), truth);

            let plain = of(|c| c.signal_power / (c.signal_power + c.noise_power / c.repeats));
            let (mean, error) = mean_and_error(&plain);
            println!(
                "{case}: ceiling {:.4}, true {truth:.4}, plain ratio {mean:.4}",
                mean_and_error(&of(|c| c.r2)).0
            );
            plain_is_biased |= (mean - truth).abs() > 3.0 * error;
        }
    }
    assert!(plain_is_biased, "the plain ratio passes too: this test cannot tell");
}

#[test]
fn unequal_repeats_leave_the_powers_unbiased() {
    let mut random = Random::new(22, 0);
    let repeats: Vec<usize> = (0..20).map(|s| 2 + s % 7).collect();
    let found: Vec<_> = (0..10_000)
        .map(|_| {
            let (responses, stimuli, _) = trials(&mut random, 0.4, 1.0, &repeats);
            noise_ceiling(responses.view(), &stimuli).unwrap()[0]
        })
        .collect();
    unbiased("signal", &found.iter().map(|c| c.signal_power).collect::<Vec<_>>(), 0.4);
    unbiased("noise", &found.iter().map(|c| c.noise_power).collect::<Vec<_>>(), 1.0);
    let truth = 0.4 / (0.4 + 1.0 / found[0].repeats);
    let mean = mean_and_error(&found.iter().map(|c| c.r2).collect::<Vec<_>>()).0;
    assert!((mean - truth).abs() < 0.02, "{mean} {truth}");
}

#[test]
fn the_true_signal_reaches_the_ceiling_and_intervals_hold_it() {
    let mut random = Random::new(23, 0);
    let truth = 0.5 / (0.5 + 1.0 / 3.0);
    let (mut reached, mut normalised, mut correlation, mut held) = (vec![], vec![], vec![], 0);
    for _ in 0..400 {
        let (responses, stimuli, expected) = trials(&mut random, 0.5, 1.0, &[3; 80]);
        let score = explained(expected.view(), responses.view(), &stimuli).unwrap()[0];
        reached.push(score.r2);
        normalised.push(score.normalised_r2.unwrap().estimate);
        correlation.push(score.cc_norm.unwrap().estimate);
        let [low, high] = score.ceiling_r2.bounds_95();
        held += u32::from(low <= truth && truth <= high);
    }
    assert!((mean_and_error(&reached).0 - truth).abs() < 0.015, "{:?} {truth}", mean_and_error(&reached));
    assert!((mean_and_error(&normalised).0 - 1.0).abs() < 0.02, "{:?}", mean_and_error(&normalised));
    assert!((mean_and_error(&correlation).0 - 1.0).abs() < 0.02, "{:?}", mean_and_error(&correlation));
    let coverage = f64::from(held) / 400.0;
    assert!((0.90..=0.985).contains(&coverage), "coverage {coverage}");
}

#[test]
fn without_signal_there_is_no_normalised_score() {
    let mut random = Random::new(24, 0);
    let refused = (0..200)
        .filter(|_| {
            let (responses, stimuli, _) = trials(&mut random, 0.0, 1.0, &[4; 30]);
            let guess = responses.mapv(|_| random.normal());
            explained(guess.view(), responses.view(), &stimuli).unwrap()[0].normalised_r2.is_none()
        })
        .count();
    // The jackknife's interval misses 0 in somewhat more than the nominal one in forty.
    assert!(refused >= 175, "{refused} of 200");
}

#[test]
fn crossnobis_has_no_bias_and_plain_distances_have() {
    let mut random = Random::new(25, 0);
    let deviations = array![1.0, 0.5, 2.0];
    let covariance = Array2::from_diag(&deviations.mapv(|v| v * v));
    let patterns = array![[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [1.0, 0.5, 0.0]];
    let mut found = [vec![], vec![]];
    for _ in 0..1000 {
        let conditions: Vec<usize> = (0..24).map(|row| row % 3).collect();
        let runs: Vec<usize> = (0..24).map(|row| row / 6).collect();
        let trials = Array2::from_shape_fn((24, 3), |(row, channel)| {
            patterns[[row % 3, channel]] + deviations[channel] * random.normal()
        });
        let rdm =
            crossnobis(trials.view(), &conditions, &runs, Noise::Covariance(covariance.view())).unwrap();
        found[0].push(rdm.upper()[0]);
        found[1].push(rdm.upper()[1]);
    }
    unbiased("the same pattern", &found[0], 0.0);
    // (1/1)^2 + (0.5/0.5)^2 over three channels.
    unbiased("different patterns", &found[1], 2.0 / 3.0);
}

#[test]
fn the_true_matrix_lies_between_the_bounds_of_people() {
    let mut random = Random::new(26, 0);
    for by in [Comparison::Pearson, Comparison::Spearman, Comparison::KendallTauA] {
        let (mut lower, mut own, mut upper) = (0.0, 0.0, 0.0);
        for _ in 0..40 {
            let truth = normal(&mut random, 12, 30);
            let people: Vec<Rdm> = (0..8)
                .map(|_| {
                    Rdm::new((&truth + &normal(&mut random, 12, 30)).view(), Dissimilarity::Euclidean)
                        .unwrap()
                })
                .collect();
            let truth = Rdm::new(truth.view(), Dissimilarity::Euclidean).unwrap();
            let bounds = rdm_noise_ceiling(&people, by).unwrap();
            lower += bounds.lower;
            upper += bounds.upper;
            own += people.iter().map(|one| one.compare(&truth, by).unwrap()).sum::<f64>() / 8.0;
        }
        assert!(lower < own && own < upper, "{by:?}: {lower} {own} {upper}");
    }
}

#[test]
fn distances_see_what_they_should() {
    let mut random = Random::new(27, 0);
    let x = normal(&mut random, 10, 6);
    let close = |a: &Rdm, b: &Rdm| assert!((&a.upper() - &b.upper()).iter().all(|d| d.abs() < 1e-12));
    let of = |x: &Array2<f64>, by| Rdm::new(x.view(), by).unwrap();
    let turned = x.dot(&rotation(&mut random, 6));
    close(&of(&x, Dissimilarity::Euclidean), &of(&turned, Dissimilarity::Euclidean));
    let scaled = Array2::from_shape_fn((10, 6), |(i, j)| (i as f64 + 1.0) * x[[i, j]] - 3.0 * i as f64);
    close(&of(&x, Dissimilarity::Correlation), &of(&scaled, Dissimilarity::Correlation));
    let rdm = of(&x, Dissimilarity::Euclidean);
    assert_eq!(rdm.square()[[2, 7]], (&x.row(2) - &x.row(7)).mapv(|v| v * v).sum().sqrt());
    assert_eq!(rdm.square(), rdm.square().t());
    let opposite = Rdm::from_upper(10, rdm.upper().mapv(|v| -v)).unwrap();
    for by in [Comparison::Pearson, Comparison::Spearman, Comparison::KendallTauA] {
        assert!((rdm.compare(&rdm, by).unwrap() - 1.0).abs() < 1e-12);
        assert!((rdm.compare(&opposite, by).unwrap() + 1.0).abs() < 1e-12);
    }
}

#[test]
fn cka_does_not_see_rotation_scale_and_shift_and_without_bias_knows_strangers() {
    let mut random = Random::new(28, 0);
    let (x, y) = (normal(&mut random, 15, 7), normal(&mut random, 15, 9));
    let moved = x.dot(&rotation(&mut random, 7)) * 3.0 + 2.0;
    for estimator in [Estimator::Biased, Estimator::Unbiased] {
        for kernel in [Kernel::Linear, Kernel::Rbf(1.0)] {
            let of = |a: &Array2<f64>, b: &Array2<f64>| cka(a.view(), b.view(), kernel, estimator).unwrap();
            assert!((of(&x, &x) - 1.0).abs() < 1e-12);
            assert!((of(&x, &y) - of(&moved, &y)).abs() < 1e-12);
            assert!((of(&x, &y) - of(&y, &x)).abs() < 1e-12);
        }
    }
    let mut found = [vec![], vec![]];
    for _ in 0..300 {
        let (a, b) = (normal(&mut random, 12, 200), normal(&mut random, 12, 200));
        found[0].push(cka(a.view(), b.view(), Kernel::Linear, Estimator::Biased).unwrap());
        found[1].push(cka(a.view(), b.view(), Kernel::Linear, Estimator::Unbiased).unwrap());
    }
    assert!(mean_and_error(&found[0]).0 > 0.9, "{:?}", mean_and_error(&found[0]));
    unbiased("unbiased CKA of strangers", &found[1], 0.0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn procrustes_is_a_metric_of_shapes(seed in 0u64..1_000_000, alpha in prop_oneof![Just(1.0), Just(0.5), Just(0.1)]) {
        let mut random = Random::new(seed, 0);
        let [x, y, z] = [3, 5, 4].map(|p| normal(&mut random, 9, p));
        let of = |a: &Array2<f64>, b: &Array2<f64>| whitened_procrustes_distance(a.view(), b.view(), alpha).unwrap();
        let (xy, yz, xz) = (of(&x, &y), of(&y, &z), of(&x, &z));
        prop_assert!((xy - of(&y, &x)).abs() < 1e-9);
        prop_assert!(xz <= xy + yz + 1e-9 && xy > 1e-3 && xy <= std::f64::consts::FRAC_PI_2);
        let moved = x.dot(&rotation(&mut random, 3)) * 0.2 - 5.0;
        let padded = concatenate![Axis(1), moved, Array2::from_elem((9, 2), 7.0)];
        prop_assert!(of(&x, &padded) < 1e-6, "{}", of(&x, &padded));
        prop_assert!((of(&padded, &y) - xy).abs() < 1e-9);
    }
}

#[test]
fn procrustes_has_its_closed_forms() {
    let mut random = Random::new(29, 0);
    let (x, y) = (normal(&mut random, 12, 1), normal(&mut random, 12, 1));
    let r = pearson(x.view(), y.view()).unwrap()[0];
    assert!((procrustes_distance(x.view(), y.view()).unwrap() - r.abs().acos()).abs() < 1e-12);
    // Fully whitened, any invertible map is a rotation.
    let (x, y) = (normal(&mut random, 12, 4), normal(&mut random, 12, 3));
    let sheared = x.dot(&normal(&mut random, 4, 4));
    let of = |x: &Array2<f64>, alpha| whitened_procrustes_distance(x.view(), y.view(), alpha).unwrap();
    assert!((of(&x, 0.0) - of(&sheared, 0.0)).abs() < 1e-9);
    assert!((of(&x, 1.0) - of(&sheared, 1.0)).abs() > 1e-3);
}

#[test]
fn r2_and_correlation_have_their_fixed_points() {
    let y = array![[1.0, 4.0], [2.0, 0.0], [3.0, -1.0], [6.0, 2.0]];
    assert_eq!(r2(y.view(), y.view()).unwrap(), [1.0, 1.0]);
    let mean = Array2::from_shape_fn((4, 2), |(_, c)| y.column(c).sum() / 4.0);
    assert_eq!(r2(mean.view(), y.view()).unwrap(), [0.0, 0.0]);
    assert_eq!(pearson((&y * -2.0 + 1.0).view(), y.view()).unwrap(), [-1.0, -1.0]);
    assert!(r2((&y * 3.0).view(), y.view()).unwrap()[0] < 0.0);
}

#[test]
fn what_has_no_score_is_said_with_names_and_numbers() {
    let mut random = Random::new(30, 0);
    let x = normal(&mut random, 8, 3);
    let said = |error: ScoreError| error.to_string();
    let short = x.slice(s![..7, ..]);
    assert_eq!(
        said(cka(x.view(), short, Kernel::Linear, Estimator::Biased).unwrap_err()),
        "conditions of the second representation: 7, must be 8"
    );
    assert_eq!(said(r2(short, x.view()).unwrap_err()), "trials of the predictions: 7, must be 8");
    let two = x.slice(s![..2, ..]);
    assert_eq!(said(procrustes_distance(two, two).unwrap_err()), "2 conditions: at least 3 are needed");
    let mut holed = x.clone();
    holed[[4, 1]] = f64::NAN;
    assert_eq!(
        said(procrustes_distance(x.view(), holed.view()).unwrap_err()),
        "second representation: row 4, column 1 is NaN; every value must be finite"
    );
    let mut flat = x.clone();
    flat.row_mut(5).fill(0.1);
    assert_eq!(
        said(Rdm::new(flat.view(), Dissimilarity::Correlation).unwrap_err()),
        "the response to condition 5 does not vary"
    );
    assert!(Rdm::new(flat.view(), Dissimilarity::Euclidean).is_ok());
    let mut still = x.clone();
    still.column_mut(2).fill(3.0);
    assert_eq!(said(r2(x.view(), still.view()).unwrap_err()), "the response of channel 2 does not vary");
    assert_eq!(
        said(pearson(still.view(), x.view()).unwrap_err()),
        "the prediction of channel 2 does not vary"
    );
    let same = Array2::from_elem((8, 3), 2.5);
    assert_eq!(
        said(cka(same.view(), x.view(), Kernel::Linear, Estimator::Biased).unwrap_err()),
        "representation 0 does not vary"
    );
    assert_eq!(
        said(cka(x.view(), x.view(), Kernel::Rbf(0.0), Estimator::Biased).unwrap_err()),
        "bandwidth is 0, must be positive"
    );
    assert_eq!(
        said(whitened_procrustes_distance(x.view(), x.view(), 1.5).unwrap_err()),
        "alpha is 1.5, must be 0 to 1"
    );
    let wide = normal(&mut random, 8, 20);
    assert_eq!(
        said(whitened_procrustes_distance(wide.view(), x.view(), 0.0).unwrap_err()),
        "8 conditions but rank 7: fully whitened, every such representation has distance 0"
    );
    assert_eq!(
        said(noise_ceiling(x.view(), &[0, 0, 1, 1, 2, 2, 3, 3]).unwrap_err()),
        "4 stimuli: at least 5 are needed"
    );
    let ten = normal(&mut random, 10, 1);
    assert_eq!(
        said(noise_ceiling(ten.view(), &[0, 0, 1, 1, 2, 2, 3, 3, 9, 5]).unwrap_err()),
        "stimulus 5 has 1 repeat: at least 2 of each are needed to tell noise from signal"
    );
    assert_eq!(
        said(
            crossnobis(x.view(), &[0, 1, 2, 0, 1, 0, 1, 2], &[4, 4, 4, 5, 5, 6, 6, 6], Noise::White)
                .unwrap_err()
        ),
        "condition 2 has no trial in partition 5: every partition needs all conditions"
    );
    let singular = array![[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    let nine = normal(&mut random, 9, 3);
    let thrice = [0, 1, 2, 0, 1, 2, 0, 1, 2];
    let found =
        crossnobis(nine.view(), &thrice, &[0, 0, 0, 1, 1, 1, 2, 2, 2], Noise::Covariance(singular.view()));
    assert!(matches!(found, Err(ScoreError::SingularNoise { channels: 3, .. })), "{found:?}");
    let rdm = Rdm::new(x.view(), Dissimilarity::Euclidean).unwrap();
    let constant = Rdm::from_upper(8, Array1::ones(28)).unwrap();
    assert_eq!(
        said(rdm.compare(&constant, Comparison::Spearman).unwrap_err()),
        "dissimilarity matrix 1 does not vary"
    );
    assert_eq!(
        said(rdm_noise_ceiling(&[rdm.clone(), rdm], Comparison::Pearson).unwrap_err()),
        "2 people: at least 3 are needed"
    );
    assert_eq!(said(Rdm::from_upper(8, Array1::ones(27)).unwrap_err()), "dissimilarities: 27, must be 28");
}
