//! The Hartley transform of a plane: Fourier analysis in real numbers.

use std::sync::Arc;

use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlannerScalar};

/// The orthonormal two-dimensional Hartley transform (Bracewell, "Discrete Hartley transform", J Opt Soc Am 1983):
/// `h(v, u) = sum x(row, column) cas(2 pi (u column / W + v row / H)) / sqrt(H W)` with `cas = cos + sin`.
///
/// It carries the complex Fourier coefficient of each frequency as two real numbers: `F(k) = (h(k) + h(-k)) / 2 -
/// i (h(k) - h(-k)) / 2`. The matrix is symmetric and orthonormal, so that the transform is its own inverse and its own
/// adjoint, energy is kept (Parseval), and as many numbers come out as go in, none of them redundant.
#[derive(Clone)]
pub(crate) struct Hartley {
    height: usize,
    width: usize,
    along_rows: Arc<dyn Fft<f64>>,
    along_columns: Arc<dyn Fft<f64>>,
}

impl Hartley {
    /// For planes of `height` x `width`.
    ///
    /// The scalar planner, because the others choose by the processor, and bits with it.
    pub fn new(height: usize, width: usize) -> Self {
        let mut planner = FftPlannerScalar::new();
        Self {
            height,
            width,
            along_rows: planner.plan_fft_forward(width),
            along_columns: planner.plan_fft_forward(height),
        }
    }

    /// Transforms a plane, row-major, in place.
    pub fn apply(&self, plane: &mut [f64]) {
        let (height, width) = (self.height, self.width);
        assert_eq!(plane.len(), height * width, "a plane of {height} x {width}");
        let mut lines: Vec<Complex<f64>> = plane.iter().map(|&value| Complex::new(value, 0.0)).collect();
        self.along_rows.process(&mut lines);
        let mut turned = vec![Complex::default(); height * width];
        for (row, line) in lines.chunks_exact(width).enumerate() {
            for (column, &value) in line.iter().enumerate() {
                turned[column * height + row] = value;
            }
        }
        self.along_columns.process(&mut turned);
        let norm = 1.0 / ((height * width) as f64).sqrt();
        for (row, line) in plane.chunks_exact_mut(width).enumerate() {
            for (column, value) in line.iter_mut().enumerate() {
                let coefficient = turned[column * height + row];
                *value = (coefficient.re - coefficient.im) * norm;
            }
        }
    }

    /// Spatial frequency of every coefficient in cycles per px, row-major.
    pub fn frequencies(&self) -> Vec<f64> {
        let folded = |index: usize, len: usize| index.min(len - index) as f64 / len as f64;
        let (height, width) = (self.height, self.width);
        let places = (0..height).flat_map(|row| (0..width).map(move |column| (row, column)));
        places.map(|(row, column)| libm::hypot(folded(row, height), folded(column, width))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(len: usize, seed: u64) -> Vec<f64> {
        let mut random = random::Random::new(seed, 0);
        (0..len).map(|_| random.normal()).collect()
    }

    fn dot(a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn it_is_its_own_inverse_its_own_adjoint_and_keeps_energy() {
        for (height, width) in [(1, 1), (1, 7), (4, 4), (6, 9), (16, 5), (13, 17)] {
            let hartley = Hartley::new(height, width);
            let (x, y) = (noise(height * width, 1), noise(height * width, 2));
            let (mut hx, mut hy) = (x.clone(), y.clone());
            hartley.apply(&mut hx);
            hartley.apply(&mut hy);
            assert!((dot(&hx, &y) - dot(&x, &hy)).abs() < 1e-11, "adjoint {height} x {width}");
            assert!((dot(&hx, &hx) - dot(&x, &x)).abs() < 1e-11, "Parseval {height} x {width}");
            hartley.apply(&mut hx);
            assert!(hx.iter().zip(&x).all(|(a, b)| (a - b).abs() < 1e-12), "inverse {height} x {width}");
        }
    }

    #[test]
    fn it_is_the_sum_of_its_definition() {
        let (height, width) = (5, 6);
        let x = noise(height * width, 3);
        let mut found = x.clone();
        Hartley::new(height, width).apply(&mut found);
        for v in 0..height {
            for u in 0..width {
                let mut sum = 0.0;
                for row in 0..height {
                    for column in 0..width {
                        let turns = (u * column) as f64 / width as f64 + (v * row) as f64 / height as f64;
                        let angle = 2.0 * std::f64::consts::PI * turns;
                        sum += x[row * width + column] * (angle.cos() + angle.sin());
                    }
                }
                let wanted = sum / ((height * width) as f64).sqrt();
                assert!((found[v * width + u] - wanted).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn frequencies_are_those_of_the_coefficients() {
        let hartley = Hartley::new(8, 16);
        let frequencies = hartley.frequencies();
        for (column_cycles, row_cycles) in [(3, 0), (0, 2), (5, 3), (8, 4)] {
            let mut plane: Vec<f64> = (0..8 * 16)
                .map(|i| {
                    let turns = column_cycles as f64 * (i % 16) as f64 / 16.0
                        + row_cycles as f64 * (i / 16) as f64 / 8.0;
                    (2.0 * std::f64::consts::PI * turns + 0.4).cos()
                })
                .collect();
            hartley.apply(&mut plane);
            let wanted = libm::hypot(column_cycles as f64 / 16.0, row_cycles as f64 / 8.0);
            for (value, frequency) in plane.iter().zip(&frequencies) {
                assert!(value.abs() < 1e-10 || (frequency - wanted).abs() < 1e-12, "{value} at {frequency}");
            }
        }
    }
}
