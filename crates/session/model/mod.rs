//! The commands on ONNX models: `gradient`, `model taps`, `check`, `v1` and `score`, `fit`.
//!
//! A model file is foreign. Each command first loads it in a child process under the memory limit, where it can do no
//! harm; what passes there is loaded here, which repeats the same work.

mod arrays;
mod check;
pub(crate) mod encoder;
mod fit;
mod gradient;
pub(crate) mod readout;
mod recording;
mod score;
mod v1;

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use adjoint::guard::{self, ChildLimits};
use adjoint::{Limits, Model, Spec};
use clap::Args;
use serde_json::json;

use crate::cli::ModelArgs;
use crate::error::SessionError;
use crate::inspect::Seen;

pub use check::check;
pub use fit::fit;
pub use gradient::gradient;
pub use score::score;
pub use v1::v1;

/// Time that loading a model may take in the trial.
const TRIAL: Duration = Duration::from_secs(120);

/// Opens foreign models under limits.
#[derive(Debug, Clone, Copy, Args)]
pub struct Loader {
    /// Threads to compute with. What a search finds does not depend on it.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub threads: usize,
    /// Memory that a model may take, for loading and for one step.
    #[arg(long, value_name = "MIB", default_value_t = 4096)]
    pub memory_mib: u64,
}

impl Loader {
    /// What a file may be.
    pub fn limits(&self) -> Limits {
        Limits { memory_bytes: self.memory_mib << 20, ..Limits::default() }
    }

    /// Loads a model in a child process first, then here.
    pub fn open(&self, path: &Path) -> Result<Model, SessionError> {
        let own = std::env::current_exe()
            .map_err(|error| SessionError::io("find", "the program itself".as_ref(), error))?;
        let mut command = Command::new(own);
        command.args(["model", "trial"]).arg(path).arg("--memory-mib").arg(self.memory_mib.to_string());
        let memory_bytes = child_memory(self.memory_mib);
        let limits = ChildLimits { memory_bytes, cpu_s: TRIAL.as_secs(), deadline: TRIAL };
        guard::trial(&path.display().to_string(), command, &limits)?;
        Ok(Model::open(path, &self.limits())?)
    }
}

/// Loads the model in a child process first, then here.
fn open(args: &ModelArgs) -> Result<Model, SessionError> {
    args.loader.open(&args.model)
}

/// Address space of the trial: decoded and imported the model exists twice, and the program itself needs some.
fn child_memory(memory_mib: u64) -> u64 {
    (memory_mib << 20).saturating_mul(3).saturating_add(2 << 30)
}

/// `photic model trial`: what the child does.
///
/// # Errors
/// A named fault of the file.
pub fn trial(args: &ModelArgs) -> Result<Seen, SessionError> {
    let model = Model::open(&args.model, &args.loader.limits())?;
    let json = json!({ "inputs": model.inputs().len(), "taps": model.taps().len() });
    Ok(Seen { text: String::new(), json, fine: true })
}

/// The question that the arguments ask, at the given shapes.
fn spec(args: &ModelArgs, model: &Model) -> Result<Spec, SessionError> {
    let given = shapes(args)?;
    let mut spec = Spec::new().threads(args.loader.threads);
    for input in model.inputs().iter().filter(|input| input.dtype.is_float()) {
        spec = match given.iter().find(|(name, _)| name == &input.name) {
            Some((name, shape)) => spec.input(name, shape),
            None => spec.input_as_declared(&input.name),
        };
    }
    Ok(args.taps.iter().fold(spec, |spec, tap| spec.output(tap)))
}

/// `NAME=1x3x224x224` as name and shape.
fn shapes(args: &ModelArgs) -> Result<Vec<(String, Vec<usize>)>, SessionError> {
    let parsed = args.shapes.iter().map(|text| {
        let wrong = || SessionError::Argument {
            argument: format!("--shape {text}"),
            reason: "it should read NAME=1x3x224x224, with whole numbers from 1".into(),
        };
        let (name, shape) = text.rsplit_once('=').ok_or_else(wrong)?;
        let axes: Result<Vec<usize>, _> = shape.split('x').map(str::parse).collect();
        let axes = axes.ok().filter(|axes| !axes.contains(&0)).ok_or_else(wrong)?;
        Ok((name.to_owned(), axes))
    });
    parsed.collect()
}

/// `photic model taps`: every tensor that can be asked for.
///
/// # Errors
/// A fault of the file.
pub fn taps(args: &ModelArgs) -> Result<Seen, SessionError> {
    let model = open(args)?;
    let given = shapes(args)?;
    let mut text = String::new();
    for input in model.inputs() {
        let _ = writeln!(text, "input   {}  {} {}", input.name, input.dtype, input.shape_text());
    }
    let outputs: Vec<&str> = model.outputs().iter().map(|output| output.name.as_str()).collect();
    let mut taps = Vec::new();
    for tap in model.taps_for(&given) {
        let output = outputs.contains(&tap.name.as_str());
        let shape = tap.shape.as_ref().map_or_else(|| "[?]".into(), |shape| format!("{shape:?}"));
        let kind = tap.dtype.map_or_else(|| "?".into(), |dtype| dtype.to_string());
        let role = if output { "output" } else { "tap   " };
        let _ = writeln!(text, "{role}  {}  {kind} {shape}  {} ({})", tap.name, tap.operator, tap.node);
        taps.push(json!({
            "name": tap.name, "operator": tap.operator, "node": tap.node, "type": kind, "shape": tap.shape,
            "output": output,
        }));
    }
    let inputs: Vec<_> = model.inputs().iter().map(|input| {
        json!({ "name": input.name, "type": input.dtype.to_string(), "shape": input.shape_text() })
    }).collect();
    for note in model.notes() {
        let _ = writeln!(text, "note    {note}");
    }
    let notes: Vec<&str> = model.notes().collect();
    Ok(Seen { text, json: json!({ "inputs": inputs, "taps": taps, "notes": notes }), fine: true })
}
