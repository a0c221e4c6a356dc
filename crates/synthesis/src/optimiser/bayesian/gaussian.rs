//! Regression by a Gaussian process: what a function may be between the points where it is known.

use std::convert::Infallible;

use random::Random;

use super::super::lbfgs;
use super::super::vector::{self, dot};
use crate::problem::Problem;

/// What is known of the function.
#[derive(Debug, Clone)]
pub(super) struct Data {
    /// In the unit cube.
    pub points: Vec<Vec<f64>>,
    /// With mean 0 and variance 1.
    pub values: Vec<f64>,
    /// How many values each of these is the mean of.
    pub counts: Vec<f64>,
    /// Numbers that lie on a circle, of which the cube's side is one turn.
    pub on_circle: Vec<bool>,
}

/// The process and its data, factored.
#[derive(Debug, Clone)]
pub(super) struct Gaussian {
    pub data: Data,
    logs: Vec<f64>,
    kernel: Kernel,
    /// Lower Cholesky factor of the covariance of the data, row-major.
    factor: Vec<f64>,
    /// Inverse covariance times the values.
    weights: Vec<f64>,
}

/// Matern 5/2 with one length per dimension (Rasmussen and Williams, Gaussian Processes for Machine Learning, 4.17). On a
/// circle it is that of the circle in the plane, so distances there are chords (4.31): positive definite, and without a seam.
#[derive(Debug, Clone)]
struct Kernel {
    lengths: Vec<f64>,
    on_circle: Vec<bool>,
    variance: f64,
    noise: f64,
}

/// Bounds of the logs of lengths, variance and noise variance.
const LENGTH: (f64, f64) = (-4.0, 5.0);
const VARIANCE: (f64, f64) = (-5.0, 5.0);
const NOISE: (f64, f64) = (-16.0, 1.0);
/// Least noise variance, for a factor that exists where points lie close together.
const JITTER: f64 = 1e-9;

impl Kernel {
    /// From the logs of lengths, variance and noise variance.
    fn new(logs: &[f64], fixed_noise: Option<f64>, on_circle: &[bool]) -> Self {
        let n = logs.len() - 2;
        Self {
            lengths: logs[..n].iter().map(|l| libm::exp(*l)).collect(),
            on_circle: on_circle.to_vec(),
            variance: libm::exp(logs[n]),
            noise: fixed_noise.unwrap_or_else(|| libm::exp(logs[n + 1])) + JITTER,
        }
    }

    /// Distance d of two points along dimension k, signed, and its derivative with respect to the first.
    fn apart(&self, k: usize, a: f64, b: f64) -> (f64, f64) {
        if !self.on_circle[k] {
            return (a - b, 1.0);
        }
        let (sine, cosine) = libm::sincos(std::f64::consts::PI * (a - b));
        (sine / std::f64::consts::PI, cosine)
    }

    /// Covariance of two points, and the factor of its derivatives: with respect to the log of length k it is
    /// `factor (d_k / l_k)^2`, with respect to a's element k `-factor d_k / l_k^2` times the derivative of d.
    fn at(&self, a: &[f64], b: &[f64]) -> (f64, f64) {
        let mut square = 0.0;
        for (k, length) in self.lengths.iter().enumerate() {
            let d = match self.on_circle[k] {
                true => libm::sin(std::f64::consts::PI * (a[k] - b[k])) / std::f64::consts::PI,
                false => a[k] - b[k],
            };
            square += d * d / (length * length);
        }
        let r = (5.0 * square).sqrt();
        let decay = self.variance * libm::exp(-r);
        (decay * (1.0 + r + r * r / 3.0), decay * (1.0 + r) * 5.0 / 3.0)
    }
}

impl Gaussian {
    /// The process of which the data are most probable, by ascents of the evidence from the logs `last` and from `others`
    /// more that are drawn.
    pub fn fitted(
        data: Data,
        fixed_noise: Option<f64>,
        last: Option<&[f64]>,
        others: usize,
        random: &mut Random,
    ) -> Option<Self> {
        let dimensions = data.points[0].len();
        let mut evidence = Evidence { data: &data, fixed_noise };
        let usual = evidence.priors(dimensions);
        let mut starts = vec![last.map_or_else(|| usual.iter().map(|p| p.0).collect(), <[f64]>::to_vec)];
        for _ in 0..others {
            starts.push(
                usual.iter().map(|(mean, deviation)| mean + 0.5 * deviation * random.normal()).collect(),
            );
        }
        let mut best = (f64::NEG_INFINITY, Vec::new());
        for start in starts {
            let (value, logs) = climbed(&mut evidence, &start, STEPS);
            if value > best.0 {
                best = (value, logs);
            }
        }
        let logs = best.1;
        if logs.is_empty() { None } else { Self::with(data, fixed_noise, logs) }
    }

