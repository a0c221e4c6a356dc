//! One view of a set of stimuli: bilinear resampling and its transpose.

use ndarray::Array5;

/// What lies beyond the edge: the mean of every stimulus.
const GREY: f32 = 0.5;

/// How one stimulus is shifted, magnified and turned about its centre.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Placement {
    /// In px, x to the right and y down.
    shift: [f64; 2],
    /// From the view to the stimulus: `source = matrix (place - centre - shift) + centre`.
    matrix: [[f64; 2]; 2],
}

impl Placement {
    /// `turn` in rad, anticlockwise as seen.
    pub fn new(shift: [f64; 2], scale: f64, turn: f64) -> Self {
        let (sine, cosine) = libm::sincos(turn);
        // y points down, hence the signs; the inverse of a turn and a magnification.
        Self { shift, matrix: [[cosine / scale, -sine / scale], [sine / scale, cosine / scale]] }
    }

    fn is_identity(&self) -> bool {
        self.shift == [0.0; 2] && self.matrix == [[1.0, 0.0], [0.0, 1.0]]
    }

    /// Source pixels of every pixel of the view and their weights; sources beyond the edge have weight 0.
    fn taps(&self, height: usize, width: usize) -> Vec<[(u32, f32); 4]> {
        let centre = [width as f64 / 2.0, height as f64 / 2.0];
        let places = (0..height).flat_map(|row| (0..width).map(move |column| (row, column)));
        let tap = |(row, column): (usize, usize)| {
            let dx = column as f64 + 0.5 - centre[0] - self.shift[0];
            let dy = row as f64 + 0.5 - centre[1] - self.shift[1];
            let x = self.matrix[0][0] * dx + self.matrix[0][1] * dy + centre[0] - 0.5;
            let y = self.matrix[1][0] * dx + self.matrix[1][1] * dy + centre[1] - 0.5;
            let (left, top) = (x.floor(), y.floor());
            let (right_share, lower_share) = (x - left, y - top);
            let one = |across: f64, down: f64| {
                let inside = across >= 0.0 && across < width as f64 && down >= 0.0 && down < height as f64;
                let weight_x = if across == left { 1.0 - right_share } else { right_share };
                let weight_y = if down == top { 1.0 - lower_share } else { lower_share };
                if inside {
                    ((down as usize * width + across as usize) as u32, (weight_x * weight_y) as f32)
                } else {
                    (0, 0.0)
                }
            };
            [one(left, top), one(left + 1.0, top), one(left, top + 1.0), one(left + 1.0, top + 1.0)]
        };
        places.map(tap).collect()
    }
}

/// One drawn view of a set: an affine map of the light, `0.5 + L (light - 0.5)` with a linear L per stimulus.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    placements: Vec<Placement>,
}

impl View {
    pub(super) fn new(placements: Vec<Placement>) -> Self {
        Self { placements }
    }

    /// Whether the view changes nothing.
    pub fn is_identity(&self) -> bool {
        self.placements.iter().all(Placement::is_identity)
    }

    /// The view of stimuli [B, T, C, H, W]; what comes in from beyond the edges is grey 0.5.
    ///
    /// # Panics
    /// When B is not the batch for which the view was drawn.
    pub fn apply(&self, stimuli: &Array5<f32>) -> Array5<f32> {
        self.map(stimuli, |taps, from, to| {
            for (slot, taps) in to.iter_mut().zip(taps) {
                let sum: f32 =
                    taps.iter().map(|&(source, weight)| weight * (from[source as usize] - GREY)).sum();
                *slot = GREY + sum;
            }
        })
    }

    /// The transpose of L: a gradient with respect to the view, as one with respect to the stimuli.
    ///
    /// # Panics
    /// As [`View::apply`].
    pub fn adjoint(&self, cotangent: &Array5<f32>) -> Array5<f32> {
        self.map(cotangent, |taps, from, to| {
            for (&value, taps) in from.iter().zip(taps) {
                for &(source, weight) in taps {
                    to[source as usize] += weight * value;
                }
            }
        })
    }

    /// Applies `plane(taps, from, to)` to every plane; `to` starts at zero. Stimuli that stay are copied.
    fn map(
        &self,
        array: &Array5<f32>,
        plane: impl Fn(&[[(u32, f32); 4]], &[f32], &mut [f32]),
    ) -> Array5<f32> {
        let (batch, frames, channels, height, width) = array.dim();
        assert_eq!(batch, self.placements.len(), "stimuli of the view");
        let from: Vec<f32> = array.iter().copied().collect();
        let mut to = vec![0.0; from.len()];
        let (stimulus, pixels) = (frames * channels * height * width, height * width);
        for (index, placement) in self.placements.iter().enumerate() {
            let places = index * stimulus..(index + 1) * stimulus;
            if placement.is_identity() {
                to[places.clone()].copy_from_slice(&from[places]);
                continue;
            }
            let taps = placement.taps(height, width);
            for (from, to) in
                from[places.clone()].chunks_exact(pixels).zip(to[places].chunks_exact_mut(pixels))
            {
                plane(&taps, from, to);
            }
        }
        Array5::from_shape_vec(array.dim(), to).expect("the same number of elements")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(shift: [f64; 2], scale: f64, turn: f64) -> View {
        View::new(vec![Placement::new(shift, scale, turn)])
    }

    fn numbered() -> Array5<f32> {
        Array5::from_shape_fn([1, 1, 1, 5, 5], |(_, _, _, row, column)| (row * 5 + column) as f32 / 25.0)
    }

    #[test]
    fn a_whole_shift_moves_to_the_right_and_down_and_fills_with_grey() {
        let x = numbered();
        let y = one([1.0, 2.0], 1.0, 0.0).apply(&x);
        for row in 0..5 {
            for column in 0..5 {
                let wanted = if row < 2 || column < 1 { 0.5 } else { x[[0, 0, 0, row - 2, column - 1]] };
                assert!((y[[0, 0, 0, row, column]] - wanted).abs() < 1e-7, "{row} {column}");
            }
        }
    }

    #[test]
    fn a_quarter_turn_is_anticlockwise_and_a_magnification_magnifies() {
        let x = numbered();
        let y = one([0.0; 2], 1.0, std::f64::consts::FRAC_PI_2).apply(&x);
        // The upper right corner comes to the upper left.
        assert!((y[[0, 0, 0, 0, 0]] - x[[0, 0, 0, 0, 4]]).abs() < 1e-6);
        assert!((y[[0, 0, 0, 4, 0]] - x[[0, 0, 0, 0, 0]]).abs() < 1e-6);
        let y = one([0.0; 2], 2.0, 0.0).apply(&x);
        // Two px from the centre is shown what was one px from it.
        assert!((y[[0, 0, 0, 2, 4]] - x[[0, 0, 0, 2, 3]]).abs() < 1e-6);
        assert!((y[[0, 0, 0, 2, 3]] - (x[[0, 0, 0, 2, 2]] + x[[0, 0, 0, 2, 3]]) / 2.0).abs() < 1e-6);
    }

    #[test]
    fn half_a_pixel_is_the_mean_of_two() {
        let x = numbered();
        let y = one([0.5, 0.0], 1.0, 0.0).apply(&x);
        assert!((y[[0, 0, 0, 1, 2]] - (x[[0, 0, 0, 1, 1]] + x[[0, 0, 0, 1, 2]]) / 2.0).abs() < 1e-7);
        assert!((y[[0, 0, 0, 1, 0]] - (0.5 + x[[0, 0, 0, 1, 0]]) / 2.0).abs() < 1e-7);
    }
}
