//! How features become responses while parameters are fitted: a readout that is given, or solved for at each step.
//!
//! Where it is solved for, the fit is one by variable projection (Golub and Pereyra, SIAM J. Numer. Anal. 10, 1973): the
//! loss is that of the best readout, and since that readout is a minimum, the gradient with respect to the features is
//! the one at which it is held fixed.

use faer::linalg::solvers::Solve;
use faer::{Mat, Side};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

use super::FitError;

/// From features [N, D] to responses [N, K].
#[derive(Debug, Clone, PartialEq)]
pub enum Link {
    /// A readout as it is, for instance a population's: `features . weights + intercepts`.
    Fixed {
        /// [D, K].
        weights: Array2<f64>,
        /// One per response.
        intercepts: Array1<f64>,
    },
    /// A readout up to a gain and an offset of each response, which are found with the parameters: a person's amplitudes
    /// are their own.
    Scaled {
        /// [D, K].
        weights: Array2<f64>,
    },
    /// A readout with a normal prior around `prior` (of zero where there is none) whose variance is the noise's over
    /// `penalty`: ridge regression, with free intercepts. The loss is then the negative logarithm of the marginal
    /// likelihood, so that features that could explain anything are not preferred to features that explain this
    /// (MacKay, Neural Comput. 4, 1992).
    Ridge {
        /// [D, K].
        prior: Option<Array2<f64>>,
        /// Above 0, in squared units of the features.
        penalty: f64,
    },
}

/// The best readout for given features, and what the loss does around it.
#[derive(Debug, Clone)]
pub(super) struct Solved {
    /// In nats, up to a constant that does not depend on the parameters.
    pub loss: f64,
    /// Derivative of the loss with respect to the features [N, D].
    pub slope: Array2<f64>,
    /// Readout [D, K].
    pub weights: Array2<f64>,
    /// One per response.
    pub intercepts: Array1<f64>,
    /// Variance of the noise, per response.
    pub variance: Array1<f64>,
    /// What of a change of the predictions a readout that is solved for does not take up.
    rest: Rest,
}

#[derive(Debug, Clone)]
enum Rest {
    /// All of it.
    Everything,
    /// What is orthogonal to a constant and to the prediction: per response, the prediction, centred, of length 1.
    OrthogonalTo(Array2<f64>),
    /// What the ridge leaves over of the centred change.
    Ridge(Kernel),
}

/// Residuals below this part of a response's variance count as this: the logarithm of nothing is no loss.
const LEAST_VARIANCE: f64 = 1e-12;

impl Link {
    /// Numbers of the readout that each response has for itself.
    pub(super) fn free_numbers(&self) -> usize {
        match self {
            Self::Fixed { .. } => 0,
            Self::Scaled { .. } => 2,
            Self::Ridge { .. } => 1,
        }
    }

    /// Checks against the number of responses.
    pub(super) fn check(&self, responses: usize) -> Result<(), FitError> {
        let (weights, intercepts) = match self {
            Self::Fixed { weights, intercepts } => (Some(weights), Some(intercepts)),
            Self::Scaled { weights } => (Some(weights), None),
            Self::Ridge { prior, penalty } => {
                if !(penalty.is_finite() && *penalty > 0.0) {
                    return Err(FitError::Penalty { found: *penalty });
                }
                (prior.as_ref(), None)
            }
        };
        if let Some(weights) = weights.filter(|weights| weights.ncols() != responses) {
            let (found, wanted) = (weights.shape().to_vec(), vec![weights.nrows(), responses]);
            return Err(FitError::Link { what: "weights are", found, wanted });
        }
        if let Some(intercepts) = intercepts.filter(|intercepts| intercepts.len() != responses) {
            let (found, wanted) = (vec![intercepts.len()], vec![responses]);
            return Err(FitError::Link { what: "intercepts are", found, wanted });
        }
        Ok(())
    }

    /// Checks against the number of features.
    pub(super) fn check_features(&self, features: usize) -> Result<(), FitError> {
        let weights = match self {
            Self::Fixed { weights, .. } | Self::Scaled { weights } => Some(weights),
            Self::Ridge { prior, .. } => prior.as_ref(),
        };
        match weights.filter(|weights| weights.nrows() != features) {
            None => Ok(()),
            Some(weights) => Err(FitError::Link {
                what: "weights are",
                found: weights.shape().to_vec(),
                wanted: vec![features, weights.ncols()],
            }),
        }
    }

