//! A fitted readout, as it is used and stored.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

use super::recorded::{Rows, finite, shaped};
use super::validate::{CrossValidated, Learner, Plan, Tap, nested, select};
use super::{Posterior, Prior, ReadoutError, Recorded};

/// H: `responses = features H + intercept`, and how it was found. Can be written as JSON, and is checked when read.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(into = "Stored", try_from = "Stored")]
pub struct Readout {
    weights: Array2<f64>,
    intercept: Array1<f64>,
    channels: Vec<String>,
    lambda: Vec<f64>,
    origin: Origin,
}

/// Where a readout comes from: what a methods section has to say of it.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// How it was fitted and judged.
    pub plan: Plan,
    /// Trials it was fitted to.
    pub trials: usize,
    /// Distinct stimuli in them.
    pub stimuli: usize,
    /// Features that did not vary and have weight 0.
    pub dropped_features: Vec<usize>,
    /// How much of the prior's mean was taken, per channel; 0: the prior was not used.
    pub prior_weight: Vec<f64>,
    /// Which part of the weights comes from the prior, per channel ([`super::Ridge::prior_share`]).
    pub prior_share: Vec<f64>,
    /// People behind the prior; 0 without one, or where its mean was given.
    pub prior_people: usize,
    /// Degrees of freedom that the data decided, per channel.
    pub degrees_of_freedom: Vec<f64>,
    /// Nested cross-validated R2 per channel.
    pub cv_r2: Vec<f64>,
    /// The same without the prior, where there was one: what the prior is worth is the difference.
    pub cv_r2_without_prior: Option<Vec<f64>>,
}

/// What [`fit`] returns.
#[derive(Debug, Clone)]
pub struct Fit {
    /// Fitted to all trials.
    pub readout: Readout,
    /// Uncertainty of its weights.
    pub posterior: Posterior,
    /// Predictions of unseen stimuli and their scores, by nested cross-validation.
    pub cv: CrossValidated,
    /// The same without the prior, where there was one.
    pub without_prior: Option<CrossValidated>,
}

/// Fits features [trials, features] to recorded responses.
///
/// The outer folds give the score; the penalty (and how much of the prior is taken) is chosen in each training set by its own
/// inner folds. The readout is fitted to all trials, with a penalty chosen by inner folds of all.
///
/// # Errors
/// All of [`ReadoutError`] that can be known from the input is said before any fitting starts.
pub fn fit(
    features: ArrayView2<'_, f64>,
    recorded: &Recorded<'_>,
    prior: Option<&Prior>,
    plan: &Plan,
) -> Result<Fit, ReadoutError> {
    check(features, recorded, prior, plan)?;
    let tap = Tap { name: "", features, prior };
    let cv = nested(&[tap], recorded, plan)?.choice;
    fit_checked(&tap, recorded, plan, cv)
}

pub(super) fn check(
    features: ArrayView2<'_, f64>,
    recorded: &Recorded<'_>,
    prior: Option<&Prior>,
    plan: &Plan,
) -> Result<(), ReadoutError> {
    recorded.check(features)?;
    plan.check()?;
    if let Some(prior) = prior {
        prior.check(features.ncols(), recorded.channels)?;
    }
    plan.outer_folds(recorded.stimuli).map(|_| ())
}

/// The rest of [`fit`], after its checks and its cross-validation.
pub(super) fn fit_checked(
    tap: &Tap<'_>,
    recorded: &Recorded<'_>,
    plan: &Plan,
    cv: CrossValidated,
) -> Result<Fit, ReadoutError> {
    let without_prior = match tap.prior {
        Some(_) => Some(nested(&[Tap { prior: None, ..*tap }], recorded, plan)?.choice),
        None => None,
    };
    let all: Vec<usize> = (0..recorded.trials()).collect();
    let rows = Rows::of(tap.features, recorded, &all);
    let chosen = select(&rows, recorded.channels, tap.prior, plan, plan.folds)?.candidates;
    let learner = Learner::new(&rows, plan.scaling, tap.prior)?;
    let (weights, intercept) = learner.solve(&chosen);
    let origin = Origin {
        plan: plan.clone(),
        trials: recorded.trials(),
        stimuli: recorded.distinct_stimuli(),
        dropped_features: learner.dropped(),
        prior_weight: chosen.iter().map(|candidate| candidate.prior_weight).collect(),
        prior_share: learner.prior_share(&chosen).to_vec(),
        prior_people: tap.prior.map_or(0, Prior::people),
        degrees_of_freedom: learner.degrees_of_freedom(&chosen),
        cv_r2: cv.r2.clone(),
        cv_r2_without_prior: without_prior.as_ref().map(|cv| cv.r2.clone()),
    };
    let lambda = chosen.iter().map(|&candidate| learner.penalty(candidate).lambda).collect();
    let readout = Readout { weights, intercept, channels: recorded.channels.to_vec(), lambda, origin };
    Ok(Fit { readout, posterior: learner.posterior(&chosen), cv, without_prior })
}

