//! All optimisers on one problem: evaluations to 90 % of the best that any of them found.
#![allow(clippy::unwrap_used, reason = "a test that cannot step should end there")]

#[path = "optimisers_functions.rs"]
mod functions;

use functions::{Set, Test, prepared};
use random::Random;
use synthesis::optimiser::{Settings, adam, bayesian, cma, genetic, lbfgs, projected};

/// A population of energy units with divisive normalisation, of which the first ones are driven and the rest held: smooth,
/// with saddles and several tops, in a box like that of pixels.
fn population(n: usize) -> Test {
    let mut random = Random::new(11, 0);
    let filters: Vec<Vec<f64>> =
        (0..16).map(|_| (0..n).map(|_| random.normal() / (n as f64).sqrt()).collect()).collect();
    Test::new(n, move |x, g| {
        let drives: Vec<f64> = filters.iter().map(|w| w.iter().zip(x).map(|(w, x)| w * x).sum()).collect();
        let pool = 0.1 + drives.iter().map(|d| d * d).sum::<f64>() / 16.0;
        let wanted: f64 = drives[..4].iter().map(|d| d * d).sum();
        for (i, g) in g.iter_mut().enumerate() {
            let of_wanted: f64 = (0..4).map(|k| 2.0 * drives[k] * filters[k][i]).sum();
            let of_pool: f64 = (0..16).map(|k| 2.0 * drives[k] * filters[k][i] / 16.0).sum();
            *g = of_wanted / pool - wanted * of_pool / (pool * pool);
        }
        wanted / pool
    })
    .within(Set::Box(-1.0, 1.0))
}

#[test]
fn every_optimiser_comes_to_nine_tenths_of_the_best() {
    let n = 16;
    let projected =
        |rule| Settings::ProjectedGradient(projected::Settings { rule, ..projected::Settings::default() });
    let all = [
        ("Adam", Settings::Adam(adam::Settings::default()), 100),
        ("L-BFGS", Settings::Lbfgs(lbfgs::Settings::default()), 100),
        ("projected, spectral", projected(projected::Rule::Spectral), 100),
        ("projected, L2", projected(projected::Rule::L2), 100),
        ("projected, Linf", projected(projected::Rule::Linf), 100),
        ("CMA-ES", Settings::CmaEs(cma::Settings::default()), 200),
        (
            "CMA-ES, variances",
            Settings::CmaEs(cma::Settings { full_up_to: 1, ..cma::Settings::default() }),
            200,
        ),
        (
            "genetic",
            Settings::Genetic(genetic::Settings { spread: 0.5, ..genetic::Settings::default() }),
            100,
        ),
        ("Bayesian", Settings::Bayesian(bayesian::Settings::within(vec![-1.0; n], vec![1.0; n])), 100),
    ];
    let mut random = Random::new(1, 0);
    let start: Vec<f64> = (0..n).map(|_| 0.1 * random.normal()).collect();
    let runs: Vec<(&str, Test, f64)> = all
        .into_iter()
        .map(|(name, settings, steps)| {
            let mut problem = population(n);
            let mut optimiser = prepared(settings, &start, 1);
            for _ in 0..steps {
                if optimiser.step(&mut problem).unwrap().state.is_final() {
                    break;
                }
            }
            let best = optimiser.best().1;
            (name, problem, best)
        })
        .collect();
    let best = runs.iter().map(|run| run.2).fold(f64::NEG_INFINITY, f64::max);
    println!("{:<22}{:>8}{:>14}{:>8}", "optimiser", "best", "evaluations", "to 90 %");
    for (name, problem, reached) in &runs {
        let to = problem.evaluations_to(0.9 * best);
        let to_text = to.map_or("-".into(), |n| n.to_string());
        println!("{name:<22}{reached:>8.3}{:>14}{to_text:>8}", problem.trace.len());
        assert!(*reached >= 0.9 * best, "{name}: {reached} of {best}");
    }
}
