//! `photic model score`: how well each place of a model predicts a recording, and the readout of the best.

use std::fmt::Write as _;
use std::path::Path;

use encoding::encoder::{Encoder, Features};
use encoding::readout::{Plan, Recorded, Tap, TapChoice, TapScore, choose_tap};
use encoding::score::{
    Comparison, Dissimilarity, Estimator, Explained, Kernel, Rdm, ScoreError, cka, explained,
    procrustes_distance, stimulus_means,
};
use ndarray::{Array2, Axis};
use recording::sha256_hex;
use serde_json::{Value, json};

use super::readout::ReadoutFile;
use super::recording::Recording;
use super::{encoder, recording as file};
use crate::cli::ScoreArgs;
use crate::error::SessionError;
use crate::inspect::Seen;

/// Numbers of one matrix of features beyond which a readout takes too much memory.
const MOST_NUMBERS: usize = 1 << 27;

/// Scores every tap, chooses one, writes its readout.
///
/// # Errors
/// A model or recording that is refused, stimuli that do not fit the model, too few of them, constant responses.
pub fn score(args: &ScoreArgs) -> Result<Seen, SessionError> {
    let recording = file::read(&args.recording)?;
    let loader = args.loader;
    let shape = recording.shape();
    let encoder = encoder::open(&loader, &args.model, &args.form, shape)?;
    let names: Vec<String> = match args.taps.is_empty() {
        false => args.taps.clone(),
        true => encoder.model().outputs().iter().map(|output| output.name.clone()).collect(),
    };
    let pool = args.pool.as_deref();
    let asked = names.iter().map(|name| encoder::features(name, pool)).collect::<Result<Vec<_>, _>>()?;
    let trials = Trials::of(&recording);
    let of_readout = |error| SessionError::Readout { path: args.recording.clone(), error };
    let features = features(&encoder, &recording, &asked, &args.recording)?;
    let spread: Vec<Array2<f64>> =
        features.iter().map(|rows| rows.select(Axis(0), &trials.stimuli)).collect();
    let taps: Vec<Tap<'_>> = names
        .iter()
        .zip(&spread)
        .map(|(name, rows)| Tap { name, features: rows.view(), prior: None })
        .collect();
    let recorded = trials.recorded();
    let plan = Plan { folds: args.folds, ..Plan::new(args.seed) };
    let choice = choose_tap(&taps, &recorded, &plan).map_err(of_readout)?;
    let judged: Vec<Judged> =
        choice.taps.iter().zip(&features).map(|(tap, rows)| Judged::new(tap, rows, &trials)).collect();
    if let Some(out) = &args.out {
        write(out, args, asked[choice.chosen].clone(), &choice)?;
    }
    Ok(report(args, &recording, &judged, &choice))
}

/// Features of the stimuli at each tap, one row per stimulus.
fn features(
    encoder: &Encoder,
    recording: &Recording,
    asked: &[Features],
    path: &Path,
) -> Result<Vec<Array2<f64>>, SessionError> {
    let features = encoder.features(recording.stimuli.view(), asked)?;
    let rows = recording.responses.len_of(Axis(0)) * recording.responses.len_of(Axis(1));
    if let Some((asked, wide)) =
        asked.iter().zip(&features).find(|(_, wide)| wide.ncols() * rows > MOST_NUMBERS)
    {
        let reason = format!(
            "tap {} has {} features, times {rows} trials; at most {MOST_NUMBERS} numbers are read: use --pool ROWSxCOLUMNS",
            asked.tap,
            wide.ncols()
        );
        return Err(SessionError::Array { path: path.to_owned(), reason });
    }
    Ok(features)
}

/// The recording, one row per trial.
struct Trials {
    responses: Array2<f64>,
    /// Mean over repeats, one row per stimulus.
    means: Array2<f64>,
    stimuli: Vec<usize>,
    channels: Vec<String>,
    repeats: usize,
}

impl Trials {
    fn of(recording: &Recording) -> Self {
        let (count, repeats, channels) = recording.responses.dim();
        let responses =
            recording.responses.to_shape((count * repeats, channels)).map(|array| array.to_owned());
        let stimuli: Vec<usize> = (0..count * repeats).map(|row| row / repeats).collect();
        let responses = responses.unwrap_or_default();
        let means = stimulus_means(responses.view(), &stimuli).map(|(_, means)| means).unwrap_or_default();
        let channels = (0..channels).map(|index| format!("response {index}")).collect();
        Self { responses, means, stimuli, channels, repeats }
    }

