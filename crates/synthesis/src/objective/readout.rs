//! y = H f as an objective needs it.

use ndarray::{Array1, Array2};

/// A linear map from features to responses, y = H f + offset.
#[derive(Debug, Clone, PartialEq)]
pub struct Linear {
    /// [responses, features].
    pub matrix: Array2<f64>,
    /// [responses].
    pub offset: Array1<f64>,
}

impl Linear {
    /// [stimuli, features] to [stimuli, responses].
    pub fn apply(&self, features: &Array2<f64>) -> Array2<f64> {
        features.dot(&self.matrix.t()) + &self.offset
    }

    /// A gradient of the responses as one of the features.
    pub fn pull_back(&self, gradient: &Array2<f64>) -> Array2<f64> {
        gradient.dot(&self.matrix)
    }
}
