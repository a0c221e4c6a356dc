//! Distance to the own blur.

/// A Gaussian along lines, cut at 4 SD, with reflected edges. The reflection makes it a symmetric matrix: its own adjoint.
struct Blur {
    /// Weights at the distances 0, 1, 2 ... px; they sum to 1 over both sides.
    kernel: Vec<f64>,
}

impl Blur {
    fn new(sd_px: f64) -> Self {
        let reach = (4.0 * sd_px).ceil() as usize;
        let weight = |distance: usize| libm::exp(-0.5 * (distance as f64 / sd_px).powi(2));
        let raw: Vec<f64> = (0..=reach).map(weight).collect();
        let sum = raw[0] + 2.0 * raw[1..].iter().sum::<f64>();
        Self { kernel: raw.iter().map(|weight| weight / sum).collect() }
    }

    /// Weights from every place of a line of `len` to every other, row-major.
    fn matrix(&self, len: usize) -> Vec<f64> {
        let mut matrix = vec![0.0; len * len];
        let period = 2 * len;
        for to in 0..len {
            for (distance, &weight) in self.kernel.iter().enumerate() {
                let sides: &[bool] = if distance == 0 { &[true] } else { &[true, false] };
                for &right in sides {
                    let place = if right { to + distance } else { to + period - distance % period };
                    let place = place % period;
                    let from = if place < len { place } else { period - 1 - place };
                    matrix[to * len + from] += weight;
                }
            }
        }
        matrix
    }
}

/// The two matrices that blur a plane along its columns and rows.
struct PlaneBlur {
    along_columns: Vec<f64>,
    along_rows: Vec<f64>,
    height: usize,
    width: usize,
}

impl PlaneBlur {
    fn new(sd_px: f64, height: usize, width: usize) -> Self {
        let blur = Blur::new(sd_px);
        Self { along_columns: blur.matrix(height), along_rows: blur.matrix(width), height, width }
    }

    /// The plane minus its blur.
    fn sharp(&self, plane: &[f64]) -> Vec<f64> {
        let (height, width) = (self.height, self.width);
        let mut half = vec![0.0; plane.len()];
        for (weights, out) in self.along_columns.chunks_exact(height).zip(half.chunks_exact_mut(width)) {
            for (&weight, line) in weights.iter().zip(plane.chunks_exact(width)) {
                if weight != 0.0 {
                    out.iter_mut().zip(line).for_each(|(out, value)| *out += weight * value);
                }
            }
        }
        let mut sharp = plane.to_vec();
        for (line, out) in half.chunks_exact(width).zip(sharp.chunks_exact_mut(width)) {
            // The matrix is symmetric, so its rows may stand for its columns.
            for (&value, weights) in line.iter().zip(self.along_rows.chunks_exact(width)) {
                out.iter_mut().zip(weights).for_each(|(out, weight)| *out -= weight * value);
            }
        }
        sharp
    }
}

/// Value and gradient: the mean over all numbers.
pub(super) fn value_and_slopes(light: &[f64], [height, width]: [usize; 2], sd_px: f64) -> (f64, Vec<f64>) {
    let blur = PlaneBlur::new(sd_px, height, width);
    let share = 1.0 / light.len() as f64;
    let mut value = 0.0;
    let mut slopes = Vec::with_capacity(light.len());
    for plane in light.chunks_exact(height * width) {
        let sharp = blur.sharp(plane);
        value += share * sharp.iter().map(|rest| rest * rest).sum::<f64>();
        // I - G is its own adjoint.
        slopes.extend(blur.sharp(&sharp).iter().map(|slope| 2.0 * share * slope));
    }
    (value, slopes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_matrix_is_symmetric_and_keeps_the_mean() {
        for (sd_px, len) in [(0.5, 6), (2.0, 9), (30.0, 7), (1.0, 1)] {
            let matrix = Blur::new(sd_px).matrix(len);
            for row in 0..len {
                assert!((matrix[row * len..(row + 1) * len].iter().sum::<f64>() - 1.0).abs() < 1e-12);
                for column in 0..len {
                    assert!((matrix[row * len + column] - matrix[column * len + row]).abs() < 1e-15);
                }
            }
        }
    }

    #[test]
    fn a_grating_costs_what_the_transfer_function_says() {
        // A cosine that is even about both edges is an eigenvector; its factor is the Gaussian's transfer function.
        let (sd_px, cycles) = (1.5_f64, 5.0);
        let plane: Vec<f64> = (0..32 * 64)
            .map(|i| 0.5 + 0.3 * (std::f64::consts::PI * cycles * (f64::from(i % 64) + 0.5) / 64.0).cos())
            .collect();
        let frequency = cycles / 128.0;
        let factor = 1.0 - (-2.0 * (std::f64::consts::PI * frequency * sd_px).powi(2)).exp();
        let wanted = 0.5 * 0.3 * 0.3 * factor * factor;
        let (value, _) = value_and_slopes(&plane, [32, 64], sd_px);
        assert!((value / wanted - 1.0).abs() < 1e-2, "{value} {wanted}");
        let (none, slopes) = value_and_slopes(&[0.7; 30], [5, 6], sd_px);
        assert!(none < 1e-28 && slopes.iter().all(|slope| slope.abs() < 1e-14));
    }
}
