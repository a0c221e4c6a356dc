//! The readout against closed forms, its own theory over many seeded draws, and the traps of cross-validation.
#![allow(clippy::print_stdout, reason = "measured figures, for --nocapture")]
#![allow(clippy::unwrap_used, reason = "a test that cannot make its cases should end there")]

use encoding::readout::{
    Penalty, Plan, Prior, Readout, ReadoutError, Recorded, Ridge, Scaling, Spread, Tap, choose_tap, fit,
};
use ndarray::{Array1, Array2, Axis, array, s};
use random::Random;

fn normal(random: &mut Random, n: usize, p: usize) -> Array2<f64> {
    Array2::from_shape_fn((n, p), |_| random.normal())
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("C{index}")).collect()
}

/// Inverse by Gauss and Jordan with pivots, so that theory does not rest on the decompositions under test.
fn inverse(matrix: &Array2<f64>) -> Array2<f64> {
    let n = matrix.nrows();
    let mut left = matrix.clone();
    let mut right = Array2::eye(n);
    for i in 0..n {
        let pivot = (i..n).max_by(|&a, &b| left[[a, i]].abs().total_cmp(&left[[b, i]].abs())).unwrap();
        for matrix in [&mut left, &mut right] {
            for column in 0..n {
                matrix.swap([i, column], [pivot, column]);
            }
        }
        let scale = left[[i, i]];
        left.row_mut(i).mapv_inplace(|v| v / scale);
        right.row_mut(i).mapv_inplace(|v| v / scale);
        for row in (0..n).filter(|&row| row != i) {
            let factor = left[[row, i]];
            let (a, b) = (left.row(i).to_owned(), right.row(i).to_owned());
            left.row_mut(row).scaled_add(-factor, &a);
            right.row_mut(row).scaled_add(-factor, &b);
        }
    }
    right
}

fn centred(x: &Array2<f64>) -> Array2<f64> {
    x - &x.mean_axis(Axis(0)).unwrap()
}

fn trace(a: &Array2<f64>) -> f64 {
    a.diag().sum()
}

fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

#[track_caller]
fn agrees(what: &str, values: &[f64], truth: f64) {
    let (mean, error) = mean_and_error(values);
    println!("{what}: {mean:.5} +- {error:.5}, theory {truth:.5}");
    assert!((mean - truth).abs() < 3.0 * error, "{what}: {mean:.5} +- {error:.5}, theory {truth:.5}");
}

/// Mean squared error of the weights: bias^2 + variance of the closed form, over 4000 draws of the noise (one a channel).
#[test]
fn weights_are_recovered_to_the_theoretical_error() {
    const DRAWS: usize = 4000;
    const SIGMA: f64 = 1.5;
    let mut random = Random::new(31, 0);
    for (n, p) in [(40, 8), (25, 60)] {
        let x = normal(&mut random, n, p).dot(&(Array2::eye(p) + 0.4 * normal(&mut random, p, p))) + 1.0;
        let truth = normal(&mut random, p, 1);
        let guess = &truth * 0.8 + &(0.3 * normal(&mut random, p, 1));
        let y = x.dot(&truth) + SIGMA * normal(&mut random, n, DRAWS) + 5.0;
        let prior =
            Prior::from_mean(Array2::from_shape_fn((p, DRAWS), |(row, _)| guess[[row, 0]]), names(DRAWS))
                .unwrap();
        let z = centred(&x);
        for prior_weight in [0.0, 0.75] {
            for lambda in [0.5, 20.0, 1000.0] {
                let ridge = Ridge::new(x.view(), y.view(), Scaling::Centred, Some(&prior)).unwrap();
                let (weights, _) = ridge.solve(&vec![Penalty { lambda, prior_weight }; DRAWS]);
                let errors: Vec<f64> = weights
                    .columns()
                    .into_iter()
                    .map(|w| (&w - &truth.column(0)).mapv(|e| e * e).sum())
                    .collect();

                let solver = inverse(&(z.t().dot(&z) + Array2::<f64>::eye(p) * lambda));
                let bias = solver.dot(&(&guess * prior_weight - &truth)) * lambda;
                let spread = trace(&solver.dot(&z.t()).dot(&z).dot(&solver)) * SIGMA * SIGMA;
                let theory = (&bias * &bias).sum() + spread;
                agrees(&format!("{n} x {p}, lambda {lambda}, prior {prior_weight}"), &errors, theory);
            }
        }
    }
}