    /// The best readout from `features` [N, D] to `responses` [N, K].
    pub(super) fn solve(
        &self,
        features: ArrayView2<'_, f64>,
        responses: ArrayView2<'_, f64>,
    ) -> Result<Solved, FitError> {
        match self {
            Self::Fixed { weights, intercepts } => {
                let residuals = &responses - &features.dot(weights) - intercepts;
                let rest = Rest::Everything;
                Ok(solved(residuals.view(), None, responses, weights.clone(), intercepts.clone(), rest))
            }
            Self::Scaled { weights } => scaled(features, responses, weights),
            Self::Ridge { prior, penalty } => ridge(features, responses, prior.as_ref(), *penalty),
        }
    }
}

impl Solved {
    /// Gauss-Newton curvature [P, P] for the changes of the features with each parameter, [N, D] each.
    pub fn curvature(&self, changes: &[Array2<f64>]) -> Array2<f64> {
        let moved: Vec<Array2<f64>> = changes.iter().map(|change| change.dot(&self.weights)).collect();
        let left: Vec<Array2<f64>> = moved.iter().map(|moved| self.rest.of(moved.view())).collect();
        Array2::from_shape_fn((changes.len(), changes.len()), |(p, q)| {
            let columns = moved[p].columns().into_iter().zip(left[q].columns());
            columns.zip(&self.variance).map(|((a, b), variance)| a.dot(&b) / variance).sum()
        })
    }

    /// Predictions [N, K] for other features.
    pub fn predict(&self, features: ArrayView2<'_, f64>) -> Array2<f64> {
        features.dot(&self.weights) + &self.intercepts
    }
}

impl Rest {
    fn of(&self, change: ArrayView2<'_, f64>) -> Array2<f64> {
        match self {
            Self::Everything => change.to_owned(),
            Self::OrthogonalTo(directions) => {
                let mut left = centred(change).0;
                for (mut column, direction) in left.columns_mut().into_iter().zip(directions.columns()) {
                    let along = column.dot(&direction);
                    column.scaled_add(-along, &direction);
                }
                left
            }
            Self::Ridge(kernel) => kernel.residuals(centred(change).0.view()),
        }
    }
}

/// Loss and slope for residuals [N, K]. `sums`: per response what takes the place of the sum of squared residuals.
fn solved(
    residuals: ArrayView2<'_, f64>,
    sums: Option<Array1<f64>>,
    responses: ArrayView2<'_, f64>,
    weights: Array2<f64>,
    intercepts: Array1<f64>,
    rest: Rest,
) -> Solved {
    let count = responses.nrows() as f64;
    let sums = sums.unwrap_or_else(|| residuals.map_axis(Axis(0), |column| column.dot(&column)));
    let least = responses.map_axis(Axis(0), |column| LEAST_VARIANCE * variance(column));
    let variance = Array1::from_shape_fn(sums.len(), |k| (sums[k] / count).max(least[k]));
    let loss = variance.iter().map(|variance| 0.5 * count * libm::log(*variance)).sum();
    let slope = -(&residuals / &variance).dot(&weights.t());
    Solved { loss, slope, weights, intercepts, variance, rest }
}

fn scaled(
    features: ArrayView2<'_, f64>,
    responses: ArrayView2<'_, f64>,
    weights: &Array2<f64>,
) -> Result<Solved, FitError> {
    let (drive, drive_mean) = centred(features.dot(weights).view());
    let (wanted, wanted_mean) = centred(responses);
    let mut direction = drive.clone();
    let mut gains = Array1::zeros(drive.ncols());
    for (k, mut column) in direction.columns_mut().into_iter().enumerate() {
        let power = column.dot(&column);
        // A drive that the parameters have silenced predicts the mean, whatever its gain.
        if power > 0.0 {
            gains[k] = column.dot(&wanted.column(k)) / power;
            column /= power.sqrt();
        }
    }
    let residuals = &wanted - &(&drive * &gains);
    let intercepts = &wanted_mean - &(&drive_mean * &gains);
    Ok(solved(residuals.view(), None, responses, weights * &gains, intercepts, Rest::OrthogonalTo(direction)))
}

