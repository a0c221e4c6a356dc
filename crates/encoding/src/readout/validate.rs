//! Cross-validation: penalties chosen within, scores taken without.

use ndarray::{Array1, Array2, ArrayView2, Axis, Zip, s};
use random::Random;

use super::folds::{Fold, distinct, grouped_folds};
use super::recorded::Rows;
use super::ridge::{Penalty, Ridge, Scaling};
use super::spectrum::NoConvergence;
use super::{Posterior, Prior, ReadoutError, Recorded};
use crate::score::correlation;

/// How a readout is fitted and judged. Everything here belongs into a methods section.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Outer folds: each is predicted from the others. Whole stimuli are left out.
    pub folds: usize,
    /// Folds within a training set, by which its penalties are chosen.
    pub inner_folds: usize,
    /// Seed of the folds.
    pub seed: u64,
    /// Grid of penalties as ratios of noise to signal variance; lambda is this times [`Ridge::power`].
    pub ratios: Vec<f64>,
    /// How much of a prior's mean may be taken, besides nothing at all. Used only with a prior.
    pub prior_weights: Vec<f64>,
    /// One penalty for all channels (their R2 averaged) or one for each.
    pub common_penalty: bool,
    /// How features become coordinates.
    pub scaling: Scaling,
}

impl Plan {
    /// Five folds in five; ratios from 0.001 to 10,000, four in each decade; a quarter, half, three quarters or all of the
    /// prior; one penalty per channel; standardised features.
    pub fn new(seed: u64) -> Self {
        Self {
            folds: 5,
            inner_folds: 5,
            seed,
            ratios: (-12..=16).map(|quarter| libm::exp10(f64::from(quarter) / 4.0)).collect(),
            prior_weights: vec![0.25, 0.5, 0.75, 1.0],
            common_penalty: false,
            scaling: Scaling::Standard,
        }
    }

    pub(super) fn check(&self) -> Result<(), ReadoutError> {
        let count = self.ratios.len();
        let bad = |ratio: f64| !(ratio.is_finite() && ratio > 0.0);
        if count == 0 {
            return Err(ReadoutError::Penalty { ratio: f64::NAN, count });
        }
        if let Some(&ratio) = self.ratios.iter().find(|&&ratio| bad(ratio)) {
            return Err(ReadoutError::Penalty { ratio, count });
        }
        match self.prior_weights.iter().find(|&&weight| !(weight > 0.0 && weight <= 1.0)) {
            Some(&weight) => Err(ReadoutError::PriorWeight { weight }),
            None => Ok(()),
        }
    }

    /// All pairs to choose from, strongest penalty and least prior first: of equally good ones the first is taken.
    fn candidates(&self, prior: bool) -> Vec<Candidate> {
        let mut ratios = self.ratios.clone();
        ratios.sort_by(|a, b| b.total_cmp(a));
        let mut weights = vec![0.0];
        if prior {
            weights.extend(&self.prior_weights);
            weights.sort_by(f64::total_cmp);
        }
        let pairs = weights
            .iter()
            .flat_map(|&prior_weight| ratios.iter().map(move |&ratio| Candidate { ratio, prior_weight }));
        pairs.collect()
    }

    /// The outer folds, after a check that the smallest training set within them can bear a readout.
    pub(super) fn outer_folds(&self, stimuli: &[usize]) -> Result<Vec<Fold>, ReadoutError> {
        let all: Vec<usize> = (0..stimuli.len()).collect();
        let outer = grouped_folds(stimuli, self.folds, &mut Random::new(self.seed, 0))?;
        let count = distinct(stimuli, &all);
        let too_few = |left| ReadoutError::TooFewStimuli {
            stimuli: count,
            folds: self.folds,
            inner_folds: self.inner_folds,
            left,
            needed: NEEDED,
        };
        for (index, fold) in outer.iter().enumerate() {
            let within: Vec<usize> = fold.train.iter().map(|&row| stimuli[row]).collect();
            let left = distinct(stimuli, &fold.train);
            if left < self.inner_folds {
                return Err(too_few(0));
            }
            for inner in self.inner(&within, index)? {
                let left = distinct(&within, &inner.train);
                if left < NEEDED {
                    return Err(too_few(left));
                }
            }
        }
        Ok(outer)
    }

