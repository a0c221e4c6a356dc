//! Centred kernel alignment (Kornblith, Norouzi, Lee and Hinton, 2019, "Similarity of neural network representations
//! revisited").

use ndarray::{Array1, Array2, ArrayView2, Axis};

use super::ScoreError;
use super::error::{enough, finite, sized};
use super::predict::varies;

/// Likeness of two stimuli within one representation.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kernel {
    /// Scalar product.
    Linear,
    /// `exp(-distance^2 / (2 s^2))`, s being this fraction of the median distance between two stimuli (Kornblith et al., 3).
    Rbf(f64),
}

/// Estimator of the Hilbert-Schmidt independence criterion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Estimator {
    /// HSIC_0 (Gretton et al., 2005), as in the paper: 0 to 1, and near 1 for any two representations with many features and few
    /// stimuli.
    Biased,
    /// HSIC_1 (Song et al., 2012): without bias, so that CKA of unrelated representations is around 0, and may be negative.
    Unbiased,
}

/// Alignment of representations [conditions, features] of the same conditions, 1 where they are the same up to rotation and
/// scale.
///
/// # Errors
/// Different numbers of conditions, fewer than 3 (unbiased: 4), values that are not finite, a representation in which all
/// conditions are the same, a bandwidth that is not positive; for the unbiased form also a representation whose estimated
/// criterion with itself is not positive.
pub fn cka(
    x: ArrayView2<'_, f64>,
    y: ArrayView2<'_, f64>,
    kernel: Kernel,
    estimator: Estimator,
) -> Result<f64, ScoreError> {
    sized("conditions of the second representation", y.nrows(), x.nrows())?;
    enough("conditions", x.nrows(), if estimator == Estimator::Unbiased { 4 } else { 3 })?;
    if let Kernel::Rbf(fraction) = kernel
        && !(fraction.is_finite() && fraction > 0.0)
    {
        return Err(ScoreError::Parameter { what: "bandwidth", value: fraction, allowed: "positive" });
    }
    let mut kernels = Vec::new();
    for (index, representation) in [x, y].into_iter().enumerate() {
        enough("features", representation.ncols(), 1)?;
        finite(["first representation", "second representation"][index], representation)?;
        if !representation.columns().into_iter().any(varies) {
            return Err(ScoreError::Constant { what: "representation", index });
        }
        kernels.push(centred(likenesses(representation, kernel), estimator));
    }
    let hsic = |a: usize, b: usize| (&kernels[a] * &kernels[b]).sum();
    let (own_x, own_y): (f64, f64) = (hsic(0, 0), hsic(1, 1));
    for (index, own) in [own_x, own_y].into_iter().enumerate() {
        if own <= 0.0 {
            return Err(ScoreError::Constant { what: "representation", index });
        }
    }
    Ok(hsic(0, 1) / (own_x.sqrt() * own_y.sqrt()))
}

fn likenesses(x: ArrayView2<'_, f64>, kernel: Kernel) -> Array2<f64> {
    // Neither estimator sees a common shift, rounding does.
    let n = x.nrows();
    let x = &x - &(x.sum_axis(Axis(0)) / n as f64);
    let gram = x.dot(&x.t());
    let Kernel::Rbf(fraction) = kernel else { return gram };
    let squared = Array2::from_shape_fn((n, n), |(i, j)| {
        if i == j { 0.0 } else { (gram[[i, i]] + gram[[j, j]] - 2.0 * gram[[i, j]]).max(0.0) }
    });
    let mut distances: Vec<f64> = super::rsa::pairs(n).map(|(i, j)| squared[[i, j]].sqrt()).collect();
    distances.sort_by(f64::total_cmp);
    let middle = distances.len() / 2;
    let median = if distances.len() % 2 == 1 {
        distances[middle]
    } else {
        (distances[middle - 1] + distances[middle]) / 2.0
    };
    let width = 2.0 * (fraction * median) * (fraction * median);
    squared.mapv(|d| libm::exp(-d / width))
}

/// The kernel matrix so that HSIC of two, up to a factor of n alone, is the sum of the products of their elements.
fn centred(mut kernel: Array2<f64>, estimator: Estimator) -> Array2<f64> {
    let n = kernel.nrows();
    match estimator {
        Estimator::Biased => {
            let rows: Array1<f64> = kernel.sum_axis(Axis(1)) / n as f64;
            let all = rows.sum() / n as f64;
            Array2::from_shape_fn((n, n), |(i, j)| kernel[[i, j]] - rows[i] - rows[j] + all)
        }
        // U-centring: for these, HSIC_1 is sum of products / (n (n - 3)) (Szekely and Rizzo, 2014).
        Estimator::Unbiased => {
            kernel.diag_mut().fill(0.0);
            let rows: Array1<f64> = kernel.sum_axis(Axis(1)) / (n as f64 - 2.0);
            let all = rows.sum() / (n as f64 - 1.0);
            Array2::from_shape_fn(
                (n, n),
                |(i, j)| if i == j { 0.0 } else { kernel[[i, j]] - rows[i] - rows[j] + all },
            )
        }
    }
}
