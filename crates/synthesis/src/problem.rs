//! What an optimiser sees: a number to raise over a vector of parameters.

/// A scalar function of a vector, to be raised.
pub trait Problem {
    /// Why it cannot be evaluated (a run that was cancelled, a model that fails).
    type Error: std::error::Error + Send + Sync + 'static;

    /// Length of the vector.
    fn dimensions(&self) -> usize;

    /// The value at `at`. Not finite where the function is not defined: an optimiser treats that as the worst value.
    ///
    /// # Errors
    /// Where no value can be had at all.
    fn value(&mut self, at: &[f64]) -> Result<f64, Self::Error>;

    /// The value, and the gradient (direction in which it rises), which overwrites `gradient`.
    ///
    /// # Errors
    /// As [`Problem::value`].
    fn value_and_gradient(&mut self, at: &[f64], gradient: &mut [f64]) -> Result<f64, Self::Error>;

    /// Moves a vector to the nearest allowed one. Nothing by default.
    fn project(&self, at: &mut [f64]) {
        let _ = at;
    }
}