#[test]
fn standardising_is_the_same_as_standardised_features_and_units_do_not_matter() {
    let mut random = Random::new(32, 0);
    for (n, p) in [(30, 6), (12, 20)] {
        let x = normal(&mut random, n, p);
        let y = normal(&mut random, n, 3);
        let units = Array1::from_shape_fn(p, |j| 10f64.powi(j as i32 % 5 - 2));
        let sd = centred(&x).mapv(|v| v * v).mean_axis(Axis(0)).unwrap().mapv(f64::sqrt);
        let penalty = [0.1, 3.0, 70.0].map(|lambda| Penalty { lambda, prior_weight: 0.0 });
        let of = |x: &Array2<f64>, scaling| {
            Ridge::new(x.view(), y.view(), scaling, None).unwrap().solve(&penalty).0
        };
        let standard = of(&x, Scaling::Standard);
        let by_hand = of(&(&x / &sd), Scaling::Centred) / &sd.clone().insert_axis(Axis(1));
        let in_units = of(&(&x * &units), Scaling::Standard) * &units.insert_axis(Axis(1));
        assert!((&standard - &by_hand).iter().all(|e| e.abs() < 1e-10));
        assert!((&standard - &in_units).iter().all(|e| e.abs() < 1e-10));
    }
}

#[test]
fn leaving_out_in_closed_form_is_fitting_anew() {
    let mut random = Random::new(33, 0);
    for (n, p) in [(18, 5), (14, 30)] {
        let (x, y) = (normal(&mut random, n, p) + 2.0, normal(&mut random, n, 2));
        let prior = Prior::from_mean(normal(&mut random, p, 2), names(2)).unwrap();
        let penalties =
            [Penalty { lambda: 2.0, prior_weight: 1.0 }, Penalty { lambda: 9.0, prior_weight: 0.3 }];
        let ridge = |x: &Array2<f64>, y: &Array2<f64>| {
            Ridge::new(x.view(), y.view(), Scaling::Centred, Some(&prior)).unwrap()
        };
        let alone: Vec<usize> = (0..n).collect();
        let pairs: Vec<usize> = (0..n).map(|row| row * 5 % n / 2).collect();
        for groups in [alone, pairs] {
            let closed = ridge(&x, &y).left_out(&penalties, &groups).unwrap();
            for row in 0..n {
                let keep: Vec<usize> = (0..n).filter(|&other| groups[other] != groups[row]).collect();
                let (weights, intercept) =
                    ridge(&x.select(Axis(0), &keep), &y.select(Axis(0), &keep)).solve(&penalties);
                let error = &y.row(row) - &(x.row(row).dot(&weights) + &intercept);
                assert!((&error - &closed.row(row)).iter().all(|e| e.abs() < 1e-9), "{n} x {p}, row {row}");
            }
        }
        // Generalised cross-validation is leave-one-out with every leverage at its mean.
        let ridge = ridge(&x, &y);
        let (weights, intercept) = ridge.solve(&penalties);
        let residual = &y - &(x.dot(&weights) + &intercept);
        for (channel, score) in ridge.generalised_cross_validation(&penalties).iter().enumerate() {
            let leverage = (ridge.degrees_of_freedom(penalties[channel].lambda) + 1.0) / n as f64;
            let direct = residual.column(channel).mapv(|e| (e / (1.0 - leverage)).powi(2)).mean().unwrap();
            assert!((direct / score - 1.0).abs() < 1e-10);
        }
    }
}

