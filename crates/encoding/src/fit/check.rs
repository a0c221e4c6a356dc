//! What can be said against a fit before it is begun.

use super::{Effort, FitError, Link, Trials, Unknown};
use crate::encoder::Encoder;

/// Checks the question; gives the values that the encoder has for the unknowns.
pub(super) fn question(
    encoder: &Encoder,
    link: &Link,
    unknowns: &[Unknown],
    trials: &Trials<'_>,
    effort: &Effort,
) -> Result<Vec<f64>, FitError> {
    if unknowns.is_empty() {
        let known: Vec<&str> = encoder.parameters().iter().map(|parameter| parameter.name.as_str()).collect();
        return Err(FitError::NoUnknown { known: known.join(", ") });
    }
    let mut unfitted = Vec::new();
    for (index, unknown) in unknowns.iter().enumerate() {
        if unknowns[..index].iter().any(|other| other.name == unknown.name) {
            return Err(FitError::Twice { name: unknown.name.clone() });
        }
        unfitted.push(present_value(encoder, unknown)?);
    }
    responses(trials)?;
    link.check(trials.responses.ncols())?;
    counts(link, unknowns.len(), trials.responses.nrows(), effort.folds)?;
    Ok(unfitted)
}

/// The value that the encoder has for an unknown, which its bounds must hold.
fn present_value(encoder: &Encoder, unknown: &Unknown) -> Result<f64, FitError> {
    let (name, [low, high]) = (unknown.name.clone(), unknown.bounds);
    let parameter = encoder.parameter(&name)?;
    let declared = encoder.model().inputs().iter().find(|info| info.name == name);
    if let Some(info) = declared
        && info.concrete().is_none_or(|shape| shape.iter().product::<usize>() != 1)
    {
        return Err(FitError::NotANumber { name, shape: info.shape_text() });
    }
    let wrong = |reason: String| Err(FitError::Bounds { name: name.clone(), low, high, reason });
    if !(low.is_finite() && high.is_finite() && low < high) {
        return wrong("leave nothing: the first must be below the second, both finite".into());
    }
    if let Some([least, most]) = parameter.range
        && (low < least || high > most)
    {
        return wrong(format!("go beyond what the model takes, {least} to {most}"));
    }
    if let Some(prior) = unknown.prior
        && !(prior.mean.is_finite() && prior.sd.is_finite() && prior.sd > 0.0)
    {
        return Err(FitError::Prior { name, mean: prior.mean, sd: prior.sd });
    }
    match parameter.value.as_ref().and_then(|value| value.first()) {
        Some(&value) if (low..=high).contains(&f64::from(value)) => Ok(f64::from(value)),
        Some(value) => wrong(format!("do not hold the model's present value {value}")),
        None => wrong("have no present value of the model between them: give it one".into()),
    }
}

fn responses(trials: &Trials<'_>) -> Result<(), FitError> {
    let (stimuli, responses) = (trials.stimuli.shape()[0], trials.responses.nrows());
    if stimuli != responses {
        return Err(FitError::Pairs { stimuli, responses });
    }
    if trials.responses.ncols() == 0 {
        return Err(FitError::NoResponse);
    }
    if let Some(((trial, response), &value)) = trials.responses.indexed_iter().find(|(_, v)| !v.is_finite()) {
        return Err(FitError::NonFinite { trial, response, value });
    }
    for (response, column) in trials.responses.columns().into_iter().enumerate() {
        if let Some(&value) = column.first().filter(|first| column.iter().all(|other| other == *first)) {
            return Err(FitError::Constant { response, value, trials: responses });
        }
    }
    Ok(())
}

/// Enough trials outside each fold.
fn counts(link: &Link, parameters: usize, trials: usize, folds: usize) -> Result<(), FitError> {
    if folds == 1 || folds > trials {
        return Err(FitError::Folds { folds, trials });
    }
    let readout = link.free_numbers();
    let needed = parameters + readout + 1;
    let kept = if folds == 0 { trials } else { trials - trials.div_ceil(folds) };
    if kept < needed {
        let held = if folds == 0 { String::new() } else { format!(" ({kept} of them outside a fold)") };
        return Err(FitError::Trials { trials, held, parameters, readout, needed });
    }
    Ok(())
}
