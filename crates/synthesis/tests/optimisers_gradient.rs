//! The optimisers that take gradients: closed forms, published functions, borders.
#![allow(clippy::unwrap_used, reason = "a test that cannot step should end there")]

#[path = "optimisers_functions.rs"]
mod functions;

use functions::{Set, Test, climb, ellipsoid, prepared, rosenbrock, scale, turned};
use synthesis::optimiser::{Settings, State, adam, lbfgs, projected};
use synthesis::problem::Problem;

fn adam_default() -> Settings {
    Settings::Adam(adam::Settings::default())
}

fn lbfgs_default() -> Settings {
    Settings::Lbfgs(lbfgs::Settings::default())
}

fn projected(rule: projected::Rule, step: f64) -> Settings {
    Settings::ProjectedGradient(projected::Settings { rule, step, ..projected::Settings::default() })
}

/// With line searches close to exact and a memory of n steps, L-BFGS makes conjugate steps on a quadratic: n of them reach
/// the optimum but for what is left of the line searches (Nocedal and Wright, theorem 6.4).
#[test]
fn lbfgs_needs_n_steps_for_a_quadratic_of_n_numbers() {
    for n in [2, 5, 10, 20] {
        let mut problem = ellipsoid(n, 100.0);
        let settings = lbfgs::Settings { memory: n + 2, curvature: 1e-3, ..lbfgs::Settings::default() };
        let mut optimiser = prepared(Settings::Lbfgs(settings), &vec![1.0; n], 0);
        let mut steps = 0;
        while optimiser.best().1 < -1e-16 * n as f64 {
            optimiser.step(&mut problem).unwrap();
            steps += 1;
            assert!(steps <= n + 3, "{n} numbers, {steps} steps: {:e}", optimiser.best().1);
        }
        println!("quadratic of {n}: {steps} steps, {} evaluations", optimiser.evaluations().gradients);
    }
}

#[test]
fn lbfgs_crosses_the_banana() {
    for (n, most) in [(2, 60), (10, 120), (100, 700)] {
        let mut problem = rosenbrock(n);
        let start: Vec<f64> = (0..n).map(|i| if i % 2 == 0 { -1.2 } else { 1.0 }).collect();
        let mut optimiser = prepared(lbfgs_default(), &start, 0);
        let progress = climb(&mut optimiser, &mut problem, -1e-10, 1000);
        let used = progress.evaluations.gradients;
        println!("Rosenbrock {n}: {used} evaluations to {:e}", progress.best);
        // From this start some dimensions have a second, local optimum of about 4 (Shang and Qiu 2006).
        assert!(progress.best > -1e-10 || (progress.best + 3.98).abs() < 0.02, "{n}: {progress:?}");
        assert!(used <= most, "{n}: {used} evaluations");
    }
}

#[test]
fn lbfgs_ends_where_rounding_ends_it() {
    let mut problem = ellipsoid(8, 1e4);
    let mut optimiser = prepared(lbfgs_default(), &[0.7; 8], 0);
    let progress = climb(&mut optimiser, &mut problem, f64::INFINITY, 200);
    assert_eq!(progress.state, State::Converged);
    assert!(progress.best > -1e-9, "{progress:?}");
    let used = progress.evaluations;
    let again = optimiser.step(&mut problem).unwrap();
    assert_eq!((again.state, again.evaluations), (State::Converged, used), "a step after the end is free");
}

#[test]
fn spectral_steps_and_adam_reach_the_top_too() {
    let mut problem = ellipsoid(10, 1000.0);
    let mut optimiser = prepared(projected(projected::Rule::Spectral, 0.1), &[1.0; 10], 0);
    let progress = climb(&mut optimiser, &mut problem, -1e-10, 600);
    println!("ellipsoid 10, spectral: {} evaluations", progress.evaluations.gradients);
    assert!(progress.best >= -1e-10, "{progress:?}");

    let mut problem = rosenbrock(2);
    let settings = adam::Settings { rate: 0.05, half_life: 500.0, ..adam::Settings::default() };
    let mut optimiser = prepared(Settings::Adam(settings), &[-1.2, 1.0], 0);
    let progress = climb(&mut optimiser, &mut problem, -1e-4, 3000);
    println!("Rosenbrock 2, Adam: {} evaluations", progress.evaluations.gradients);
    assert!(progress.best >= -1e-4, "{progress:?}");
}

