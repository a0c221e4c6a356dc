//! Decompositions of dense matrices, on one thread whatever the rest of the program has set.
//!
//! The same input gives the same bits on one machine; another CPU may take another kernel and differ in the last ones.

use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::{evd, svd};
use faer::{Mat, MatRef, Par};
use ndarray::{Array1, Array2, ArrayView2};

/// An iteration that did not end; with finite input this is a fault of the library, and it is said rather than hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the decomposition of a {rows} x {columns} matrix did not converge")]
pub struct NoConvergence {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
}

/// Eigenvalues, ascending, and eigenvectors as columns, of a symmetric matrix (its lower triangle is read).
pub(crate) fn symmetric_eigen(a: ArrayView2<'_, f64>) -> Result<(Array1<f64>, Array2<f64>), NoConvergence> {
    let n = a.nrows();
    let matrix = to_faer(a);
    let (mut values, mut vectors) = (Diag::zeros(n), Mat::zeros(n, n));
    let scratch =
        evd::self_adjoint_evd_scratch::<f64>(n, evd::ComputeEigenvectors::Yes, Par::Seq, Default::default());
    evd::self_adjoint_evd(
        matrix.as_ref(),
        values.as_mut(),
        Some(vectors.as_mut()),
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(scratch)),
        Default::default(),
    )
    .map_err(|_| NoConvergence { rows: n, columns: n })?;
    Ok((Array1::from_shape_fn(n, |i| values.column_vector()[i]), from_faer(vectors.as_ref())))
}

/// Left singular vectors as columns and singular values, descending: `U [m, r]`, `s [r]`, `r = min(m, n)`.
pub(crate) fn left_singular(a: ArrayView2<'_, f64>) -> Result<(Array2<f64>, Array1<f64>), NoConvergence> {
    let (m, n) = a.dim();
    let mut left = Mat::zeros(m, m.min(n));
    let values = singular(a, Some(&mut left))?;
    Ok((from_faer(left.as_ref()), values))
}

/// Singular values, descending.
pub(crate) fn singular_values(a: ArrayView2<'_, f64>) -> Result<Array1<f64>, NoConvergence> {
    singular(a, None)
}

fn singular(a: ArrayView2<'_, f64>, left: Option<&mut Mat<f64>>) -> Result<Array1<f64>, NoConvergence> {
    use svd::ComputeSvdVectors::{No, Thin};
    let (m, n) = a.dim();
    let size = m.min(n);
    let matrix = to_faer(a);
    let mut values = Diag::zeros(size);
    let wanted = if left.is_some() { Thin } else { No };
    let scratch = svd::svd_scratch::<f64>(m, n, wanted, No, Par::Seq, Default::default());
    svd::svd(
        matrix.as_ref(),
        values.as_mut(),
        left.map(|left| left.as_mut()),
        None,
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(scratch)),
        Default::default(),
    )
    .map_err(|_| NoConvergence { rows: m, columns: n })?;
    Ok(Array1::from_shape_fn(size, |i| values.column_vector()[i]))
}

fn to_faer(a: ArrayView2<'_, f64>) -> Mat<f64> {
    Mat::from_fn(a.nrows(), a.ncols(), |i, j| a[[i, j]])
}

fn from_faer(a: MatRef<'_, f64>) -> Array2<f64> {
    Array2::from_shape_fn((a.nrows(), a.ncols()), |(i, j)| a[(i, j)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use random::Random;

    #[test]
    fn decompositions_put_their_matrix_together_again_and_repeat_to_the_bit() {
        let mut random = Random::new(3, 0);
        for (m, n) in [(1, 1), (5, 3), (3, 5), (40, 17), (17, 90)] {
            let a = Array2::from_shape_fn((m, n), |_| random.normal());
            let gram = a.dot(&a.t());
            let (values, vectors) = symmetric_eigen(gram.view()).unwrap();
            let again = (&vectors * &values).dot(&vectors.t());
            assert!((&again - &gram).iter().all(|e| e.abs() < 1e-11 * n as f64), "{m} x {n}");

            let (left, singular) = left_singular(a.view()).unwrap();
            let projected = left.t().dot(&a);
            for (row, s) in projected.rows().into_iter().zip(&singular) {
                assert!((row.dot(&row).sqrt() - s).abs() < 1e-11, "{m} x {n}");
            }
            assert!((&singular - &singular_values(a.view()).unwrap()).iter().all(|e| e.abs() < 1e-11));
            for _ in 0..3 {
                assert_eq!(symmetric_eigen(gram.view()).unwrap(), (values.clone(), vectors.clone()));
                assert_eq!(left_singular(a.view()).unwrap(), (left.clone(), singular.clone()));
            }
        }
    }
}
