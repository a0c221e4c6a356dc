//! The score of a perfect model, known from how much the responses to repeats of a stimulus differ.
//!
//! A trial is `y = signal(stimulus) + noise`. Unexplainable noise is also in the mean of the repeats, so even the true
//! signal has an R2 below 1 against it. With S stimuli, of which s has n_s repeats, `n = S / sum(1/n_s)`:
//!
//! - noise power `N`: variance within stimuli, pooled;
//! - `V`: variance over stimuli of their mean responses, expected to be `signal power + N/n`;
//! - signal power `V - N/n`: for equal repeats the one of Sahani and Linden (2003) and Schoppe et al. (2016) up to their
//!   divisors, without bias for unequal ones too (analysis of unweighted means);
//! - ceiling `1 - (S-3)/(S-1) (N/n)/V`: what R2 against the means can reach (Hsu, Borst and Theunissen, 2004; CC_max^2 of
//!   Schoppe et al.). The factor makes it free of bias for normal signal and noise and equal repeats: `(N/n)/V` then is
//!   its true value times an F variable, whose mean is (S-1)/(S-3).
//!
//! Nothing is clipped to 0..1: that would bring the bias back. A channel without signal has values around 0.

use std::collections::BTreeMap;

use ndarray::{Array2, ArrayView1, ArrayView2, Axis};

use super::ScoreError;
use super::error::{enough, finite, sized};
use super::predict::{correlation, varies};

/// What repeats say about one channel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ceiling {
    /// Variance over stimuli of the expected response, without bias (divisor S - 1); may be negative.
    pub signal_power: f64,
    /// Variance of single trials around their stimulus's expected response, without bias.
    pub noise_power: f64,
    /// Harmonic mean of the repeats.
    pub repeats: f64,
    /// Distinct stimuli.
    pub stimuli: usize,
    /// R2 that the true signal reaches against the means of the repeats.
    pub r2: f64,
    /// The same against single trials, signal over signal plus noise power; a ratio of estimates, biased a little.
    pub single_trial_r2: f64,
}

/// An estimate and where its true value lies, by the jackknife over stimuli (Efron and Stein, 1981).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// From all stimuli.
    pub estimate: f64,
    /// Standard error.
    pub standard_error: f64,
}

impl Interval {
    /// Estimate less and plus 1.96 standard errors.
    pub fn bounds_95(&self) -> [f64; 2] {
        [self.estimate - 1.96 * self.standard_error, self.estimate + 1.96 * self.standard_error]
    }
}

/// Scores of one channel against the mean responses to stimuli.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Explained {
    /// R2 of the predictions against the means.
    pub r2: f64,
    /// Pearson correlation with the means; `None` where predictions do not vary.
    pub pearson: Option<f64>,
    /// What repeats say.
    pub ceiling: Ceiling,
    /// Jackknife of the ceiling.
    pub ceiling_r2: Interval,
    /// R2 over the ceiling; `None` where the ceiling's interval reaches down to 0: there is no signal to explain then, and
    /// the ratio is any number. (Of channels without any signal about one in twelve gets past this.)
    pub normalised_r2: Option<Interval>,
    /// Covariance of prediction and mean response over the roots of the predictions' variance and the signal power: the
    /// correlation with the signal itself (Schoppe et al., 2016). `None` as for the normalised R2, or where predictions do
    /// not vary.
    pub cc_norm: Option<Interval>,
}

/// Numbers of the stimuli, ascending, and mean responses [stimuli, channels] over their trials.
///
/// # Errors
/// As many stimulus indices as trials are needed.
pub fn stimulus_means(
    responses: ArrayView2<'_, f64>,
    stimuli: &[usize],
) -> Result<(Vec<usize>, Array2<f64>), ScoreError> {
    sized("stimulus indices", stimuli.len(), responses.nrows())?;
    let rows_of = rows_of(stimuli);
    let mut means = Array2::zeros((rows_of.len(), responses.ncols()));
    for (mut mean, rows) in means.rows_mut().into_iter().zip(rows_of.values()) {
        mean.assign(&(responses.select(Axis(0), rows).sum_axis(Axis(0)) / rows.len() as f64));
    }
    Ok((rows_of.into_keys().collect(), means))
}

/// Signal, noise and ceiling per channel of responses [trials, channels].
///
/// # Errors
/// Sizes, values that are not finite, fewer than 5 stimuli, a stimulus without repeat, a channel that does not vary.
pub fn noise_ceiling(responses: ArrayView2<'_, f64>, stimuli: &[usize]) -> Result<Vec<Ceiling>, ScoreError> {
    let groups = checked(responses, stimuli)?;
    Ok(responses.columns().into_iter().map(|channel| ceiling(&moments(channel, None, &groups))).collect())
}

/// Scores of predictions [trials, channels] (of which those of one stimulus are averaged) against responses of the same
/// shape, with ceilings and intervals.
///
/// # Errors
/// As [`noise_ceiling`].
pub fn explained(
    predicted: ArrayView2<'_, f64>,
    responses: ArrayView2<'_, f64>,
    stimuli: &[usize],
) -> Result<Vec<Explained>, ScoreError> {
    sized("trials of the predictions", predicted.nrows(), responses.nrows())?;
    sized("channels of the predictions", predicted.ncols(), responses.ncols())?;
    finite("predictions", predicted)?;
    let groups = checked(responses, stimuli)?;
    let channels = std::iter::zip(predicted.columns(), responses.columns());
    Ok(channels.map(|(predicted, channel)| judge(&moments(channel, Some(predicted), &groups))).collect())
}

