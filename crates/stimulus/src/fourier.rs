//! The discrete Fourier transform of any length, written here so that its bits repeat on every machine.

use std::f64::consts::{PI, TAU};

/// A complex number.
pub(crate) type Complex = (f64, f64);

fn times(one: Complex, other: Complex) -> Complex {
    (one.0 * other.0 - one.1 * other.1, one.0 * other.1 + one.1 * other.0)
}

fn conjugate(value: Complex) -> Complex {
    (value.0, -value.1)
}

/// `X[k] = sum over n of x[n] exp(-2 pi i k n / N)` for each k, in O(N log N) for any N: a convolution with a chirp
/// (Bluestein 1970, IEEE Trans. Audio Electroacoust. 18, 451), because the period of a flicker may be a prime number of
/// frames.
pub(crate) fn transform(values: &[f64]) -> Vec<Complex> {
    let length = values.len();
    // n^2 modulo 2 N before the multiplication, or the angle of a long row would lose its digits.
    let square = |n: usize| (n as u128 * n as u128 % (2 * length as u128)) as f64;
    let chirp: Vec<Complex> = (0..length)
        .map(|n| {
            let angle = PI * square(n) / length as f64;
            (libm::cos(angle), libm::sin(angle))
        })
        .collect();
    let size = (2 * length).next_power_of_two();
    let roots = roots_of_one(size);
    let mut row = vec![(0.0, 0.0); size];
    let mut filter = vec![(0.0, 0.0); size];
    for n in 0..length {
        row[n] = times((values[n], 0.0), conjugate(chirp[n]));
        filter[n] = chirp[n];
        filter[(size - n) % size] = chirp[n];
    }
    forward(&mut row, &roots);
    forward(&mut filter, &roots);
    // The inverse as the conjugate of the forward transform of the conjugate.
    for (value, factor) in row.iter_mut().zip(&filter) {
        *value = conjugate(times(*value, *factor));
    }
    forward(&mut row, &roots);
    let scale = 1.0 / size as f64;
    let unscaled = row.iter().zip(&chirp).map(|(value, chirp)| times(conjugate(*value), conjugate(*chirp)));
    unscaled.map(|(re, im)| (scale * re, scale * im)).collect()
}

pub(crate) fn roots_of_one(size: usize) -> Vec<Complex> {
    let root = |k: usize| {
        let angle = -TAU * k as f64 / size as f64;
        (libm::cos(angle), libm::sin(angle))
    };
    (0..size / 2).map(root).collect()
}

/// In place, of a power of two, with the roots of that size, by halves (Cooley and Tukey 1965).
pub(crate) fn forward(row: &mut [Complex], roots: &[Complex]) {
    let size = row.len();
    let shift = usize::BITS - size.trailing_zeros();
    for index in 1..size {
        let mirrored = index.reverse_bits() >> shift;
        if index < mirrored {
            row.swap(index, mirrored);
        }
    }
    let mut half = 1;
    while half < size {
        let stride = size / (2 * half);
        for block in row.chunks_exact_mut(2 * half) {
            let (low, high) = block.split_at_mut(half);
            for (k, (low, high)) in low.iter_mut().zip(high).enumerate() {
                let turned = times(*high, roots[k * stride]);
                *high = (low.0 - turned.0, low.1 - turned.1);
                *low = (low.0 + turned.0, low.1 + turned.1);
            }
        }
        half *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_sum_that_defines_it() {
        for length in [1, 2, 3, 4, 5, 7, 8, 12, 63, 64, 97, 126, 200, 997] {
            let mut state = length as u64;
            let values: Vec<f64> = (0..length)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (state >> 11) as f64 / (1_u64 << 53) as f64
                })
                .collect();
            for (k, (re, im)) in transform(&values).into_iter().enumerate() {
                let mut sum = (0.0, 0.0);
                for (n, value) in values.iter().enumerate() {
                    let angle = -TAU * (k * n % length) as f64 / length as f64;
                    sum = (sum.0 + value * angle.cos(), sum.1 + value * angle.sin());
                }
                let error = libm::hypot(re - sum.0, im - sum.1);
                assert!(error < 1e-11, "line {k} of {length}: off by {error:e}");
            }
        }
    }
}
