//! Small dense kernels without allocation.
//!
//! Own code rather than a linear-algebra crate: the matrices here have at most some tens of rows, the order of every sum
//! has to be the same on every CPU (a library picks kernels by CPU feature), and nothing may allocate. Matrices are
//! row-major slices of `n * n` values.

/// Factors a symmetric positive definite matrix in place into its lower triangle `L` with `L L^T = A` (Golub and Van
/// Loan, Matrix Computations, 4.2). Only the lower triangle is read and written. `false` when a pivot is not positive.
#[must_use]
pub fn cholesky(a: &mut [f64], n: usize) -> bool {
    for j in 0..n {
        let mut pivot = a[j * n + j];
        for k in 0..j {
            pivot -= a[j * n + k] * a[j * n + k];
        }
        if !(pivot > 0.0 && pivot.is_finite()) {
            return false;
        }
        let diagonal = libm::sqrt(pivot);
        a[j * n + j] = diagonal;
        for i in j + 1..n {
            let mut sum = a[i * n + j];
            for k in 0..j {
                sum -= a[i * n + k] * a[j * n + k];
            }
            a[i * n + j] = sum / diagonal;
        }
    }
    true
}

/// Solves `L x = b` in place; `b` holds `columns` right-hand sides, row-major `n * columns`.
pub fn solve_lower(l: &[f64], n: usize, b: &mut [f64], columns: usize) {
    for i in 0..n {
        let (done, rest) = b.split_at_mut(i * columns);
        for c in 0..columns {
            let mut sum = rest[c];
            for k in 0..i {
                sum -= l[i * n + k] * done[k * columns + c];
            }
            rest[c] = sum / l[i * n + i];
        }
    }
}

/// Solves `L^T x = b` in place; `b` as in [`solve_lower`].
pub fn solve_lower_transposed(l: &[f64], n: usize, b: &mut [f64], columns: usize) {
    for i in (0..n).rev() {
        let (head, tail) = b.split_at_mut((i + 1) * columns);
        let row = &mut head[i * columns..];
        for c in 0..columns {
            let mut sum = row[c];
            for k in i + 1..n {
                sum -= l[k * n + i] * tail[(k - i - 1) * columns + c];
            }
            row[c] = sum / l[i * n + i];
        }
    }
}

/// Eigenvalues of a symmetric matrix by cyclic Jacobi rotations (Golub and Van Loan, 8.5); `a` is destroyed, its
/// diagonal becomes the eigenvalues, in no order. A fixed bound on sweeps keeps the time bounded; small matrices need
/// five to eight.
pub fn jacobi(a: &mut [f64], n: usize) {
    const SWEEPS: usize = 30;
    for _ in 0..SWEEPS {
        let mut off = 0.0;
        let mut diagonal = 0.0;
        for i in 0..n {
            diagonal += a[i * n + i] * a[i * n + i];
            for j in 0..i {
                off += a[i * n + j] * a[i * n + j];
            }
        }
        if off <= 1e-30 * diagonal || off.is_nan() {
            return;
        }
        for p in 0..n {
            for q in p + 1..n {
                rotate(a, n, p, q);
            }
        }
    }
}

fn rotate(a: &mut [f64], n: usize, p: usize, q: usize) {
    let apq = a[p * n + q];
    if apq == 0.0 {
        return;
    }
    let theta = (a[q * n + q] - a[p * n + p]) / (2.0 * apq);
    let sign = if theta < 0.0 { -1.0 } else { 1.0 };
    let t = sign / (theta.abs() + libm::sqrt(theta * theta + 1.0));
    let c = 1.0 / libm::sqrt(t * t + 1.0);
    let s = t * c;
    for k in 0..n {
        let (kp, kq) = (a[k * n + p], a[k * n + q]);
        a[k * n + p] = c * kp - s * kq;
        a[k * n + q] = s * kp + c * kq;
    }
    for k in 0..n {
        let (pk, qk) = (a[p * n + k], a[q * n + k]);
        a[p * n + k] = c * pk - s * qk;
        a[q * n + k] = s * pk + c * qk;
    }
}

/// Largest singular value of `m` (`rows * columns`); `gram` is scratch of `columns * columns`.
pub fn largest_singular_value(m: &[f64], rows: usize, columns: usize, gram: &mut [f64]) -> f64 {
    for i in 0..columns {
        for j in 0..=i {
            let mut sum = 0.0;
            for r in 0..rows {
                sum += m[r * columns + i] * m[r * columns + j];
            }
            gram[i * columns + j] = sum;
            gram[j * columns + i] = sum;
        }
    }
    jacobi(gram, columns);
    let largest = (0..columns).map(|i| gram[i * columns + i]).fold(0.0, f64::max);
    libm::sqrt(largest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spd(values: &[f64], n: usize) -> Vec<f64> {
        let mut a = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..n {
                a[i * n + j] = (0..n).map(|k| values[i * n + k] * values[j * n + k]).sum::<f64>()
                    + f64::from(u8::from(i == j));
            }
        }
        a
    }

    proptest! {
        #[test]
        fn cholesky_solves(n in 1usize..9, seed in prop::collection::vec(-3.0f64..3.0, 64), b in prop::collection::vec(-5.0f64..5.0, 16)) {
            let a = spd(&seed[..n * n], n);
            let mut l = a.clone();
            prop_assert!(cholesky(&mut l, n));
            let mut x = b[..2 * n].to_vec();
            solve_lower(&l, n, &mut x, 2);
            solve_lower_transposed(&l, n, &mut x, 2);
            for i in 0..n {
                for c in 0..2 {
                    let back: f64 = (0..n).map(|k| a[i * n + k] * x[k * 2 + c]).sum();
                    prop_assert!((back - b[i * 2 + c]).abs() < 1e-8, "{back} {}", b[i * 2 + c]);
                }
            }
        }

        /// Trace, and trace of the square, survive the rotations; nothing is left off the diagonal.
        #[test]
        fn jacobi_keeps_the_invariants(n in 1usize..9, seed in prop::collection::vec(-3.0f64..3.0, 64)) {
            let mut a = spd(&seed[..n * n], n);
            let trace: f64 = (0..n).map(|i| a[i * n + i]).sum();
            let square: f64 = a.iter().map(|v| v * v).sum();
            jacobi(&mut a, n);
            let after: f64 = (0..n).map(|i| a[i * n + i]).sum();
            let after_square: f64 = (0..n).map(|i| a[i * n + i] * a[i * n + i]).sum();
            prop_assert!((trace - after).abs() < 1e-9 * trace);
            prop_assert!((square - after_square).abs() < 1e-9 * square);
        }
    }

    #[test]
    fn refuses_what_is_not_definite() {
        assert!(!cholesky(&mut [1.0, 2.0, 2.0, 1.0], 2));
        assert!(!cholesky(&mut [f64::NAN], 1));
        assert!(!cholesky(&mut [0.0], 1));
    }

    #[test]
    fn singular_value_of_a_known_matrix() {
        // diag(3, 4) rotated: singular values 3 and 4
        let (c, s) = (0.6, 0.8);
        let m = [3.0 * c, -4.0 * s, 3.0 * s, 4.0 * c];
        let value = largest_singular_value(&m, 2, 2, &mut [0.0; 4]);
        assert!((value - 4.0).abs() < 1e-12, "{value}");
    }
}
