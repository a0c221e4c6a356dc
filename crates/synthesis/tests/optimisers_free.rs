//! The optimisers without gradients: published functions, noise, borders.
#![allow(clippy::unwrap_used, reason = "a test that cannot step should end there")]

#[path = "optimisers_functions.rs"]
mod functions;

use functions::{
    BRANIN, BRANIN_BOX, HARTMANN, Set, Test, branin, climb, ellipsoid, hartmann, prepared, rastrigin,
    rosenbrock, sphere,
};
use random::Random;
use synthesis::optimiser::{Settings, State, bayesian, cma, genetic};

fn cma_es(settings: cma::Settings) -> Settings {
    Settings::CmaEs(settings)
}

/// Median over seeds of the evaluations to a target; all have to get there.
fn median(settings: &Settings, make: impl Fn() -> Test, start: &[f64], target: f64, most: usize) -> usize {
    let mut used: Vec<usize> = (0..5)
        .map(|seed| {
            let mut problem = make();
            let mut optimiser = prepared(settings.clone(), start, seed);
            let progress = climb(&mut optimiser, &mut problem, target, most);
            assert!(progress.best >= target, "seed {seed}: {progress:?}");
            problem.evaluations_to(target).unwrap()
        })
        .collect();
    used.sort_unstable();
    used[2]
}

/// Evaluations published for CMA-ES are about: sphere 10 D, 1e-9 of the first value, some 1,500 to 1,800; the banana some
/// 5,500; the ellipsoid some 5,500. The bounds here leave room for the seeds.
#[test]
fn cma_es_takes_about_the_published_evaluations() {
    let settings = cma_es(cma::Settings { restarts: 0, ..cma::Settings::default() });
    for (name, make, start, target, most) in [
        ("sphere", sphere as fn(usize) -> Test, 1.0, -1e-9, 2400),
        ("ellipsoid", |n| ellipsoid(n, 1e6), 1.0, -1e-9, 7500),
        ("Rosenbrock", rosenbrock, 0.0, -1e-9, 8000),
    ] {
        let used = median(&settings, || make(10), &[start; 10], target, 3000);
        println!("CMA-ES {name} 10: {used} evaluations");
        assert!(used <= most, "{name}: {used}");
    }
}

#[test]
fn cma_es_finds_the_one_valley_among_many() {
    let settings = cma_es(cma::Settings { sigma: 2.0, population: Some(100), ..cma::Settings::default() });
    let used = median(&settings, || rastrigin(5), &[2.5; 5], -1e-8, 1000);
    println!("CMA-ES Rastrigin 5, population 100: {used} evaluations");
    assert!(used <= 40_000);
    // With the usual small population it is the restarts that find it.
    let settings = cma_es(cma::Settings { sigma: 2.0, ..cma::Settings::default() });
    let used = median(&settings, || rastrigin(5), &[2.5; 5], -1e-8, 5000);
    println!("CMA-ES Rastrigin 5, restarts: {used} evaluations");
    assert!(used <= 60_000);
}

#[test]
fn cma_es_with_variances_alone_climbs_in_hundreds_of_dimensions() {
    let make = || {
        Test::lowered(300, |x, _| {
            x.iter().enumerate().map(|(i, x)| functions::scale(i, 300, 1e4) * x * x).sum()
        })
    };
    let settings = cma_es(cma::Settings { restarts: 0, ..cma::Settings::default() });
    let used = median(&settings, make, &[1.0; 300], -1e-3, 6000);
    println!("sep-CMA-ES ellipsoid 300: {used} evaluations");
    assert!(used <= 90_000);
    // The full matrix learns the same shape, slower.
    let full = cma_es(cma::Settings { full_up_to: 30, ..cma::Settings::default() });
    let used = median(&full, || ellipsoid(30, 100.0), &[1.0; 30], -1e-6, 4000);
    println!("CMA-ES ellipsoid 30: {used} evaluations");
}

#[test]
fn gradient_free_optimisers_find_a_best_point_on_the_border() {
    // The value rises along (1, 1, ... ) and the border is a ball, or a box: the best is known.
    let n = 6;
    for (set, expected) in [(Set::Ball(1.0), 6.0f64.sqrt()), (Set::Box(-0.5, 0.5), 3.0)] {
        for settings in [
            cma_es(cma::Settings::default()),
            Settings::Genetic(genetic::Settings { spread: 0.3, ..genetic::Settings::default() }),
        ] {
            let name = settings.name();
            let mut problem = Test::new(n, |x, _| x.iter().sum()).within(set);
            let mut optimiser = prepared(settings, &vec![0.0; n], 1);
            let progress = climb(&mut optimiser, &mut problem, 0.999 * expected, 300);
            println!(
                "{set:?}, {name}: {} of {expected}, {} evaluations",
                progress.best, progress.evaluations.values
            );
            assert!(
                progress.best > 0.995 * expected && progress.best < expected + 1e-9,
                "{name}: {progress:?}"
            );
        }
    }
    // A narrow ridge that meets the border aslant.
    let center = [0.9, 0.4, -0.3, 0.2, 0.8, -0.6];
    let mut problem = Test::new(n, move |x, g| {
        let moved: Vec<f64> = x.iter().zip(&center).map(|(x, c)| x - c).collect();
        (ellipsoid(6, 100.0).function)(&moved, g)
    })
    .within(Set::Box(-0.5, 0.5));
    let lbfgs = {
        let mut optimiser = prepared(Settings::Lbfgs(Default::default()), &vec![0.0; n], 0);
        climb(&mut optimiser, &mut problem, f64::INFINITY, 200).best
    };
    let mut optimiser = prepared(cma_es(cma::Settings::default()), &vec![0.0; n], 1);
    let progress = climb(&mut optimiser, &mut problem, lbfgs + 1e-6 * lbfgs, 1000);
    println!("ridge: CMA-ES {} L-BFGS {lbfgs}, {} evaluations", progress.best, progress.evaluations.values);
    assert!((progress.best / lbfgs - 1.0).abs() < 1e-5);
}