    /// Folds of the training set of an outer fold; `self.folds` stands for all trials.
    fn inner(&self, stimuli: &[usize], outer: usize) -> Result<Vec<Fold>, ReadoutError> {
        grouped_folds(stimuli, self.inner_folds, &mut Random::new(self.seed, 1 + outer as u64))
    }
}

/// Stimuli that a training set has at least: a mean and a slope, and one more to see noise.
const NEEDED: usize = 3;

/// What is chosen per channel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Candidate {
    pub ratio: f64,
    pub prior_weight: f64,
}

/// A training set ready to be solved, without the prior and with it.
pub(super) struct Learner {
    plain: Ridge,
    informed: Option<Ridge>,
}

impl Learner {
    pub fn new(rows: &Rows, scaling: Scaling, prior: Option<&Prior>) -> Result<Self, NoConvergence> {
        let ridge = |prior| Ridge::new(rows.features.view(), rows.responses.view(), scaling, prior);
        let plain = ridge(None)?;
        let informed = match prior {
            Some(prior) if prior.is_even() => Some(plain.clone().expecting(rows.features.view(), prior)),
            Some(prior) => Some(ridge(Some(prior))?),
            None => None,
        };
        Ok(Self { plain, informed })
    }

    /// The regression that a candidate means. Without any of the prior's mean its spread is not used either: that arm
    /// is the ablation.
    fn ridge(&self, candidate: Candidate) -> &Ridge {
        match &self.informed {
            Some(informed) if candidate.prior_weight > 0.0 => informed,
            _ => &self.plain,
        }
    }

    pub fn penalty(&self, candidate: Candidate) -> Penalty {
        let lambda = candidate.ratio * self.ridge(candidate).power();
        Penalty { lambda, prior_weight: candidate.prior_weight }
    }

    fn penalties(&self, candidates: &[Candidate]) -> Vec<Penalty> {
        candidates.iter().map(|&candidate| self.penalty(candidate)).collect()
    }

    /// Predictions for rows of features, one candidate per channel.
    fn predict(&self, features: ArrayView2<'_, f64>, candidates: &[Candidate]) -> Array2<f64> {
        let all = |ridge: &Ridge| ridge.predict(&ridge.project(features), &self.penalties(candidates));
        self.by_channel(candidates, all)
    }

    /// Weights [p, c] and intercepts [1, c].
    pub fn solve(&self, candidates: &[Candidate]) -> (Array2<f64>, Array1<f64>) {
        let penalties = self.penalties(candidates);
        let weights = self.by_channel(candidates, |ridge| ridge.solve(&penalties).0);
        let intercept = self.per_channel(candidates, |ridge| ridge.solve(&penalties).1);
        (weights, intercept)
    }

    pub fn prior_share(&self, candidates: &[Candidate]) -> Array1<f64> {
        self.per_channel(candidates, |ridge| ridge.prior_share(&self.penalties(candidates)))
    }

    pub fn degrees_of_freedom(&self, candidates: &[Candidate]) -> Vec<f64> {
        candidates.iter().map(|&one| self.ridge(one).degrees_of_freedom(self.penalty(one).lambda)).collect()
    }

    pub fn dropped(&self) -> Vec<usize> {
        self.plain.dropped()
    }

    pub fn posterior(&self, candidates: &[Candidate]) -> Posterior {
        let mut ridges = vec![&self.plain];
        ridges.extend(&self.informed);
        let form_of = candidates.iter().map(|&one| usize::from(!std::ptr::eq(self.ridge(one), &self.plain)));
        Posterior::new(&ridges, form_of.collect(), &self.penalties(candidates))
    }

