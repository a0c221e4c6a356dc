//! The shape of the search distribution: a full matrix, or its diagonal.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::{Mat, Par};

use super::super::vector;

/// Covariance C, of which steps are drawn and by which they are measured.
#[derive(Debug, Clone)]
pub(super) enum Covariance {
    /// All of it.
    Full(Full),
    /// Only variances.
    Diagonal(Vec<f64>),
}

/// C = B D^2 B^T, renewed from time to time.
#[derive(Debug, Clone)]
pub(super) struct Full {
    n: usize,
    /// Lower triangle, row-major n * n.
    matrix: Vec<f64>,
    /// Eigenvectors: row k holds the k-th.
    axes: Vec<f64>,
    /// Square roots of the eigenvalues.
    lengths: Vec<f64>,
    /// Generations since the last decomposition.
    stale: usize,
}

/// Largest ratio of variances along two axes: beyond it, rounding of the eigenvectors shows.
pub(super) const CONDITION: f64 = 1e14;

impl Covariance {
    /// A sphere.
    pub fn new(n: usize, separable: bool) -> Self {
        if separable {
            return Self::Diagonal(vec![1.0; n]);
        }
        let mut matrix = vec![0.0; n * n];
        (0..n).for_each(|i| matrix[i * n + i] = 1.0);
        Self::Full(Full { n, axes: matrix.clone(), matrix, lengths: vec![1.0; n], stale: 0 })
    }

    /// C^(1/2) z, for z standard normal.
    pub fn shaped(&self, z: &[f64]) -> Vec<f64> {
        match self {
            Self::Diagonal(variances) => z.iter().zip(variances).map(|(z, v)| z * v.sqrt()).collect(),
            Self::Full(full) => {
                let mut out = vec![0.0; full.n];
                for ((axis, z), length) in full.axes.chunks_exact(full.n).zip(z).zip(&full.lengths) {
                    vector::add_scaled(&mut out, z * length, axis);
                }
                out
            }
        }
    }

    /// C^(-1/2) y: its length is the number of standard deviations of y.
    pub fn whitened(&self, y: &[f64]) -> Vec<f64> {
        match self {
            Self::Diagonal(variances) => y.iter().zip(variances).map(|(y, v)| y / v.sqrt()).collect(),
            Self::Full(full) => {
                let mut out = vec![0.0; full.n];
                for (axis, length) in full.axes.chunks_exact(full.n).zip(&full.lengths) {
                    vector::add_scaled(&mut out, vector::dot(axis, y) / length, axis);
                }
                out
            }
        }
    }

    /// `keep C + sum of weight y y^T`.
    pub fn learn(&mut self, keep: f64, terms: &[(f64, &[f64])]) {
        match self {
            Self::Diagonal(variances) => {
                for (i, v) in variances.iter_mut().enumerate() {
                    *v = keep * *v + terms.iter().map(|(weight, y)| weight * y[i] * y[i]).sum::<f64>();
                }
            }
            Self::Full(full) => {
                let n = full.n;
                for (i, row) in full.matrix.chunks_exact_mut(n).enumerate() {
                    row[..=i].iter_mut().for_each(|c| *c *= keep);
                    for (weight, y) in terms {
                        vector::add_scaled(&mut row[..=i], weight * y[i], &y[..=i]);
                    }
                }
                full.stale += 1;
            }
        }
    }

    /// Renews the axes if they are older than `patience` generations. False where C is not a covariance any more (too
    /// long and thin, or not finite): the distribution has to begin anew.
    pub fn renew(&mut self, patience: usize) -> bool {
        match self {
            Self::Diagonal(variances) => {
                let most = variances.iter().copied().fold(0.0, f64::max);
                variances.iter().all(|v| *v > 0.0 && v.is_finite() && most <= CONDITION * v)
            }
            Self::Full(full) => full.stale < patience.max(1) || full.decompose(),
        }
    }

    /// Standard deviation of one number.
    pub fn deviation(&self, i: usize) -> f64 {
        match self {
            Self::Diagonal(variances) => variances[i].sqrt(),
            Self::Full(full) => full.matrix[i * full.n + i].sqrt(),
        }
    }
}

impl Full {
    fn decompose(&mut self) -> bool {
        let n = self.n;
        if !vector::is_finite(&self.matrix) {
            return false;
        }
        let matrix = Mat::<f64>::from_fn(n, n, |i, j| self.matrix[i.max(j) * n + i.min(j)]);
        let mut values = faer::diag::Diag::<f64>::zeros(n);
        let mut vectors = Mat::<f64>::zeros(n, n);
        let scratch =
            self_adjoint_evd_scratch::<f64>(n, ComputeEigenvectors::Yes, Par::Seq, Default::default());
        let mut memory = MemBuffer::new(scratch);
        let done = self_adjoint_evd(
            matrix.as_ref(),
            values.as_mut(),
            Some(vectors.as_mut()),
            Par::Seq,
            MemStack::new(&mut memory),
            Default::default(),
        );
        let values: Vec<f64> = values.column_vector().iter().copied().collect();
        let most = values.iter().copied().fold(0.0, f64::max);
        if done.is_err() || !values.iter().all(|v| *v > 0.0 && v.is_finite() && most <= CONDITION * v) {
            return false;
        }
        self.lengths = values.iter().map(|v| v.sqrt()).collect();
        for (k, axis) in self.axes.chunks_exact_mut(n).enumerate() {
            axis.iter_mut().enumerate().for_each(|(i, x)| *x = vectors[(i, k)]);
        }
        self.stale = 0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use random::Random;

    #[test]
    fn axes_give_the_matrix_back() {
        let n = 12;
        let mut random = Random::new(1, 0);
        let mut covariance = Covariance::new(n, false);
        let draws: Vec<Vec<f64>> = (0..3).map(|_| (0..n).map(|_| random.normal()).collect()).collect();
        let terms: Vec<(f64, &[f64])> = draws.iter().map(|y| (0.5, y.as_slice())).collect();
        covariance.learn(0.25, &terms);
        assert!(covariance.renew(1));
        // C e_j = C^(1/2) C^(1/2) e_j only where C^(1/2) is symmetric; here it is B D, so B D (B D)^T is built.
        let columns: Vec<Vec<f64>> = (0..n)
            .map(|k| covariance.shaped(&(0..n).map(|i| f64::from(u8::from(i == k))).collect::<Vec<_>>()))
            .collect();
        for i in 0..n {
            for j in 0..n {
                let found: f64 = columns.iter().map(|c| c[i] * c[j]).sum();
                let expected =
                    0.5 * draws.iter().map(|y| y[i] * y[j]).sum::<f64>() + 0.25 * f64::from(u8::from(i == j));
                assert!((found - expected).abs() < 1e-12, "{i} {j}: {found} {expected}");
            }
        }
        // A drawn step is as many deviations long as its normal vector.
        let z: Vec<f64> = (0..n).map(|_| random.normal()).collect();
        let length = vector::norm(&covariance.whitened(&covariance.shaped(&z)));
        assert!((length - vector::norm(&z)).abs() < 1e-10);
    }

    #[test]
    fn a_needle_is_not_a_covariance() {
        for separable in [false, true] {
            let mut covariance = Covariance::new(3, separable);
            covariance.learn(1e-9, &[(1e9, &[1.0, 0.0, 0.0])]);
            assert!(!covariance.renew(1));
        }
    }
}
