//! Two sources that should disagree.

use ndarray::{Array2, ArrayView2};

use super::set::soft_minimum;
use super::term::Versus;

/// Units of one side in z.
#[derive(Debug, Clone)]
pub(super) struct Scored {
    pub units: Vec<usize>,
    pub mean: Vec<f64>,
    pub sd: Vec<f64>,
}

impl Scored {
    fn z(&self, values: ArrayView2<'_, f64>) -> Array2<f64> {
        Array2::from_shape_fn((values.nrows(), self.units.len()), |(row, unit)| {
            (values[[row, self.units[unit]]] - self.mean[unit]) / self.sd[unit]
        })
    }

    fn pull_back(&self, gradient: &Array2<f64>, width: usize) -> Array2<f64> {
        let mut back = Array2::zeros((gradient.nrows(), width));
        for ((row, unit), slope) in gradient.indexed_iter() {
            back[[row, self.units[unit]]] += slope / self.sd[unit];
        }
        back
    }
}

#[derive(Debug, Clone)]
pub(super) struct Compared {
    pub a: Scored,
    pub b: Scored,
    pub versus: Versus,
}

impl Compared {
    /// Value, and the gradients with respect to both sides' values.
    pub fn evaluate(
        &self,
        a: ArrayView2<'_, f64>,
        b: ArrayView2<'_, f64>,
    ) -> (f64, Array2<f64>, Array2<f64>) {
        let (za, zb) = (self.a.z(a), self.b.z(b));
        let (value, to_a, to_b) = match self.versus {
            Versus::Signed => {
                let share = 1.0 / za.len() as f64;
                let value = (&za - &zb).sum() * share;
                (value, Array2::from_elem(za.raw_dim(), share), Array2::from_elem(zb.raw_dim(), -share))
            }
            Versus::Squared => {
                let off = &za - &zb;
                let share = 1.0 / off.len() as f64;
                let value = off.iter().map(|value| value * value).sum::<f64>() * share;
                let slope = off * (2.0 * share);
                (value, slope.clone(), -slope)
            }
            Versus::Controversial { first, second, sharpness } => {
                controversial(&za, &zb, [first, second], sharpness)
            }
        };
        (value, self.a.pull_back(&to_a, a.ncols()), self.b.pull_back(&to_b, b.ncols()))
    }
}

fn controversial(
    za: &Array2<f64>,
    zb: &Array2<f64>,
    [first, second]: [usize; 2],
    sharpness: f64,
) -> (f64, Array2<f64>, Array2<f64>) {
    let (mut to_a, mut to_b) = (Array2::zeros(za.raw_dim()), Array2::zeros(zb.raw_dim()));
    let count = za.nrows() as f64;
    let mut sum = 0.0;
    for row in 0..za.nrows() {
        let four = [za[[row, first]], -za[[row, second]], zb[[row, second]], -zb[[row, first]]];
        let (value, shares) = soft_minimum(&four, sharpness);
        sum += value;
        to_a[[row, first]] = shares[0] / count;
        to_a[[row, second]] = -shares[1] / count;
        to_b[[row, second]] = shares[2] / count;
        to_b[[row, first]] = -shares[3] / count;
    }
    (sum / count, to_a, to_b)
}