/// One stimulus of one channel.
#[derive(Debug, Clone, Copy)]
struct Moment {
    repeats: f64,
    mean: f64,
    /// Sum of squares around the mean.
    within: f64,
    prediction: f64,
}

fn rows_of(stimuli: &[usize]) -> BTreeMap<usize, Vec<usize>> {
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (row, &stimulus) in stimuli.iter().enumerate() {
        groups.entry(stimulus).or_default().push(row);
    }
    groups
}

fn checked(responses: ArrayView2<'_, f64>, stimuli: &[usize]) -> Result<Vec<Vec<usize>>, ScoreError> {
    sized("stimulus indices", stimuli.len(), responses.nrows())?;
    finite("responses", responses)?;
    let groups = rows_of(stimuli);
    enough("stimuli", groups.len(), 5)?;
    if let Some((&stimulus, rows)) = groups.iter().find(|(_, rows)| rows.len() < 2) {
        return Err(ScoreError::NoRepeat { stimulus, repeats: rows.len() });
    }
    let (_, means) = stimulus_means(responses, stimuli)?;
    match means.columns().into_iter().position(|channel| !varies(channel)) {
        Some(index) => Err(ScoreError::Constant { what: "the mean response of channel", index }),
        None => Ok(groups.into_values().collect()),
    }
}

fn moments(
    channel: ArrayView1<'_, f64>,
    predicted: Option<ArrayView1<'_, f64>>,
    groups: &[Vec<usize>],
) -> Vec<Moment> {
    let moment = |rows: &Vec<usize>| {
        let repeats = rows.len() as f64;
        let mean = rows.iter().map(|&row| channel[row]).sum::<f64>() / repeats;
        let within = rows.iter().map(|&row| (channel[row] - mean) * (channel[row] - mean)).sum();
        let prediction =
            predicted.map_or(0.0, |said| rows.iter().map(|&row| said[row]).sum::<f64>() / repeats);
        Moment { repeats, mean, within, prediction }
    };
    groups.iter().map(moment).collect()
}

fn ceiling(moments: &[Moment]) -> Ceiling {
    let stimuli = moments.len() as f64;
    let repeats = stimuli / moments.iter().map(|m| 1.0 / m.repeats).sum::<f64>();
    let free: f64 = moments.iter().map(|m| m.repeats - 1.0).sum();
    let noise_power = moments.iter().map(|m| m.within).sum::<f64>() / free;
    let of_means = covariance(moments, |m| m.mean, |m| m.mean);
    let signal_power = of_means - noise_power / repeats;
    Ceiling {
        signal_power,
        noise_power,
        repeats,
        stimuli: moments.len(),
        r2: 1.0 - (stimuli - 3.0) / (stimuli - 1.0) * noise_power / repeats / of_means,
        single_trial_r2: signal_power / (signal_power + noise_power),
    }
}

/// Over stimuli, divisor S - 1.
fn covariance(moments: &[Moment], a: impl Fn(&Moment) -> f64, b: impl Fn(&Moment) -> f64) -> f64 {
    let n = moments.len() as f64;
    let mean = |of: &dyn Fn(&Moment) -> f64| moments.iter().map(of).sum::<f64>() / n;
    let (mean_a, mean_b) = (mean(&a), mean(&b));
    moments.iter().map(|m| (a(m) - mean_a) * (b(m) - mean_b)).sum::<f64>() / (n - 1.0)
}

fn r2_of(moments: &[Moment]) -> f64 {
    let missed: f64 = moments.iter().map(|m| (m.mean - m.prediction) * (m.mean - m.prediction)).sum();
    let total = covariance(moments, |m| m.mean, |m| m.mean) * (moments.len() as f64 - 1.0);
    1.0 - missed / total
}

fn cc_norm_of(moments: &[Moment]) -> f64 {
    let shared = covariance(moments, |m| m.mean, |m| m.prediction);
    let said = covariance(moments, |m| m.prediction, |m| m.prediction);
    shared / (said.sqrt() * ceiling(moments).signal_power.sqrt())
}

fn judge(moments: &[Moment]) -> Explained {
    let column = |of: fn(&Moment) -> f64| moments.iter().map(of).collect::<ndarray::Array1<f64>>();
    let pearson = correlation(column(|m| m.mean).view(), column(|m| m.prediction).view());
    let ceiling_r2 = jackknife(moments, |moments| ceiling(moments).r2);
    let has_signal = ceiling_r2.bounds_95()[0] > 0.0;
    let relative = |moments: &[Moment]| r2_of(moments) / ceiling(moments).r2;
    Explained {
        r2: r2_of(moments),
        pearson,
        ceiling: ceiling(moments),
        ceiling_r2,
        normalised_r2: has_signal.then(|| jackknife(moments, relative)),
        cc_norm: (has_signal && pearson.is_some()).then(|| jackknife(moments, cc_norm_of)),
    }
}

/// Leaves out one stimulus at a time.
fn jackknife(moments: &[Moment], of: impl Fn(&[Moment]) -> f64) -> Interval {
    let n = moments.len() as f64;
    let left_out: Vec<f64> = (0..moments.len())
        .map(|out| {
            let rest: Vec<Moment> =
                moments.iter().enumerate().filter(|(index, _)| *index != out).map(|(_, m)| *m).collect();
            of(&rest)
        })
        .collect();
    let mean = left_out.iter().sum::<f64>() / n;
    let squares: f64 = left_out.iter().map(|value| (value - mean) * (value - mean)).sum();
    Interval { estimate: of(moments), standard_error: ((n - 1.0) / n * squares).sqrt() }
}
