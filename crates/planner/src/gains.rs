//! Gains of one field: linear, with a Gaussian posterior in closed form (Rasmussen and Williams 2006, 2.1).

use crate::field::{Field, GAINS, Prior, TERMS};

/// One value per gain.
pub(crate) type Vector = [f64; GAINS];
/// [GAINS, GAINS].
pub(crate) type Matrix = [[f64; GAINS]; GAINS];

/// What was measured of one picture, in all its presentations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Row {
    pub value: f64,
    pub variance: f64,
    /// What is thought of its response by all fields together.
    pub expected: f64,
}

/// What the measurements have in common.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Measured {
    pub rows: Vec<Row>,
    /// Root mean square of all values.
    pub scale: f64,
    /// Mean of each term over pictures that nobody chose.
    pub typical: [f64; TERMS],
}

/// A posterior of gains.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Fit {
    pub mean: Vector,
    pub covariance: Matrix,
    /// Log probability of the measurements under this field, up to a constant.
    pub log_evidence: f64,
}

impl Fit {
    pub const NOTHING: Self =
        Self { mean: [0.0; GAINS], covariance: [[0.0; GAINS]; GAINS], log_evidence: 0.0 };

    /// The posterior under `field`, whose terms of each picture are `terms`. A picture may do more or less than the field says
    /// (the field's own part), which counts as noise of its own.
    pub fn new(field: &Field, terms: &[[f64; TERMS]], measured: &Measured, prior: &Prior) -> Self {
        let Measured { rows, scale, typical } = measured;
        let size = scale * field.gain();
        let unit = |k: usize| if k == 0 { size } else { size / typical[k - 1] };
        let sd: Vector = core::array::from_fn(|k| prior.gains[k][1] * unit(k));
        let centre: Vector = core::array::from_fn(|k| prior.gains[k][0] * unit(k));
        let mut precision = [[0.0; GAINS]; GAINS];
        let mut target = [0.0; GAINS];
        let mut log = 0.0;
        for k in 0..GAINS {
            precision[k][k] = 1.0 / (sd[k] * sd[k]);
            target[k] = centre[k] / (sd[k] * sd[k]);
            log -= 0.5 * centre[k] * target[k] + libm::log(sd[k]);
        }
        for (terms, row) in terms.iter().zip(rows) {
            let x = with_offset(terms);
            let own = own_sd(field.own_part(), *scale, row.expected);
            let variance = row.variance + own * own;
            for i in 0..GAINS {
                target[i] += x[i] * row.value / variance;
                for j in 0..GAINS {
                    precision[i][j] += x[i] * x[j] / variance;
                }
            }
            log -= 0.5 * (libm::log(variance) + row.value * row.value / variance);
        }
        let factor = cholesky(&precision);
        let covariance = inverse(&factor);
        let mean: Vector = core::array::from_fn(|i| dot(&covariance[i], &target));
        log += 0.5 * dot(&mean, &target);
        log -= (0..GAINS).map(|k| libm::log(factor[k][k])).sum::<f64>();
        // Tuned cells excite, and cells of all orientations inhibit: the probability that the gains have these signs.
        let signed = |k: usize, sign: f64| {
            let z = sign * mean[k] / covariance[k][k].sqrt();
            libm::log((0.5 * libm::erfc(-z / core::f64::consts::SQRT_2)).max(1e-12))
        };
        log += (1..GAINS).map(|k| signed(k, if k < GAINS - 1 { 1.0 } else { -1.0 })).sum::<f64>();
        Self { mean, covariance, log_evidence: log }
    }

    /// Mean and variance of the response to a picture of these terms.
    pub fn predict(&self, terms: &[f64; TERMS]) -> (f64, f64) {
        let x = with_offset(terms);
        let variance = (0..GAINS).map(|i| x[i] * dot(&self.covariance[i], &x)).sum::<f64>();
        (dot(&self.mean, &x), variance.max(0.0))
    }

    /// Offset and gains from standard normal numbers; with the signs that they must have.
    pub fn draw(&self, normal: &Vector) -> (f64, [f64; TERMS]) {
        let factor = cholesky(&self.covariance);
        let at = |i: usize| self.mean[i] + (0..=i).map(|j| factor[i][j] * normal[j]).sum::<f64>();
        let gain = |k: usize| if k + 1 < TERMS { at(k + 1).max(0.0) } else { at(k + 1).min(0.0) };
        (at(0), core::array::from_fn(gain))
    }
}

/// Standard deviation of what a picture of this expected response does on its own.
pub(crate) fn own_sd(part: f64, scale: f64, expected: f64) -> f64 {
    0.5 * part * (scale + expected.max(0.0))
}

fn with_offset(terms: &[f64; TERMS]) -> Vector {
    let mut row = [1.0; GAINS];
    row[1..].copy_from_slice(terms);
    row
}

fn dot(a: &Vector, b: &Vector) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Lower triangular factor of a positive definite matrix.
fn cholesky(a: &Matrix) -> Matrix {
    let mut l = [[0.0; GAINS]; GAINS];
    for i in 0..GAINS {
        for j in 0..=i {
            let sum: f64 = (0..j).map(|k| l[i][k] * l[j][k]).sum();
            l[i][j] = if i == j { (a[i][i] - sum).max(1e-300).sqrt() } else { (a[i][j] - sum) / l[j][j] };
        }
    }
    l
}

/// Inverse of the matrix that has this factor.
#[expect(clippy::needless_range_loop, reason = "indices as in the formula")]
fn inverse(factor: &Matrix) -> Matrix {
    let mut inverse = [[0.0; GAINS]; GAINS];
    for column in 0..GAINS {
        let mut y = [0.0; GAINS];
        for i in 0..GAINS {
            let sum: f64 = (0..i).map(|k| factor[i][k] * y[k]).sum();
            y[i] = (f64::from(u8::from(i == column)) - sum) / factor[i][i];
        }
        for i in (0..GAINS).rev() {
            let sum: f64 = (i + 1..GAINS).map(|k| factor[k][i] * inverse[k][column]).sum();
            inverse[i][column] = (y[i] - sum) / factor[i][i];
        }
    }
    inverse
}
