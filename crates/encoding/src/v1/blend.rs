//! Smoothing whose width depends on the place.
//!
//! A few Gaussians, and at each place a mixture of two neighbouring ones. Variances of mixtures add up with their weights, so
//! the mixture has exactly the variance that is asked for at that place.

/// Largest ratio of neighbouring variances.
const STEP: f64 = 3.5;
/// Below this variance, in samples, a Gaussian is hardly more than its own middle tap: the next one below is no smoothing.
const LEAST: f64 = 0.1;

/// Variances of the Gaussians from which those between `low` and `high` are mixed, rising.
pub(super) fn knots(low: f64, high: f64) -> Vec<f64> {
    let first = low.max(3.0 * LEAST).min(high);
    let mut knots = if low < LEAST { vec![0.0] } else { vec![] };
    let steps = libm::ceil(libm::log(high / first) / libm::log(STEP) - 1e-9).max(0.0) as i32;
    let ratio = if steps > 0 { libm::pow(high / first, 1.0 / f64::from(steps)) } else { 1.0 };
    if low >= LEAST && low < first {
        knots.push(low);
    }
    let mut knot = first;
    for _ in 0..=steps {
        knots.push(knot);
        knot *= ratio;
    }
    knots
}

/// The weight of each Gaussian for a variance; the nearest one's is 1 outside of the range.
pub(super) fn weights(knots: &[f64], variance: f64) -> Vec<f64> {
    let above = |pair: &[f64]| ((variance - pair[0]) / (pair[1] - pair[0])).clamp(0.0, 1.0);
    let shares: Vec<f64> = knots.windows(2).map(above).collect();
    let share = |index: usize| shares.get(index).copied();
    (0..knots.len())
        .map(|index| index.checked_sub(1).and_then(share).unwrap_or(1.0) - share(index).unwrap_or(0.0))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mixture_has_the_variance_that_was_asked_for() {
        for (low, high) in [(0.0, 5.0), (0.16, 4.9), (0.9, 0.95), (2.0, 400.0), (0.02, 0.05)] {
            let knots = knots(low, high);
            assert!(knots.windows(2).all(|pair| pair[0] < pair[1]), "{knots:?}");
            for step in 0..=20 {
                let wanted = low + (high - low) * f64::from(step) / 20.0;
                let weights = weights(&knots, wanted);
                let found: f64 = weights.iter().zip(&knots).map(|(weight, knot)| weight * knot).sum();
                assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
                assert!((found - wanted).abs() < 1e-9 * (1.0 + high), "{low}..{high}: {found} for {wanted}");
            }
        }
    }
}