    /// The process with these logs of lengths, variance and noise variance.
    pub fn with(data: Data, fixed_noise: Option<f64>, logs: Vec<f64>) -> Option<Self> {
        let kernel = Kernel::new(&logs, fixed_noise, &data.on_circle);
        let factor = factored(&kernel, &data)?;
        let weights = solved(&factor, &data.values);
        Some(Self { data, logs, kernel, factor, weights })
    }

    /// The two points of which one says most of the other: those with the highest correlation.
    pub fn closest(&self) -> (usize, usize) {
        let points = &self.data.points;
        let pairs = (0..points.len()).flat_map(|i| (0..i).map(move |j| (j, i)));
        let covariance = |&(i, j): &(usize, usize)| self.kernel.at(&points[i], &points[j]).0;
        pairs.max_by(|a, b| covariance(a).total_cmp(&covariance(b))).unwrap_or((0, 0))
    }

    /// The logs of the process's parameters, to begin the next fit at.
    pub fn logs(&self) -> &[f64] {
        &self.logs
    }

    /// Mean at a point.
    pub fn mean(&self, at: &[f64]) -> f64 {
        self.data.points.iter().zip(&self.weights).map(|(p, w)| w * self.kernel.at(at, p).0).sum()
    }

    /// Mean and standard deviation (without the noise) at a point; with their gradients where `gradients` are given.
    pub fn predict(&self, at: &[f64], gradients: Option<(&mut [f64], &mut [f64])>) -> (f64, f64) {
        let n = self.data.points.len();
        let (mut toward, factors): (Vec<f64>, Vec<f64>) =
            self.data.points.iter().map(|p| self.kernel.at(at, p)).unzip();
        let mean = dot(&toward, &self.weights);
        lower_solve(&self.factor, n, &mut toward);
        let known = dot(&toward, &toward);
        let deviation = (self.kernel.variance - known).max(1e-12 * self.kernel.variance).sqrt();
        if let Some((mean_rise, deviation_rise)) = gradients {
            upper_solve(&self.factor, n, &mut toward);
            mean_rise.fill(0.0);
            deviation_rise.fill(0.0);
            for (i, point) in self.data.points.iter().enumerate() {
                for (k, length) in self.kernel.lengths.iter().enumerate() {
                    let (d, rise) = self.kernel.apart(k, at[k], point[k]);
                    let slope = -factors[i] * d * rise / (length * length);
                    mean_rise[k] += self.weights[i] * slope;
                    deviation_rise[k] -= toward[i] * slope / deviation;
                }
            }
        }
        (mean, deviation)
    }
}

/// Steps of one ascent of the evidence.
const STEPS: usize = 25;

/// The highest point that L-BFGS reaches within some steps.
pub(super) fn climbed(
    problem: &mut impl Problem<Error = Infallible>,
    start: &[f64],
    steps: usize,
) -> (f64, Vec<f64>) {
    let settings = lbfgs::Settings { tolerance: 1e-5, ..lbfgs::Settings::default() };
    let mut climber = lbfgs::Lbfgs::new(settings, start, 0);
    for _ in 0..steps {
        let Ok((_, state)) = climber.step(problem);
        if state.is_final() {
            break;
        }
    }
    let (at, value) = climber.ledger.best();
    (value, at.to_vec())
}

/// Log marginal likelihood of the data with priors on the logs of lengths, variance and noise variance (Rasmussen and
/// Williams, 5.8 and 5.9).
struct Evidence<'a> {
    data: &'a Data,
    fixed_noise: Option<f64>,
}

impl Evidence<'_> {
    /// Mean and standard deviation of the normal prior of each log. Those of the lengths, around
    /// 0.4 of a side, grow with the root of the dimensions, as distances in the cube do (Hvarfner, Hellsten and Nardi, ICML 2024).
    fn priors(&self, dimensions: usize) -> Vec<(f64, f64)> {
        let length = (libm::log(0.4) + 0.5 * libm::log(dimensions as f64), 1.0);
        let mut priors = vec![length; dimensions];
        priors.push((0.0, 1.5));
        priors.push((-9.0, 3.0));
        priors
    }
}

