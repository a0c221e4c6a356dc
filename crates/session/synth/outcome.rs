//! What a run of `photic synth` came to, as data: written as `synthesis.json`, printed, drawn on the contact sheet.

use std::fmt;

use serde::Serialize;

/// Everything about a result but the pixels.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// Version of this file's layout.
    pub format_version: u32,
    /// The result's folder.
    pub folder: String,
    /// Name in the specification.
    pub name: String,
    /// Description in the specification.
    pub description: String,
    /// SHA-256 of the specification.
    pub spec_sha256: String,
    /// Version of the program.
    pub photic_version: String,
    /// Its build, where the build said so.
    pub photic_build: String,
    /// Seed of everything random.
    pub seed: u64,
    /// The models, in the order of the specification.
    pub models: Vec<ModelUsed>,
    /// Readouts, images, vectors and other files that the specification names.
    pub files: Vec<FileUsed>,
    /// What moved the parameters.
    pub optimiser: OptimiserUsed,
    /// How the parameters make a stimulus.
    pub parametrisation: String,
    /// How many numbers were searched.
    pub parameters: usize,
    /// Why it ended: steps, deadline, cancelled, enough, converged or lost.
    pub ended: String,
    /// Steps that the optimiser took.
    pub steps: u64,
    /// How often the objective was evaluated, dead starts and plain values included.
    pub evaluations: u64,
    /// Starts without any response or gradient that were given up before this one.
    pub dead_starts: usize,
    /// The best value: the weighted sum of the terms, less the penalties.
    pub value: f64,
    /// The step that found it, 0 for the start.
    pub best_at_step: u64,
    /// The terms of the objective at the best stimuli, each before its weight.
    pub terms: Vec<TermReached>,
    /// The penalties at the best stimuli, each before its weight.
    pub penalties: Vec<TermReached>,
    /// Wall-clock time of the search in s. Not repeatable, unlike all above when the budget is one of steps.
    pub elapsed_s: f64,
    /// When it began, UTC.
    pub started_utc: String,
    /// What the numbers in the PNG files mean.
    pub png: String,
    /// What the numbers in `stimuli.npy` mean.
    pub npy: String,
    /// The stimuli.
    pub stimuli: Vec<StimulusMade>,
    /// One point per step.
    pub trajectory: Vec<Point>,
}

/// A model and the hash of its file.
#[derive(Debug, Clone, Serialize)]
pub struct ModelUsed {
    /// Name in the specification.
    pub name: String,
    /// Its file, or "embedded V1".
    pub source: String,
    /// SHA-256 of its ONNX bytes.
    pub sha256: String,
    /// Lesions and stimulation, in words.
    pub interventions: Vec<String>,
}

/// A file that the specification names.
#[derive(Debug, Clone, Serialize)]
pub struct FileUsed {
    /// As the specification names it.
    pub path: String,
    /// SHA-256 of its bytes.
    pub sha256: String,
}

/// What moved the parameters.
#[derive(Debug, Clone, Serialize)]
pub struct OptimiserUsed {
    /// As the specification names it.
    pub name: String,
    /// "gradient" or "gradient-free".
    pub class: &'static str,
    /// All its settings.
    pub settings: serde_json::Value,
}

/// A part of the value.
#[derive(Debug, Clone, Serialize)]
pub struct TermReached {
    /// What it is.
    pub name: String,
    /// Its weight in the sum.
    pub weight: f64,
    /// Its value at the best stimuli.
    pub value: f64,
}

/// A stimulus of the result.
#[derive(Debug, Clone, Serialize)]
pub struct StimulusMade {
    /// Its PNG.
    pub file: String,
    /// Mean light, 0 to 1.
    pub mean: f64,
    /// Standard deviation of light; over the mean it is the RMS contrast (Peli 1990, J. Opt. Soc. Am. A 7, 2032).
    pub sd: f64,
    /// Least light.
    pub least: f64,
    /// Greatest light.
    pub greatest: f64,
    /// What the objective's terms that look at one stimulus came to for this one, by name.
    pub terms: Vec<(String, f64)>,
}

/// The search after a step.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Point {
    /// Evaluations until then.
    pub evaluations: u64,
    /// The value there, under its views.
    pub value: f64,
    /// The best plain value until then.
    pub best: f64,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.name, self.description)?;
        writeln!(
            f,
            "value      {:.6} after {} steps and {} evaluations ({}), {:.2} s",
            self.value, self.steps, self.evaluations, self.ended, self.elapsed_s
        )?;
        for (what, terms) in [("term", &self.terms), ("penalty", &self.penalties)] {
            for term in terms {
                writeln!(f, "{what:<9}  {}: {:.6}, weight {}", term.name, term.value, term.weight)?;
            }
        }
        for made in &self.stimuli {
            write!(f, "stimulus   {}  mean {:.3}, SD {:.3}", made.file, made.mean, made.sd)?;
            for (name, value) in &made.terms {
                write!(f, ", {name} {value:.4}")?;
            }
            writeln!(f)?;
        }
        write!(f, "result     {}", self.folder)
    }
}
