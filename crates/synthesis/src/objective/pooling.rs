//! Means over cells of a grid, per channel (and frame): the periphery's way of seeing, and a readout's.

use ndarray::Array2;

use super::features::unflat;

/// Which cell each unit falls into. Of L positions in n cells, position i falls into cell floor(i n / L), as in
/// `encoding`'s features: a readout that was fitted to pooled features meets the same ones here.
#[derive(Debug, Clone)]
pub(super) struct Pooling {
    /// The pooled place of each unit.
    cell: Vec<usize>,
    /// Units per pooled place.
    count: Vec<f64>,
}

impl Pooling {
    /// `axes`: rows and columns within `shape`; `grid`: cells along each.
    pub fn new(shape: &[usize], axes: [usize; 2], grid: [usize; 2]) -> Self {
        let mut pooled = shape.to_vec();
        axes.iter().zip(grid).for_each(|(&axis, cells)| pooled[axis] = cells);
        let len: usize = shape.iter().product();
        let mut count = vec![0.0; pooled.iter().product()];
        let cell = (0..len).map(|unit| {
            let mut index = unflat(shape, unit);
            axes.iter().zip(grid).for_each(|(&axis, cells)| index[axis] = index[axis] * cells / shape[axis]);
            let cell = index.iter().zip(&pooled).fold(0, |flat, (i, n)| flat * n + i);
            count[cell] += 1.0;
            cell
        });
        let cell = cell.collect();
        Self { cell, count }
    }

    /// [stimuli, units] to [stimuli, pooled units].
    pub fn apply(&self, values: &Array2<f64>) -> Array2<f64> {
        let mut pooled = Array2::zeros((values.nrows(), self.count.len()));
        for (row, mut pool) in values.rows().into_iter().zip(pooled.rows_mut()) {
            for (value, &cell) in row.iter().zip(&self.cell) {
                pool[cell] += value / self.count[cell];
            }
        }
        pooled
    }

    /// The transpose of [`Pooling::apply`].
    pub fn pull_back(&self, gradient: &Array2<f64>) -> Array2<f64> {
        let units = self.cell.len();
        Array2::from_shape_fn((gradient.nrows(), units), |(row, unit)| {
            let cell = self.cell[unit];
            gradient[[row, cell]] / self.count[cell]
        })
    }
}
