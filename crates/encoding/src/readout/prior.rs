//! What is known of a person's readout before they are measured: the readouts of others.
//!
//! Sixty single trials cannot fit hundreds of weights. Shrinking towards zero says "this person's channels answer to
//! nothing"; shrinking towards the mean of other people says "they answer as people do, until shown otherwise". This is
//! empirical Bayes (Efron and Morris, 1973) with a Gaussian prior: mean and, if wanted, variance per feature.

use ndarray::{Array1, Array2, ArrayView2, Axis};

use super::recorded::{finite, shaped};
use super::{Readout, ReadoutError};

/// Which covariance the prior has around its mean. Its overall size is the penalty, which cross-validation chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Spread {
    /// Every coordinate may differ from the mean alike.
    Even,
    /// Weights in which people differ more may differ more: the variance between people per feature, pooled over
    /// channels.
    BetweenPeople,
}

/// Mean of the weights over other people and how much these differ, in units of response per unit of feature.
#[derive(Debug, Clone, PartialEq)]
pub struct Prior {
    mean: Array2<f64>,
    /// Variance between people per feature, and the degrees of freedom behind it.
    variance: Option<(Array1<f64>, f64)>,
    channels: Vec<String>,
    people: usize,
}

/// Degrees of freedom of the belief that all variances are alike, with which those between people are mixed (the form of
/// Smyth, 2004, with this weight fixed): two people alone should not be able to nail a weight down.
const BELIEF: f64 = 4.0;

impl Prior {
    /// A given mean [features, channels].
    ///
    /// # Errors
    /// Values that are not finite, channels without a name.
    pub fn from_mean(mean: Array2<f64>, channels: Vec<String>) -> Result<Self, ReadoutError> {
        finite("the prior's mean", mean.view())?;
        if mean.nrows() == 0 || mean.ncols() == 0 || mean.ncols() != channels.len() {
            return Err(ReadoutError::Sizes {
                features: mean.nrows(),
                channels: mean.ncols(),
                names: channels.len(),
            });
        }
        Ok(Self { mean, variance: None, channels, people: 0 })
    }

    /// Mean, and with [`Spread::BetweenPeople`] variance, of other people's readouts of the same features and channels.
    ///
    /// Their weights are estimates that were shrunk themselves, so their variance is not the true one between people; only
    /// its pattern over features is used, and cross-validation sets its size.
    ///
    /// # Errors
    /// No one (two people are needed for a variance), readouts of different shapes or channels.
    pub fn from_people(people: &[&Readout], spread: Spread) -> Result<Self, ReadoutError> {
        let (kind, needed) = match spread {
            Spread::Even => ("mean", 1),
            Spread::BetweenPeople => ("variance", 2),
        };
        if people.len() < needed {
            return Err(ReadoutError::TooFewPeople { kind, people: people.len(), needed });
        }
        let first = people[0];
        for other in people {
            let expected = [first.weights().nrows(), first.weights().ncols()];
            shaped("another person's readout", other.weights(), expected)?;
            same_channels("another person's readout", other.channels(), first.channels())?;
        }
        let count = people.len() as f64;
        let mut mean = Array2::zeros(first.weights().raw_dim());
        for one in people {
            mean += &one.weights();
        }
        mean /= count;
        let variance = (spread == Spread::BetweenPeople).then(|| {
            let mut squares: Array1<f64> = Array1::zeros(mean.nrows());
            for one in people {
                squares += &(&one.weights() - &mean).mapv(|e| e * e).sum_axis(Axis(1));
            }
            let degrees = mean.ncols() as f64 * (count - 1.0);
            (squares / degrees, degrees)
        });
        Ok(Self { mean, variance, channels: first.channels().to_vec(), people: people.len() })
    }

    /// Mean weights [features, channels].
    pub fn mean(&self) -> ArrayView2<'_, f64> {
        self.mean.view()
    }

    /// How many people it comes from; 0 where the mean was given.
    pub fn people(&self) -> usize {
        self.people
    }

    /// Whether all coordinates may differ from the mean alike.
    pub(super) fn is_even(&self) -> bool {
        self.variance.is_none()
    }

    /// Whether it is one for these features and channels.
    ///
    /// # Errors
    /// [`ReadoutError::Shape`], [`ReadoutError::ChannelName`].
    pub fn check(&self, features: usize, channels: &[String]) -> Result<(), ReadoutError> {
        shaped("the prior's mean", self.mean.view(), [features, channels.len()])?;
        same_channels("the prior", &self.channels, channels)
    }

    /// Standard deviation of each weight under the prior, up to a common factor, where a feature's own deviation is
    /// given: 0 for a feature that does not vary. `None` where the prior has no opinion of its own.
    pub(super) fn scale(&self, deviations: &Array1<f64>) -> Option<Array1<f64>> {
        let (variance, degrees) = self.variance.as_ref()?;
        // Compared in units of response per standard deviation of the feature: raw weights of features with different
        // units have nothing in common.
        let contribution: Array1<f64> = variance * &deviations.mapv(|sd| sd * sd);
        let active = deviations.iter().filter(|&&sd| sd > 0.0).count() as f64;
        let typical = contribution.sum() / active;
        if typical <= 0.0 {
            return None;
        }
        let mixed = contribution.mapv(|own| (degrees * own / typical + BELIEF) / (degrees + BELIEF));
        Some(
            std::iter::zip(&mixed, deviations)
                .map(|(v, &sd)| if sd > 0.0 { v.sqrt() / sd } else { 0.0 })
                .collect(),
        )
    }
}

fn same_channels(what: &'static str, found: &[String], expected: &[String]) -> Result<(), ReadoutError> {
    let differs =
        std::iter::zip(found, expected).enumerate().find(|(_, (found, expected))| found != expected);
    match differs {
        Some((index, (found, expected))) => {
            Err(ReadoutError::ChannelName { what, index, found: found.clone(), expected: expected.clone() })
        }
        None => Ok(()),
    }
}
