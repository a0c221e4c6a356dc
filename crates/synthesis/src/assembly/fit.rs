//! One stimulus for models of different sizes: resampling between the stimulus and each model's own shape.
//!
//! Two models that are to disagree about a picture must be shown the same picture, whatever their input's size.

use ndarray::{Array2, Array5, ArrayView2, ArrayViewMut2, s};

/// A linear map from stimuli [B, T, C, H, W] to a model's [B, t, c, h, w].
///
/// Rows and columns by triangle-weighted means as wide as the coarser of both grids (linear interpolation upwards,
/// anti-aliased downwards); grey from colour by luminance (Rec. 709 weights of linear light), colour from grey by copies;
/// an image for a movie model by repetition.
#[derive(Debug, Clone)]
pub(super) struct Fit {
    from: [usize; 4],
    to: [usize; 4],
    rows: Array2<f32>,
    columns: Array2<f32>,
}

/// Luminance of linear sRGB light.
const LUMINANCE: [f32; 3] = [0.212_6, 0.715_2, 0.072_2];

impl Fit {
    /// Both shapes [T, C, H, W]. `None` where frames or channels cannot be matched.
    pub fn new(from: [usize; 4], to: [usize; 4]) -> Option<Self> {
        let frames = from[0] == to[0] || from[0] == 1;
        let channels = from[1] == to[1] || matches!((from[1], to[1]), (1, 3) | (3, 1));
        let rows = weights(from[2], to[2]);
        (frames && channels).then(|| Self { from, to, rows, columns: weights(from[3], to[3]) })
    }

    /// Nothing to do.
    pub fn is_identity(&self) -> bool {
        self.from == self.to
    }

    pub fn apply(&self, stimuli: &Array5<f32>) -> Array5<f32> {
        let [t, c, h, w] = self.to;
        let mut out = Array5::zeros((stimuli.shape()[0], t, c, h, w));
        self.planes(stimuli.shape()[0], |stimulus, [from, to], [source, target], share| {
            let plane = stimuli.slice(s![stimulus, from, source, .., ..]);
            let resized = self.resized(plane);
            out.slice_mut(s![stimulus, to, target, .., ..]).scaled_add(share, &resized);
        });
        out
    }

    /// The transposed map, for gradients.
    pub fn adjoint(&self, gradient: &Array5<f32>) -> Array5<f32> {
        let [t, c, h, w] = self.from;
        let mut out = Array5::zeros((gradient.shape()[0], t, c, h, w));
        self.planes(gradient.shape()[0], |stimulus, [from, to], [source, target], share| {
            let plane = gradient.slice(s![stimulus, to, target, .., ..]);
            let back = self.rows.t().dot(&plane).dot(&self.columns);
            let mut sum: ArrayViewMut2<'_, f32> = out.slice_mut(s![stimulus, from, source, .., ..]);
            sum.scaled_add(share, &back);
        });
        out
    }

    fn resized(&self, plane: ArrayView2<'_, f32>) -> Array2<f32> {
        self.rows.dot(&plane).dot(&self.columns.t())
    }

    /// Calls `each` for every pair of planes that the map joins: stimulus, frames, channels, and the weight.
    fn planes(&self, stimuli: usize, mut each: impl FnMut(usize, [usize; 2], [usize; 2], f32)) {
        for stimulus in 0..stimuli {
            for to in 0..self.to[0] {
                let from = if self.from[0] == 1 { 0 } else { to };
                for target in 0..self.to[1] {
                    match (self.from[1], self.to[1]) {
                        (3, 1) => (0..3).for_each(|source| {
                            each(stimulus, [from, to], [source, target], LUMINANCE[source]);
                        }),
                        (1, _) => each(stimulus, [from, to], [0, target], 1.0),
                        _ => each(stimulus, [from, to], [target, target], 1.0),
                    }
                }
            }
        }
    }
}

/// [to, from], each row of sum 1.
fn weights(from: usize, to: usize) -> Array2<f32> {
    let scale = from as f64 / to as f64;
    let width = scale.max(1.0);
    let mut weights = Array2::<f64>::from_shape_fn((to, from), |(out, source)| {
        let centre = (out as f64 + 0.5) * scale - 0.5;
        (1.0 - (source as f64 - centre).abs() / width).max(0.0)
    });
    for mut row in weights.rows_mut() {
        let sum = row.sum();
        row /= sum;
    }
    weights.mapv(|weight| weight as f32)
}

#[cfg(test)]
mod tests {
    use random::Random;

    use super::*;

    fn noise(shape: [usize; 5], seed: u64) -> Array5<f32> {
        let mut random = Random::new(seed, 0);
        Array5::from_shape_simple_fn(shape, || random.uniform() as f32)
    }

    #[test]
    fn grey_stays_grey_and_the_adjoint_is_the_transpose() {
        for (from, to) in
            [([1, 1, 8, 6], [1, 3, 12, 20]), ([1, 3, 16, 12], [4, 1, 5, 6]), ([2, 3, 7, 9], [2, 3, 7, 9])]
        {
            let fit = Fit::new(from, to).unwrap();
            let [t, c, h, w] = from;
            let grey = fit.apply(&Array5::from_elem((2, t, c, h, w), 0.5));
            assert!(grey.iter().all(|light| (light - 0.5).abs() < 1e-6), "{from:?} {to:?}");
            let x = noise([2, t, c, h, w], 1);
            let y = noise([2, to[0], to[1], to[2], to[3]], 2);
            let dot = |a: &Array5<f32>, b: &Array5<f32>| -> f64 {
                a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
            };
            let (there, back) = (dot(&fit.apply(&x), &y), dot(&x, &fit.adjoint(&y)));
            assert!((there - back).abs() < 1e-4 * there.abs(), "{from:?} {to:?}: {there} {back}");
        }
    }

    #[test]
    fn frames_and_channels_that_do_not_match_are_refused() {
        assert!(Fit::new([2, 1, 8, 8], [3, 1, 8, 8]).is_none());
        assert!(Fit::new([1, 2, 8, 8], [1, 3, 8, 8]).is_none());
    }
}
