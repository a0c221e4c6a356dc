//! What holds for every optimiser: the same bytes again, best never worse, bad values survived, steps cut short, settings.
#![allow(clippy::unwrap_used, reason = "a test that cannot step should end there")]

#[path = "optimisers_functions.rs"]
mod functions;

use functions::{Cancelled, Set, Test, prepared, rosenbrock};
use synthesis::optimiser::{
    Error, Optimiser, Settings, StepError, adam, bayesian, cma, genetic, lbfgs, projected,
};

fn all(n: usize) -> Vec<Settings> {
    let projected = |rule| projected::Settings { rule, ..projected::Settings::default() };
    vec![
        Settings::Adam(adam::Settings::default()),
        Settings::Lbfgs(lbfgs::Settings::default()),
        Settings::ProjectedGradient(projected(projected::Rule::Spectral)),
        Settings::ProjectedGradient(projected(projected::Rule::L2)),
        Settings::ProjectedGradient(projected(projected::Rule::Linf)),
        Settings::CmaEs(cma::Settings::default()),
        Settings::CmaEs(cma::Settings { full_up_to: 1, ..cma::Settings::default() }),
        Settings::Genetic(genetic::Settings::default()),
        Settings::Genetic(genetic::Settings { again: true, ..genetic::Settings::default() }),
        Settings::Bayesian(bayesian::Settings::within(vec![-2.0; n], vec![2.0; n])),
    ]
}

/// A function with a hole, a plateau and infinities, in a box.
fn rough() -> Test {
    Test::new(3, |x, g| {
        g.iter_mut().zip(x).for_each(|(g, x)| *g = -2.0 * (x - 0.6));
        let value = -x.iter().map(|x| (x - 0.6) * (x - 0.6)).sum::<f64>();
        match () {
            () if x[0] < -0.4 => f64::NAN,
            () if x[1] < -0.4 => f64::INFINITY,
            () if x[2] < -0.4 => f64::NEG_INFINITY,
            () if (x[0] - 0.2).abs() < 0.05 => {
                g.fill(f64::NAN);
                value
            }
            () => value,
        }
    })
    .within(Set::Box(-1.0, 1.0))
}

fn bytes(optimiser: &Optimiser) -> Vec<u64> {
    let (at, value) = optimiser.best();
    at.iter().chain([&value]).map(|x| x.to_bits()).collect()
}

