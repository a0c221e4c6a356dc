//! The cross-validated Mahalanobis distance (Walther et al., 2016, "Reliability of dissimilarity measures for multi-voxel
//! pattern analysis").
//!
//! Distances between noisy patterns are never 0, even where the true patterns are the same. The product of the differences
//! in two independent parts of the data is without this bias: it may be negative, and is 0 on average where there is no
//! difference.

use ndarray::{Array1, Array2, ArrayView2, Axis};

use super::ScoreError;
use super::error::{enough, finite, sized};
use super::rsa::{Rdm, pairs};
use crate::readout::spectrum::symmetric_eigen;

/// The noise by which channels are weighted.
#[derive(Debug, Clone, Copy)]
pub enum Noise<'a> {
    /// All channels alike and independent: a cross-validated squared Euclidean distance.
    White,
    /// A known covariance [channels, channels], for instance from rest.
    Covariance(ArrayView2<'a, f64>),
    /// That of the trials around the mean of their condition and partition, shrunk towards a multiple of the identity
    /// (Ledoit and Wolf, 2004).
    Residuals,
}

/// Cross-validated squared Mahalanobis distance, divided by the number of channels, between conditions `0..n`, from trials
/// [trials, channels] with their condition and their partition (a run of the recording: noise must be independent between
/// partitions). With b the mean pattern of a partition, `(b_i - b_j)' C^-1 (b_i - b_j)` is taken between every two different
/// partitions and averaged; partitions count alike, however many trials they have.
///
/// # Errors
/// Sizes, values that are not finite, fewer than 3 conditions or 2 partitions, a condition without trial in a partition, a
/// noise covariance that cannot be inverted.
pub fn crossnobis(
    trials: ArrayView2<'_, f64>,
    conditions: &[usize],
    partitions: &[usize],
    noise: Noise<'_>,
) -> Result<Rdm, ScoreError> {
    let channels = trials.ncols();
    sized("condition indices", conditions.len(), trials.nrows())?;
    sized("partition indices", partitions.len(), trials.nrows())?;
    enough("channels", channels, 1)?;
    finite("trials", trials)?;
    let count = conditions.iter().max().map_or(0, |last| last + 1);
    let parts: Vec<usize> =
        partitions.iter().copied().collect::<std::collections::BTreeSet<_>>().into_iter().collect();
    enough("conditions", count, 3)?;
    enough("partitions", parts.len(), 2)?;

    let mut residuals = trials.to_owned();
    let mut means = Vec::new();
    for &part in &parts {
        let mut patterns = Array2::zeros((count, channels));
        for condition in 0..count {
            let rows: Vec<usize> = (0..trials.nrows())
                .filter(|&row| conditions[row] == condition && partitions[row] == part)
                .collect();
            if rows.is_empty() {
                return Err(ScoreError::Missing { condition, partition: part });
            }
            let mean = trials.select(Axis(0), &rows).sum_axis(Axis(0)) / rows.len() as f64;
            for row in rows {
                residuals.row_mut(row).scaled_add(-1.0, &mean);
            }
            patterns.row_mut(condition).assign(&mean);
        }
        means.push(patterns);
    }
    let whitener = match noise {
        Noise::White => None,
        Noise::Covariance(covariance) => {
            sized("rows of the noise covariance", covariance.nrows(), channels)?;
            sized("columns of the noise covariance", covariance.ncols(), channels)?;
            finite("noise covariance", covariance)?;
            Some(whitening(covariance)?)
        }
        Noise::Residuals => {
            let free = trials.nrows() - count * parts.len();
            enough("trials beyond one per condition and partition", free, 1)?;
            Some(whitening(shrunk_covariance(&residuals, free as f64).view())?)
        }
    };
    if let Some(whitener) = whitener {
        means.iter_mut().for_each(|patterns| *patterns = patterns.dot(&whitener));
    }
    let folds = means.len() as f64;
    let distance = |(i, j): (usize, usize)| {
        let mut sum: Array1<f64> = Array1::zeros(channels);
        let mut own = 0.0;
        for patterns in &means {
            let difference = &patterns.row(i) - &patterns.row(j);
            own += difference.dot(&difference);
            sum += &difference;
        }
        // Sum over all pairs of partitions, less those of a partition with itself.
        (sum.dot(&sum) - own) / (folds * (folds - 1.0)) / channels as f64
    };
    Rdm::from_upper(count, pairs(count).map(distance).collect())
}

/// Ledoit and Wolf's (2004) covariance of residuals [n, channels] whose means are 0, with `free` degrees of freedom: the
/// mix of sample covariance and scaled identity with least expected squared error.
fn shrunk_covariance(residuals: &Array2<f64>, free: f64) -> Array2<f64> {
    let (n, channels) = (residuals.nrows() as f64, residuals.ncols() as f64);
    let sample = residuals.t().dot(residuals) / n;
    let mean = sample.diag().sum() / channels;
    let target = Array2::eye(residuals.ncols()) * mean;
    let from_target = (&sample - &target).mapv(|e| e * e).sum() / channels;
    // Mean over trials of ||x x' - sample||^2, from its parts.
    let lengths: f64 =
        residuals.rows().into_iter().map(|row| row.dot(&row)).map(|length| length * length).sum();
    let scatter = (lengths / n - sample.mapv(|e| e * e).sum()) / channels / n;
    let weight = if from_target > 0.0 { (scatter.max(0.0) / from_target).min(1.0) } else { 0.0 };
    (target * weight + sample * (1.0 - weight)) * (n / free)
}

/// C^-1/2.
fn whitening(covariance: ArrayView2<'_, f64>) -> Result<Array2<f64>, ScoreError> {
    let (values, vectors) = symmetric_eigen(covariance)?;
    let (smallest, largest) = (values[0], values[values.len() - 1]);
    if !(smallest > 1e-12 * largest && largest > 0.0) {
        return Err(ScoreError::SingularNoise { channels: values.len(), ratio: smallest / largest });
    }
    Ok((&vectors * &values.mapv(|v| 1.0 / v.sqrt())).dot(&vectors.t()))
}
