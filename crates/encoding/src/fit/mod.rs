//! A model's own parameters fitted to a person by the gradient.
//!
//! What a model takes beside the stimulus (the place and size of a scotoma, the size of receptive fields, a gain) is
//! found from recorded responses y to known stimuli x: the values p under which the features f(x; p), seen through a
//! [`Link`] to the recording, predict y best. Noise is taken as normal and independent between trials and responses,
//! with a variance of its own per response that is profiled out, so that the loss is
//!
//! ```text
//! L(p) = sum over responses k of N/2 log(SSR_k(p) / N)  +  sum over parameters of (p - mean)^2 / (2 sd^2)
//! ```
//!
//! and its minimum the posterior mode (Seber and Wild, *Nonlinear Regression*, Wiley 1989, chapter 2). Responses of
//! neighbouring electrodes share noise: hand over whitened ones or few components, or the standard errors come out too
//! small.
//!
//! The loss has local minima: a scotoma in the wrong place feels no pull from the right one. So many points of the
//! allowed box are looked at first, Levenberg-Marquardt steps lead down from the best of them, and the worse ones are
//! given up on the way. The slope of the last steps is the exact gradient through the model; the curvature (Gauss-Newton)
//! is built from differences of features, since a forward run per parameter gives a whole column of the Jacobian and a
//! backward run only one row.

mod check;
mod descent;
mod error;
mod evaluate;
mod link;
mod validate;

use ndarray::{Array2, ArrayView2, ArrayView5};

use crate::encoder::{Encoder, Features};
use descent::{Run, Slope};
pub use error::FitError;
use evaluate::Evaluator;
pub use link::Link;
pub use validate::Validation;

/// A parameter to be fitted.
#[derive(Debug, Clone, PartialEq)]
pub struct Unknown {
    /// The model's input, a single number.
    pub name: String,
    /// Lowest and highest value allowed, in the parameter's own unit.
    pub bounds: [f64; 2],
    /// What is known of it before.
    pub prior: Option<Prior>,
}

/// A normal distribution, for instance over people.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prior {
    /// Mean, in the parameter's unit.
    pub mean: f64,
    /// Standard deviation, in the parameter's unit.
    pub sd: f64,
}

impl Unknown {
    /// A parameter of which only its limits are known.
    pub fn between(name: &str, low: f64, high: f64) -> Self {
        Self { name: name.to_owned(), bounds: [low, high], prior: None }
    }

    /// The same with a normal prior.
    #[must_use]
    pub fn with_prior(mut self, mean: f64, sd: f64) -> Self {
        self.prior = Some(Prior { mean, sd });
        self
    }
}

/// What was shown and what was recorded.
#[derive(Debug, Clone, Copy)]
pub struct Trials<'a> {
    /// Light [N, T, C, H, W].
    pub stimuli: ArrayView5<'a, f32>,
    /// Responses [N, K].
    pub responses: ArrayView2<'a, f64>,
}

/// How much is spent on a fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effort {
    /// Points of the allowed box at which the loss is looked at first, besides the values that the encoder has.
    pub screened: usize,
    /// How many of the best of them are followed down, half of them given up after every two steps.
    pub starts: usize,
    /// Most steps of the last one.
    pub steps: usize,
    /// Parts of the trials that are predicted from the others (0: no cross-validation). Each part costs another fit.
    pub folds: usize,
    /// Seed of the screened points and of the folds.
    pub seed: u64,
    /// Threads of the model's runs; the numbers do not depend on it.
    pub threads: usize,
}

impl Default for Effort {
    fn default() -> Self {
        Self { screened: 100, starts: 8, steps: 30, folds: 5, seed: 0, threads: 1 }
    }
}

/// A parameter as found.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// The model's input.
    pub name: String,
    /// Its value at the lowest loss.
    pub value: f64,
    /// Standard error from the Gauss-Newton curvature of the loss, the prior's among it; infinite where neither the
    /// responses nor a prior say anything.
    pub standard_error: f64,
    /// Its value in the encoder before.
    pub unfitted: f64,
    /// It stands at one of its bounds, where the standard error means little.
    pub at_bound: bool,
}

