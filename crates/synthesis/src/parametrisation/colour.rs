//! Opponent axes, along which colours are nearly uncorrelated.

/// Columns: the achromatic, red-green and blue-yellow axes in red, green, blue. Orthonormal.
///
/// The directions that Ruderman, Cronin and Chiao ("Statistics of cone responses to natural images", J Opt Soc Am A
/// 1998) found by principal components of cone responses to natural scenes: (1, 1, 1), (1, -1, 0) and (1, 1, -2), up to
/// length. They are applied to the display's red, green and blue in place of the cones L, M and S.
const AXES: [[f64; 3]; 3] = {
    let (a, b, c) = (0.577_350_269_189_625_8, std::f64::consts::FRAC_1_SQRT_2, 0.408_248_290_463_863_1);
    [[a, b, c], [a, -b, c], [a, 0.0, -2.0 * c]]
};

/// From opponent to device channels: one row per channel of the stimulus. One channel is grey.
///
/// `chroma` is the size of the two chromatic axes relative to the achromatic one, whose unit step moves every channel
/// by one.
pub(super) fn mixture(channels: usize, chroma: f64) -> Vec<Vec<f64>> {
    if channels != 3 {
        return (0..channels)
            .map(|row| (0..channels).map(|column| f64::from(row == column)).collect())
            .collect();
    }
    let size = [3.0_f64.sqrt(), 3.0_f64.sqrt() * chroma, 3.0_f64.sqrt() * chroma];
    AXES.iter().map(|row| row.iter().zip(size).map(|(axis, size)| axis * size).collect()).collect()
}

/// The inverse of [`mixture`]: one row per opponent axis.
pub(super) fn separation(channels: usize, chroma: f64) -> Vec<Vec<f64>> {
    if channels != 3 {
        return mixture(channels, chroma);
    }
    let size = [3.0_f64.sqrt(), 3.0_f64.sqrt() * chroma, 3.0_f64.sqrt() * chroma];
    (0..3).map(|axis| AXES.iter().map(|row| row[axis] / size[axis]).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separation_inverts_the_mixture() {
        for channels in [1, 2, 3] {
            let (mix, split) = (mixture(channels, 0.3), separation(channels, 0.3));
            for (row, line) in split.iter().enumerate() {
                for column in 0..channels {
                    let sum: f64 = line.iter().zip(&mix).map(|(weight, mixed)| weight * mixed[column]).sum();
                    assert!((sum - f64::from(row == column)).abs() < 1e-14);
                }
            }
        }
    }

    #[test]
    fn the_achromatic_axis_is_grey_and_the_others_keep_the_sum() {
        let mix = mixture(3, 0.5);
        assert!(mix.iter().all(|row| (row[0] - 1.0).abs() < 1e-15));
        for axis in [1, 2] {
            assert!(mix.iter().map(|row| row[axis]).sum::<f64>().abs() < 1e-15);
        }
        // Red-green leaves blue alone, blue-yellow moves red and green together.
        assert!(mix[2][1] == 0.0 && mix[0][1] == -mix[1][1] && mix[0][2] == mix[1][2]);
    }
}
