//! Ridge regression in closed form, for every penalty from one decomposition.
//!
//! Features X [n, p] are centred and scaled to coordinates `z_j = (x_j - mean_j) scale_j`; responses Y [n, c] are centred;
//! the intercept is not penalised and follows from the means. Each channel minimises
//!
//! ```text
//! || y - Z h ||^2 + lambda || h - w h0 ||^2,        weights_j = scale_j h_j
//! ```
//!
//! (sums, not means, over trials; Hoerl and Kennard, 1970). `scale_j` is one over the feature's standard deviation
//! (divisor n), so that the penalty does not depend on a feature's unit, or the prior's spread of that weight. `h0` is the
//! prior's mean and `w` how much of it is taken; without a prior `w` is 0.
//!
//! With the eigenvalues `d` of the smaller of Z'Z and ZZ', the solution for any lambda is
//! `h = w h0 + A diag(1/(d + lambda)) T' (y - w Z h0)`, where `A = W, T = Z W` for Z'Z = W d W' (p <= n) and
//! `A = Z'U, T = U` for ZZ' = U d U' (n < p). Nothing is divided by a small eigenvalue.

use ndarray::{Array1, Array2, ArrayView2, Axis, Zip};

use super::recorded::deviation;
use super::spectrum::{NoConvergence, symmetric_eigen};
use super::{Posterior, Prior};

/// How features become coordinates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scaling {
    /// Centred and divided by their standard deviation in the trials that are learned from.
    Standard,
    /// Centred only: features with large values are penalised less.
    Centred,
}

/// Penalty of one channel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Penalty {
    /// lambda, on sums over trials. Positive.
    pub lambda: f64,
    /// How much of the prior's mean is taken, 0 to 1.
    pub prior_weight: f64,
}

/// A ridge regression, decomposed once and solved for any penalty.
#[derive(Debug, Clone)]
pub struct Ridge {
    pub(super) centre: Array1<f64>,
    pub(super) scale: Array1<f64>,
    response_mean: Array1<f64>,
    /// Centred responses [n, c].
    responses: Array2<f64>,
    /// d [r].
    pub(super) values: Array1<f64>,
    /// A [p, r].
    pub(super) axes: Array2<f64>,
    /// T [n, r].
    scores: Array2<f64>,
    /// Whether Z'Z was decomposed.
    pub(super) primal: bool,
    /// T'y [r, c].
    targets: Array2<f64>,
    prior: Option<Expected>,
}

/// What the prior's mean says about these trials.
#[derive(Debug, Clone)]
struct Expected {
    /// h0 [p, c].
    coordinates: Array2<f64>,
    /// Z h0 [n, c].
    responses: Array2<f64>,
    /// T'Z h0 [r, c].
    targets: Array2<f64>,
}

/// Other trials, seen along the axes of a [`Ridge`]: predictions for many penalties from one product.
pub(super) struct Projection {
    scores: Array2<f64>,
    prior: Option<Array2<f64>>,
}

impl Ridge {
    /// Decomposes for features [n, p] and responses [n, c], with the prior's mean and spread if there is one. Shapes and
    /// values must have been checked ([`super::Recorded::check`], [`Prior::check`]); features that do not vary get no weight.
    ///
    /// # Errors
    /// Of the decomposition.
    pub fn new(
        features: ArrayView2<'_, f64>,
        responses: ArrayView2<'_, f64>,
        scaling: Scaling,
        prior: Option<&Prior>,
    ) -> Result<Self, NoConvergence> {
        let (n, p) = features.dim();
        let centre = features.sum_axis(Axis(0)) / n as f64;
        let deviations: Array1<f64> = features.columns().into_iter().map(deviation).collect();
        let own = deviations.mapv(|sd| match scaling {
            _ if sd == 0.0 => 0.0,
            Scaling::Standard => 1.0 / sd,
            Scaling::Centred => 1.0,
        });
        let scale = prior.and_then(|prior| prior.scale(&deviations)).unwrap_or(own);
        let z = (&features - &centre) * &scale;

        let primal = p <= n;
        let gram = if primal { z.t().dot(&z) } else { z.dot(&z.t()) };
        let (values, vectors) = symmetric_eigen(gram.view())?;
        let other = if primal { z.dot(&vectors) } else { z.t().dot(&vectors) };
        let (axes, scores) = if primal { (vectors, other) } else { (other, vectors) };

        let response_mean = responses.sum_axis(Axis(0)) / n as f64;
        let responses = &responses - &response_mean;
        let targets = scores.t().dot(&responses);
        let values = values.mapv(|d| d.max(0.0));
        let ridge = Self {
            centre,
            scale,
            response_mean,
            responses,
            values,
            axes,
            scores,
            primal,
            targets,
            prior: None,
        };
        Ok(match prior {
            Some(prior) => ridge.expecting(features, prior),
            None => ridge,
        })
    }

