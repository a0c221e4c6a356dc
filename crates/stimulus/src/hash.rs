//! Seeded integers that a shader and the CPU draw alike.

/// Spreads the bits of a number over all of it: the mixer `lowbias32` of Wellons's search for 32-bit integer hashes (2018).
pub const fn mix(mut x: u32) -> u32 {
    x ^= x >> 16;
    x = x.wrapping_mul(0x7feb_352d);
    x ^= x >> 15;
    x = x.wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}

/// A number from four: the same in `shaders/element.wgsl`.
pub const fn hash(a: u32, b: u32, c: u32, d: u32) -> u32 {
    mix(a.wrapping_add(mix(b.wrapping_add(mix(c.wrapping_add(mix(d.wrapping_add(0x9e37_79b9))))))))
}

/// A hash as a part of 1: at least 0, below 1.
pub fn part(hash: u32) -> f64 {
    f64::from(hash) / 4_294_967_296.0
}

/// The bound below which a hash lies with this probability.
pub fn threshold(probability: f64) -> u32 {
    (probability.clamp(0.0, 1.0) * 4_294_967_296.0).min(4_294_967_295.0) as u32
}

/// Whether a hash is among this part of all: the same decision on every machine, because it is one of integers.
pub fn below(hash: u32, probability: f64) -> bool {
    hash < threshold(probability)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_even_and_neighbours_do_not_resemble_each_other() {
        let draws: Vec<f64> = (0..4096).map(|i| part(hash(7, i % 64, i / 64, 1))).collect();
        let mean = draws.iter().sum::<f64>() / 4096.0;
        assert!((mean - 0.5).abs() < 0.015, "{mean}");
        for lag in [1, 64, 65] {
            let products = draws.windows(lag + 1).map(|w| (w[0] - 0.5) * (w[lag] - 0.5));
            let correlation = 12.0 * products.sum::<f64>() / 4096.0;
            assert!(correlation.abs() < 0.06, "lag {lag}: {correlation}");
        }
    }
}