/// One descent.
#[derive(Debug, Clone, PartialEq)]
pub struct Descent {
    /// Where it began.
    pub from: Vec<f64>,
    /// Where it ended.
    pub to: Vec<f64>,
    /// The loss there.
    pub loss: f64,
    /// Steps taken.
    pub steps: usize,
    /// It ended because nothing more was to be gained, and not because its steps were spent or it was given up.
    pub converged: bool,
}

/// A fitted model.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// The parameters, in the order in which they were asked for.
    pub estimates: Vec<Estimate>,
    /// Covariance of the estimates, from the same curvature as the standard errors.
    pub covariance: Array2<f64>,
    /// Loss at the estimates, in nats.
    pub loss: f64,
    /// Loss at the encoder's own values.
    pub unfitted_loss: f64,
    /// Readout at the estimates: weights [features, K].
    pub weights: Array2<f64>,
    /// Added to what the weights give, one per response.
    pub intercepts: Vec<f64>,
    /// Standard deviation of the noise, per response.
    pub noise_sd: Vec<f64>,
    /// All descents, the one that the estimates come from first; the others were given up.
    pub descents: Vec<Descent>,
    /// How well trials are predicted that the fit did not see; none where no folds were asked for.
    pub validation: Option<Validation>,
}

impl Fit {
    /// Gives an encoder the values found.
    ///
    /// # Errors
    /// An encoder of another model, without these parameters.
    pub fn apply(&self, encoder: &mut Encoder) -> Result<(), crate::encoder::EncoderError> {
        self.estimates.iter().try_for_each(|estimate| {
            encoder.set_parameter(&estimate.name, ndarray::arr0(estimate.value as f32).into_dyn())
        })
    }
}

/// Fits parameters of the encoder's model to recorded responses. `features` (of one or more taps, side by side) are what
/// the link reads.
///
/// # Errors
/// Said before any fitting: a parameter that the model does not have or that no tap depends on, bounds or priors that
/// leave nothing, trials too few or not finite, responses that are constant, a link of another size. Later: a model
/// that fails, a parameter that changes nothing anywhere.
pub fn fit(
    encoder: &Encoder,
    features: &[Features],
    link: &Link,
    unknowns: &[Unknown],
    trials: Trials<'_>,
    effort: &Effort,
) -> Result<Fit, FitError> {
    let unfitted = check::question(encoder, link, unknowns, &trials, effort)?;
    let mut model = Evaluator::new(encoder, features, link, unknowns, &trials, effort.threads)?;
    let folds = validate::folds(trials.responses.nrows(), effort);
    let screen = screen(&mut model, &unfitted, &folds, effort)?;
    let all: Vec<usize> = (0..trials.responses.nrows()).collect();
    let (descents, solved) = best(&mut model, &screen, 0, &all, effort)?;
    let found = descents[0].to.clone();
    let changes = model.changes(&found, &all, evaluate::Difference::Central)?;
    let curvature = model.curvature(&solved, &changes);
    let (covariance, errors) = descent::covariance(&curvature, &model.widths());
    if let Some(flat) = (0..unknowns.len()).find(|&p| !errors[p].is_finite() && screen.is_flat()) {
        return Err(FitError::Flat { name: unknowns[flat].name.clone(), points: screen.points.len() });
    }
    let validation = match folds.len() {
        0 => None,
        _ => Some(validate::validate(&mut model, &screen, &folds, &unfitted, effort)?),
    };
    let estimates = unknowns.iter().enumerate().map(|(p, unknown)| Estimate {
        name: unknown.name.clone(),
        value: found[p],
        standard_error: errors[p],
        unfitted: unfitted[p],
        at_bound: unknown.bounds.contains(&found[p]),
    });
    Ok(Fit {
        estimates: estimates.collect(),
        covariance,
        loss: descents[0].loss,
        unfitted_loss: screen.losses[0][0],
        noise_sd: solved.variance.iter().map(|variance| variance.sqrt()).collect(),
        weights: solved.weights,
        intercepts: solved.intercepts.to_vec(),
        descents,
        validation,
    })
}

/// Starts are at least so far from each other, in widths of the bounds.
const NEIGHBOURS: f64 = 0.1;