fn ridge(
    features: ArrayView2<'_, f64>,
    responses: ArrayView2<'_, f64>,
    prior: Option<&Array2<f64>>,
    penalty: f64,
) -> Result<Solved, FitError> {
    let (centred_features, feature_mean) = centred(features);
    let (mut wanted, wanted_mean) = centred(responses);
    if let Some(prior) = prior {
        wanted -= &centred_features.dot(prior);
    }
    let kernel = Kernel::new(centred_features, penalty)?;
    let (mut weights, residuals) = (kernel.weights(wanted.view()), kernel.residuals(wanted.view()));
    if let Some(prior) = prior {
        weights += prior;
    }
    let intercepts = &wanted_mean - &feature_mean.dot(&weights);
    // Squared residuals and the penalty together: penalty * y' (F F' + penalty)^-1 y.
    let sums = Array1::from_shape_fn(residuals.ncols(), |k| wanted.column(k).dot(&residuals.column(k)));
    let columns = responses.ncols() as f64;
    let (log_determinant, spread) = (kernel.log_determinant(), kernel.log_determinant_slope());
    let mut found = solved(residuals.view(), Some(sums), responses, weights, intercepts, Rest::Ridge(kernel));
    found.loss += 0.5 * columns * log_determinant;
    found.slope.scaled_add(columns, &spread);
    Ok(found)
}

/// Ridge regression on centred features F: the smaller of F F' + penalty and F' F + penalty, factored. Small penalties
/// cost digits only in the smaller one.
#[derive(Debug, Clone)]
struct Kernel {
    features: Array2<f64>,
    penalty: f64,
    factor: faer::linalg::solvers::Llt<f64>,
    /// Of the two the one over features.
    over_features: bool,
}

impl Kernel {
    fn new(features: Array2<f64>, penalty: f64) -> Result<Self, FitError> {
        let over_features = features.ncols() < features.nrows();
        let products = if over_features { features.t().dot(&features) } else { features.dot(&features.t()) };
        let size = products.nrows();
        let matrix = Mat::from_fn(size, size, |i, j| products[[i, j]] + if i == j { penalty } else { 0.0 });
        let factor = matrix.llt(Side::Lower).map_err(|error| FitError::Features {
            reason: format!("their products and the penalty {penalty:e} have no Cholesky factor ({error:?})"),
        })?;
        Ok(Self { features, penalty, factor, over_features })
    }

    fn solve(&self, right: ArrayView2<'_, f64>) -> Array2<f64> {
        let found = self.factor.solve(Mat::from_fn(right.nrows(), right.ncols(), |i, j| right[[i, j]]));
        Array2::from_shape_fn(right.dim(), |(i, j)| found[(i, j)])
    }

    /// Weights for centred responses: (F' F + penalty)^-1 F' y.
    fn weights(&self, responses: ArrayView2<'_, f64>) -> Array2<f64> {
        if self.over_features {
            self.solve(self.features.t().dot(&responses).view())
        } else {
            self.features.t().dot(&self.solve(responses))
        }
    }

    /// What those weights leave over: penalty (F F' + penalty)^-1 y.
    fn residuals(&self, responses: ArrayView2<'_, f64>) -> Array2<f64> {
        if self.over_features {
            &responses - &self.features.dot(&self.weights(responses))
        } else {
            self.solve(responses) * self.penalty
        }
    }

    /// Logarithm of det(F F' / penalty + 1).
    fn log_determinant(&self) -> f64 {
        let factor = self.factor.L();
        (0..factor.nrows()).map(|i| 2.0 * libm::log(factor[(i, i)]) - libm::log(self.penalty)).sum()
    }

    /// Half the derivative of that logarithm with respect to F: (F F' + penalty)^-1 F.
    fn log_determinant_slope(&self) -> Array2<f64> {
        if self.over_features {
            self.solve(self.features.t()).reversed_axes()
        } else {
            self.solve(self.features.view())
        }
    }
}

/// Columns without their means, and the means.
fn centred(values: ArrayView2<'_, f64>) -> (Array2<f64>, Array1<f64>) {
    let means = values.mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(values.ncols()));
    (&values - &means, means)
}