impl Readout {
    /// Weights [features, channels], in units of response per unit of feature.
    pub fn weights(&self) -> ArrayView2<'_, f64> {
        self.weights.view()
    }

    /// Response to features of zero, per channel.
    pub fn intercept(&self) -> ArrayView1<'_, f64> {
        self.intercept.view()
    }

    /// Names of the channels.
    pub fn channels(&self) -> &[String] {
        &self.channels
    }

    /// Penalty per channel.
    pub fn lambda(&self) -> &[f64] {
        &self.lambda
    }

    /// How it was found.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Responses [trials, channels] to features [trials, features].
    ///
    /// # Errors
    /// [`ReadoutError::Shape`].
    pub fn apply(&self, features: ArrayView2<'_, f64>) -> Result<Array2<f64>, ReadoutError> {
        shaped("features", features, [features.nrows(), self.weights.nrows()])?;
        Ok(features.dot(&self.weights) + &self.intercept)
    }

    /// Gradient with respect to features [trials, features], for one with respect to responses [trials, channels].
    ///
    /// # Errors
    /// [`ReadoutError::Shape`].
    pub fn pull_back(&self, cotangent: ArrayView2<'_, f64>) -> Result<Array2<f64>, ReadoutError> {
        shaped("the gradient of responses", cotangent, [cotangent.nrows(), self.weights.ncols()])?;
        Ok(cotangent.dot(&self.weights.t()))
    }
}

/// The form in a file: rows of `weights` are features.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    channels: Vec<String>,
    weights: Vec<Vec<f64>>,
    intercept: Vec<f64>,
    lambda: Vec<f64>,
    origin: Origin,
}

impl From<Readout> for Stored {
    fn from(readout: Readout) -> Self {
        Self {
            weights: readout.weights.rows().into_iter().map(|row| row.to_vec()).collect(),
            intercept: readout.intercept.to_vec(),
            channels: readout.channels,
            lambda: readout.lambda,
            origin: readout.origin,
        }
    }
}

impl TryFrom<Stored> for Readout {
    type Error = ReadoutError;

    fn try_from(stored: Stored) -> Result<Self, ReadoutError> {
        let (features, channels) = (stored.weights.len(), stored.channels.len());
        if features == 0 || channels == 0 {
            return Err(ReadoutError::Sizes { features, channels, names: channels });
        }
        let ragged = stored.weights.iter().map(Vec::len).find(|&len| len != channels);
        let expected = [features, channels];
        if let Some(len) = ragged {
            return Err(ReadoutError::Shape { what: "stored weights", found: [features, len], expected });
        }
        for (what, len) in
            [("stored intercepts", stored.intercept.len()), ("stored penalties", stored.lambda.len())]
        {
            if len != channels {
                return Err(ReadoutError::Shape { what, found: [1, len], expected: [1, channels] });
            }
        }
        let weights =
            Array2::from_shape_fn((features, channels), |(row, column)| stored.weights[row][column]);
        finite("stored weights", weights.view())?;
        let intercept = Array1::from(stored.intercept);
        finite("stored intercepts", intercept.view().insert_axis(ndarray::Axis(0)))?;
        Ok(Self {
            weights,
            intercept,
            channels: stored.channels,
            lambda: stored.lambda,
            origin: stored.origin,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readout() -> Readout {
        let features = Array2::from_shape_fn((12, 2), |(row, column)| ((row * 7 + column * 5) % 11) as f64);
        let responses = Array2::from_shape_fn((12, 3), |(row, channel)| {
            features[[row, channel % 2]] * 0.3 + (row % 5) as f64
        });
        let stimuli: Vec<usize> = (0..12).collect();
        let channels = ["O1", "Oz", "O2"].map(String::from);
        let recorded = Recorded { responses: responses.view(), stimuli: &stimuli, channels: &channels };
        fit(features.view(), &recorded, None, &Plan { folds: 3, inner_folds: 3, ..Plan::new(1) })
            .unwrap()
            .readout
    }

    #[test]
    fn a_readout_comes_back_from_its_file_and_a_broken_file_is_refused() {
        let readout = readout();
        let stored = Stored::from(readout.clone());
        assert_eq!(stored.weights.len(), 2);
        assert_eq!(Readout::try_from(stored.clone()).unwrap(), readout);

        let refused = |change: fn(&mut Stored)| {
            let mut stored = stored.clone();
            change(&mut stored);
            Readout::try_from(stored).unwrap_err().to_string()
        };
        assert_eq!(refused(|s| s.weights[1].truncate(2)), "stored weights is [2, 2], must be [2, 3]");
        assert_eq!(refused(|s| s.intercept.truncate(2)), "stored intercepts is [1, 2], must be [1, 3]");
        assert_eq!(refused(|s| s.lambda.push(1.0)), "stored penalties is [1, 4], must be [1, 3]");
        let holed = refused(|s| s.weights[1][2] = f64::NAN);
        assert_eq!(holed, "stored weights: row 1, column 2 is NaN; every value must be finite");
        assert!(refused(|s| s.weights.clear()).starts_with("0 features, 3 channels"));
    }
}