impl Problem for Evidence<'_> {
    type Error = Infallible;

    fn dimensions(&self) -> usize {
        self.data.points[0].len() + 2
    }

    fn value(&mut self, at: &[f64]) -> Result<f64, Infallible> {
        self.value_and_gradient(at, &mut vec![0.0; at.len()])
    }

    fn value_and_gradient(&mut self, at: &[f64], gradient: &mut [f64]) -> Result<f64, Infallible> {
        let Data { points, values, counts, on_circle } = self.data;
        let (n, dimensions) = (points.len(), at.len() - 2);
        let kernel = Kernel::new(at, self.fixed_noise, on_circle);
        let Some(factor) = factored(&kernel, self.data) else { return Ok(f64::NAN) };
        let weights = solved(&factor, values);
        let mut value = -0.5 * dot(&weights, values);
        value -= (0..n).map(|i| libm::log(factor[i * n + i])).sum::<f64>();
        let inverse = inverted(&factor, n);
        gradient.fill(0.0);
        for i in 0..n {
            for j in 0..=i {
                // Half the trace of (w w^T - K^-1) dK, whose off-diagonal elements come twice.
                let share = (weights[i] * weights[j] - inverse[i * n + j]) * if i == j { 0.5 } else { 1.0 };
                let (covariance, slope) = kernel.at(&points[i], &points[j]);
                for (k, length) in kernel.lengths.iter().enumerate() {
                    let d = kernel.apart(k, points[i][k], points[j][k]).0 / length;
                    gradient[k] += share * slope * d * d;
                }
                gradient[dimensions] += share * covariance;
                if i == j && self.fixed_noise.is_none() {
                    gradient[dimensions + 1] += share * (kernel.noise - JITTER) / counts[i];
                }
            }
        }
        for ((log, slope), (mean, deviation)) in at.iter().zip(gradient).zip(self.priors(dimensions)) {
            let z = (log - mean) / deviation;
            value -= 0.5 * z * z;
            *slope -= z / deviation;
        }
        Ok(value)
    }

    fn project(&self, at: &mut [f64]) {
        let dimensions = at.len() - 2;
        for (k, log) in at.iter_mut().enumerate() {
            let (least, most) = match k {
                k if k < dimensions => LENGTH,
                k if k == dimensions => VARIANCE,
                _ => NOISE,
            };
            *log = log.clamp(least, most);
        }
    }
}

/// Lower Cholesky factor of the covariance of the data (Golub and Van Loan, 4.2), row by row so that the inner sum runs
/// over neighbours. `None` where it is not positive definite to rounding.
fn factored(kernel: &Kernel, data: &Data) -> Option<Vec<f64>> {
    let (points, n) = (&data.points, data.points.len());
    let mut factor = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let (above, row) = factor.split_at_mut(i * n);
            let covariance = kernel.at(&points[i], &points[j]).0;
            if i == j {
                let noise = (kernel.noise - JITTER) / data.counts[i] + JITTER;
                let pivot = covariance + noise - dot(&row[..i], &row[..i]);
                if !(pivot > 0.0 && pivot.is_finite()) {
                    return None;
                }
                row[i] = pivot.sqrt();
            } else {
                let other = &above[j * n..];
                row[j] = (covariance - dot(&row[..j], &other[..j])) / other[j];
            }
        }
    }
    Some(factor)
}

fn lower_solve(factor: &[f64], n: usize, b: &mut [f64]) {
    for i in 0..n {
        let row = &factor[i * n..];
        b[i] = (b[i] - dot(&row[..i], &b[..i])) / row[i];
    }
}

fn upper_solve(factor: &[f64], n: usize, b: &mut [f64]) {
    for i in (0..n).rev() {
        let row = &factor[i * n..];
        b[i] /= row[i];
        let solved = b[i];
        vector::add_scaled(&mut b[..i], -solved, &row[..i]);
    }
}

fn solved(factor: &[f64], values: &[f64]) -> Vec<f64> {
    let mut out = values.to_vec();
    lower_solve(factor, values.len(), &mut out);
    upper_solve(factor, values.len(), &mut out);
    out
}