    fn recorded(&self) -> Recorded<'_> {
        Recorded { responses: self.responses.view(), stimuli: &self.stimuli, channels: &self.channels }
    }
}

/// Everything that is said of one tap.
struct Judged {
    name: String,
    features: usize,
    cv_r2: Vec<f64>,
    explained: Result<Vec<Explained>, String>,
    rsa: Result<f64, String>,
    cka: Result<f64, String>,
    procrustes: Result<f64, String>,
}

impl Judged {
    fn new(tap: &TapScore, rows: &Array2<f64>, trials: &Trials) -> Self {
        let explained = match trials.repeats {
            1 => Err("no repeats".to_owned()),
            _ => explained(tap.cv.predictions.view(), trials.responses.view(), &trials.stimuli)
                .map_err(|error| error.to_string()),
        };
        let means = trials.means.view();
        let text = |result: Result<f64, ScoreError>| result.map_err(|error| error.to_string());
        Self {
            name: tap.name.clone(),
            features: tap.features,
            cv_r2: tap.cv.r2.clone(),
            explained,
            rsa: text(rsa(rows, &trials.means)),
            cka: text(cka(rows.view(), means, Kernel::Linear, Estimator::Unbiased)),
            procrustes: text(procrustes_distance(rows.view(), means)),
        }
    }

    fn cv_mean(&self) -> f64 {
        self.cv_r2.iter().sum::<f64>() / self.cv_r2.len() as f64
    }

    /// Mean ceiling; mean normalised R2 over channels with a signal, its 95 % interval, and how many those are. Channels
    /// share their stimuli, so that their errors are taken as one: the interval is rather too wide.
    fn normalised(&self) -> Option<(f64, Option<[f64; 3]>, usize)> {
        let explained = self.explained.as_ref().ok()?;
        let ceiling = explained.iter().map(|one| one.ceiling.r2).sum::<f64>() / explained.len() as f64;
        let with_signal: Vec<_> = explained.iter().filter_map(|one| one.normalised_r2).collect();
        let n = with_signal.len() as f64;
        let mean = with_signal.iter().map(|one| one.estimate).sum::<f64>() / n;
        let error = with_signal.iter().map(|one| one.standard_error).sum::<f64>() / n;
        let interval = (n > 0.0).then_some([mean, mean - 1.96 * error, mean + 1.96 * error]);
        Some((ceiling, interval, with_signal.len()))
    }

    fn json(&self) -> Value {
        let maybe = |value: &Result<f64, String>| match value {
            Ok(value) => json!(value),
            Err(reason) => json!({ "none": reason }),
        };
        let channels = self.explained.as_ref().map_or_else(
            |reason| json!({ "none": reason }),
            |all| {
                let each = all.iter().map(|one| {
                    json!({
                        "r2_of_means": one.r2, "pearson_of_means": one.pearson, "ceiling_r2": one.ceiling.r2,
                        "ceiling_interval_95": one.ceiling_r2.bounds_95(),
                        "normalised_r2": one.normalised_r2.map(|value| value.estimate),
                        "normalised_interval_95": one.normalised_r2.map(|value| value.bounds_95()),
                        "cc_norm": one.cc_norm.map(|value| value.estimate),
                        "signal_power": one.ceiling.signal_power, "noise_power": one.ceiling.noise_power,
                    })
                });
                each.collect()
            },
        );
        let normalised = self.normalised();
        json!({
            "tap": self.name, "features": self.features, "cv_r2": self.cv_mean(), "cv_r2_by_response": self.cv_r2,
            "ceiling_r2": normalised.map(|(ceiling, ..)| ceiling),
            "normalised_r2": normalised.and_then(|(_, interval, _)| interval).map(|interval| interval[0]),
            "normalised_interval_95": normalised.and_then(|(_, i, _)| i).map(|i| [i[1], i[2]]),
            "responses_with_signal": normalised.map(|(.., count)| count),
            "responses": channels, "rsa_spearman": maybe(&self.rsa), "cka_linear_unbiased": maybe(&self.cka),
            "procrustes_angle_rad": maybe(&self.procrustes),
        })
    }
}

