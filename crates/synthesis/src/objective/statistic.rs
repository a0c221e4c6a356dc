//! Gram matrices: what a feature map is made of, wherever it stands (Gatys, Ecker and Bethge 2015).

use ndarray::{Array2, ArrayView1, ArrayView2, ArrayViewMut1};

use super::features::Channels;
use super::lower::mean_over_rows;

/// Mean over positions of products of two channels, [channels, channels].
pub(super) fn gram(channels: &Channels, row: ArrayView1<'_, f64>) -> Array2<f64> {
    let features = channels.matrix(row);
    features.dot(&features.t()) / channels.positions as f64
}

/// Adds to `slope` what a gradient with respect to the Gram matrix says about the features.
pub(super) fn gram_pull_back(
    channels: &Channels,
    row: ArrayView1<'_, f64>,
    gradient: &Array2<f64>,
    slope: ArrayViewMut1<'_, f64>,
) {
    let both = gradient + &gradient.t();
    channels.add(&(both.dot(&channels.matrix(row)) / channels.positions as f64), slope);
}

/// `-|G - R|^2 / |R|^2` with R of a reference.
#[derive(Debug, Clone)]
pub(super) struct Matched {
    channels: Channels,
    reference: Array2<f64>,
}

impl Matched {
    /// `reference`: the features of the texture, one stimulus.
    pub fn new(channels: Channels, reference: ArrayView1<'_, f64>) -> Self {
        Self { channels, reference: gram(&channels, reference) }
    }

    /// |R|^2.
    pub fn scale(&self) -> f64 {
        self.reference.iter().map(|value| value * value).sum()
    }

    pub fn evaluate(&self, values: ArrayView2<'_, f64>) -> (f64, Array2<f64>) {
        let scale = self.scale();
        mean_over_rows(values, |row, slope| {
            let off = gram(&self.channels, row) - &self.reference;
            let value = -off.iter().map(|value| value * value).sum::<f64>() / scale;
            gram_pull_back(&self.channels, row, &(off * (-2.0 / scale)), slope);
            value
        })
    }
}
