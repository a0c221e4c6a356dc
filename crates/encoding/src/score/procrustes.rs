//! Shape distance (Williams, Kunz, Kornblith and Linderman, 2021, "Generalized shape metrics on neural representations").
//!
//! Representations X, Y [conditions, features] are centred and scaled to Frobenius norm 1; the distance is the angle
//! between them after the best rotation, `arccos(||X'Y||_*)`, with the nuclear norm (sum of singular values). It is 0 for the
//! same shape, at most pi/2, and a metric: symmetric, with the triangle inequality, so that models and people can be clustered
//! by it. CKA, which sums squared singular values instead, is not.

use ndarray::{Array1, Array2, ArrayView2, Axis};

use super::ScoreError;
use super::error::{enough, finite, sized};
use super::predict::varies;
use crate::readout::spectrum::{left_singular, singular_values};

/// Angular Procrustes distance in radians, 0 to pi/2, of representations [conditions, features] of the same conditions.
/// Features need not be the same ones, nor as many. Resolves angles of about 1e-7 (arccos is steep at 1).
///
/// # Errors
/// Different numbers of conditions, fewer than 3, values that are not finite, a representation in which all conditions are
/// the same.
pub fn procrustes_distance(x: ArrayView2<'_, f64>, y: ArrayView2<'_, f64>) -> Result<f64, ScoreError> {
    whitened_procrustes_distance(x, y, 1.0)
}

/// The family between Procrustes (`alpha` 1: rotations) and canonical correlation (`alpha` 0: any invertible linear map): the
/// centred X is first mapped by `alpha 1 + (1 - alpha) (X'X)^(-1/2)` (Williams et al., 2021, eq. 10). As this mixes numbers
/// with a unit and without, X is scaled to Frobenius norm 1 before it (for 0 < alpha < 1 the paper leaves the scale to the
/// reader).
///
/// # Errors
/// As [`procrustes_distance`]; an `alpha` outside 0 to 1; with `alpha` 0 a representation that spans all conditions
/// ([`ScoreError::Saturated`]).
pub fn whitened_procrustes_distance(
    x: ArrayView2<'_, f64>,
    y: ArrayView2<'_, f64>,
    alpha: f64,
) -> Result<f64, ScoreError> {
    sized("conditions of the second representation", y.nrows(), x.nrows())?;
    enough("conditions", x.nrows(), 3)?;
    if !(0.0..=1.0).contains(&alpha) {
        return Err(ScoreError::Parameter { what: "alpha", value: alpha, allowed: "0 to 1" });
    }
    let x = shape(x, 0, alpha)?;
    let y = shape(y, 1, alpha)?;
    let nuclear = singular_values(x.t().dot(&y).view())?.sum();
    Ok(libm::acos(nuclear.min(1.0)))
}

/// Conditions along the principal axes, whitened to the degree asked for, of norm 1: [conditions, rank]. Rotations of the
/// features, which the distance does not see, are left out.
fn shape(x: ArrayView2<'_, f64>, index: usize, alpha: f64) -> Result<Array2<f64>, ScoreError> {
    enough("features", x.ncols(), 1)?;
    finite(["first representation", "second representation"][index], x)?;
    if !x.columns().into_iter().any(varies) {
        return Err(ScoreError::Constant { what: "representation", index });
    }
    let conditions = x.nrows();
    let centred = &x - &(x.sum_axis(Axis(0)) / conditions as f64);
    let (left, lengths) = left_singular(centred.view())?;
    let lengths = &lengths / norm(&lengths);
    // Directions that are rounding alone must not be whitened up to size.
    let real = lengths.mapv(|length| length > 1e-10 * lengths[0]);
    let rank = real.iter().filter(|&&real| real).count();
    if alpha == 0.0 && rank + 1 >= conditions {
        return Err(ScoreError::Saturated { conditions, rank });
    }
    let whitened: Array1<f64> = lengths.mapv(|length| alpha * length + (1.0 - alpha));
    let whitened = &whitened * &real.mapv(|real| if real { 1.0 } else { 0.0 });
    let whitened = &whitened / norm(&whitened);
    Ok(left * &whitened)
}

fn norm(values: &Array1<f64>) -> f64 {
    values.dot(values).sqrt()
}
