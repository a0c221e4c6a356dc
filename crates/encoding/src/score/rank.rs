//! Ranks and rank correlation.

use ndarray::{Array1, ArrayView1};

/// Ranks from 1; equal values share the average of theirs.
pub(super) fn average_ranks(values: ArrayView1<'_, f64>) -> Array1<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = Array1::zeros(values.len());
    let mut start = 0;
    while start < order.len() {
        let value = values[order[start]];
        let end = start + order[start..].iter().take_while(|&&index| values[index] == value).count();
        let rank = (start + end + 1) as f64 / 2.0;
        order[start..end].iter().for_each(|&index| ranks[index] = rank);
        start = end;
    }
    ranks
}

/// Kendall's tau-a, (concordant - discordant pairs) / all pairs, in n log n steps (Knight, 1966).
pub(super) fn tau_a(a: ArrayView1<'_, f64>, b: ArrayView1<'_, f64>) -> f64 {
    // Signed zeros are equal values, also for an order that tells all bits apart.
    let mut pairs: Vec<(f64, f64)> = std::iter::zip(a, b).map(|(a, b)| (a + 0.0, b + 0.0)).collect();
    pairs.sort_by(|x, y| x.0.total_cmp(&y.0).then(x.1.total_cmp(&y.1)));
    let all = pairs_of(pairs.len());
    let tied_a = tied(&pairs, |x, y| x.0 == y.0);
    let tied_both = tied(&pairs, |x, y| x == y);
    let mut second: Vec<f64> = pairs.iter().map(|pair| pair.1).collect();
    let discordant = inversions(&mut second);
    let tied_b = tied(&second, |x, y| x == y);
    let difference = i128::from(all) - i128::from(tied_a) - i128::from(tied_b) + i128::from(tied_both)
        - 2 * i128::from(discordant);
    difference as f64 / all as f64
}

fn pairs_of(n: usize) -> u64 {
    let n = n as u64;
    n * n.saturating_sub(1) / 2
}

/// Pairs within runs of equal neighbours.
fn tied<T>(sorted: &[T], equal: impl Fn(&T, &T) -> bool) -> u64 {
    sorted.chunk_by(equal).map(|run| pairs_of(run.len())).sum()
}

/// Sorts, and counts the pairs that stood in the wrong order.
fn inversions(values: &mut [f64]) -> u64 {
    let middle = values.len() / 2;
    if middle == 0 {
        return 0;
    }
    let (left, right) = values.split_at_mut(middle);
    let mut count = inversions(left) + inversions(right);
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut i, mut j) = (0, 0);
    while i < left.len() && j < right.len() {
        if right[j] < left[i] {
            count += (left.len() - i) as u64;
            merged.push(right[j]);
            j += 1;
        } else {
            merged.push(left[i]);
            i += 1;
        }
    }
    merged.extend_from_slice(&left[i..]);
    merged.extend_from_slice(&right[j..]);
    values.copy_from_slice(&merged);
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn tau_a_counts_pairs(values in proptest::collection::vec((0u8..9, 0u8..9), 2..60)) {
            let a: Array1<f64> = values.iter().map(|pair| f64::from(pair.0) - 4.0).collect();
            let b: Array1<f64> = values.iter().map(|pair| f64::from(pair.1) - 4.0).collect();
            let sign = |x: f64| if x == 0.0 { 0.0 } else { x.signum() };
            let mut sum = 0.0;
            for i in 0..a.len() {
                for j in 0..i {
                    sum += sign(a[i] - a[j]) * sign(b[i] - b[j]);
                }
            }
            let pairs = (a.len() * (a.len() - 1) / 2) as f64;
            prop_assert_eq!(tau_a(a.view(), b.view()), sum / pairs);
        }

        #[test]
        fn ranks_are_one_plus_smaller_values_plus_half_the_other_equal_ones(values in proptest::collection::vec(0u8..9, 1..40)) {
            let values: Array1<f64> = values.into_iter().map(f64::from).collect();
            for (rank, value) in average_ranks(values.view()).iter().zip(&values) {
                let smaller = values.iter().filter(|other| *other < value).count() as f64;
                let equal = values.iter().filter(|other| *other == value).count() as f64;
                prop_assert_eq!(*rank, 1.0 + smaller + (equal - 1.0) / 2.0);
            }
        }
    }
}
