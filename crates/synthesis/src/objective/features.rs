//! Values of a source as a matrix [stimuli, units], and where its channels are.

use std::sync::Arc;

use encoding::readout::Readout;
use ndarray::{Array2, ArrayD, IxDyn};

use super::pooling::Pooling;

/// How a source is made of its site's values.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    /// Slot among the objective's sites.
    pub site: usize,
    pub pooling: Option<Pooling>,
    pub readout: Option<Arc<Readout>>,
}

impl Reading {
    /// [stimuli, units] of the source, from all sites' values.
    pub fn apply(&self, sites: &[Array2<f64>]) -> Array2<f64> {
        let values = &sites[self.site];
        let pooled = match &self.pooling {
            Some(pooling) => pooling.apply(values),
            None => values.clone(),
        };
        match &self.readout {
            Some(readout) => readout.apply(pooled.view()).expect("its width was checked"),
            None => pooled,
        }
    }

    /// A gradient of the source's values as one of the site's.
    pub fn pull_back(&self, gradient: Array2<f64>) -> Array2<f64> {
        let pooled = match &self.readout {
            Some(readout) => readout.pull_back(gradient.view()).expect("its width was checked"),
            None => gradient,
        };
        match &self.pooling {
            Some(pooling) => pooling.pull_back(&pooled),
            None => pooled,
        }
    }
}

/// A tap's values as [stimuli, units].
pub(super) fn rows(values: &ArrayD<f32>) -> Array2<f64> {
    let stimuli = values.shape()[0];
    let units = values.len() / stimuli.max(1);
    let flat = values.iter().map(|&value| f64::from(value)).collect();
    Array2::from_shape_vec((stimuli, units), flat).expect("as many rows as stimuli")
}

/// The way back from [`rows`].
pub(super) fn shaped(rows: Array2<f64>, shape: &[usize]) -> ArrayD<f32> {
    let flat = rows.iter().map(|&value| value as f32).collect();
    ArrayD::from_shape_vec(IxDyn(shape), flat).expect("as many values as the shape has")
}

/// One stimulus' values seen as channels x positions, wherever the channel axis is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Channels {
    pub count: usize,
    pub positions: usize,
    /// Units between neighbours along the channel axis.
    stride: usize,
}

impl Channels {
    /// `axis` counts within `shape`, which is without the stimuli.
    pub fn new(shape: &[usize], axis: usize) -> Self {
        let stride: usize = shape[axis + 1..].iter().product();
        let len: usize = shape.iter().product();
        Self { count: shape[axis], positions: len / shape[axis].max(1), stride }
    }

    /// The unit at a channel and position.
    pub fn unit(&self, channel: usize, position: usize) -> usize {
        let (outer, inner) = (position / self.stride, position % self.stride);
        (outer * self.count + channel) * self.stride + inner
    }

    /// [channels, positions] of one stimulus.
    pub fn matrix(&self, row: ndarray::ArrayView1<'_, f64>) -> Array2<f64> {
        Array2::from_shape_fn((self.count, self.positions), |(channel, position)| {
            row[self.unit(channel, position)]
        })
    }

    /// Adds a matrix of [`Channels::matrix`]'s shape to a row.
    pub fn add(&self, matrix: &Array2<f64>, mut row: ndarray::ArrayViewMut1<'_, f64>) {
        for ((channel, position), value) in matrix.indexed_iter() {
            row[self.unit(channel, position)] += value;
        }
    }
}

/// Flat place of an index, if it is inside.
pub(super) fn flat(shape: &[usize], index: &[usize]) -> Option<usize> {
    if index.len() != shape.len() || index.iter().zip(shape).any(|(i, n)| i >= n) {
        return None;
    }
    Some(index.iter().zip(shape).fold(0, |flat, (i, n)| flat * n + i))
}

/// Index of a flat place.
pub(super) fn unflat(shape: &[usize], mut flat: usize) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (slot, &n) in index.iter_mut().zip(shape).rev() {
        *slot = flat % n;
        flat /= n;
    }
    index
}