    /// The same decomposition, towards the prior's mean. Its spread is not looked at.
    pub(super) fn expecting(mut self, features: ArrayView2<'_, f64>, prior: &Prior) -> Self {
        let in_coordinates = |mean, scale| if scale > 0.0 { mean / scale } else { 0.0 };
        let coordinates = per_row(&prior.mean(), &self.scale, in_coordinates);
        let responses = self.coordinates(features).dot(&coordinates);
        let targets = self.scores.t().dot(&responses);
        self.prior = Some(Expected { coordinates, responses, targets });
        self
    }

    /// Trials.
    pub fn trials(&self) -> usize {
        self.scores.nrows()
    }

    /// Channels.
    pub fn channels(&self) -> usize {
        self.response_mean.len()
    }

    /// Features that do not vary and have weight 0.
    pub fn dropped(&self) -> Vec<usize> {
        (0..self.scale.len()).filter(|&feature| self.scale[feature] == 0.0).collect()
    }

    /// Mean squared length of a trial's coordinates, `||Z||^2 / n`; the number of features that vary if these are
    /// standardised. A prior variance of `1 / power` per coordinate makes responses of variance 1, hence a lambda of
    /// `power` times the ratio of noise to signal variance is what Bayes' rule would take.
    pub fn power(&self) -> f64 {
        self.values.sum() / self.trials() as f64
    }

    /// Weights [p, c] in units of response per unit of feature, and intercepts, for one penalty per channel.
    ///
    /// # Panics
    /// Here and below, where there are not as many penalties as channels.
    pub fn solve(&self, penalties: &[Penalty]) -> (Array2<f64>, Array1<f64>) {
        let mut coordinates = self.axes.dot(&self.shrunk(penalties));
        if let Some(prior) = &self.prior {
            Zip::from(coordinates.columns_mut())
                .and(prior.coordinates.columns())
                .and(penalties)
                .for_each(|mut column, prior, penalty| column.scaled_add(penalty.prior_weight, &prior));
        }
        let weights = per_row(&coordinates.view(), &self.scale, |h, scale| h * scale);
        let intercept = &self.response_mean - &self.centre.dot(&weights);
        (weights, intercept)
    }

    /// Degrees of freedom that the data decide, trace of the map from responses to fitted responses; the intercept is
    /// not counted. At most the smaller of n - 1 and p.
    pub fn degrees_of_freedom(&self, lambda: f64) -> f64 {
        self.values.iter().map(|d| d / (d + lambda)).sum()
    }

    /// Variance of the noise per channel, by the evidence: under the model `h ~ N(w h0, sigma^2/lambda)`,
    /// `y ~ N(Z h, sigma^2)`, the quadratic form of `y - w Z h0` with the inverse of `1 + ZZ'/lambda` over n - 1 is an
    /// unbiased estimate of sigma^2, also with more features than trials, where residuals are too small to tell.
    pub fn noise_variance(&self, penalties: &[Penalty]) -> Array1<f64> {
        let surprise = self.surprise(penalties);
        let fitted = self.fitted(penalties);
        (&surprise * &(&surprise - &fitted)).sum_axis(Axis(0)) / (self.trials() as f64 - 1.0)
    }

    /// Which part of the weights comes from the prior, per channel, in the coordinates of the penalty: scalar product
    /// of the prior's part `w (h0 - A diag(1/(d + lambda)) T'Z h0)` with the whole h, over the squared length of h. With the
    /// data's part it makes 1; it may leave 0 to 1 where both disagree. Directions that the trials say nothing about, of
    /// which there are many with more features than trials, count as the prior's.
    pub fn prior_share(&self, penalties: &[Penalty]) -> Array1<f64> {
        let Some(prior) = &self.prior else { return Array1::zeros(self.channels()) };
        let from_data = self.axes.dot(&self.divided(self.targets.clone(), penalties));
        let seen = self.axes.dot(&self.divided(prior.targets.clone(), penalties));
        let from_prior = self.weighted(&(&prior.coordinates - &seen), penalties);
        let whole = &from_prior + &from_data;
        let shared = (&from_prior * &whole).sum_axis(Axis(0));
        let length = (&whole * &whole).sum_axis(Axis(0));
        Zip::from(&shared).and(&length).map_collect(|&s, &l| if l > 0.0 { s / l } else { 0.0 })
    }

