//! Seeded values.

/// `count` values in -1..1 from a splitmix64 stream.
pub fn values(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5851_F42D_4C95_7F2D;
    (0..count)
        .map(|_| {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((z ^ (z >> 31)) >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect()
}

/// Largest difference over the largest magnitude of `wanted`, or over 1 where that is less: of inputs in -1..1 a result that
/// cancels, or that is zero because all taps lie in the padding, is as exact as one product.
pub fn relative_error(found: &[f32], wanted: &[f64]) -> f64 {
    assert_eq!(found.len(), wanted.len());
    let scale = wanted.iter().fold(0f64, |most, value| most.max(value.abs()));
    let error = found.iter().zip(wanted).fold(0f64, |most, (&f, w)| {
        let difference = (f64::from(f) - w).abs();
        if difference.is_nan() { f64::INFINITY } else { most.max(difference) }
    });
    error / scale.max(1.0)
}
