//! Levenberg-Marquardt steps within a box (Marquardt, J. Soc. Ind. Appl. Math. 11, 1963), on parameters scaled by the
//! widths of their bounds.

use faer::linalg::solvers::Solve;
use faer::{Mat, Side};
use ndarray::Array2;

use super::evaluate::{Difference, Evaluator};
use super::link::Solved;
use super::{Descent, FitError};

/// A step that gains less than this, in nats, ends a descent: what a parameter moved by a twentieth of its standard error
/// costs.
const GAIN: f64 = 1e-3;
/// Dampings of the first step, and beyond which no step is tried.
const DAMPING: [f64; 2] = [1e-2, 1e8];

/// Where the slope of a step comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slope {
    /// From the differences that the curvature is built of: costs nothing more, and is good enough far from a minimum.
    Rough,
    /// From a backward run through the model: exact, so that the descent ends where the loss is lowest.
    Exact,
}

/// A descent under way.
pub(super) struct Run {
    pub descent: Descent,
    /// The readout where it stands.
    pub solved: Solved,
    damping: f64,
}

impl Run {
    /// Stands at `start`, with the trials `rows` before it.
    pub fn begin(model: &mut Evaluator<'_>, start: &[f64], rows: &[usize]) -> Result<Self, FitError> {
        let solved = model.solve(start, rows)?;
        let (from, to) = (start.to_vec(), start.to_vec());
        let descent = Descent { from, to, loss: solved.loss, steps: 0, converged: false };
        Ok(Self { descent, solved, damping: DAMPING[0] })
    }

    /// Takes at most `most` steps.
    pub fn advance(
        &mut self,
        model: &mut Evaluator<'_>,
        rows: &[usize],
        most: usize,
        slope: Slope,
    ) -> Result<(), FitError> {
        self.descent.converged = false;
        for _ in 0..most {
            let before = self.descent.loss;
            if !self.step(model, rows, slope)? || before - self.descent.loss < GAIN {
                self.descent.converged = true;
                break;
            }
        }
        Ok(())
    }

    /// One step down; false where there is none.
    fn step(&mut self, model: &mut Evaluator<'_>, rows: &[usize], slope: Slope) -> Result<bool, FitError> {
        let (at, widths) = (self.descent.to.clone(), model.widths());
        let changes = model.changes(&at, rows, Difference::Forward)?;
        let slope = match slope {
            Slope::Rough => model.rough_slope(&at, &self.solved, &changes),
            Slope::Exact => model.slope(&at, rows, &self.solved)?,
        };
        let slope: Vec<f64> = slope.iter().zip(&widths).map(|(slope, width)| slope * width).collect();
        let curvature = model.curvature(&self.solved, &changes);
        let curvature =
            Array2::from_shape_fn(curvature.dim(), |(p, q)| curvature[[p, q]] * widths[p] * widths[q]);
        let unit = model.to_unit(&at);
        while self.damping <= DAMPING[1] {
            let Some(step) = step(&unit, &slope, &curvature, self.damping) else { return Ok(false) };
            let moved: Vec<f64> = unit.iter().zip(&step).map(|(u, s)| (u + s).clamp(0.0, 1.0)).collect();
            let tried = model.within_bounds(&moved);
            let solved = model.solve(&tried, rows)?;
            if solved.loss < self.descent.loss {
                (self.descent.loss, self.descent.to) = (solved.loss, tried);
                self.solved = solved;
                self.descent.steps += 1;
                self.damping = (self.damping / 10.0).max(1e-9);
                return Ok(true);
            }
            self.damping *= 10.0;
        }
        self.damping = DAMPING[0];
        Ok(false)
    }
}

/// The damped step of the parameters that may move: one at a bound towards which the slope leads stays there. None
/// where none may move.
fn step(unit: &[f64], slope: &[f64], curvature: &Array2<f64>, damping: f64) -> Option<Vec<f64>> {
    let may = |p: &usize| {
        slope[*p] != 0.0 && !(unit[*p] <= 0.0 && slope[*p] > 0.0) && !(unit[*p] >= 1.0 && slope[*p] < 0.0)
    };
    let mut free: Vec<usize> = (0..unit.len()).filter(may).collect();
    // A step that leaves the box is cut at the wall; what it would have moved along it is solved again without it.
    loop {
        if free.is_empty() {
            return None;
        }
        let found = solve(&free, slope, curvature, damping)?;
        let leaves = |p: usize, s: f64| (unit[p] <= 0.0 && s < 0.0) || (unit[p] >= 1.0 && s > 0.0);
        let kept: Vec<usize> =
            free.iter().zip(&found).filter(|(p, s)| !leaves(**p, **s)).map(|(p, _)| *p).collect();
        if kept.len() == free.len() {
            let mut step = vec![0.0; unit.len()];
            free.iter().zip(&found).for_each(|(p, s)| step[*p] = *s);
            return Some(step);
        }
        free = kept;
    }
}

