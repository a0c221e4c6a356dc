//! What a readout is fitted to, and the checks that come before any fitting.

use ndarray::{Array2, ArrayView1, ArrayView2, Axis};

use super::ReadoutError;

/// Responses of one person, one row per trial.
#[derive(Debug, Clone, Copy)]
pub struct Recorded<'a> {
    /// Responses [trials, channels], in any unit.
    pub responses: ArrayView2<'a, f64>,
    /// Which stimulus each trial showed; trials with the same number are repeats.
    pub stimuli: &'a [usize],
    /// Names of the channels, used in errors and in the readout.
    pub channels: &'a [String],
}

impl Recorded<'_> {
    /// Trials.
    pub fn trials(&self) -> usize {
        self.responses.nrows()
    }

    /// Distinct stimuli.
    pub fn distinct_stimuli(&self) -> usize {
        self.stimuli.iter().collect::<std::collections::BTreeSet<_>>().len()
    }

    /// Whether these responses can be explained by these features [trials, features] at all.
    ///
    /// # Errors
    /// Sizes that do not fit, values that are not finite (named by row and column), channels that do not vary (named),
    /// features none of which varies.
    pub fn check(&self, features: ArrayView2<'_, f64>) -> Result<(), ReadoutError> {
        let (trials, channels) = self.responses.dim();
        if features.nrows() != trials || self.stimuli.len() != trials {
            return Err(ReadoutError::Trials {
                features: features.nrows(),
                responses: trials,
                stimuli: self.stimuli.len(),
            });
        }
        if features.ncols() == 0 || channels == 0 || self.channels.len() != channels {
            return Err(ReadoutError::Sizes {
                features: features.ncols(),
                channels,
                names: self.channels.len(),
            });
        }
        finite("features", features)?;
        finite("responses", self.responses)?;
        let constant: Vec<String> = std::iter::zip(self.responses.columns(), self.channels)
            .filter(|(column, _)| deviation(*column) == 0.0)
            .map(|(_, name)| name.clone())
            .collect();
        if !constant.is_empty() {
            return Err(ReadoutError::ConstantResponses { channels: constant, trials });
        }
        if features.columns().into_iter().all(|column| deviation(column) == 0.0) {
            return Err(ReadoutError::ConstantFeatures { features: features.ncols(), trials });
        }
        Ok(())
    }
}

/// Every value is a finite number.
pub(super) fn finite(what: &'static str, matrix: ArrayView2<'_, f64>) -> Result<(), ReadoutError> {
    match matrix.indexed_iter().find(|(_, value)| !value.is_finite()) {
        Some(((row, column), &value)) => Err(ReadoutError::NonFinite { what, row, column, value }),
        None => Ok(()),
    }
}

/// A matrix has this shape.
pub(super) fn shaped(
    what: &'static str,
    matrix: ArrayView2<'_, f64>,
    expected: [usize; 2],
) -> Result<(), ReadoutError> {
    let found = [matrix.nrows(), matrix.ncols()];
    if found == expected { Ok(()) } else { Err(ReadoutError::Shape { what, found, expected }) }
}

/// Standard deviation with divisor n; exactly 0 where the spread is below 1e-10 of the largest value, that is, where it
/// would be rounding that is learned from.
pub(super) fn deviation(column: ArrayView1<'_, f64>) -> f64 {
    let n = column.len() as f64;
    let mean = column.sum() / n;
    let sd = (column.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n).sqrt();
    let largest = column.iter().fold(0.0f64, |largest, v| largest.max(v.abs()));
    if sd <= 1e-10 * largest { 0.0 } else { sd }
}

/// Some of the trials, copied out.
pub(super) struct Rows {
    pub features: Array2<f64>,
    pub responses: Array2<f64>,
    pub stimuli: Vec<usize>,
}

impl Rows {
    pub fn of(features: ArrayView2<'_, f64>, recorded: &Recorded<'_>, rows: &[usize]) -> Self {
        Self {
            features: features.select(Axis(0), rows),
            responses: recorded.responses.select(Axis(0), rows),
            stimuli: rows.iter().map(|&row| recorded.stimuli[row]).collect(),
        }
    }

    /// The same as a view that can be split further.
    pub fn recorded<'a>(&'a self, channels: &'a [String]) -> Recorded<'a> {
        Recorded { responses: self.responses.view(), stimuli: &self.stimuli, channels }
    }
}
