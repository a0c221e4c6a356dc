//! R2 and Pearson correlation of predictions with responses.

use ndarray::{ArrayView1, ArrayView2};

use super::ScoreError;
use super::error::{enough, finite, sized};

/// Coefficient of determination per channel, `1 - sum (y - prediction)^2 / sum (y - mean y)^2`, of predictions and responses
/// [trials, channels]. Negative where the mean of these very responses would have predicted better.
///
/// # Errors
/// Different shapes, fewer than 2 trials, values that are not finite, responses of a channel that do not vary.
pub fn r2(predicted: ArrayView2<'_, f64>, observed: ArrayView2<'_, f64>) -> Result<Vec<f64>, ScoreError> {
    check(predicted, observed)?;
    std::iter::zip(predicted.columns(), observed.columns())
        .enumerate()
        .map(|(index, (predicted, observed))| {
            if !varies(observed) {
                return Err(ScoreError::Constant { what: "the response of channel", index });
            }
            let mean = observed.sum() / observed.len() as f64;
            let missed: f64 = std::iter::zip(predicted, observed).map(|(p, y)| (y - p) * (y - p)).sum();
            let total: f64 = observed.iter().map(|y| (y - mean) * (y - mean)).sum();
            Ok(1.0 - missed / total)
        })
        .collect()
}

/// Pearson's correlation per channel, of predictions and responses [trials, channels].
///
/// # Errors
/// As [`r2`], and predictions of a channel that do not vary.
pub fn pearson(
    predicted: ArrayView2<'_, f64>,
    observed: ArrayView2<'_, f64>,
) -> Result<Vec<f64>, ScoreError> {
    check(predicted, observed)?;
    std::iter::zip(predicted.columns(), observed.columns())
        .enumerate()
        .map(|(index, (predicted, observed))| {
            correlation(predicted, observed).ok_or(ScoreError::Constant {
                what: if varies(observed) { "the prediction of channel" } else { "the response of channel" },
                index,
            })
        })
        .collect()
}

fn check(predicted: ArrayView2<'_, f64>, observed: ArrayView2<'_, f64>) -> Result<(), ScoreError> {
    sized("trials of the predictions", predicted.nrows(), observed.nrows())?;
    sized("channels of the predictions", predicted.ncols(), observed.ncols())?;
    enough("trials", observed.nrows(), 2)?;
    finite("predictions", predicted)?;
    finite("responses", observed)
}

/// Pearson's correlation; `None` where one side does not vary.
pub(crate) fn correlation(a: ArrayView1<'_, f64>, b: ArrayView1<'_, f64>) -> Option<f64> {
    if !varies(a) || !varies(b) {
        return None;
    }
    let (mean_a, mean_b) = (a.sum() / a.len() as f64, b.sum() / b.len() as f64);
    let (mut aa, mut ab, mut bb) = (0.0, 0.0, 0.0);
    for (a, b) in std::iter::zip(a, b) {
        let (a, b) = (a - mean_a, b - mean_b);
        aa += a * a;
        ab += a * b;
        bb += b * b;
    }
    Some((ab / (aa.sqrt() * bb.sqrt())).clamp(-1.0, 1.0))
}

/// Whether values differ by more than rounding.
pub(super) fn varies(values: ArrayView1<'_, f64>) -> bool {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for &value in values {
        low = low.min(value);
        high = high.max(value);
    }
    high - low > 1e-12 * low.abs().max(high.abs())
}
