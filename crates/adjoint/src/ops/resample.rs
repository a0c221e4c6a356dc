//! Resampling along one axis by a sparse matrix, which is what resizing and its adjoint are.

use std::sync::Arc;

use super::{closed_op, elements, filled};
use crate::tract::*;

/// A matrix most of whose elements are zero, row by row.
///
/// Weights are kept as bits, so that operators can be compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SparseMatrix {
    /// Per row: where its elements begin; one more entry for the end of the last.
    starts: Vec<usize>,
    columns: Vec<usize>,
    weights: Vec<u32>,
}

impl SparseMatrix {
    /// From all elements of a dense row-major matrix with rows of `width`.
    pub fn from_dense(dense: &[f32], width: usize) -> Self {
        let mut matrix = Self { starts: vec![0], columns: Vec::new(), weights: Vec::new() };
        for row in dense.chunks_exact(width) {
            for (column, weight) in row.iter().enumerate().filter(|(_, weight)| **weight != 0.0) {
                matrix.columns.push(column);
                matrix.weights.push(weight.to_bits());
            }
            matrix.starts.push(matrix.columns.len());
        }
        matrix
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.starts.len() - 1
    }

    /// The columns and weights of a row.
    fn row(&self, row: usize) -> impl Iterator<Item = (usize, f32)> {
        let range = self.starts[row]..self.starts[row + 1];
        let weights = self.weights[range.clone()].iter().map(|&bits| f32::from_bits(bits));
        self.columns[range].iter().copied().zip(weights)
    }
}

/// Multiplies a tensor by a matrix along one axis: element `i` of the result's axis is the sum of the input's elements
/// `j` times the matrix' element `(i, j)`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ResampleAxis {
    /// The axis.
    pub axis: usize,
    /// A row per element of the result's axis, a column per element of the input's.
    pub matrix: Arc<SparseMatrix>,
}
closed_op!(ResampleAxis);

impl EvalOp for ResampleAxis {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        let (from, to) = (input.shape()[self.axis], self.matrix.rows());
        let inner: usize = input.shape()[self.axis + 1..].iter().product();
        let mut shape: TVec<usize> = input.shape().into();
        shape[self.axis] = to;
        let values = elements(&input)?;
        filled(&shape, |out| {
            if from * to * inner == 0 {
                return Ok(());
            }
            for (values, out) in values.chunks_exact(from * inner).zip(out.chunks_exact_mut(to * inner)) {
                if inner == 1 { self.line(values, out) } else { self.rows(values, out, inner) }
            }
            Ok(())
        })
    }
}

impl ResampleAxis {
    fn line(&self, values: &[f32], out: &mut [f32]) {
        for (row, out) in out.iter_mut().enumerate() {
            *out = self.matrix.row(row).map(|(column, weight)| weight * values[column]).sum();
        }
    }

    fn rows(&self, values: &[f32], out: &mut [f32], inner: usize) {
        for (row, out) in out.chunks_exact_mut(inner).enumerate() {
            for (column, weight) in self.matrix.row(row) {
                for (out, value) in out.iter_mut().zip(&values[column * inner..][..inner]) {
                    *out += weight * value;
                }
            }
        }
    }
}

impl TypedOp for ResampleAxis {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        ensure!(self.axis < inputs[0].rank(), "axis {} of {:?}", self.axis, inputs[0].shape);
        let mut shape = inputs[0].shape.to_tvec();
        shape[self.axis] = self.matrix.rows().to_dim();
        Ok(tvec!(f32::fact(&*shape)))
    }
    as_op!();
}