/// The first steps of Adam are known: without normalisation each number moves by the rate, whatever the gradient, and the
/// second step follows from the paper's two running means.
#[test]
fn the_first_steps_of_adam_are_those_of_the_paper() {
    let mut problem = Test::new(2, |x, g| {
        (g[0], g[1]) = (3.0, -1.0 - x[0]);
        3.0 * x[0] - x[1]
    });
    let settings = adam::Settings { rate: 0.1, normalise: false, ..adam::Settings::default() };
    let mut optimiser = prepared(Settings::Adam(settings), &[0.0, 0.0], 0);
    optimiser.step(&mut problem).unwrap();
    let at = optimiser.best().0.to_vec();
    assert!((at[0] - 0.1).abs() < 1e-8 && (at[1] + 0.1).abs() < 1e-8, "{at:?}");
    optimiser.step(&mut problem).unwrap();
    let at = optimiser.best().0.to_vec();
    let (m, v) = (-0.9 * 0.1 - 0.1 * 1.1, 0.999 * 0.001 + 0.001 * 1.21);
    let second = 0.1 * (m / (1.0 - 0.81)) / (v / (1.0 - 0.998_001f64)).sqrt();
    assert!((at[1] - (-0.1 + second)).abs() < 1e-8, "{at:?} {second}");
}

/// The nearest point of a ball to `center` in the metric of an ellipsoid: (A + m) x = A c, with m of the radius.
fn on_the_ball(n: usize, condition: f64, center: &[f64], radius: f64) -> Vec<f64> {
    let turned_center = turned(center);
    let at = |m: f64| -> Vec<f64> {
        turned_center
            .iter()
            .enumerate()
            .map(|(i, c)| 2.0 * scale(i, n, condition) * c / (2.0 * scale(i, n, condition) + m))
            .collect()
    };
    let length = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
    let (mut low, mut high) = (0.0, 1e9);
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if length(&at(middle)) > radius { low = middle } else { high = middle }
    }
    turned(&at(0.5 * (low + high)))
}

fn ellipsoid_around(center: Vec<f64>, condition: f64) -> Test {
    let n = center.len();
    let inner = ellipsoid(n, condition);
    Test::new(n, move |x, g| {
        let moved: Vec<f64> = x.iter().zip(&center).map(|(x, c)| x - c).collect();
        (inner.function)(&moved, g)
    })
}

#[test]
fn an_optimum_on_a_ball_is_found_where_its_multiplier_says() {
    let n = 8;
    let center: Vec<f64> = (0..n).map(|i| 1.5 - 0.4 * i as f64).collect();
    let expected = on_the_ball(n, 50.0, &center, 1.0);
    for (name, settings, most, near) in [
        ("lbfgs", lbfgs_default(), 60, 1e-6),
        ("spectral", projected(projected::Rule::Spectral, 0.1), 300, 1e-6),
        ("l2", projected(projected::Rule::L2, 0.1), 2000, 1e-3),
        ("adam", Settings::Adam(adam::Settings { half_life: 50.0, ..adam::Settings::default() }), 1500, 1e-3),
    ] {
        let mut problem = ellipsoid_around(center.clone(), 50.0).within(Set::Ball(1.0));
        let mut optimiser = prepared(settings, &vec![0.1; n], 0);
        let progress = climb(&mut optimiser, &mut problem, f64::INFINITY, most);
        let best = optimiser.best().0;
        let away = best.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        println!("ball, {name}: {away:e} away, {} evaluations", progress.evaluations.gradients);
        assert!(away < near, "{name}: {best:?} {expected:?}");
    }
}

/// In a box the conditions of Karush, Kuhn and Tucker say: no number can move up the gradient.
#[test]
fn an_optimum_in_a_corner_of_a_box_leaves_no_way_up() {
    let n = 12;
    let center: Vec<f64> = (0..n).map(|i| if i % 3 == 0 { 2.0 } else { 0.1 * i as f64 - 0.5 }).collect();
    for (name, settings, most, near) in [
        ("lbfgs", lbfgs_default(), 100, 1e-4),
        ("spectral", projected(projected::Rule::Spectral, 0.1), 400, 1e-5),
        ("linf", projected(projected::Rule::Linf, 0.1), 2000, 0.3),
    ] {
        let mut problem = ellipsoid_around(center.clone(), 100.0).within(Set::Box(0.0, 1.0));
        let mut optimiser = prepared(settings, &vec![0.5; n], 0);
        let progress = climb(&mut optimiser, &mut problem, f64::INFINITY, most);
        let best = optimiser.best().0.to_vec();
        let mut moved = vec![0.0; n];
        problem.value_and_gradient(&best, &mut moved).unwrap();
        moved.iter_mut().zip(&best).for_each(|(g, x)| *g += x);
        problem.project(&mut moved);
        let way = moved.iter().zip(&best).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        let pinned = best.iter().filter(|x| **x == 0.0 || **x == 1.0).count();
        println!(
            "box, {name}: way left {way:e}, {pinned} pinned, {} evaluations",
            progress.evaluations.gradients
        );
        assert!(way < near && pinned > 0, "{name}: {best:?}");
    }
}

