//! What a fit is worth on trials that it did not see.

use ndarray::{Array2, Axis};
use random::Random;

use super::evaluate::Evaluator;
use super::{Effort, FitError, Screen, best};

/// Prediction of trials that neither parameters nor readout were fitted on.
#[derive(Debug, Clone, PartialEq)]
pub struct Validation {
    /// Per response, the part of the held-out variance that the fitted model explains.
    pub fitted_r2: Vec<f64>,
    /// The same for the model as it was; its readout is solved for on the same trials.
    pub unfitted_r2: Vec<f64>,
    /// Mean over responses of the difference.
    pub improvement: f64,
    /// Standard error of the improvement over the folds. Folds share trials, so it is a guide and no test.
    pub standard_error: f64,
    /// Parameters found in each fold.
    pub parameters: Vec<Vec<f64>>,
}

/// Trials of each fold, in a seeded order.
pub(super) fn folds(trials: usize, effort: &Effort) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..trials).collect();
    let mut random = Random::new(effort.seed, 2);
    for last in (1..trials).rev() {
        order.swap(last, (random.uniform() * (last + 1) as f64) as usize);
    }
    let fold = |fold: usize| {
        let mut rows: Vec<usize> = order.iter().skip(fold).step_by(effort.folds).copied().collect();
        rows.sort_unstable();
        rows
    };
    (0..effort.folds).map(fold).collect()
}

/// Trials that are not in a fold.
pub(super) fn outside(fold: &[usize], trials: usize) -> Vec<usize> {
    (0..trials).filter(|row| fold.binary_search(row).is_err()).collect()
}

/// Fits again without each fold, from the screened points that are best without it, and predicts it.
pub(super) fn validate(
    model: &mut Evaluator<'_>,
    screen: &Screen,
    folds: &[Vec<usize>],
    unfitted: &[f64],
    effort: &Effort,
) -> Result<Validation, FitError> {
    let responses = model.responses();
    let mut errors =
        [Array2::zeros((folds.len(), responses.ncols())), Array2::zeros((folds.len(), responses.ncols()))];
    let mut total = Array2::<f64>::zeros((folds.len(), responses.ncols()));
    let mut parameters = Vec::new();
    for (index, fold) in folds.iter().enumerate() {
        let rows = outside(fold, responses.nrows());
        let (descents, solved) = best(model, screen, index + 1, &rows, effort)?;
        let found = descents[0].to.clone();
        let held = responses.select(Axis(0), fold);
        let seen = responses.select(Axis(0), &rows);
        let mean = seen.mean_axis(Axis(0)).expect("trials outside a fold");
        total.row_mut(index).assign(&(&held - &mean).mapv(|v| v * v).sum_axis(Axis(0)));
        let before = model.solve(unfitted, &rows)?;
        for (errors, (at, solved)) in
            errors.iter_mut().zip([(found.as_slice(), &solved), (unfitted, &before)])
        {
            let predicted = solved.predict(model.features(at)?.select(Axis(0), fold).view());
            errors.row_mut(index).assign(&(&held - &predicted).mapv(|v| v * v).sum_axis(Axis(0)));
        }
        parameters.push(found);
    }
    let r2 = |errors: &Array2<f64>| -> Vec<f64> {
        let sums = errors.sum_axis(Axis(0)).into_iter().zip(total.sum_axis(Axis(0)));
        sums.map(|(error, total)| 1.0 - error / total).collect()
    };
    let (fitted_r2, unfitted_r2) = (r2(&errors[0]), r2(&errors[1]));
    // Against the mean variance of a fold, so that the folds' improvements average to the whole.
    let scale = total.mean_axis(Axis(0)).expect("at least two folds");
    let per_fold: Vec<f64> = (0..folds.len())
        .map(|fold| ((&errors[1].row(fold) - &errors[0].row(fold)) / &scale).mean().unwrap_or(0.0))
        .collect();
    let improvement = per_fold.iter().sum::<f64>() / per_fold.len() as f64;
    let spread: f64 = per_fold.iter().map(|value| (value - improvement) * (value - improvement)).sum();
    let count = per_fold.len() as f64;
    let standard_error = (spread / (count - 1.0) / count).sqrt();
    Ok(Validation { fitted_r2, unfitted_r2, improvement, standard_error, parameters })
}
