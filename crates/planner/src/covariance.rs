//! What is believed of H before anything is measured: neighbours in the visual field, in orientation and in spatial
//! frequency have similar weights.

/// Covariance of a grid of weights as a Kronecker product: one matrix per axis of the grid, in row-major order of the axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Covariance {
    axes: Vec<Axis>,
    scale: f64,
}

/// Covariance along one axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    size: usize,
    /// Row-major [size, size].
    matrix: Vec<f64>,
}

impl Axis {
    /// Squared-exponential in the distance of places along the axis; `length` has their unit.
    pub fn smooth(places: &[f64], length: f64) -> Self {
        Self::of(places, |a, b| libm::exp(-0.5 * (a - b) * (a - b) / (length * length)))
    }

    /// The same on a circle of orientations (period pi), by the chord of the doubled angle.
    pub fn circular(angles_rad: &[f64], length_rad: f64) -> Self {
        Self::of(angles_rad, |a, b| {
            let chord = libm::sin(a - b);
            libm::exp(-0.5 * chord * chord / (length_rad * length_rad))
        })
    }

    /// The same for weights that are larger in some places: each is multiplied by its factor, of which only the proportions
    /// count (the mean variance stays).
    #[must_use]
    pub fn with_factors(mut self, factors: &[f64]) -> Self {
        let square = factors.iter().map(|factor| factor * factor).sum::<f64>() / self.size as f64;
        for (at, value) in self.matrix.iter_mut().enumerate() {
            *value *= factors[at / self.size] * factors[at % self.size] / square;
        }
        self
    }

    /// Nothing in common.
    pub fn independent(size: usize) -> Self {
        let places: Vec<f64> = (0..size).map(|at| at as f64).collect();
        Self::of(&places, |a, b| f64::from(u8::from(a == b)))
    }

    fn of(places: &[f64], kernel: impl Fn(f64, f64) -> f64) -> Self {
        let matrix = places.iter().flat_map(|&a| places.iter().map(move |&b| (a, b)));
        Self { size: places.len(), matrix: matrix.map(|(a, b)| kernel(a, b)).collect() }
    }
}

impl Covariance {
    /// The product of these axes.
    pub fn new(axes: Vec<Axis>) -> Self {
        Self { axes, scale: 1.0 }
    }

    /// Weights of the grid.
    pub fn size(&self) -> usize {
        self.axes.iter().map(|axis| axis.size).product()
    }

    /// All variances times this.
    pub fn scaled(mut self, factor: f64) -> Self {
        self.scale *= factor;
        self
    }

    /// `C x`, axis by axis.
    ///
    /// # Panics
    /// When `x` has not one value per weight.
    pub fn apply(&self, x: &[f64]) -> Vec<f64> {
        assert_eq!(x.len(), self.size(), "one value per weight");
        let mut values: Vec<f64> = x.iter().map(|value| value * self.scale).collect();
        let mut next = vec![0.0; values.len()];
        let mut after: usize = self.size();
        for axis in &self.axes {
            after /= axis.size;
            for block in 0..values.len() / (axis.size * after) {
                let from = block * axis.size * after;
                for row in 0..axis.size {
                    let out = &mut next[from + row * after..from + (row + 1) * after];
                    out.fill(0.0);
                    for column in 0..axis.size {
                        let weight = axis.matrix[row * axis.size + column];
                        let part = &values[from + column * after..from + (column + 1) * after];
                        out.iter_mut().zip(part).for_each(|(out, value)| *out += weight * value);
                    }
                }
            }
            std::mem::swap(&mut values, &mut next);
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_product_of_axes_is_the_whole_matrix() {
        let (a, b) = (Axis::smooth(&[0.0, 1.0, 3.0], 1.5), Axis::circular(&[0.0, 0.7, 1.4, 2.1], 0.6));
        let covariance = Covariance::new(vec![a.clone(), b.clone()]).scaled(2.0);
        for at in 0..12 {
            let mut unit = vec![0.0; 12];
            unit[at] = 1.0;
            for (row, value) in covariance.apply(&unit).into_iter().enumerate() {
                let wanted = 2.0 * a.matrix[(row / 4) * 3 + at / 4] * b.matrix[(row % 4) * 4 + at % 4];
                assert!((value - wanted).abs() < 1e-14, "{row} {at}");
            }
        }
    }

    #[test]
    fn weights_near_a_place_are_larger_and_the_mean_variance_stays() {
        let places = [-2.0, -1.0, 0.0, 1.0, 2.0];
        let factors = places.map(|place: f64| libm::exp(-0.5 * (place - 1.0) * (place - 1.0)));
        let near = Axis::smooth(&places, 1.5).with_factors(&factors);
        let variances: Vec<f64> = (0..5).map(|at| near.matrix[at * 6]).collect();
        assert!((variances.iter().sum::<f64>() - 5.0).abs() < 1e-12, "{variances:?}");
        assert!((variances[3] / variances[1] - libm::exp(4.0)).abs() < 1e-9, "{variances:?}");
        // How alike two weights are has not changed.
        let alike = near.matrix[1] / (variances[0] * variances[1]).sqrt();
        assert!((alike - Axis::smooth(&places, 1.5).matrix[1]).abs() < 1e-12, "{alike}");
    }

    #[test]
    fn orientations_close_up() {
        let axis = Axis::circular(&[0.0, core::f64::consts::PI - 0.01], 0.3);
        assert!(axis.matrix[1] > 0.999);
    }
}
