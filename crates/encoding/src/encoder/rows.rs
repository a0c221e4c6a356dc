//! How the tensor at a tap becomes one row of features per stimulus, and a gradient of the rows one of the tensor.

use ndarray::{Array2, ArrayD, ArrayView2, ArrayViewD, IxDyn};

use super::EncoderError;
use crate::form::Layout;

/// A tap, and how its values become features.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Features {
    /// Name of the tensor.
    pub tap: String,
    /// Rows and columns of a grid over the visual field within which values are averaged, so that a readout has fewer
    /// weights; none keeps every position.
    pub pool: Option<[usize; 2]>,
}

impl Features {
    /// Every value of a tap.
    pub fn of(tap: &str) -> Self {
        Self { tap: tap.to_owned(), pool: None }
    }

    /// Means over a grid of `rows` by `columns` cells.
    pub fn pooled(tap: &str, rows: usize, columns: usize) -> Self {
        Self { tap: tap.to_owned(), pool: Some([rows, columns]) }
    }
}

/// The linear map from a tap's tensor [B, ...] to rows [B, features].
#[derive(Debug, Clone)]
pub struct Rows {
    tap: String,
    /// Shape of the tensor for one batch.
    shape: Vec<usize>,
    batch: usize,
    /// For each value of one stimulus the feature that it counts towards.
    cell: Vec<usize>,
    /// Per feature, one over the number of values in it.
    weight: Vec<f64>,
}

impl Rows {
    /// The map for a tensor of this shape, of which `batch` stimuli are stacked along the first axis.
    pub(super) fn new(
        features: &Features,
        shape: &[usize],
        batch: usize,
        layout: Layout,
    ) -> Result<Self, EncoderError> {
        let volume: usize = shape.iter().product();
        let tap = features.tap.clone();
        if volume == 0 || shape.first().is_none_or(|first| !first.is_multiple_of(batch)) {
            return Err(EncoderError::Batch { tap, shape: shape.to_vec(), batch });
        }
        let mut one = shape.to_vec();
        one[0] /= batch;
        let (cell, count) = match features.pool {
            None => ((0..volume / batch).collect(), volume / batch),
            Some(cells) => pooled(&tap, &one, cells, layout)?,
        };
        let mut weight = vec![0.0; count];
        for &cell in &cell {
            weight[cell] += 1.0;
        }
        weight.iter_mut().for_each(|weight| *weight = 1.0 / *weight);
        Ok(Self { tap, shape: shape.to_vec(), batch, cell, weight })
    }

    /// Name of the tap.
    pub fn tap(&self) -> &str {
        &self.tap
    }

    /// Number of features.
    pub fn width(&self) -> usize {
        self.weight.len()
    }

    /// The tensor's values as features [B, width].
    pub fn gather(&self, values: ArrayViewD<'_, f32>) -> Array2<f64> {
        let mut rows = Array2::zeros((self.batch, self.width()));
        let values = values.as_standard_layout();
        for (mut row, values) in
            rows.outer_iter_mut().zip(values.as_slice().unwrap_or_default().chunks(self.cell.len()))
        {
            for (value, &cell) in values.iter().zip(&self.cell) {
                row[cell] += f64::from(*value);
            }
            row.iter_mut().zip(&self.weight).for_each(|(sum, weight)| *sum *= weight);
        }
        rows
    }

    /// A cotangent of the features [B, width] as one of the tensor: the adjoint of [`Rows::gather`].
    pub fn spread(&self, cotangent: ArrayView2<'_, f64>) -> ArrayD<f32> {
        let values = cotangent.outer_iter().flat_map(|row| {
            let row: Vec<f64> = row.iter().zip(&self.weight).map(|(value, weight)| value * weight).collect();
            self.cell.iter().map(move |&cell| row[cell] as f32).collect::<Vec<f32>>()
        });
        ArrayD::from_shape_vec(IxDyn(&self.shape), values.collect()).expect("one value per element")
    }
}