/// -(C + damping * diagonal)^-1 slope over the free parameters. The diagonal is never below a part of the largest, so
/// that a parameter without curvature (a scotoma's place while its radius is 0) takes a bounded step.
fn solve(free: &[usize], slope: &[f64], curvature: &Array2<f64>, damping: f64) -> Option<Vec<f64>> {
    let largest = free.iter().map(|&p| curvature[[p, p]]).fold(0.0, f64::max);
    let least = if largest > 0.0 { 1e-6 * largest } else { 1.0 };
    let matrix = Mat::from_fn(free.len(), free.len(), |i, j| {
        let (p, q) = (free[i], free[j]);
        curvature[[p, q]] + if i == j { damping * curvature[[p, p]].max(least) } else { 0.0 }
    });
    let right = Mat::from_fn(free.len(), 1, |i, _| -slope[free[i]]);
    let found = matrix.llt(Side::Lower).ok()?.solve(right);
    Some((0..free.len()).map(|i| found[(i, 0)]).collect())
}

/// The inverse of a curvature and the roots of its diagonal; infinite for a parameter that it says nothing of.
pub(super) fn covariance(curvature: &Array2<f64>, widths: &[f64]) -> (Array2<f64>, Vec<f64>) {
    let size = widths.len();
    // Scaled, so that units do not decide what counts as nothing.
    let scaled = Array2::from_shape_fn((size, size), |(p, q)| curvature[[p, q]] * widths[p] * widths[q]);
    let known: Vec<usize> = (0..size).filter(|&p| scaled[[p, p]] > NOTHING).collect();
    let mut covariance = Array2::from_diag_elem(size, f64::INFINITY);
    let matrix = Mat::from_fn(known.len(), known.len(), |i, j| scaled[[known[i], known[j]]]);
    if let Ok(factor) = matrix.llt(Side::Lower) {
        let inverse = factor.solve(Mat::<f64>::identity(known.len(), known.len()));
        for (i, &p) in known.iter().enumerate() {
            for (j, &q) in known.iter().enumerate() {
                covariance[[p, q]] = inverse[(i, j)] * widths[p] * widths[q];
            }
        }
    }
    let errors = covariance.diag().iter().map(|variance| variance.sqrt()).collect();
    (covariance, errors)
}

/// A curvature below this says nothing: all of the allowed range costs less than a thousandth of a nat.
const NOTHING: f64 = 1e-3;

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::arr2;

    #[test]
    fn a_step_stays_in_the_box() {
        let curvature = arr2(&[[2.0, 1.9], [1.9, 2.0]]);
        let free = step(&[0.5, 0.5], &[0.1, -0.2], &curvature, 0.0).unwrap();
        assert!((free[0] - (-0.1 * 2.0 - 0.2 * 1.9) / (4.0 - 3.61)).abs() < 1e-12);
        // The coupled step would push the second through its wall, although its slope leads inwards.
        let walled = step(&[0.5, 0.0], &[1.0, -0.9], &curvature, 0.0).unwrap();
        assert!(walled[0] < 0.0 && walled[1] >= 0.0, "{walled:?}");
        assert_eq!(step(&[0.0, 1.0], &[1.0, -1.0], &curvature, 0.0), None);
    }

    #[test]
    fn a_covariance_is_the_inverse_and_nothing_known_is_infinite() {
        let (covariance, errors) =
            covariance(&arr2(&[[4.0, 1.0, 0.0], [1.0, 2.0, 0.0], [0.0; 3]]), &[1.0, 10.0, 1.0]);
        assert!(
            (covariance[[0, 0]] - 2.0 / 7.0).abs() < 1e-12 && (covariance[[0, 1]] + 1.0 / 7.0).abs() < 1e-12
        );
        assert!((errors[1] - (4.0f64 / 7.0).sqrt()).abs() < 1e-12);
        assert!(errors[2].is_infinite());
    }
}