#[test]
fn the_genetic_algorithm_climbs() {
    let settings = Settings::Genetic(genetic::Settings { spread: 0.5, ..genetic::Settings::default() });
    let used = median(&settings, || sphere(10), &[1.0; 10], -0.05, 400);
    println!("genetic, sphere 10 to 0.5 %: {used} evaluations");
    assert!(used <= 8000);
}

/// Regret of Bayesian optimisation as it is usually reported: Branin within 0.01 at 40, Hartmann within 0.15 (the other
/// valley lies at 0.12) at 90.
#[test]
fn bayesian_optimisation_comes_close_within_few_evaluations() {
    let (lower, upper) = BRANIN_BOX;
    let settings = Settings::Bayesian(bayesian::Settings::within(lower.to_vec(), upper.to_vec()));
    let used = median(&settings, branin, &[2.5, 7.5], -BRANIN - 0.01, 40);
    println!("Bayesian, Branin to 0.01: {used} evaluations (median)");

    let settings = Settings::Bayesian(bayesian::Settings::within(vec![0.0; 6], vec![1.0; 6]));
    let used = median(&settings, hartmann, &[0.5; 6], -HARTMANN - 0.15, 90);
    println!("Bayesian, Hartmann-6 to 0.15: {used} evaluations (median)");
}

#[test]
fn bayesian_optimisation_bears_noise_and_says_where_the_mean_is_best() {
    // A hump at 0.7 with height 1 and noise of standard deviation 0.3, through ask and tell.
    let settings = bayesian::Settings {
        noise_variance: Some(0.09),
        initial: Some(8),
        ..bayesian::Settings::within(vec![0.0], vec![1.0])
    };
    for seed in 0..3 {
        let mut noise = Random::new(seed, 9);
        let mut optimiser = prepared(Settings::Bayesian(settings.clone()), &[0.1], seed);
        let brain = optimiser.ask_tell().unwrap();
        for _ in 0..50 {
            let x = brain.ask(&|_| ())[0][0];
            let answer = (-(x - 0.7) * (x - 0.7) / 0.02).exp() + 0.3 * noise.normal();
            brain.tell(&[answer]).unwrap();
        }
        let found = brain.recommended()[0];
        assert!((found - 0.7).abs() < 0.06, "seed {seed}: {found}");
        assert_eq!(optimiser.evaluations().values, 50);
    }
}

#[test]
fn noise_is_averaged_out_by_populations() {
    for (settings, near) in [
        (cma_es(cma::Settings { population: Some(20), ..cma::Settings::default() }), 0.3),
        (
            Settings::Genetic(genetic::Settings { spread: 0.5, again: true, ..genetic::Settings::default() }),
            0.8,
        ),
    ] {
        let name = settings.name();
        let mut noise = Random::new(4, 9);
        let mut optimiser = prepared(settings, &[1.0; 5], 2);
        let brain = optimiser.ask_tell().unwrap();
        for _ in 0..100 {
            let values: Vec<f64> = brain
                .ask(&|_| ())
                .iter()
                .map(|x| -x.iter().map(|x| x * x).sum::<f64>() + 0.1 * noise.normal())
                .collect();
            brain.tell(&values).unwrap();
        }
        let away = brain.recommended().iter().map(|x| x * x).sum::<f64>().sqrt();
        println!("noise, {name}: {away} away");
        assert!(away < near, "{name}: {away}");
    }
}

#[test]
fn answers_must_fit_the_question() {
    for settings in [
        cma_es(cma::Settings::default()),
        Settings::Genetic(genetic::Settings::default()),
        Settings::Bayesian(bayesian::Settings::within(vec![-1.0; 3], vec![1.0; 3])),
    ] {
        let mut optimiser = prepared(settings, &[0.0; 3], 0);
        let brain = optimiser.ask_tell().unwrap();
        assert!(brain.tell(&[]).is_err() && brain.tell(&[1.0]).is_err(), "nothing was asked");
        let asked = brain.ask(&|_| ()).to_vec();
        assert_eq!(brain.ask(&|_| ()), asked, "unanswered points come again");
        let error = brain.tell(&vec![1.0; asked.len() + 1]).unwrap_err();
        assert_eq!((error.asked, error.told), (asked.len(), asked.len() + 1));
        assert_eq!(brain.tell(&vec![1.0; asked.len()]), Ok(State::Moved));
    }
}
