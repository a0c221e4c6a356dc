//! The place of a model that explains a recording best.

use super::map::{check, fit_checked};
use super::recorded::Rows;
use super::validate::{CrossValidated, Plan, Tap, nested, select};
use super::{Fit, ReadoutError, Recorded};

/// How well one tap predicts.
#[derive(Debug, Clone, PartialEq)]
pub struct TapScore {
    /// Its name.
    pub name: String,
    /// Its features.
    pub features: usize,
    /// Nested cross-validation of this tap alone. The best of several such scores is flattered by the choice.
    pub cv: CrossValidated,
    /// R2 of the cross-validation by which a tap is chosen from all trials, averaged over channels.
    pub selection_r2: f64,
    /// Outer folds in whose training set it was the best.
    pub picked: usize,
}

/// The tap that was chosen, and what that choice is worth.
#[derive(Debug, Clone)]
pub struct TapChoice {
    /// Index of the chosen tap: the best by cross-validation over all trials, choosing tap and penalty together.
    pub chosen: usize,
    /// All taps, in the order given.
    pub taps: Vec<TapScore>,
    /// Free of the choice's flattery: in each outer fold the tap was chosen anew from the training set alone.
    pub outer: CrossValidated,
    /// The chosen tap's readout. Its own scores are those of `taps[chosen]`, not of `outer`.
    pub fit: Fit,
}

/// Chooses among taps, by mean R2 over channels; of equally good ones the first.
///
/// # Errors
/// As [`super::fit`], with the tap's name where it is one tap's fault.
pub fn choose_tap(taps: &[Tap<'_>], recorded: &Recorded<'_>, plan: &Plan) -> Result<TapChoice, ReadoutError> {
    if taps.is_empty() {
        return Err(ReadoutError::NoTaps);
    }
    for tap in taps {
        check(tap.features, recorded, tap.prior, plan)
            .map_err(|error| ReadoutError::Tap { tap: tap.name.into(), error: Box::new(error) })?;
    }
    let judged = nested(taps, recorded, plan)?;
    let all: Vec<usize> = (0..recorded.trials()).collect();
    let mut scores = Vec::new();
    for (index, (tap, cv)) in taps.iter().zip(judged.taps).enumerate() {
        let rows = Rows::of(tap.features, recorded, &all);
        scores.push(TapScore {
            name: tap.name.into(),
            features: tap.features.ncols(),
            cv,
            selection_r2: select(&rows, recorded.channels, tap.prior, plan, plan.folds)?.mean_r2,
            picked: judged.picks.iter().filter(|&&pick| pick == index).count(),
        });
    }
    let chosen = (1..taps.len()).fold(0, |best, index| {
        if scores[index].selection_r2 > scores[best].selection_r2 { index } else { best }
    });
    let fit = fit_checked(&taps[chosen], recorded, plan, scores[chosen].cv.clone())?;
    Ok(TapChoice { chosen, taps: scores, outer: judged.choice, fit })
}