/// Rank correlation of dissimilarities. Patterns of fewer than three responses have no correlation distance: their
/// Euclidean one is taken on both sides.
fn rsa(features: &Array2<f64>, responses: &Array2<f64>) -> Result<f64, ScoreError> {
    let narrow = features.ncols().min(responses.ncols()) < 3;
    let by = if narrow { Dissimilarity::Euclidean } else { Dissimilarity::Correlation };
    Rdm::new(features.view(), by)?.compare(&Rdm::new(responses.view(), by)?, Comparison::Spearman)
}

fn write(out: &Path, args: &ScoreArgs, features: Features, choice: &TapChoice) -> Result<(), SessionError> {
    let hash = |path: &Path| {
        std::fs::read(path)
            .map(|bytes| sha256_hex(&bytes))
            .map_err(|error| SessionError::io("read", path, error))
    };
    let file = ReadoutFile {
        format_version: ReadoutFile::FORMAT_VERSION,
        model: args.model.display().to_string(),
        model_sha256: hash(&args.model)?,
        recording_sha256: hash(&args.recording)?,
        fitted_utc: ReadoutFile::now(),
        features,
        readout: choice.fit.readout.clone(),
    };
    let text = serde_json::to_string_pretty(&file);
    let text = text.map_err(|error| SessionError::io("write", out, std::io::Error::other(error)))?;
    std::fs::write(out, text).map_err(|error| SessionError::io("write", out, error))
}

fn report(args: &ScoreArgs, recording: &Recording, judged: &[Judged], choice: &TapChoice) -> Seen {
    let (stimuli, repeats, responses) = recording.responses.dim();
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{stimuli} stimuli, {repeats} repeats, {responses} responses; {} folds, seed {}",
        args.folds, args.seed
    );
    let number = |value: &Result<f64, String>| match value {
        Ok(value) => format!("{value:8.3}"),
        Err(_) => format!("{:>8}", "-"),
    };
    let width = judged.iter().map(|one| one.name.len()).max().unwrap_or(0).max(3);
    let _ = writeln!(
        text,
        "{:<width$} features    cv R2  ceiling  normalised R2 (95 %)      RSA      CKA  Procrustes",
        "tap"
    );
    for (index, one) in judged.iter().enumerate() {
        let (ceiling, normalised) = match one.normalised() {
            Some((ceiling, Some([mean, low, high]), _)) => {
                (format!("{ceiling:.3}"), format!("{mean:.3} ({low:.3} to {high:.3})"))
            }
            Some((ceiling, None, _)) => (format!("{ceiling:.3}"), "no signal".into()),
            None => ("-".into(), "-".into()),
        };
        let _ = writeln!(
            text,
            "{:<width$} {:>8} {:8.3} {ceiling:>8}  {normalised:>22} {} {} {}   {}",
            one.name,
            one.features,
            one.cv_mean(),
            number(&one.rsa),
            number(&one.cka),
            number(&one.procrustes),
            if index == choice.chosen { "<- chosen" } else { "" }
        );
    }
    let outer = choice.outer.mean_r2();
    let _ = writeln!(text, "cv R2 with the tap chosen anew in each fold: {outer:.3}");
    for one in judged {
        let each = [
            ("ceiling", one.explained.as_ref().err()),
            ("RSA", one.rsa.as_ref().err()),
            ("CKA", one.cka.as_ref().err()),
            ("Procrustes", one.procrustes.as_ref().err()),
        ];
        for (what, reason) in each {
            if let Some(reason) = reason {
                let _ = writeln!(text, "{}: no {what}: {reason}", one.name);
            }
        }
    }
    if let Some(out) = &args.out {
        let _ = writeln!(text, "readout    {}", out.display());
    }
    let taps: Vec<Value> = judged.iter().map(Judged::json).collect();
    let json = json!({
        "model": args.model, "recording": args.recording, "stimuli": stimuli, "repeats": repeats,
        "responses": responses, "folds": args.folds, "seed": args.seed, "taps": taps,
        "chosen": judged[choice.chosen].name, "cv_r2_of_choosing": outer, "readout": args.out,
    });
    Seen { text, json, fine: true }
}
