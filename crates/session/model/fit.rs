//! `photic fit`: a model's own parameters, fitted to a person's recording.

use std::fmt::Write as _;

use encoding::encoder::Encoder;
use encoding::fit::{self, Effort, Fit, Link, Prior, Trials, Unknown};
use ndarray::{Array2, Axis};
use recording::sha256_hex;
use serde_json::{Value, json};

use super::readout::ReadoutFile;
use super::{encoder, recording as file};
use crate::cli::FitArgs;
use crate::error::SessionError;
use crate::inspect::Seen;

/// Fits, and writes what was found.
///
/// # Errors
/// A model or recording that is refused, a parameter that the model does not have, too few trials, constant responses.
pub fn fit(args: &FitArgs) -> Result<Seen, SessionError> {
    let recording = file::read(&args.recording)?;
    let loader = args.loader;
    let encoder = encoder::open(&loader, &args.model, &args.form, recording.shape())?;
    let unknowns = unknowns(args, &encoder)?;
    let features = encoder::features(&args.tap, args.pool.as_deref())?;
    let link = link(args)?;
    // Of repeats only the mean tells of the parameters.
    let responses = recording.responses.mean_axis(Axis(1)).unwrap_or_default();
    let effort = Effort {
        screened: args.screened,
        starts: args.starts,
        steps: args.steps,
        folds: args.folds,
        seed: args.seed,
        threads: args.loader.threads,
    };
    let trials = Trials { stimuli: recording.stimuli.view(), responses: responses.view() };
    let fitted = fit::fit(&encoder, &[features], &link, &unknowns, trials, &effort)
        .map_err(|error| SessionError::Fit { path: args.recording.clone(), error: Box::new(error) })?;
    let json = json(args, &fitted, &responses)?;
    if let Some(out) = &args.out {
        let text = serde_json::to_string_pretty(&json).unwrap_or_default();
        std::fs::write(out, text).map_err(|error| SessionError::io("write", out, error))?;
    }
    Ok(Seen { text: text(args, &fitted), json, fine: true })
}

/// The population's readout up to gain and offset, or a regression that is solved along.
fn link(args: &FitArgs) -> Result<Link, SessionError> {
    let Some(path) = &args.readout else { return Ok(Link::Ridge { prior: None, penalty: args.penalty }) };
    let text = std::fs::read_to_string(path).map_err(|error| SessionError::io("read", path, error))?;
    let file: ReadoutFile = serde_json::from_str(&text).map_err(|error| SessionError::Array {
        path: path.clone(),
        reason: format!("not a readout: {error}"),
    })?;
    Ok(Link::Scaled { weights: file.readout.weights().to_owned() })
}

fn wrong(option: &str, text: &str, reason: String) -> SessionError {
    SessionError::Argument { argument: format!("{option} {text}"), reason }
}

/// `NAME=A,B`.
fn pair(option: &str, text: &str, form: &str) -> Result<(String, [f64; 2]), SessionError> {
    let parsed = text.split_once('=').and_then(|(name, numbers)| {
        let (a, b) = numbers.split_once(',')?;
        Some((name.to_owned(), [a.trim().parse().ok()?, b.trim().parse().ok()?]))
    });
    parsed.ok_or_else(|| wrong(option, text, format!("it should read {form}")))
}

fn unknowns(args: &FitArgs, encoder: &Encoder) -> Result<Vec<Unknown>, SessionError> {
    let mut unknowns = Vec::new();
    for text in &args.parameters {
        let (name, bounds) = if text.contains('=') {
            pair("--parameter", text, "NAME or NAME=LOW,HIGH")?
        } else {
            let range = encoder.parameter(text)?.range;
            let none = || "the file gives it no range; write NAME=LOW,HIGH".to_owned();
            (text.clone(), range.ok_or_else(|| wrong("--parameter", text, none()))?)
        };
        unknowns.push(Unknown { name, bounds, prior: None });
    }
    for text in &args.priors {
        let (name, [mean, sd]) = pair("--prior", text, "NAME=MEAN,SD")?;
        let known = unknowns.iter_mut().find(|unknown| unknown.name == name);
        let known =
            known.ok_or_else(|| wrong("--prior", text, "no --parameter of this name is fitted".into()))?;
        known.prior = Some(Prior { mean, sd });
    }
    Ok(unknowns)
}

fn text(args: &FitArgs, fitted: &Fit) -> String {
    let mut text = String::new();
    for estimate in &fitted.estimates {
        let edge = if estimate.at_bound { ", at its bound" } else { "" };
        let _ = writeln!(
            text,
            "{:<20} {:>10.4} +- {:.4} (before {:.4}{edge})",
            estimate.name, estimate.value, estimate.standard_error, estimate.unfitted
        );
    }
    let _ =
        writeln!(text, "loss                 {:.3} nats (before {:.3})", fitted.loss, fitted.unfitted_loss);
    if let Some(validation) = &fitted.validation {
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let _ = writeln!(
            text,
            "held-out R2          {:.3} (before {:.3}; improvement {:.3} +- {:.3})",
            mean(&validation.fitted_r2),
            mean(&validation.unfitted_r2),
            validation.improvement,
            validation.standard_error
        );
    }
    if let Some(out) = &args.out {
        let _ = writeln!(text, "written to           {}", out.display());
    }
    text
}

fn json(args: &FitArgs, fitted: &Fit, responses: &Array2<f64>) -> Result<Value, SessionError> {
    let hash = |path: &std::path::Path| {
        std::fs::read(path)
            .map(|bytes| sha256_hex(&bytes))
            .map_err(|error| SessionError::io("read", path, error))
    };
    let estimates: Vec<Value> = fitted
        .estimates
        .iter()
        .map(|one| {
            // Infinity is no JSON number: where nothing is known, null says so.
            let error = one.standard_error.is_finite().then_some(one.standard_error);
            json!({
                "name": one.name, "value": one.value, "standard_error": error, "before": one.unfitted,
                "at_bound": one.at_bound,
            })
        })
        .collect();
    let descents: Vec<Value> = fitted
        .descents
        .iter()
        .map(|one| {
            json!({ "from": one.from, "to": one.to, "loss": one.loss, "steps": one.steps, "converged": one.converged })
        })
        .collect();
    let validation = fitted.validation.as_ref().map(|one| {
        json!({
            "fitted_r2": one.fitted_r2, "unfitted_r2": one.unfitted_r2, "improvement": one.improvement,
            "standard_error": one.standard_error, "parameters": one.parameters,
        })
    });
    let covariance: Vec<Vec<f64>> = fitted.covariance.rows().into_iter().map(|row| row.to_vec()).collect();
    Ok(json!({
        "format_version": 1, "model": args.model, "model_sha256": hash(&args.model)?,
        "recording_sha256": hash(&args.recording)?, "tap": args.tap, "pool": args.pool,
        "trials": responses.nrows(), "responses": responses.ncols(), "seed": args.seed,
        "estimates": estimates, "covariance": covariance, "loss": fitted.loss, "loss_before": fitted.unfitted_loss,
        "noise_sd": fitted.noise_sd, "validation": validation, "descents": descents,
    }))
}