    /// Errors `y - prediction` [n, c] of each trial, predicted from those of other groups, in closed form: with S the map
    /// from responses to fitted responses, intercept included, `(1 - S_gg)^-1 e_g` for the fitted residuals e (Cook and
    /// Weisberg, 1982). Groups of one trial are leave-one-out. Means are those of the other groups; scales and the prior stay
    /// those of all trials, which is the one difference to fitting anew.
    ///
    /// # Errors
    /// Of a decomposition.
    pub fn left_out(&self, penalties: &[Penalty], groups: &[usize]) -> Result<Array2<f64>, NoConvergence> {
        let n = self.trials();
        let residual = self.surprise(penalties) - self.fitted(penalties);
        let mut errors = Array2::zeros(residual.raw_dim());
        let mut names = groups.to_vec();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let rows: Vec<usize> = (0..n).filter(|&row| groups[row] == name).collect();
            let scores = self.scores.select(Axis(0), &rows);
            for (channel, penalty) in penalties.iter().enumerate() {
                let hat = (&scores * &self.gain(penalty.lambda)).dot(&scores.t()) + 1.0 / n as f64;
                let (values, vectors) = symmetric_eigen((Array2::eye(rows.len()) - hat).view())?;
                let own = residual.column(channel).select(Axis(0), &rows);
                let left_out = vectors.dot(&(vectors.t().dot(&own) / &values));
                for (&row, error) in rows.iter().zip(&left_out) {
                    errors[[row, channel]] = *error;
                }
            }
        }
        Ok(errors)
    }

    /// Generalised cross-validation per channel: `n ||e||^2 / (n - 1 - df)^2` (Golub, Heath and Wahba, 1979).
    pub fn generalised_cross_validation(&self, penalties: &[Penalty]) -> Array1<f64> {
        let residual = self.surprise(penalties) - self.fitted(penalties);
        let n = self.trials() as f64;
        let squares = (&residual * &residual).sum_axis(Axis(0));
        Zip::from(&squares).and(penalties).map_collect(|&squares, penalty| {
            let free = n - 1.0 - self.degrees_of_freedom(penalty.lambda);
            n * squares / (free * free)
        })
    }

    /// Uncertainty of the weights.
    pub fn posterior(&self, penalties: &[Penalty]) -> Posterior {
        Posterior::new(&[self], vec![0; penalties.len()], penalties)
    }

    /// Features [m, p] of other trials, along the axes.
    pub(super) fn project(&self, features: ArrayView2<'_, f64>) -> Projection {
        let z = self.coordinates(features);
        let prior = self.prior.as_ref().map(|prior| z.dot(&prior.coordinates));
        Projection { scores: z.dot(&self.axes), prior }
    }

    /// Predicted responses [m, c].
    pub(super) fn predict(&self, at: &Projection, penalties: &[Penalty]) -> Array2<f64> {
        let data = at.scores.dot(&self.shrunk(penalties)) + &self.response_mean;
        match &at.prior {
            Some(prior) => data + self.weighted(prior, penalties),
            None => data,
        }
    }

    /// Mean responses of the trials learned from: the prediction without features.
    pub(super) fn response_mean(&self) -> &Array1<f64> {
        &self.response_mean
    }

    fn coordinates(&self, features: ArrayView2<'_, f64>) -> Array2<f64> {
        (&features - &self.centre) * &self.scale
    }

    /// diag(1/(d + lambda)) T'(y - w Z h0), [r, c].
    fn shrunk(&self, penalties: &[Penalty]) -> Array2<f64> {
        let mut targets = self.targets.clone();
        if let Some(prior) = &self.prior {
            targets -= &self.weighted(&prior.targets, penalties);
        }
        self.divided(targets, penalties)
    }

    /// diag(1/(d + lambda)) t, [r, c].
    fn divided(&self, mut targets: Array2<f64>, penalties: &[Penalty]) -> Array2<f64> {
        Zip::from(targets.columns_mut()).and(penalties).for_each(|mut column, penalty| {
            column.zip_mut_with(&self.values, |t, d| *t /= d + penalty.lambda);
        });
        targets
    }

    /// y - w Z h0 [n, c]: what the prior's mean does not say.
    fn surprise(&self, penalties: &[Penalty]) -> Array2<f64> {
        match &self.prior {
            Some(prior) => &self.responses - &self.weighted(&prior.responses, penalties),
            None => self.responses.clone(),
        }
    }

    /// S (y - w Z h0) [n, c].
    fn fitted(&self, penalties: &[Penalty]) -> Array2<f64> {
        match &self.prior {
            Some(prior) => self.hat(&(&self.targets - &self.weighted(&prior.targets, penalties)), penalties),
            None => self.hat(&self.targets, penalties),
        }
    }

    /// S v for T'v [r, c].
    fn hat(&self, targets: &Array2<f64>, penalties: &[Penalty]) -> Array2<f64> {
        let mut gained = targets.clone();
        Zip::from(gained.columns_mut()).and(penalties).for_each(|mut column, penalty| {
            column *= &self.gain(penalty.lambda);
        });
        self.scores.dot(&gained)
    }

    /// g with S = T diag(g) T'.
    fn gain(&self, lambda: f64) -> Array1<f64> {
        self.values.mapv(|d| if self.primal { 1.0 } else { d } / (d + lambda))
    }

    /// Each channel times its prior weight.
    fn weighted(&self, matrix: &Array2<f64>, penalties: &[Penalty]) -> Array2<f64> {
        let mut matrix = matrix.clone();
        Zip::from(matrix.columns_mut())
            .and(penalties)
            .for_each(|mut column, penalty| column *= penalty.prior_weight);
        matrix
    }
}

fn per_row(matrix: &ArrayView2<'_, f64>, by: &Array1<f64>, combine: impl Fn(f64, f64) -> f64) -> Array2<f64> {
    let mut out = matrix.to_owned();
    Zip::from(out.rows_mut()).and(by).for_each(|mut row, &by| row.mapv_inplace(|value| combine(value, by)));
    out
}
