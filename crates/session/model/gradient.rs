//! `photic gradient`: one gradient, and what it costs.

use std::fmt::Write as _;
use std::fs;

use adjoint::{Cancel, Gradient, Model, NodeTime};
use ndarray::{ArrayD, ArrayViewD};
use serde_json::{Value, json};
use timeline::clock::now_ns;

use super::{arrays, open};
use crate::cli::GradientArgs;
use crate::error::SessionError;
use crate::inspect::Seen;

/// Computes the gradient, writes it, and reports times and memory.
///
/// # Errors
/// A fault of the model, an array that does not fit, a file that cannot be written.
pub fn gradient(args: &GradientArgs) -> Result<Seen, SessionError> {
    let before = resident_bytes();
    let model = open(&args.model)?;
    let inputs = read_inputs(args, &model)?;
    let spec =
        inputs.iter().fold(super::Spec::new().threads(args.model.loader.threads), |spec, (name, array)| {
            spec.input(name, array.shape())
        });
    let spec = args.model.taps.iter().fold(spec, |spec, tap| spec.output(tap));
    let started = now_ns();
    let mut gradient = model.into_gradient(&spec)?;
    let planned_ms = milliseconds(now_ns() - started);
    adjoint::keep_freed_memory();

    let names: Vec<String> = gradient.input_names().map(str::to_owned).collect();
    let wanted = arrays::named("--out", &args.outputs, &names)?;
    let inputs = in_order(&names, inputs)?;
    let cotangents = args.cotangents.iter().map(|path| arrays::read(path)).collect::<Result<Vec<_>, _>>()?;
    let run = steps(args, &mut gradient, &inputs, &cotangents)?;
    for (name, path) in &wanted {
        if let Some(slot) = names.iter().position(|other| other == name) {
            arrays::write(path, &run.gradients[slot])?;
        }
    }
    report(args, &mut gradient, &run, &inputs, &cotangents, planned_ms, before)
}

/// What the repeated steps gave.
struct Run {
    outputs: Vec<ArrayD<f32>>,
    gradients: Vec<ArrayD<f32>>,
    forward_ms: Vec<f64>,
    step_ms: Vec<f64>,
}

fn steps(
    args: &GradientArgs,
    gradient: &mut Gradient,
    inputs: &[ArrayD<f32>],
    cotangents: &[ArrayD<f32>],
) -> Result<Run, SessionError> {
    let inputs: Vec<ArrayViewD<f32>> = inputs.iter().map(|array| array.view()).collect();
    let wrong = |error| SessionError::Step { model: args.model.model.clone(), error };
    let mut run =
        Run { outputs: Vec::new(), gradients: Vec::new(), forward_ms: Vec::new(), step_ms: Vec::new() };
    for _ in 0..args.repeat.max(1) {
        let started = now_ns();
        let mut forward_done = started;
        let mut outputs = Vec::new();
        run.gradients = gradient
            .step(
                &inputs,
                |computed| {
                    forward_done = now_ns();
                    outputs = computed.to_vec();
                    cotangents.to_vec()
                },
                &Cancel::new(),
            )
            .map_err(wrong)?;
        run.step_ms.push(milliseconds(now_ns() - started));
        run.forward_ms.push(milliseconds(forward_done - started));
        run.outputs = outputs;
    }
    Ok(run)
}