    fn per_channel(&self, candidates: &[Candidate], of: impl Fn(&Ridge) -> Array1<f64>) -> Array1<f64> {
        self.by_channel(candidates, |ridge| of(ridge).insert_axis(Axis(0))).remove_axis(Axis(0))
    }

    /// Columns from the regression that each channel's candidate means.
    fn by_channel(&self, candidates: &[Candidate], of: impl Fn(&Ridge) -> Array2<f64>) -> Array2<f64> {
        let mut columns = of(self.ridge(candidates[0]));
        let first = self.ridge(candidates[0]);
        if let Some(&other) = candidates.iter().find(|&&other| !std::ptr::eq(self.ridge(other), first)) {
            let others = of(self.ridge(other));
            for (channel, &candidate) in candidates.iter().enumerate() {
                if !std::ptr::eq(self.ridge(candidate), first) {
                    columns.column_mut(channel).assign(&others.column(channel));
                }
            }
        }
        columns
    }
}

/// The best candidate of each channel, and the R2 that made it so.
pub(super) struct Selected {
    pub candidates: Vec<Candidate>,
    /// Mean over channels of the R2 within; flattered by the choice, good only for comparing taps.
    pub mean_r2: f64,
}

/// Chooses by the folds within `rows`.
pub(super) fn select(
    rows: &Rows,
    channels: &[String],
    prior: Option<&Prior>,
    plan: &Plan,
    outer: usize,
) -> Result<Selected, ReadoutError> {
    let candidates = plan.candidates(prior.is_some());
    let count = rows.responses.ncols();
    let mut squares: Array2<f64> = Array2::zeros((candidates.len(), count));
    let mut total: Array1<f64> = Array1::zeros(count);
    for fold in plan.inner(&rows.stimuli, outer)? {
        let recorded = rows.recorded(channels);
        let train = Rows::of(rows.features.view(), &recorded, &fold.train);
        let test = Rows::of(rows.features.view(), &recorded, &fold.test);
        let learner = Learner::new(&train, plan.scaling, prior)?;
        total += &squared(&(&test.responses - learner.plain.response_mean()));
        let plain = learner.plain.project(test.features.view());
        let informed = learner.informed.as_ref().map(|ridge| ridge.project(test.features.view()));
        for (mut row, &candidate) in squares.rows_mut().into_iter().zip(&candidates) {
            let at = if candidate.prior_weight > 0.0 { informed.as_ref().unwrap_or(&plain) } else { &plain };
            let penalties = vec![learner.penalty(candidate); count];
            row += &squared(&(&test.responses - learner.ridge(candidate).predict(at, &penalties)));
        }
    }
    // A channel that is constant in this training set cannot tell candidates apart; it follows the first.
    let mut missed = squares;
    for (mut column, &total) in missed.columns_mut().into_iter().zip(&total) {
        column.mapv_inplace(|squares| if total > 0.0 { squares / total } else { 1.0 });
    }
    let overall = missed.mean_axis(Axis(1)).unwrap_or_default();
    let best: Vec<usize> = (0..count)
        .map(|channel| {
            if plan.common_penalty {
                first_least(&overall)
            } else {
                first_least(&missed.column(channel).to_owned())
            }
        })
        .collect();
    let reached: f64 = best.iter().enumerate().map(|(channel, &row)| 1.0 - missed[[row, channel]]).sum();
    Ok(Selected {
        candidates: best.into_iter().map(|row| candidates[row]).collect(),
        mean_r2: reached / count as f64,
    })
}

fn squared(matrix: &Array2<f64>) -> Array1<f64> {
    (matrix * matrix).sum_axis(Axis(0))
}

fn first_least(values: &Array1<f64>) -> usize {
    (1..values.len()).fold(0, |best, row| if values[row] < values[best] { row } else { best })
}

