//! From the text of a specification to a search that is ready to begin.
//!
//! A specification is read and lowered in one pass, section by section, while the place of every value is known: a tap that
//! a model does not have, a reference image of another size, a constraint that leaves nothing are all errors with line,
//! column and what is allowed, before the first step.

mod cell;
pub mod constraint;
mod embedded;
pub mod head;
mod intervention;
mod letters;
pub mod model;
mod objective;
mod optimiser;
mod reference;
pub mod shape;

use std::path::Path;

use encoding::encoder::Encoder;
use protocol::ProtocolError;
use protocol::reader::Document;
use synthesis::assembly::{Parts, Synthesis};
use synthesis::objective::Weighted;
use synthesis::optimiser::Settings;
use synthesis::prior::Prior;
use synthesis::search::Start;

use super::outcome::{FileUsed, ModelUsed};
use super::picture::Coding;
use crate::model::Loader;
use head::{Budget, Head, Stimulus};
use model::Arms;

/// A specification, read and lowered.
pub struct Task {
    pub head: Head,
    pub stimulus: Stimulus,
    pub budget: Budget,
    pub coding: Coding,
    pub synthesis: Synthesis,
    pub start: Start,
    pub optimiser: Settings,
    /// The terms by name, in their order.
    pub terms: Vec<(String, Weighted)>,
    pub priors: Vec<Prior>,
    /// How the parameters make a stimulus, in words.
    pub parametrisation: String,
    pub models: Vec<ModelUsed>,
    pub encoders: Vec<Encoder>,
    pub files: Vec<FileUsed>,
}

const SECTIONS: [&str; 13] = [
    "synth",
    "stimulus",
    "model",
    "intervention",
    "readout",
    "parametrisation",
    "robustness",
    "prior",
    "constraint",
    "objective",
    "optimiser",
    "budget",
    "output",
];

/// Reads the text of a specification; `file` is its path, from whose folder paths in it count.
///
/// # Errors
/// The first fault, with its place.
pub fn task(text: &str, file: &Path, seed: Option<u64>, loader: &Loader) -> Result<Task, ProtocolError> {
    let name = file.display().to_string();
    let document = Document::parse(text, &name)?;
    let root = document.root(&SECTIONS)?;
    let mut head = head::head(&root)?;
    head.seed = seed.unwrap_or(head.seed);
    let stimulus = head::stimulus(&root)?;
    let budget = head::budget(&root)?;
    let coding = head::output(&root)?;
    let folder = file.parent().unwrap_or(Path::new(""));
    let mut arms = Arms::read(&root, &stimulus, head.seed, folder, loader)?;
    let constraints = constraint::read(&root, &mut arms, coding)?;
    let space = shape::space(&root, &mut arms, loader)?;
    let robustness = shape::robustness(&root, &arms)?;
    let priors = shape::priors(&root, &arms)?;
    let (dimensions, bounds) = (space.parametrisation.len(), space.parametrisation.bounds());
    let optimiser = optimiser::read(&root, dimensions, bounds)?;
    let wanted = objective::objective(&root, &mut arms)?;
    let start = match &space.start {
        None => Start::Drawn,
        Some(images) => {
            let start = space.parametrisation.start_at(images);
            Start::Given(start.map_err(|error| root.contradiction("parametrisation", error.to_string()))?)
        }
    };
    let terms: Vec<(String, Weighted)> = wanted.names.into_iter().zip(wanted.terms.iter().cloned()).collect();
    let encoders: Vec<Encoder> = arms.models.iter().map(|arm| arm.encoder.clone()).collect();
    let (robustness, views) = robustness.unwrap_or_default();
    let parts = Parts {
        parametrisation: space.parametrisation,
        constraints,
        robustness,
        views: views.max(1),
        priors: priors.clone(),
        arms: encoders.clone(),
        terms: wanted.terms,
        seed: head.seed,
        threads: loader.threads,
        // Under a deadline in time the bits cannot repeat anyway, and steps should be fast.
        repeatable: budget.deadline_ms.is_none(),
    };
    let synthesis =
        Synthesis::new(parts).map_err(|error| root.contradiction("objective", error.to_string()))?;
    let models = arms.models.iter().map(|arm| ModelUsed {
        name: arm.name.clone(),
        source: arm.source.clone(),
        sha256: arm.sha256.clone(),
        interventions: arm.interventions.clone(),
    });
    let models = models.collect();
    let files = std::mem::take(&mut arms.files);
    drop(arms);
    Ok(Task {
        head,
        budget,
        coding,
        synthesis,
        start,
        optimiser,
        terms,
        priors,
        parametrisation: space.words,
        models,
        encoders,
        files,
        stimulus,
    })
}
