//! Arithmetic on flat vectors, every sum in one fixed order.

/// Partial sums of [`dot`]: enough for the widest vector unit, and the same number on every machine.
const LANES: usize = 8;

/// Sum of the products. Element i goes to partial sum i mod 8, so that the order does not depend on the machine.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    debug_assert_eq!(a.len(), b.len());
    let mut lanes = [0.0; LANES];
    let (a_whole, b_whole) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a_whole.remainder().iter().zip(b_whole.remainder());
    let rest: f64 = rest.map(|(x, y)| x * y).sum();
    for (x, y) in a_whole.zip(b_whole) {
        for lane in 0..LANES {
            lanes[lane] += x[lane] * y[lane];
        }
    }
    lanes.iter().sum::<f64>() + rest
}

/// Euclidean length.
pub(super) fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

/// Largest absolute value.
pub(super) fn largest(a: &[f64]) -> f64 {
    a.iter().fold(0.0, |largest, x| x.abs().max(largest))
}

/// `y += t x`.
pub(super) fn add_scaled(y: &mut [f64], t: f64, x: &[f64]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += t * x;
    }
}

/// `a + t b`.
pub(super) fn along(a: &[f64], t: f64, b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a + t * b).collect()
}

/// `a - b`.
pub(super) fn difference(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

/// No NaN and no infinity.
pub(super) fn is_finite(a: &[f64]) -> bool {
    a.iter().all(|x| x.is_finite())
}

/// Indices of `values` from the largest to the smallest; equal ones in their order, non-finite ones last.
pub(super) fn ranking(values: &[f64]) -> Vec<usize> {
    let key = |i: usize| if values[i].is_finite() { values[i] } else { f64::NEG_INFINITY };
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&i, &j| key(j).total_cmp(&key(i)));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_product_counts_every_element() {
        for n in 0..40 {
            let a: Vec<f64> = (0..n).map(f64::from).collect();
            let expected: f64 = (0..n).map(|i| f64::from(i * i)).sum();
            assert_eq!(dot(&a, &a), expected, "{n} elements");
        }
    }

    #[test]
    fn what_is_not_finite_ranks_last() {
        let order = ranking(&[1.0, f64::NAN, 3.0, f64::INFINITY, -5.0, 3.0]);
        assert_eq!(order, [2, 5, 0, 4, 1, 3]);
    }
}