fn report(
    args: &GradientArgs,
    gradient: &mut Gradient,
    run: &Run,
    inputs: &[ArrayD<f32>],
    cotangents: &[ArrayD<f32>],
    planned_ms: f64,
    before: u64,
) -> Result<Seen, SessionError> {
    let peak = peak_bytes().saturating_sub(before);
    let mut text = String::new();
    let describe = |arrays: &[ArrayD<f32>], names: Vec<String>| -> Vec<Value> {
        let rows = names.iter().zip(arrays).map(|(name, array)| {
            let largest = array.iter().fold(0.0f32, |max, value| max.max(value.abs()));
            json!({ "name": name, "shape": array.shape(), "largest": largest })
        });
        rows.collect()
    };
    let outputs = describe(&run.outputs, gradient.output_names().map(str::to_owned).collect());
    let gradients = describe(&run.gradients, gradient.input_names().map(str::to_owned).collect());
    for (what, rows) in [("tap", &outputs), ("gradient", &gradients)] {
        for row in rows {
            let _ = writeln!(text, "{what:<9} {}  {}  largest {}", row["name"], row["shape"], row["largest"]);
        }
    }
    let (forward, step) = (spread(&run.forward_ms), spread(&run.step_ms));
    let _ = writeln!(text, "forward   {:.2} ms (median of {})", forward[1], run.forward_ms.len());
    let _ = writeln!(
        text,
        "step      {:.2} ms (forward and gradient), {} threads",
        step[1], args.model.loader.threads
    );
    let _ = writeln!(
        text,
        "planning  {planned_ms:.0} ms; peak memory {:.1} MiB above the start",
        peak as f64 / 1048576.0
    );
    let at_zero: Vec<String> =
        gradient.steps().iter().map(|node| format!("{} ({})", node.node, node.operator)).collect();
    if !at_zero.is_empty() {
        let _ = writeln!(text, "zero derivative at {}", at_zero.join(", "));
    }
    let mut json = json!({
        "model": args.model.model, "threads": args.model.loader.threads, "outputs": outputs, "gradients": gradients,
        "forward_ms": { "min": forward[0], "median": forward[1], "max": forward[2] },
        "step_ms": { "min": step[0], "median": step[1], "max": step[2] },
        "planning_ms": planned_ms, "peak_memory_above_baseline_bytes": peak, "zero_derivative_at": at_zero,
    });
    if args.profile {
        let wrong = |error| SessionError::Step { model: args.model.model.clone(), error };
        let inputs: Vec<ArrayViewD<f32>> = inputs.iter().map(|array| array.view()).collect();
        let cotangents: Vec<ArrayViewD<f32>> = cotangents.iter().map(|array| array.view()).collect();
        let profile = gradient.profile(&inputs, &cotangents).map_err(wrong)?;
        json["profile"] = describe_profile(&mut text, &profile, gradient);
    }
    Ok(Seen { text, json, fine: true })
}

/// Adds the time of each node and the method of each convolution to the text; gives the times as JSON.
fn describe_profile(text: &mut String, profile: &[NodeTime], gradient: &Gradient) -> Value {
    let _ = writeln!(text, "\nnode by node, slowest first:");
    let mut rows = Vec::new();
    for node in profile {
        let way = if node.backward { "backward" } else { "forward" };
        let ms = node.time.as_secs_f64() * 1e3;
        let _ = writeln!(text, "{ms:8.3} ms  {way:<8} {:<28} {}", node.operator, node.node);
        rows.push(
            json!({ "node": node.node, "operator": node.operator, "backward": node.backward, "ms": ms }),
        );
    }
    let _ = writeln!(text, "\nmethods, as timed at load:");
    for chosen in gradient.chosen() {
        let time = chosen.time_ns.map_or_else(|| "        ".into(), |ns| format!("{:8.3}", ns as f64 / 1e6));
        let _ = writeln!(text, "{time} ms  {:<24} {}  {}", chosen.method, chosen.what, chosen.node);
    }
    rows.into()
}

fn read_inputs(args: &GradientArgs, model: &Model) -> Result<Vec<(String, ArrayD<f32>)>, SessionError> {
    let floats = model.inputs().iter().filter(|input| input.dtype.is_float());
    let names: Vec<String> = floats.map(|input| input.name.clone()).collect();
    let files = arrays::named("--input", &args.inputs, &names)?;
    files.into_iter().map(|(name, path)| Ok((name, arrays::read(&path)?))).collect()
}

/// The arrays in the order of the plan's inputs.
fn in_order(
    names: &[String],
    mut given: Vec<(String, ArrayD<f32>)>,
) -> Result<Vec<ArrayD<f32>>, SessionError> {
    let arrays = names.iter().map(|name| match given.iter().position(|(other, _)| other == name) {
        Some(place) => Ok(given.swap_remove(place).1),
        None => Err(SessionError::Argument {
            argument: format!("--input {name}=FILE"),
            reason: "is missing: the model needs a value for it".into(),
        }),
    });
    arrays.collect()
}

fn milliseconds(ns: i64) -> f64 {
    ns as f64 / 1e6
}

/// Smallest, median, largest.
fn spread(values: &[f64]) -> [f64; 3] {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    [sorted[0], sorted[sorted.len() / 2], sorted[sorted.len() - 1]]
}

/// A field of `/proc/self/status` in bytes; 0 where there is none.
fn status_bytes(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}

fn resident_bytes() -> u64 {
    status_bytes("VmRSS:")
}

fn peak_bytes() -> u64 {
    status_bytes("VmHWM:")
}
