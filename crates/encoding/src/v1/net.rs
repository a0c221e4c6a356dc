//! The graph under construction, with what its parts share.

use super::check::Fault;
use super::grid;
use super::matrix::Matrix;
use super::params::Params;
use crate::onnx::{Dim, Graph, GraphError, Value};

pub(super) struct Net<'a> {
    pub graph: Graph,
    pub params: &'a Params,
    /// Inputs by which the model is fitted, where it is fittable.
    pub fitted: Option<Fitted>,
    /// Matrices already written: many stages share theirs.
    matrices: Vec<(Matrix, Value)>,
}

/// Inputs of one element each.
pub(super) struct Fitted {
    pub scotoma_x_deg: Value,
    pub scotoma_y_deg: Value,
    pub scotoma_radius_deg: Value,
    pub gain: Value,
    pub rf_scale: Value,
}

impl<'a> Net<'a> {
    pub fn new(graph: Graph, params: &'a Params) -> Self {
        Self { graph, params, fitted: None, matrices: Vec::new() }
    }

    pub fn finish(self) -> Result<Vec<u8>, Fault> {
        self.graph.finish().map_err(|error: GraphError| error.into())
    }

    /// Number of images: 1, or open.
    pub fn batch(&self) -> Dim {
        if self.params.open_batch || self.params.fittable { Dim::Open("batch") } else { Dim::Fixed(1) }
    }

    /// A constant [1, 1, rows, columns].
    pub fn map(&mut self, name: &str, cells: [usize; 2], values: &[f64]) -> Value {
        let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
        self.graph.constant(name, &[1, 1, cells[0], cells[1]], &values)
    }

    /// A constant map [1, 1, rows, columns] of the places.
    pub fn map_of(&mut self, name: &str, cells: [usize; 2], value: impl Fn([f64; 2]) -> f64) -> Value {
        let values = grid::map(self.params, cells, value);
        self.map(name, cells, &values)
    }

    /// Constant kernels.
    pub fn kernels(&mut self, name: &str, shape: &[usize], values: &[f64]) -> Value {
        let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
        self.graph.constant(name, shape, &values)
    }

    pub fn matrix(&mut self, matrix: Matrix) -> Value {
        if let Some((_, value)) = self.matrices.iter().find(|(other, _)| *other == matrix) {
            return value.clone();
        }
        let name = format!("matrix.{}.{}x{}", self.matrices.len(), matrix.rows, matrix.columns);
        let value = self.kernels(&name, &[matrix.rows, matrix.columns], &matrix.values);
        self.matrices.push((matrix, value.clone()));
        value
    }

    /// rows * x * columns^T on the last two axes.
    pub fn separable(&mut self, name: &str, x: &Value, rows: &Matrix, columns: &Matrix) -> Value {
        let rows = self.matrix(rows.clone());
        let columns = self.matrix(columns.transposed());
        let half = self.graph.matmul(&format!("{name}.rows"), &rows, x);
        self.graph.matmul(name, &half, &columns)
    }
}