/// Weights drawn from the very prior: then noise variance, posterior and predictive variance are right on average.
#[test]
fn the_posterior_is_calibrated() {
    const DRAWS: usize = 3000;
    let (lambda, sigma, prior_weight) = (4.0f64, 0.7f64, 0.6);
    let mut random = Random::new(34, 0);
    for (n, p) in [(30, 6), (12, 25)] {
        let x = normal(&mut random, n, p);
        let new = normal(&mut random, 1, p);
        let mean = normal(&mut random, p, 1);
        let means = Array2::from_shape_fn((p, DRAWS), |(row, _)| mean[[row, 0]]);
        let weights = &means * prior_weight + sigma / lambda.sqrt() * normal(&mut random, p, DRAWS);
        let y = x.dot(&weights) + sigma * normal(&mut random, n, DRAWS) + 3.0;
        let y_new = new.dot(&weights) + sigma * normal(&mut random, 1, DRAWS) + 3.0;
        let prior = Prior::from_mean(means, names(DRAWS)).unwrap();
        let ridge = Ridge::new(x.view(), y.view(), Scaling::Centred, Some(&prior)).unwrap();
        let penalties = vec![Penalty { lambda, prior_weight }; DRAWS];
        let posterior = ridge.posterior(&penalties);
        let (found, intercept) = ridge.solve(&penalties);
        agrees("noise variance", &posterior.noise_variance().to_vec(), sigma * sigma);
        let sd = posterior.weight_sd();
        let excess = (&found - &weights).mapv(|e| e * e) - sd.mapv(|sd| sd * sd);
        for feature in [0, p - 1] {
            agrees("squared error of a weight less its variance", &excess.row(feature).to_vec(), 0.0);
        }
        let missed = (y_new - (new.dot(&found) + &intercept)).mapv(|e| e * e);
        let said = posterior.predictive_sd(new.view()).unwrap().mapv(|sd| sd * sd);
        agrees("squared error of a prediction less its variance", &(missed - said).row(0).to_vec(), 0.0);
        let covariance = posterior.covariance(5);
        assert!((&covariance - &covariance.t()).iter().all(|e| e.abs() < 1e-12));
        assert!(std::iter::zip(covariance.diag(), sd.column(5)).all(|(v, sd)| (v - sd * sd).abs() < 1e-10));
    }
}

/// Trials of stimuli, each shown twice, with the features of the stimulus.
struct Session {
    features: Array2<f64>,
    responses: Array2<f64>,
    stimuli: Vec<usize>,
    channels: Vec<String>,
}

impl Session {
    /// Responses by `weights`, a part of the response that belongs to the stimulus but not to its features, and noise.
    fn new(random: &mut Random, stimuli: usize, weights: &Array2<f64>, unexplained: f64, noise: f64) -> Self {
        let (p, channels) = weights.dim();
        let of_stimulus = normal(random, stimuli, p);
        let shown: Vec<usize> = (0..2 * stimuli).map(|row| row % stimuli).collect();
        let signal = of_stimulus.dot(weights) + unexplained * normal(random, stimuli, channels);
        let responses = signal.select(Axis(0), &shown) + noise * normal(random, 2 * stimuli, channels);
        let features = of_stimulus.select(Axis(0), &shown);
        Self { features, responses, stimuli: shown, channels: names(channels) }
    }