fn variance(values: ArrayView1<'_, f64>) -> f64 {
    let mean = values.sum() / values.len() as f64;
    values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use random::Random;

    fn normal(random: &mut Random, rows: usize, columns: usize) -> Array2<f64> {
        Array2::from_shape_simple_fn((rows, columns), || random.normal())
    }

    fn links(random: &mut Random, features: usize, responses: usize) -> Vec<Link> {
        let weights = normal(random, features, responses);
        vec![
            Link::Fixed { weights: weights.clone(), intercepts: Array1::linspace(0.0, 1.0, responses) },
            Link::Scaled { weights: weights.clone() },
            Link::Ridge { prior: None, penalty: 2.0 },
            Link::Ridge { prior: Some(weights), penalty: 0.5 },
        ]
    }

    #[test]
    fn the_slope_is_that_of_the_loss() {
        let mut random = Random::new(3, 0);
        for (trials, features) in [(12, 4), (6, 9)] {
            let (f, y) = (normal(&mut random, trials, features), normal(&mut random, trials, 2));
            for link in links(&mut random, features, 2) {
                let solved = link.solve(f.view(), y.view()).unwrap();
                for (i, j) in [(0, 0), (3, 2), (trials - 1, features - 1)] {
                    let loss = |by: f64| {
                        let mut f = f.clone();
                        f[[i, j]] += by;
                        link.solve(f.view(), y.view()).unwrap().loss
                    };
                    let slope = (loss(1e-5) - loss(-1e-5)) / 2e-5;
                    let found = solved.slope[[i, j]];
                    assert!((slope - found).abs() < 1e-6 * (1.0 + found.abs()), "{link:?}: {slope} {found}");
                }
            }
        }
    }

    /// For a model that is linear in the parameter and little noise, the curvature of Gauss and Newton is the loss's own.
    #[test]
    fn the_curvature_is_that_of_the_loss_where_residuals_are_small() {
        let mut random = Random::new(5, 0);
        let (f, change) = (normal(&mut random, 200, 3), normal(&mut random, 200, 3));
        let weights = normal(&mut random, 3, 2);
        let y = f.dot(&weights) + normal(&mut random, 200, 2) * 1e-3;
        let fixed = Link::Fixed { weights: weights.clone(), intercepts: Array1::zeros(2) };
        let ridge = Link::Ridge { prior: Some(weights.clone()), penalty: 1e-4 };
        for (link, tolerance) in [(fixed, 0.05), (Link::Scaled { weights }, 0.05), (ridge, 0.05)] {
            let loss = |by: f64| link.solve((&f + &(&change * by)).view(), y.view()).unwrap().loss;
            let h = 1e-5;
            let second = (loss(h) - 2.0 * loss(0.0) + loss(-h)) / (h * h);
            let solved = link.solve(f.view(), y.view()).unwrap();
            let found = solved.curvature(std::slice::from_ref(&change))[[0, 0]];
            assert!((second - found).abs() < tolerance * found, "{link:?}: {second} {found}");
        }
    }

    #[test]
    fn a_ridge_is_the_minimum_of_its_penalised_squares() {
        let mut random = Random::new(9, 0);
        let (f, y) = (normal(&mut random, 20, 5), normal(&mut random, 20, 1));
        let prior = normal(&mut random, 5, 1);
        let penalty = 3.0;
        let found = Link::Ridge { prior: Some(prior.clone()), penalty }.solve(f.view(), y.view()).unwrap();
        let cost = |weights: &Array2<f64>, intercept: f64| {
            let off = &y - &f.dot(weights) - intercept;
            (&off * &off).sum() + penalty * (weights - &prior).mapv(|v| v * v).sum()
        };
        let least = cost(&found.weights, found.intercepts[0]);
        assert!((least / 20.0 - found.variance[0]).abs() < 1e-10, "{least}");
        for _ in 0..20 {
            let other = &found.weights + &(normal(&mut random, 5, 1) * 0.01);
            assert!(cost(&other, found.intercepts[0] + 0.01 * random.normal()) > least);
        }
        let free = Link::Ridge { prior: None, penalty: 1e-9 }.solve(f.view(), y.view()).unwrap();
        let off = &y - &free.predict(f.view());
        assert!(f.t().dot(&off).iter().chain([&off.sum()]).all(|v| v.abs() < 1e-6), "normal equations");
    }
}