/// Predictions of trials whose stimuli were not learned from, and their scores.
#[derive(Debug, Clone, PartialEq)]
pub struct CrossValidated {
    /// Predicted responses [trials, channels].
    pub predictions: Array2<f64>,
    /// Mean responses of the trials learned from [trials, channels]: what is predicted without features.
    pub baseline: Array2<f64>,
    /// R2 per channel, `1 - sum (y - prediction)^2 / sum (y - baseline)^2`: with pure noise at most 0 on average.
    pub r2: Vec<f64>,
    /// Pearson correlation per channel of prediction and response, each less the baseline (whose differences between folds
    /// alone would make a negative correlation); 0 where the predictions do not vary.
    pub pearson: Vec<f64>,
}

impl CrossValidated {
    /// R2, averaged over channels.
    pub fn mean_r2(&self) -> f64 {
        self.r2.iter().sum::<f64>() / self.r2.len() as f64
    }

    fn new(predictions: Array2<f64>, baseline: Array2<f64>, responses: ArrayView2<'_, f64>) -> Self {
        let missed = squared(&(&responses - &predictions));
        let total = squared(&(&responses - &baseline));
        let r2 = std::iter::zip(&missed, &total).map(|(missed, total)| 1.0 - missed / total).collect();
        let (said, true_) = (&predictions - &baseline, &responses - &baseline);
        let pearson = std::iter::zip(said.columns(), true_.columns())
            .map(|(said, true_)| correlation(said, true_).unwrap_or(0.0))
            .collect();
        Self { predictions, baseline, r2, pearson }
    }
}

/// Features at one place of a model.
#[derive(Debug, Clone, Copy)]
pub struct Tap<'a> {
    /// Name of the place.
    pub name: &'a str,
    /// Features [trials, features].
    pub features: ArrayView2<'a, f64>,
    /// What is known of weights of these features.
    pub prior: Option<&'a Prior>,
}

/// Scores of nested cross-validation: each tap's own, and that of choosing a tap in each training set.
pub(super) struct Nested {
    pub taps: Vec<CrossValidated>,
    pub choice: CrossValidated,
    pub picks: Vec<usize>,
}

pub(super) fn nested(taps: &[Tap<'_>], recorded: &Recorded<'_>, plan: &Plan) -> Result<Nested, ReadoutError> {
    let shape = recorded.responses.raw_dim();
    let (mut choice, mut baseline) = (Array2::zeros(shape), Array2::zeros(shape));
    let mut predictions = vec![Array2::zeros(shape); taps.len()];
    let mut picks = Vec::new();
    for (index, fold) in plan.outer_folds(recorded.stimuli)?.iter().enumerate() {
        let mut best = (0, f64::NEG_INFINITY);
        for (number, tap) in taps.iter().enumerate() {
            let train = Rows::of(tap.features, recorded, &fold.train);
            let test = Rows::of(tap.features, recorded, &fold.test);
            let selected = select(&train, recorded.channels, tap.prior, plan, index)?;
            let learner = Learner::new(&train, plan.scaling, tap.prior)?;
            scatter(
                &mut predictions[number],
                &fold.test,
                &learner.predict(test.features.view(), &selected.candidates),
            );
            if selected.mean_r2 > best.1 {
                best = (number, selected.mean_r2);
            }
            if number == 0 {
                let mean = learner.plain.response_mean();
                fold.test.iter().for_each(|&row| baseline.row_mut(row).assign(mean));
            }
        }
        for &row in &fold.test {
            choice.row_mut(row).assign(&predictions[best.0].slice(s![row, ..]));
        }
        picks.push(best.0);
    }
    let judged = |predictions| CrossValidated::new(predictions, baseline.clone(), recorded.responses);
    Ok(Nested { taps: predictions.into_iter().map(judged).collect(), choice: judged(choice), picks })
}

fn scatter(into: &mut Array2<f64>, rows: &[usize], values: &Array2<f64>) {
    Zip::from(values.rows()).and(rows).for_each(|value, &row| into.row_mut(row).assign(&value));
}