/// For each value of one stimulus' tensor its cell, and the number of cells. Axes other than the two of space stay.
fn pooled(
    tap: &str,
    one: &[usize],
    cells: [usize; 2],
    layout: Layout,
) -> Result<(Vec<usize>, usize), EncoderError> {
    let wrong =
        |reason: String| EncoderError::Pool { tap: tap.to_owned(), shape: one.to_vec(), cells, reason };
    // A movie's tap may have lost its time axis, and an image's may have no positions left.
    let space = match (layout, one.len()) {
        (Layout::Nhwc, 4) => [1, 2],
        (_, 4) => [2, 3],
        (_, 5) => [3, 4],
        (_, axes) => return Err(wrong(format!("{axes} axes are no map of the visual field (4 or 5 are)"))),
    };
    if let Some(at) = (0..2).find(|&at| cells[at] == 0 || cells[at] > one[space[at]]) {
        let what = ["rows", "columns"][at];
        return Err(wrong(format!("1 to {} {what} are possible", one[space[at]])));
    }
    let mut coarse = one.to_vec();
    (0..2).for_each(|at| coarse[space[at]] = cells[at]);
    let volume = one.iter().product();
    let cell_of = |flat: usize| {
        let (mut rest, mut cell, mut stride) = (flat, 0, 1);
        for axis in (0..one.len()).rev() {
            let index = rest % one[axis];
            rest /= one[axis];
            // Of two axes with L positions in n cells, position i falls into cell floor(i n / L).
            cell += index * coarse[axis] / one[axis] * stride;
            stride *= coarse[axis];
        }
        cell
    };
    Ok(((0..volume).map(cell_of).collect(), coarse.iter().product()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array;

    fn numbered(shape: &[usize]) -> ArrayD<f32> {
        let len: usize = shape.iter().product();
        Array::from_shape_vec(shape, (0..len).map(|i| (i * 37 % 101) as f32 - 40.0).collect()).unwrap()
    }

    #[test]
    fn cells_are_means_and_every_value_counts_once() {
        let x = numbered(&[2, 3, 4, 5]);
        let rows = Rows::new(&Features::pooled("t", 2, 2), x.shape(), 2, Layout::Nchw).unwrap();
        let found = rows.gather(x.view());
        assert_eq!(found.dim(), (2, 12));
        // Columns 0..=2 fall into the first of two cells, 3 and 4 into the second.
        let by_hand: f32 = [2, 3].iter().flat_map(|&r| [3, 4].map(|c| x[[1, 2, r, c]])).sum::<f32>() / 4.0;
        assert!((found[[1, 11]] - f64::from(by_hand)).abs() < 1e-12);
        let whole = Rows::new(&Features::of("t"), x.shape(), 2, Layout::Nchw).unwrap().gather(x.view());
        assert_eq!(
            whole.iter().map(|v| *v as f32).collect::<Vec<_>>(),
            x.iter().copied().collect::<Vec<_>>()
        );
    }

    #[test]
    fn spreading_is_the_adjoint_of_gathering() {
        for (layout, shape) in [(Layout::Nhwc, vec![2, 5, 4, 3]), (Layout::Ncthw, vec![2, 3, 2, 4, 5])] {
            let x = numbered(&shape);
            let rows = Rows::new(&Features::pooled("t", 3, 2), &shape, 2, layout).unwrap();
            let y = rows.gather(x.view());
            let g = Array2::from_shape_fn(y.dim(), |(i, j)| ((i * 7 + j * 3) % 11) as f64 - 4.0);
            let left: f64 = (&y * &g).sum();
            let right: f64 =
                x.iter().zip(&rows.spread(g.view())).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            assert!((left - right).abs() < 1e-4 * left.abs(), "{left} {right}");
        }
    }

    #[test]
    fn what_cannot_be_pooled_is_named() {
        let refused = |pool, shape: &[usize]| {
            Rows::new(&Features { tap: "t".into(), pool: Some(pool) }, shape, 1, Layout::Nchw)
                .unwrap_err()
                .to_string()
        };
        assert!(refused([2, 2], &[1, 7]).contains("2 axes"));
        assert!(refused([9, 2], &[1, 3, 8, 8]).contains("1 to 8 rows"));
        assert!(refused([8, 0], &[1, 3, 8, 6]).contains("1 to 6 columns"));
        let batch = Rows::new(&Features::of("t"), &[3, 4], 2, Layout::Nchw).unwrap_err().to_string();
        assert!(batch.contains("[3, 4]") && batch.contains("2 stimuli"), "{batch}");
    }
}
