//! Functions with published minima, as problems to be raised; shared by the tests of the optimisers.
#![allow(
    dead_code,
    missing_docs,
    clippy::unwrap_used,
    reason = "shared by tests, each of which uses some of them"
)]

use synthesis::optimiser::{Optimiser, Progress, Settings};
use synthesis::problem::Problem;

/// What a problem allows.
#[derive(Debug, Clone, Copy)]
pub enum Set {
    All,
    /// Every number between two bounds.
    Box(f64, f64),
    /// Within a distance of the origin.
    Ball(f64),
    /// At a distance of the origin: not convex.
    Sphere(f64),
}

/// Value at a point, and its gradient, which is written.
type Function = Box<dyn Fn(&[f64], &mut [f64]) -> f64>;

/// A function to be raised.
pub struct Test {
    pub n: usize,
    pub set: Set,
    pub function: Function,
    /// Evaluations after which it fails.
    pub left: u64,
    /// Best value after each evaluation.
    pub trace: Vec<f64>,
    gradient: Vec<f64>,
}

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("cancelled")]
pub struct Cancelled;

impl Test {
    pub fn new(n: usize, function: impl Fn(&[f64], &mut [f64]) -> f64 + 'static) -> Self {
        Self {
            n,
            set: Set::All,
            function: Box::new(function),
            left: u64::MAX,
            trace: Vec::new(),
            gradient: vec![0.0; n],
        }
    }

    /// The negative of a function that is usually lowered.
    pub fn lowered(n: usize, function: impl Fn(&[f64], &mut [f64]) -> f64 + 'static) -> Self {
        Self::new(n, move |x, gradient| {
            let value = function(x, gradient);
            gradient.iter_mut().for_each(|g| *g = -*g);
            -value
        })
    }

    pub fn within(mut self, set: Set) -> Self {
        self.set = set;
        self
    }

    /// Evaluations until the value was at least `target`.
    pub fn evaluations_to(&self, target: f64) -> Option<usize> {
        self.trace.iter().position(|v| *v >= target).map(|i| i + 1)
    }

    fn count(&mut self, at: &[f64]) -> Result<(), Cancelled> {
        self.left = self.left.checked_sub(1).ok_or(Cancelled)?;
        assert_eq!(at.len(), self.n);
        let mut allowed = at.to_vec();
        self.project(&mut allowed);
        for (x, y) in at.iter().zip(&allowed) {
            assert!((x - y).abs() <= 1e-12 * (1.0 + x.abs()), "evaluated outside of the set");
        }
        Ok(())
    }

    fn note(&mut self, value: f64) {
        let best = self.trace.last().copied().unwrap_or(f64::NEG_INFINITY);
        self.trace.push(if value.is_finite() { best.max(value) } else { best });
    }
}

impl Problem for Test {
    type Error = Cancelled;

    fn dimensions(&self) -> usize {
        self.n
    }

    fn value(&mut self, at: &[f64]) -> Result<f64, Cancelled> {
        self.count(at)?;
        let value = (self.function)(at, &mut self.gradient);
        self.note(value);
        Ok(value)
    }

    fn value_and_gradient(&mut self, at: &[f64], gradient: &mut [f64]) -> Result<f64, Cancelled> {
        self.count(at)?;
        let value = (self.function)(at, gradient);
        self.note(value);
        Ok(value)
    }

    fn project(&self, at: &mut [f64]) {
        let length = at.iter().map(|x| x * x).sum::<f64>().sqrt();
        match self.set {
            Set::All => {}
            Set::Box(low, high) => at.iter_mut().for_each(|x| *x = x.clamp(low, high)),
            Set::Ball(radius) if length <= radius => {}
            Set::Ball(radius) | Set::Sphere(radius) => at.iter_mut().for_each(|x| *x *= radius / length),
        }
    }
}

/// Steps until `target`, the final state or `most` steps. The last account.
pub fn climb(optimiser: &mut Optimiser, problem: &mut Test, target: f64, most: usize) -> Progress {
    let mut progress = optimiser.step(problem).unwrap();
    for _ in 1..most {
        if progress.best >= target || progress.state.is_final() {
            break;
        }
        progress = optimiser.step(problem).unwrap();
    }
    progress
}

pub fn prepared(settings: Settings, start: &[f64], seed: u64) -> Optimiser {
    Optimiser::prepare(settings, start, seed).unwrap()
}

/// Sum of squares.
pub fn sphere(n: usize) -> Test {
    Test::lowered(n, |x, g| {
        g.iter_mut().zip(x).for_each(|(g, x)| *g = 2.0 * x);
        x.iter().map(|x| x * x).sum()
    })
}

/// Reflects at the plane across (1, 2, ... n): the same turn is easily made in another language.
pub fn turned(x: &[f64]) -> Vec<f64> {
    let n = x.len() as f64;
    let square = n * (n + 1.0) * (2.0 * n + 1.0) / 6.0;
    let along: f64 = x.iter().enumerate().map(|(i, x)| (i as f64 + 1.0) * x).sum();
    x.iter().enumerate().map(|(i, x)| x - 2.0 * (i as f64 + 1.0) * along / square).collect()
}