#[test]
fn the_same_seed_and_steps_give_the_same_bytes() {
    for settings in all(3) {
        let run = |seed| {
            let mut problem = rough();
            let mut optimiser = prepared(settings.clone(), &[-0.3, 0.1, 0.0], seed);
            (0..12)
                .flat_map(|_| {
                    optimiser.step(&mut problem).unwrap();
                    bytes(&optimiser)
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(run(5), run(5), "{settings:?}");
        if !settings.needs_gradient() {
            assert_ne!(run(5), run(6), "{settings:?}");
        }
    }
}

#[test]
fn holes_are_survived_and_best_never_gets_worse() {
    for settings in all(3) {
        let mut problem = rough();
        let mut optimiser = prepared(settings.clone(), &[-0.3, 0.1, 0.0], 1);
        let mut best = f64::NEG_INFINITY;
        for _ in 0..60 {
            let progress = optimiser.step(&mut problem).unwrap();
            assert!(progress.best >= best && progress.best >= progress.value, "{settings:?}: {progress:?}");
            assert!(!progress.value.is_nan() && progress.best < f64::INFINITY);
            best = progress.best;
            // What is said to be best has the value that it is said to have.
            let (at, value) = optimiser.best();
            if value.is_finite() {
                assert_eq!((problem.function)(at, &mut [0.0; 3]), value, "{settings:?}");
            }
        }
        println!("{:<20} {best:.2e} after {:?}", settings.name(), optimiser.evaluations());
        // The start is at -1.42, and a wall without gradients stands before the top: some climb to it and stay there.
        assert!(best > -0.36, "{settings:?}: {best}");
    }
}

#[test]
fn counts_are_those_of_the_problem() {
    for settings in all(4) {
        let mut problem = rosenbrock(4).within(Set::Box(-2.0, 2.0));
        let mut optimiser = prepared(settings.clone(), &[0.0; 4], 1);
        for _ in 0..8 {
            let progress = optimiser.step(&mut problem).unwrap();
            assert_eq!(progress.evaluations.total(), problem.trace.len() as u64, "{settings:?}");
            let kind = if settings.needs_gradient() {
                progress.evaluations.values
            } else {
                progress.evaluations.gradients
            };
            assert_eq!(kind, 0, "{settings:?}");
        }
    }
}

/// A step that is cut short at any evaluation keeps the best so far, and the run goes on afterwards.
#[test]
fn a_cancelled_step_keeps_the_best() {
    for settings in all(3) {
        // A step of Bayesian optimisation is one evaluation, and a dear one.
        let steps = if settings.name() == "bayesian" { 20 } else { 60 };
        for cut in [0, 1, 2, 5, 13, 50] {
            let mut problem = rough();
            problem.left = cut;
            let mut optimiser = prepared(settings.clone(), &[-0.3, 0.1, 0.0], 1);
            let failed = (0..steps).find_map(|_| optimiser.step(&mut problem).err());
            let Some(error) = failed else {
                assert!(problem.left > 0, "{settings:?}: it ended before");
                continue;
            };
            assert!(matches!(error, StepError::Problem(Cancelled)), "{error:?}");
            let seen = problem.trace.last().copied().unwrap_or(f64::NEG_INFINITY);
            assert_eq!(optimiser.best().1, seen, "{settings:?}, cut after {cut}");
            assert_eq!(optimiser.evaluations().total(), cut, "{settings:?}");
            problem.left = u64::MAX;
            for _ in 0..steps {
                optimiser.step(&mut problem).unwrap();
            }
            assert!(optimiser.best().1 > -0.36, "{settings:?}, cut after {cut}: {}", optimiser.best().1);
        }
    }
}

/// For populations the cut step is finished as if it had not been cut.
#[test]
fn a_cut_generation_is_finished_to_the_byte() {
    for settings in all(3).into_iter().filter(|s| !s.needs_gradient()) {
        let run = |cut: Option<u64>| {
            let mut problem = rough();
            let mut optimiser = prepared(settings.clone(), &[-0.3, 0.1, 0.0], 1);
            if let Some(cut) = cut {
                problem.left = cut;
                while optimiser.step(&mut problem).is_ok() {}
                problem.left = u64::MAX;
            }
            while optimiser.evaluations().values < 20 {
                optimiser.step(&mut problem).unwrap();
            }
            bytes(&optimiser)
        };
        assert_eq!(run(None), run(Some(3)), "{settings:?}");
        assert_eq!(run(None), run(Some(17)), "{settings:?}");
    }
}

#[test]
fn another_problem_is_refused() {
    for settings in all(3) {
        let mut optimiser = prepared(settings, &[0.0; 3], 1);
        let error = optimiser.step(&mut rosenbrock(4)).unwrap_err();
        assert_eq!(error.to_string(), "the problem has 4 dimensions, the start had 3");
    }
}

#[test]
fn settings_are_checked_by_name_value_and_range() {
    let error = |settings: Settings| Optimiser::prepare(settings, &[0.0, 1.0], 0).unwrap_err().to_string();
    let adam = adam::Settings::default();
    assert_eq!(
        error(Settings::Adam(adam::Settings { rate: -1.0, ..adam.clone() })),
        "adam: rate = -1 must be finite and above 0"
    );
    assert_eq!(
        error(Settings::Adam(adam::Settings { beta1: 1.0, ..adam })),
        "adam: beta1 = 1 must be in [0, 1)"
    );
    assert_eq!(
        error(Settings::Lbfgs(lbfgs::Settings { memory: 0, ..Default::default() })),
        "lbfgs: memory = 0 must be at least 1"
    );
    assert_eq!(
        error(Settings::CmaEs(cma::Settings { population: Some(3), ..Default::default() })),
        "cma-es: population = 3 must be at least 4"
    );
    assert_eq!(
        error(Settings::Genetic(genetic::Settings { elite: 40, ..Default::default() })),
        "genetic: elite = 40 must be below `population`"
    );
    assert_eq!(
        error(Settings::Bayesian(bayesian::Settings::within(vec![0.0], vec![1.0, 1.0]))),
        "bayesian: lower has 1 numbers, upper 2; both need one for each of the start's 2"
    );
    assert_eq!(
        error(Settings::Bayesian(bayesian::Settings::within(vec![0.0, 1.0], vec![1.0, 1.0]))),
        "bayesian: bound 1 goes from 1 to 1: both must be finite and the first below the second"
    );
    let many = Settings::Bayesian(bayesian::Settings::within(vec![0.0; 51], vec![1.0; 51]));
    assert!(matches!(
        Optimiser::prepare(many, &[0.0; 51], 0),
        Err(Error::Dimensions { given: 51, most: 50, .. })
    ));
    let default = Settings::Adam(adam::Settings::default());
    assert_eq!(Optimiser::prepare(default.clone(), &[], 0).unwrap_err(), Error::Empty);
    let error = Optimiser::prepare(default, &[0.0, f64::INFINITY], 0).unwrap_err();
    assert_eq!(error.to_string(), "number 1 of the start is inf and must be finite");
}

#[test]
fn settings_are_read_and_written_with_all_their_defaults() {
    let read: Settings = serde_json::from_str(r#"{"kind": "cma-es", "sigma": 0.5}"#).unwrap();
    assert_eq!(read, Settings::CmaEs(cma::Settings { sigma: 0.5, ..Default::default() }));
    let written = serde_json::to_value(&read).unwrap();
    assert_eq!((&written["kind"], &written["full-up-to"]), (&"cma-es".into(), &200.into()));
    for settings in all(2) {
        let text = serde_json::to_string(&settings).unwrap();
        assert_eq!(serde_json::from_str::<Settings>(&text).unwrap(), settings);
        assert!(text.contains(&format!("\"kind\":\"{}\"", settings.name())));
    }
    let error = serde_json::from_str::<Settings>(r#"{"kind": "adam", "learning-rate": 1}"#).unwrap_err();
    assert!(error.to_string().contains("unknown field `learning-rate`"), "{error}");
    let error = serde_json::from_str::<Settings>(r#"{"kind": "bayesian", "lower": [0]}"#).unwrap_err();
    assert!(error.to_string().contains("missing field `upper`"), "{error}");
}