/// Fixed contrast is a sphere, which is not convex: the largest value of a quadratic form on it is its largest eigenvalue.
#[test]
fn the_largest_eigenvector_is_found_on_a_sphere() {
    let n = 10;
    for settings in [lbfgs_default(), projected(projected::Rule::Spectral, 0.1), adam_default()] {
        let name = settings.name();
        let mut problem = Test::new(n, move |x, g| {
            let z = turned(x);
            let bent: Vec<f64> = z.iter().enumerate().map(|(i, z)| (i + 1) as f64 * z).collect();
            g.copy_from_slice(&turned(&bent));
            g.iter_mut().for_each(|g| *g *= 2.0);
            z.iter().zip(&bent).map(|(a, b)| a * b).sum()
        })
        .within(Set::Sphere(1.0));
        let start: Vec<f64> = (0..n).map(|i| (i as f64).cos()).collect();
        let mut optimiser = prepared(settings, &start, 0);
        let progress = climb(&mut optimiser, &mut problem, 10.0 - 1e-6, 400);
        println!("sphere, {name}: {} of 10, {} evaluations", progress.best, progress.evaluations.gradients);
        assert!(progress.best > 10.0 - 1e-3, "{name}: {progress:?}");
    }
}

#[test]
fn dead_starts_are_left() {
    // Rectified: value and gradient are zero where no unit responds.
    let relu = |x: &[f64], g: &mut [f64]| {
        let drive = x[0] + x[1] - 0.5;
        g.fill(if drive > 0.0 { 1.0 } else { 0.0 });
        drive.max(0.0)
    };
    for settings in [adam_default(), lbfgs_default(), projected(projected::Rule::L2, 0.1)] {
        let name = settings.name();
        let mut problem = Test::new(2, relu).within(Set::Box(-1.0, 1.0));
        let mut optimiser = prepared(settings.clone(), &[0.0, 0.0], 3);
        let progress = climb(&mut optimiser, &mut problem, 1.49, 200);
        assert!(progress.best >= 1.49, "{name}: {progress:?}");

        let mut nowhere = Test::new(2, |_, _| f64::NAN);
        let mut optimiser = prepared(settings, &[0.0, 0.0], 3);
        let progress = climb(&mut optimiser, &mut nowhere, 0.0, 200);
        assert_eq!(progress.state, State::Lost, "{name}");
        assert_eq!(optimiser.best(), (&[0.0, 0.0][..], f64::NEG_INFINITY), "{name}");
    }
}

#[test]
fn a_cliff_into_nowhere_is_climbed_beside() {
    // The best lies at the very edge of where the function is defined.
    let cliff = |x: &[f64], g: &mut [f64]| {
        (g[0], g[1]) = (1.0, -2.0 * x[1]);
        if x[0] > 1.0 { f64::NAN } else { x[0] - x[1] * x[1] }
    };
    for settings in [
        adam_default(),
        lbfgs_default(),
        projected(projected::Rule::Spectral, 0.3),
        projected(projected::Rule::L2, 0.3),
    ] {
        let name = settings.name();
        let mut problem = Test::new(2, cliff);
        let mut optimiser = prepared(settings, &[-1.0, 0.8], 0);
        let progress = climb(&mut optimiser, &mut problem, 0.99, 400);
        println!("cliff, {name}: {} after {} evaluations", progress.best, progress.evaluations.gradients);
        // From -1.64; along the gradient alone the edge is met before the top of 1.
        assert!(progress.best >= 0.8 && progress.best <= 1.0, "{name}: {progress:?}");
    }
}

#[test]
fn steps_are_bounded() {
    let settings = lbfgs::Settings { evaluations: 5, ..lbfgs::Settings::default() };
    let mut problem = rosenbrock(4);
    let mut optimiser = prepared(Settings::Lbfgs(settings), &[-1.2, 1.0, -1.2, 1.0], 0);
    let mut before = 0;
    for step in 0..60 {
        optimiser.step(&mut problem).unwrap();
        let used = optimiser.evaluations().gradients;
        assert!(used - before <= if step == 0 { 11 } else { 10 });
        before = used;
    }
}