/// Lower triangle of the inverse of the factored matrix.
fn inverted(factor: &[f64], n: usize) -> Vec<f64> {
    // Row j of `roots` is column j of the factor's inverse, zero before its element j.
    let mut roots = vec![0.0; n * n];
    for j in 0..n {
        let column = &mut roots[j * n..(j + 1) * n];
        column[j] = 1.0 / factor[j * n + j];
        for i in j + 1..n {
            column[i] = -dot(&factor[i * n + j..i * n + i], &column[j..i]) / factor[i * n + i];
        }
    }
    let mut inverse = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            inverse[i * n + j] = dot(&roots[i * n + i..(i + 1) * n], &roots[j * n + i..(j + 1) * n]);
        }
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last dimension lies on a circle where `circle` says so.
    fn data(n: usize, dimensions: usize, circle: bool) -> Data {
        let mut random = Random::new(5, 0);
        let points: Vec<Vec<f64>> =
            (0..n).map(|_| (0..dimensions).map(|_| random.uniform()).collect()).collect();
        let values = points.iter().map(|p| libm::sin(5.0 * p[0]) + 0.3 * p[dimensions - 1]).collect();
        let mut on_circle = vec![false; dimensions];
        on_circle[dimensions - 1] = circle;
        let counts = (0..n).map(|i| 1.0 + (i % 3) as f64).collect();
        Data { points, values, counts, on_circle }
    }

    #[test]
    fn gradient_of_the_evidence_is_its_finite_difference() {
        for (fixed_noise, circle) in [(None, false), (Some(0.01), false), (None, true)] {
            let data = data(9, 3, circle);
            let mut evidence = Evidence { data: &data, fixed_noise };
            let at = [-1.0, 0.3, 0.8, 0.4, -5.0];
            let mut gradient = [0.0; 5];
            evidence.value_and_gradient(&at, &mut gradient).unwrap();
            for k in 0..5 {
                let (mut up, mut down) = (at, at);
                up[k] += 1e-5;
                down[k] -= 1e-5;
                let slope = (evidence.value(&up).unwrap() - evidence.value(&down).unwrap()) / 2e-5;
                assert!(
                    (slope - gradient[k]).abs() < 1e-6 * (1.0 + slope.abs()),
                    "{k}: {slope} {}",
                    gradient[k]
                );
            }
        }
    }

    #[test]
    fn predictions_interpolate_and_their_gradients_are_finite_differences() {
        for circle in [false, true] {
            let known = data(20, 2, circle);
            let process =
                Gaussian::fitted(known.clone(), Some(0.0), None, 0, &mut Random::new(0, 0)).unwrap();
            for (point, value) in known.points.iter().zip(&known.values) {
                let (mean, deviation) = process.predict(point, None);
                assert!(circle || (mean - value).abs() < 1e-3 && deviation < 1e-2, "{mean} {value}");
            }
            let at = [0.37, 0.61];
            let (mut mean_rise, mut deviation_rise) = ([0.0; 2], [0.0; 2]);
            process.predict(&at, Some((&mut mean_rise, &mut deviation_rise)));
            for k in 0..2 {
                let (mut up, mut down) = (at, at);
                up[k] += 1e-5;
                down[k] -= 1e-5;
                let (up, down) = (process.predict(&up, None), process.predict(&down, None));
                let slopes = [(up.0 - down.0) / 2e-5, (up.1 - down.1) / 2e-5];
                assert!((slopes[0] - mean_rise[k]).abs() < 1e-5, "{slopes:?} {mean_rise:?}");
                assert!((slopes[1] - deviation_rise[k]).abs() < 1e-4, "{slopes:?} {deviation_rise:?}");
            }
            // One turn on, the circle is where it was.
            let [here, there] = [process.mean(&at), process.mean(&[at[0], at[1] + 1.0])];
            assert!(((here - there).abs() < 1e-9) == circle, "{here} {there}");
        }
    }

    #[test]
    fn the_inverse_is_one() {
        let data = data(8, 2, false);
        let kernel = Kernel::new(&[-1.0, -0.5, 0.2, -4.0], None, &data.on_circle);
        let factor = factored(&kernel, &data).unwrap();
        let inverse = inverted(&factor, 8);
        for j in 0..8 {
            let unit: Vec<f64> = (0..8).map(|i| f64::from(u8::from(i == j))).collect();
            let column = solved(&factor, &unit);
            for i in j..8 {
                assert!((inverse[i * 8 + j] - column[i]).abs() < 1e-9);
            }
        }
    }
}