    fn recorded(&self) -> Recorded<'_> {
        Recorded { responses: self.responses.view(), stimuli: &self.stimuli, channels: &self.channels }
    }

    fn fit(&self, prior: Option<&Prior>, plan: &Plan) -> encoding::readout::Fit {
        fit(self.features.view(), &self.recorded(), prior, plan).unwrap()
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Responses that differ between stimuli but have nothing to do with the features.
#[test]
fn nested_cross_validation_does_not_leak() {
    let mut random = Random::new(35, 0);
    let (mut grouped, mut torn, mut best, mut outer) = (vec![], vec![], vec![], vec![]);
    for seed in 0..12 {
        let session = Session::new(&mut random, 24, &Array2::zeros((80, 3)), 1.0, 0.5);
        let plan = Plan::new(seed);
        grouped.extend(session.fit(None, &plan).cv.r2);
        // Each trial its own stimulus: repeats on both sides, and the features seem to explain everything.
        let each: Vec<usize> = (0..48).collect();
        let leaking = Recorded { stimuli: &each, ..session.recorded() };
        torn.extend(fit(session.features.view(), &leaking, None, &plan).unwrap().cv.r2);
        let others: Vec<Array2<f64>> =
            (0..3).map(|_| normal(&mut random, 24, 40).select(Axis(0), &session.stimuli)).collect();
        let taps: Vec<Tap<'_>> =
            others.iter().map(|x| Tap { name: "tap", features: x.view(), prior: None }).collect();
        let choice = choose_tap(&taps, &session.recorded(), &plan).unwrap();
        best.push(choice.taps.iter().map(|tap| tap.cv.mean_r2()).fold(f64::NEG_INFINITY, f64::max));
        outer.push(choice.outer.mean_r2());
    }
    println!("grouped {:?}, torn {:?}", mean_and_error(&grouped), mean_and_error(&torn));
    println!("best of three taps {:?}, chosen within {:?}", mean_and_error(&best), mean_and_error(&outer));
    assert!(mean(&grouped) <= 0.0, "{:?}", mean_and_error(&grouped));
    assert!(mean(&torn) > 0.4, "{:?}", mean_and_error(&torn));
    assert!(mean(&outer) <= 0.0 && mean(&outer) < mean(&best), "{} {}", mean(&outer), mean(&best));
}

#[test]
fn what_can_be_predicted_is_and_the_score_is_that_of_new_stimuli() {
    let mut random = Random::new(36, 0);
    let weights = normal(&mut random, 10, 24) / 10f64.sqrt();
    let session = Session::new(&mut random, 120, &weights, 0.0, 1.0);
    let found = session.fit(None, &Plan::new(1));
    let x = normal(&mut random, 4000, 10);
    let y = x.dot(&weights) + normal(&mut random, 4000, 24);
    let new = encoding::score::r2(found.readout.apply(x.view()).unwrap().view(), y.view()).unwrap();
    let apart: Vec<f64> = found.cv.r2.iter().zip(&new).map(|(cv, new)| cv - new).collect();
    println!("R2 of new stimuli {:.3}, cross-validated less that {:?}", mean(&new), mean_and_error(&apart));
    assert!(mean(&apart).abs() < 0.04 && mean(&new) > 0.3, "{:?}", mean_and_error(&apart));
    assert!(found.cv.pearson.iter().zip(&found.cv.r2).all(|(r, r2)| (r * r - r2).abs() < 0.1));
    assert_eq!(found.readout.origin().cv_r2, found.cv.r2);
    let common = session.fit(None, &Plan { common_penalty: true, ..Plan::new(1) });
    assert!(common.readout.lambda().iter().all(|&lambda| lambda == common.readout.lambda()[0]));
}

#[test]
fn other_people_help_where_they_are_alike_and_do_no_harm_where_not() {
    let mut random = Random::new(37, 0);
    let shared = normal(&mut random, 100, 4) / 10.0;
    let person = |random: &mut Random| &shared + &(0.03 * normal(random, 100, 4));
    let others: Vec<Readout> = (0..6)
        .map(|seed| {
            let weights = person(&mut random);
            Session::new(&mut random, 200, &weights, 0.0, 0.7).fit(None, &Plan::new(seed)).readout
        })
        .collect();
    let others: Vec<&Readout> = others.iter().collect();
    let own = person(&mut random);
    let session = Session::new(&mut random, 30, &own, 0.0, 0.7);
    for spread in [Spread::Even, Spread::BetweenPeople] {
        let prior = Prior::from_people(&others, spread).unwrap();
        let found = session.fit(Some(&prior), &Plan::new(9));
        let without = found.without_prior.as_ref().unwrap();
        let origin = found.readout.origin();
        println!(
            "{spread:?}: R2 {:.3} with, {:.3} without; weight {:?}, share {:.2?}",
            found.cv.mean_r2(),
            without.mean_r2(),
            origin.prior_weight,
            origin.prior_share
        );
        assert!(found.cv.mean_r2() > without.mean_r2() + 0.2);
        assert_eq!(without.r2, session.fit(None, &Plan::new(9)).cv.r2);
        assert_eq!(origin.cv_r2_without_prior.as_ref(), Some(&without.r2));
        assert_eq!(origin.prior_people, 6);
        assert!(origin.prior_weight.iter().all(|&w| w >= 0.5) && origin.prior_share.iter().all(|&s| s > 0.5));
    }
    let strangers = Prior::from_mean(normal(&mut random, 100, 4) / 10.0, names(4)).unwrap();
    let strong = Session::new(&mut random, 150, &own, 0.0, 0.7);
    let found = strong.fit(Some(&strangers), &Plan::new(9));
    assert!(found.cv.mean_r2() > found.without_prior.as_ref().unwrap().mean_r2() - 0.02);
    assert!(mean(&found.readout.origin().prior_share).abs() < 0.05, "{:?}", found.readout.origin());
}

#[test]
fn a_strong_penalty_is_the_prior_and_a_weak_one_the_data() {
    let mut random = Random::new(38, 0);
    let (x, y) = (normal(&mut random, 20, 4), normal(&mut random, 20, 1));
    let guess = normal(&mut random, 4, 1);
    let prior = Prior::from_mean(guess.clone(), names(1)).unwrap();
    let ridge = Ridge::new(x.view(), y.view(), Scaling::Standard, Some(&prior)).unwrap();
    let at = |lambda| [Penalty { lambda, prior_weight: 1.0 }];
    assert!((&ridge.solve(&at(1e12)).0 - &guess).iter().all(|e| e.abs() < 1e-9));
    assert!((ridge.prior_share(&at(1e12))[0] - 1.0).abs() < 1e-9);
    let z = centred(&x);
    let least_squares = inverse(&z.t().dot(&z)).dot(&z.t()).dot(&y);
    assert!((&ridge.solve(&at(1e-9)).0 - &least_squares).iter().all(|e| e.abs() < 1e-8));
    assert!(ridge.prior_share(&at(1e-9))[0].abs() < 1e-8);
    assert!((ridge.degrees_of_freedom(1e-9) - 4.0).abs() < 1e-8);
}

#[test]
fn the_tap_that_made_the_responses_is_chosen() {
    let mut random = Random::new(39, 0);
    let weights = normal(&mut random, 12, 5) / 12f64.sqrt();
    let session = Session::new(&mut random, 60, &weights, 0.0, 0.8);
    let other = normal(&mut random, 60, 40).select(Axis(0), &session.stimuli);
    let bent = session.features.mapv(|v| v + v * v);
    let taps = [("other", &other), ("bent", &bent), ("true", &session.features)]
        .map(|(name, features)| Tap { name, features: features.view(), prior: None });
    let choice = choose_tap(&taps, &session.recorded(), &Plan::new(4)).unwrap();
    assert_eq!(choice.taps[choice.chosen].name, "true");
    assert_eq!(choice.taps.iter().map(|tap| tap.picked).collect::<Vec<_>>(), [0, 0, 5]);
    assert_eq!(choice.outer.r2, choice.taps[2].cv.r2);
    assert_eq!(choice.fit.cv.r2, session.fit(None, &Plan::new(4)).cv.r2);
    assert!(
        choice.taps[2].cv.mean_r2() > choice.taps[1].cv.mean_r2()
            && choice.taps[1].cv.mean_r2() > choice.taps[0].cv.mean_r2()
    );
    assert!(choice.taps.iter().all(|tap| (tap.selection_r2 - tap.cv.mean_r2()).abs() < 0.15));
}

#[test]
fn a_gradient_goes_back_through_the_readout() {
    let mut random = Random::new(40, 0);
    let weights = normal(&mut random, 7, 3);
    let readout = Session::new(&mut random, 30, &weights, 0.0, 0.3).fit(None, &Plan::new(2)).readout;
    let (x, cotangent) = (normal(&mut random, 5, 7), normal(&mut random, 5, 3));
    let back = readout.pull_back(cotangent.view()).unwrap();
    let value = |x: &Array2<f64>| (&readout.apply(x.view()).unwrap() * &cotangent).sum();
    for index in [[0, 0], [2, 6], [4, 3]] {
        let (mut up, mut down) = (x.clone(), x.clone());
        up[index] += 1e-4;
        down[index] -= 1e-4;
        assert!(((value(&up) - value(&down)) / 2e-4 - back[index]).abs() < 1e-8);
    }
    let zero = readout.apply(Array2::zeros((1, 7)).view()).unwrap();
    assert_eq!(zero.row(0), readout.intercept());
}

#[test]
fn the_same_seed_gives_the_same_bits_and_still_features_weigh_nothing() {
    let mut random = Random::new(41, 0);
    let mut weights = normal(&mut random, 90, 2);
    weights.row_mut(3).fill(0.0);
    let mut session = Session::new(&mut random, 25, &weights, 0.0, 1.0);
    session.features.column_mut(3).fill(0.7);
    let first = session.fit(None, &Plan::new(5));
    let second = session.fit(None, &Plan::new(5));
    assert_eq!(first.readout, second.readout);
    assert_eq!(first.posterior, second.posterior);
    assert_eq!(first.cv, second.cv);
    assert_ne!(first.cv, session.fit(None, &Plan::new(6)).cv);
    assert_eq!(first.readout.origin().dropped_features, [3]);
    assert!(first.readout.weights().row(3).iter().all(|&w| w == 0.0));
    assert!(first.posterior.weight_sd().row(3).iter().all(|&sd| sd == 0.0));
}

#[test]
fn bad_input_is_said_before_the_work_starts() {
    let mut random = Random::new(42, 0);
    let weights = normal(&mut random, 4, 2);
    let session = Session::new(&mut random, 10, &weights, 0.0, 1.0);
    let plan = Plan::new(0);
    let said = |features: &Array2<f64>, recorded: &Recorded<'_>, prior: Option<&Prior>, plan: &Plan| {
        fit(features.view(), recorded, prior, plan).unwrap_err().to_string()
    };
    let (features, recorded) = (&session.features, session.recorded());
    assert_eq!(
        said(&features.slice(s![..19, ..]).to_owned(), &recorded, None, &plan),
        "19 trials of features, 20 of responses, 20 stimulus indices: must be the same"
    );
    let few = names(1);
    assert_eq!(
        said(features, &Recorded { channels: &few, ..recorded }, None, &plan),
        "4 features, 2 channels, 1 channel names: need features, and a name for each channel"
    );
    let mut holed = features.clone();
    holed[[7, 2]] = f64::INFINITY;
    assert_eq!(
        said(&holed, &recorded, None, &plan),
        "features: row 7, column 2 is inf; every value must be finite"
    );
    let mut still = session.responses.clone();
    still.column_mut(1).fill(-3.3);
    assert_eq!(
        said(features, &Recorded { responses: still.view(), ..recorded }, None, &plan),
        "responses that do not vary over 20 trials: C1"
    );
    assert_eq!(
        said(&Array2::from_elem((20, 4), 0.1), &recorded, None, &plan),
        "none of the 4 features varies over 20 trials"
    );
    assert_eq!(
        said(features, &recorded, None, &Plan { folds: 11, ..plan.clone() }),
        "11 folds for 10 stimuli: allowed are 2 to the number of stimuli"
    );
    let four: Vec<usize> = (0..20).map(|row| row % 4).collect();
    assert_eq!(
        said(
            features,
            &Recorded { stimuli: &four, ..recorded },
            None,
            &Plan { folds: 2, inner_folds: 2, ..plan.clone() }
        ),
        "4 stimuli in 2 folds, and 2 folds within each, leave 1 stimuli to learn from; at least 3 are needed"
    );
    assert_eq!(
        said(features, &recorded, None, &Plan { ratios: vec![1.0, -2.0], ..plan.clone() }),
        "penalty ratio -2 of 2 in the grid: each must be positive and finite, and there must be one"
    );
    assert_eq!(
        said(features, &recorded, None, &Plan { prior_weights: vec![1.5], ..plan.clone() }),
        "prior weight 1.5: allowed is above 0, up to 1 (0 is always tried)"
    );
    let wide = Prior::from_mean(Array2::zeros((5, 2)), names(2)).unwrap();
    assert_eq!(said(features, &recorded, Some(&wide), &plan), "the prior's mean is [5, 2], must be [4, 2]");
    let swapped = Prior::from_mean(Array2::zeros((4, 2)), vec!["C0".into(), "Oz".into()]).unwrap();
    assert_eq!(said(features, &recorded, Some(&swapped), &plan), "channel 1 is Oz in the prior, must be C1");

    let readout = session.fit(None, &plan).readout;
    assert_eq!(
        Prior::from_people(&[&readout], Spread::BetweenPeople).unwrap_err().to_string(),
        "a prior variance needs 2 people or more, got 1"
    );
    let error = readout.apply(array![[1.0, 2.0]].view()).unwrap_err().to_string();
    assert_eq!(error, "features is [1, 2], must be [1, 4]");
    assert_eq!(choose_tap(&[], &recorded, &plan).unwrap_err(), ReadoutError::NoTaps);
    let taps = [Tap { name: "conv1", features: holed.view(), prior: None }];
    assert_eq!(
        choose_tap(&taps, &recorded, &plan).unwrap_err().to_string(),
        "tap conv1: features: row 7, column 2 is inf; every value must be finite"
    );
}
