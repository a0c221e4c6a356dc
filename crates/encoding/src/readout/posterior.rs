//! How far a readout's weights can be trusted: the posterior of Bayesian linear regression (Bishop, 2006, 3.3).

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Zip};

use super::ReadoutError;
use super::recorded::shaped;
use super::ridge::{Penalty, Ridge};

/// Gaussian posterior of the weights per channel, given noise variance and penalty.
///
/// With more features than trials the covariance is the prior's, less what the trials told along few axes, and it is kept
/// in that form: `covariance = noise/lambda (diag(spread^2) - P diag(1/(d + lambda)) P')`, P [features, axes].
#[derive(Debug, Clone, PartialEq)]
pub struct Posterior {
    noise_variance: Array1<f64>,
    lambda: Vec<f64>,
    /// One for each prior that some channel took.
    forms: Vec<Form>,
    /// Which of them a channel took.
    form_of: Vec<usize>,
    centre: Array1<f64>,
    trials: usize,
}

/// The part of a covariance that channels have in common.
#[derive(Debug, Clone, PartialEq)]
struct Form {
    /// d [r].
    values: Array1<f64>,
    /// P [p, r], in units of weights.
    axes: Array2<f64>,
    /// Prior deviation of each weight [p], up to sqrt(noise/lambda).
    spread: Array1<f64>,
}

impl Form {
    fn of(ridge: &Ridge) -> Self {
        let mut axes = ridge.axes.clone();
        if ridge.primal {
            axes *= &ridge.values.mapv(f64::sqrt);
        }
        Zip::from(axes.rows_mut()).and(&ridge.scale).for_each(|mut row, &scale| row *= scale);
        Self { values: ridge.values.clone(), axes, spread: ridge.scale.clone() }
    }
}

impl Posterior {
    /// Channel c answers by `ridges[form_of[c]]`.
    pub(super) fn new(ridges: &[&Ridge], form_of: Vec<usize>, penalties: &[Penalty]) -> Self {
        let noise: Vec<_> = ridges.iter().map(|ridge| ridge.noise_variance(penalties)).collect();
        Self {
            noise_variance: form_of.iter().enumerate().map(|(channel, &form)| noise[form][channel]).collect(),
            lambda: penalties.iter().map(|penalty| penalty.lambda).collect(),
            forms: ridges.iter().map(|ridge| Form::of(ridge)).collect(),
            form_of,
            centre: ridges[0].centre.clone(),
            trials: ridges[0].trials(),
        }
    }

    /// Variance of the noise of a single trial, per channel, in squared units of the response.
    pub fn noise_variance(&self) -> ArrayView1<'_, f64> {
        self.noise_variance.view()
    }

    /// Covariance [features, features] of one channel's weights.
    ///
    /// # Panics
    /// Where there is no such channel.
    pub fn covariance(&self, channel: usize) -> Array2<f64> {
        let (form, lambda) = (self.form(channel), self.lambda[channel]);
        let shrunk = &form.axes * &form.values.mapv(|d| 1.0 / (d + lambda));
        let told = shrunk.dot(&form.axes.t());
        let prior = Array2::from_diag(&form.spread.mapv(|s| s * s));
        (prior - told) * (self.noise_variance[channel] / lambda)
    }

    /// Standard deviation of each weight [features, channels].
    pub fn weight_sd(&self) -> Array2<f64> {
        Array2::from_shape_fn((self.centre.len(), self.lambda.len()), |(feature, channel)| {
            let form = self.form(channel);
            let own = form.spread[feature] * form.spread[feature];
            self.left(own, form.axes.row(feature), channel).sqrt()
        })
    }

    /// Standard deviation of a new single trial's response around its prediction [trials, channels]: noise, uncertainty
    /// of the weights, and of the intercept.
    ///
    /// # Errors
    /// [`ReadoutError::Shape`].
    pub fn predictive_sd(&self, features: ArrayView2<'_, f64>) -> Result<Array2<f64>, ReadoutError> {
        shaped("features", features, [features.nrows(), self.centre.len()])?;
        let centred = &features - &self.centre;
        let seen: Vec<_> =
            self.forms.iter().map(|form| (&centred * &form.spread, centred.dot(&form.axes))).collect();
        let shape = (features.nrows(), self.lambda.len());
        Ok(Array2::from_shape_fn(shape, |(trial, channel)| {
            let (coordinates, along) = &seen[self.form_of[channel]];
            let own = self.noise_variance[channel] * (1.0 + 1.0 / self.trials as f64);
            let prior = coordinates.row(trial).dot(&coordinates.row(trial));
            (own + self.left(prior, along.row(trial), channel)).sqrt()
        }))
    }

    fn form(&self, channel: usize) -> &Form {
        &self.forms[self.form_of[channel]]
    }

    /// Variance that is left of a prior one along a direction with these coordinates.
    fn left(&self, prior: f64, along: ArrayView1<'_, f64>, channel: usize) -> f64 {
        let lambda = self.lambda[channel];
        let values = &self.form(channel).values;
        let told: f64 = std::iter::zip(along, values).map(|(a, d)| a * a / (d + lambda)).sum();
        self.noise_variance[channel] / lambda * (prior - told).max(0.0)
    }
}