/// Scale i of an ellipsoid.
pub fn scale(i: usize, n: usize, condition: f64) -> f64 {
    condition.powf(i as f64 / (n - 1).max(1) as f64)
}

/// Ellipsoid with semi-axes in no direction of a coordinate; `condition` is that of its Hessian.
pub fn ellipsoid(n: usize, condition: f64) -> Test {
    Test::lowered(n, move |x, g| {
        let z = turned(x);
        let slopes: Vec<f64> = z.iter().enumerate().map(|(i, z)| 2.0 * scale(i, n, condition) * z).collect();
        g.copy_from_slice(&turned(&slopes));
        z.iter().enumerate().map(|(i, z)| scale(i, n, condition) * z * z).sum()
    })
}

/// Rosenbrock's banana: minimum 0 at (1, ... 1).
pub fn rosenbrock(n: usize) -> Test {
    Test::lowered(n, |x, g| {
        g.fill(0.0);
        let mut value = 0.0;
        for i in 0..x.len() - 1 {
            let (a, b) = (x[i + 1] - x[i] * x[i], 1.0 - x[i]);
            value += 100.0 * a * a + b * b;
            g[i] += -400.0 * x[i] * a - 2.0 * b;
            g[i + 1] += 200.0 * a;
        }
        value
    })
}

/// Rastrigin: minimum 0 at the origin, a local one near every point of whole numbers.
pub fn rastrigin(n: usize) -> Test {
    Test::lowered(n, |x, g| {
        let turn = 2.0 * std::f64::consts::PI;
        g.iter_mut().zip(x).for_each(|(g, x)| *g = 2.0 * x + 10.0 * turn * (turn * x).sin());
        x.iter().map(|x| x * x - 10.0 * (turn * x).cos() + 10.0).sum()
    })
}

pub const BRANIN: f64 = 0.397_887_357_729_738;
pub const BRANIN_BOX: ([f64; 2], [f64; 2]) = ([-5.0, 0.0], [10.0, 15.0]);

/// Branin (Dixon and Szego 1978): three minima of 0.397887 in [-5, 10] x [0, 15]. Without gradient.
pub fn branin() -> Test {
    use std::f64::consts::PI;
    Test::lowered(2, |x, _| {
        let bend = x[1] - 5.1 / (4.0 * PI * PI) * x[0] * x[0] + 5.0 / PI * x[0] - 6.0;
        bend * bend + 10.0 * (1.0 - 1.0 / (8.0 * PI)) * x[0].cos() + 10.0
    })
}

pub const HARTMANN: f64 = -3.322_368_011_415_51;
pub const HARTMANN_AT: [f64; 6] = [0.201_69, 0.150_011, 0.476_874, 0.275_332, 0.311_652, 0.657_3];

/// Hartmann's function of six numbers in [0, 1] (Dixon and Szego 1978): minimum -3.32237. Without gradient.
pub fn hartmann() -> Test {
    const HEIGHTS: [f64; 4] = [1.0, 1.2, 3.0, 3.2];
    const A: [[f64; 6]; 4] = [
        [10.0, 3.0, 17.0, 3.5, 1.7, 8.0],
        [0.05, 10.0, 17.0, 0.1, 8.0, 14.0],
        [3.0, 3.5, 1.7, 10.0, 17.0, 8.0],
        [17.0, 8.0, 0.05, 10.0, 0.1, 14.0],
    ];
    const P: [[f64; 6]; 4] = [
        [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
        [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
        [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
        [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
    ];
    Test::lowered(6, |x, _| {
        let well = |k: usize| -> f64 {
            let square: f64 = (0..6).map(|j| A[k][j] * (x[j] - P[k][j]) * (x[j] - P[k][j])).sum();
            HEIGHTS[k] * (-square).exp()
        };
        -(0..4).map(well).sum::<f64>()
    })
}

#[test]
fn the_published_minima_are_met() {
    let value = |mut test: Test, at: &[f64]| -test.value(at).unwrap();
    for at in [[-std::f64::consts::PI, 12.275], [std::f64::consts::PI, 2.275], [9.424_78, 2.475]] {
        assert!((value(branin(), &at) - BRANIN).abs() < 1e-6);
    }
    assert!((value(hartmann(), &HARTMANN_AT) - HARTMANN).abs() < 1e-5);
    assert_eq!(value(rosenbrock(5), &[1.0; 5]), 0.0);
    assert_eq!(value(rastrigin(5), &[0.0; 5]), 0.0);
    assert_eq!(value(ellipsoid(5, 1e6), &[0.0; 5]), 0.0);
}

#[test]
fn gradients_are_finite_differences() {
    for mut test in [sphere(4), ellipsoid(4, 100.0), rosenbrock(4), rastrigin(4)] {
        let at = [0.3, -0.7, 1.2, 0.45];
        let mut gradient = [0.0; 4];
        test.value_and_gradient(&at, &mut gradient).unwrap();
        for k in 0..4 {
            let (mut up, mut down) = (at, at);
            up[k] += 1e-6;
            down[k] -= 1e-6;
            let slope = (test.value(&up).unwrap() - test.value(&down).unwrap()) / 2e-6;
            assert!((slope - gradient[k]).abs() < 1e-5 * (1.0 + slope.abs()));
        }
    }
}
