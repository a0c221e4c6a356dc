//! What of a picture falls on the retina of an eye that looks elsewhere, or is shut.

use core::f64::consts::PI;

/// Reach of the interpolation, in cells.
const REACH: usize = 3;

/// The moved picture.
#[derive(Debug, Clone)]
pub(super) struct Retina {
    width: usize,
    height: usize,
    cells_per_deg: f64,
    /// Shifted along x only.
    along_x: Vec<f64>,
    cells: Vec<f64>,
}

impl Retina {
    pub(super) fn new(width: usize, height: usize, cells_per_deg: f64) -> Self {
        let cells = vec![0.0; width * height];
        Self { width, height, cells_per_deg, along_x: cells.clone(), cells }
    }

    pub(super) fn fits(&self, cells: &[f64]) -> bool {
        cells.len() == self.cells.len()
    }

    /// Behind the lid: the mean light, uniform.
    pub(super) fn covered(&mut self, cells: &[f64]) -> &[f64] {
        self.cells.fill(cells.iter().sum::<f64>() / cells.len().max(1) as f64);
        &self.cells
    }

    /// The picture when one looks this far right of and above its middle. What lies beyond the border is as the border.
    ///
    /// Between cells a windowed sinc of three lobes interpolates (Duchon 1979): a gaze half a cell aside must not cost contrast,
    /// and of four cells per cycle a straight line between neighbours would take 29 %.
    pub(super) fn shifted(&mut self, cells: &[f64], right_deg: f64, up_deg: f64) -> &[f64] {
        let (width, height) = (self.width, self.height);
        let columns = Shift::new(right_deg * self.cells_per_deg);
        // Rows go down.
        let rows = Shift::new(-up_deg * self.cells_per_deg);
        for (row, out) in cells.chunks_exact(width).zip(self.along_x.chunks_exact_mut(width)) {
            for (x, place) in out.iter_mut().enumerate() {
                *place = columns.sum(x, width, |from| row[from]);
            }
        }
        for (y, out) in self.cells.chunks_exact_mut(width).enumerate() {
            for (x, place) in out.iter_mut().enumerate() {
                // Light is never less than none, whatever the lobes say.
                *place = rows.sum(y, height, |from| self.along_x[from * width + x]).max(0.0);
            }
        }
        &self.cells
    }
}

/// A shift by whole cells and a part.
struct Shift {
    whole: i64,
    weights: [f64; 2 * REACH],
}

impl Shift {
    fn new(cells: f64) -> Self {
        let whole = libm::floor(cells);
        let part = cells - whole;
        let lobe = |x: f64| if x == 0.0 { 1.0 } else { libm::sin(PI * x) / (PI * x) };
        let weight = |k: usize| {
            let x = part - (k as f64 - (REACH - 1) as f64);
            lobe(x) * lobe(x / REACH as f64)
        };
        let mut weights: [f64; 2 * REACH] = core::array::from_fn(weight);
        // Uniform light stays uniform.
        let total: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= total);
        Self { whole: whole as i64, weights }
    }

    fn sum(&self, at: usize, size: usize, value: impl Fn(usize) -> f64) -> f64 {
        let first = at as i64 + self.whole - (REACH as i64 - 1);
        let place = |k: usize| (first + k as i64).clamp(0, size as i64 - 1) as usize;
        self.weights.iter().enumerate().fold(0.0, |sum, (k, weight)| sum + weight * value(place(k)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looking_right_moves_the_picture_left_and_looking_up_moves_it_down() {
        let mut retina = Retina::new(5, 4, 2.0);
        let picture: Vec<f64> = (0..20).map(f64::from).collect();
        let near = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-9);
        assert!(near(&retina.shifted(&picture, 0.5, 0.0)[..5], &[1.0, 2.0, 3.0, 4.0, 4.0]));
        assert!(near(&retina.shifted(&picture, 0.0, 0.5)[5..10], &picture[..5]));
        assert!(near(retina.covered(&picture), &[9.5; 20]));
    }

    #[test]
    fn a_fine_grating_keeps_its_contrast_wherever_one_looks() {
        let (size, cells_per_deg) = (40, 4.0);
        let grating = |right: f64, up: f64| -> Vec<f64> {
            let cell = |i: usize| {
                let (x, y) = ((i % size) as f64 + right, (i / size) as f64 - up);
                0.5 + 0.4 * libm::sin(PI / 2.0 * (0.8 * x + 0.6 * y))
            };
            (0..size * size).map(cell).collect()
        };
        let picture = grating(0.0, 0.0);
        let mut retina = Retina::new(size, size, cells_per_deg);
        for (right, up) in [(0.5, 0.0), (0.3, -0.7), (-2.5, 1.25), (0.5, 0.5)] {
            let seen = retina.shifted(&picture, right / cells_per_deg, up / cells_per_deg);
            let expected = grating(right, up);
            for y in 8..32 {
                for x in 8..32 {
                    let (seen, expected) = (seen[y * size + x], expected[y * size + x]);
                    // Four cells per cycle, oblique, between cells on both axes: 3.7 % of the contrast at worst.
                    assert!(
                        (seen - expected).abs() < 0.4 * 0.04,
                        "{right} {up} at {x} {y}: {seen} {expected}"
                    );
                }
            }
        }
    }
}