/// Losses over the allowed box.
struct Screen {
    /// The encoder's own values first.
    points: Vec<Vec<f64>>,
    /// Per point, on all trials and then on the trials outside each fold.
    losses: Vec<Vec<f64>>,
}

impl Screen {
    /// The points with the lowest loss in one column that are not neighbours of a better one: at most `count`, at least
    /// one.
    fn starts(&self, model: &Evaluator<'_>, column: usize, count: usize) -> Vec<Vec<f64>> {
        let mut order: Vec<usize> = (0..self.points.len()).collect();
        order.sort_by(|&a, &b| self.losses[a][column].total_cmp(&self.losses[b][column]));
        let mut chosen: Vec<Vec<f64>> = Vec::new();
        for unit in order.into_iter().map(|index| model.to_unit(&self.points[index])) {
            let distance =
                |other: &Vec<f64>| unit.iter().zip(other).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt();
            if chosen.len() < count.max(1) && chosen.iter().all(|other| distance(other) > NEIGHBOURS) {
                chosen.push(unit);
            }
        }
        chosen.iter().map(|unit| model.within_bounds(unit)).collect()
    }

    fn is_flat(&self) -> bool {
        self.losses.iter().all(|losses| losses[0] == self.losses[0][0])
    }
}

/// Looks at the encoder's own values and at points spread evenly over the box: multiples of irrational numbers, modulo
/// one (Roberts' generalised golden ratio: the root of g^(d + 1) = g + 1), begun at a seeded place.
fn screen(
    model: &mut Evaluator<'_>,
    unfitted: &[f64],
    folds: &[Vec<usize>],
    effort: &Effort,
) -> Result<Screen, FitError> {
    let dimensions = unfitted.len();
    let golden = (0..64).fold(2.0f64, |g, _| libm::pow(1.0 + g, 1.0 / (dimensions as f64 + 1.0)));
    let mut random = random::Random::new(effort.seed, 1);
    let begin: Vec<f64> = (0..dimensions).map(|_| random.uniform()).collect();
    let spread = (1..=effort.screened).map(|index| {
        let unit = (0..dimensions).map(|axis| {
            let stride = libm::pow(golden, -(axis as f64 + 1.0));
            (begin[axis] + index as f64 * stride).fract()
        });
        model.within_bounds(&unit.collect::<Vec<f64>>())
    });
    let points: Vec<Vec<f64>> = std::iter::once(unfitted.to_vec()).chain(spread).collect();
    let rows = model.trials();
    let all: Vec<usize> = (0..rows).collect();
    let subsets: Vec<Vec<usize>> =
        std::iter::once(all).chain(folds.iter().map(|fold| validate::outside(fold, rows))).collect();
    let losses = points.iter().map(|point| model.losses(point, &subsets)).collect::<Result<_, _>>()?;
    Ok(Screen { points, losses })
}

/// Descends on the trials `rows` from the starts of a screen's column: after every two steps the worse half is given up
/// (successive halving: Jamieson and Talwalkar, AISTATS 2016), and the last one is followed to its end. Gives all descents,
/// the best one first, and its readout.
fn best(
    model: &mut Evaluator<'_>,
    screen: &Screen,
    column: usize,
    rows: &[usize],
    effort: &Effort,
) -> Result<(Vec<Descent>, link::Solved), FitError> {
    let starts = screen.starts(model, column, effort.starts).into_iter();
    let mut runs = starts.map(|start| Run::begin(model, &start, rows)).collect::<Result<Vec<Run>, _>>()?;
    let mut given_up = Vec::new();
    while runs.len() > 1 {
        runs.iter_mut().try_for_each(|run| run.advance(model, rows, 2, Slope::Rough))?;
        runs.sort_by(|a, b| a.descent.loss.total_cmp(&b.descent.loss));
        let rest = runs.split_off(runs.len().div_ceil(2));
        given_up.splice(0..0, rest.into_iter().map(|run| run.descent));
    }
    let mut last = runs.pop().expect("at least one start");
    last.advance(model, rows, effort.steps, Slope::Exact)?;
    let descents = std::iter::once(last.descent).chain(given_up).collect();
    Ok((descents, last.solved))
}
