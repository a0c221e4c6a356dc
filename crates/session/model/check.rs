//! `photic model check`: what a careful user wants to know of a model before they trust a gradient of it.

use std::fmt::Write as _;

use adjoint::{Gradient, Model, TensorInfo};
use ndarray::{ArrayD, ArrayViewD};
use random::Random;
use serde_json::{Value, json};

use super::{open, spec};
use crate::cli::ModelArgs;
use crate::error::SessionError;
use crate::inspect::Seen;

/// Largest disagreement with finite differences that passes. In f32 the differences themselves are good to about 1e-3,
/// and a network of ReLUs has kinks between the two points.
const AGREEMENT: f64 = 0.02;

/// One thing that was looked at.
struct Finding {
    what: &'static str,
    fine: bool,
    text: String,
}

/// Loads, runs and differentiates the model on seeded noise, and says what holds.
///
/// # Errors
/// A fault of the file, an operator without a gradient, a node that fails.
pub fn check(args: &ModelArgs) -> Result<Seen, SessionError> {
    let model = open(args)?;
    let mut gradient = model.gradient(&spec(args, &model)?)?;
    let wrong = |error| SessionError::Step { model: args.model.clone(), error };
    let mut findings = vec![shapes(&gradient), layout(&model)];
    let mut trial = Trial::new(&mut gradient);
    for (name, low, high) in
        [("0 to 1", 0.0, 1.0), ("-2 to 2 (standardised)", -2.0, 2.0), ("0 to 255", 0.0, 255.0)]
    {
        findings.push(trial.range(name, low, high).map_err(wrong)?);
    }
    findings.push(trial.deterministic().map_err(wrong)?);
    findings.push(trial.agreement().map_err(wrong)?);
    findings.push(reached(&gradient));
    let times = gradient.times();
    findings.push(Finding {
        what: "time",
        fine: true,
        text: format!(
            "forward {:.2} ms, step {:.2} ms with {} thread(s)",
            times.forward.as_secs_f64() * 1e3,
            times.step().as_secs_f64() * 1e3,
            args.loader.threads
        ),
    });
    Ok(seen(&model, &findings))
}

fn seen(model: &Model, findings: &[Finding]) -> Seen {
    let mut text = String::new();
    for finding in findings {
        let _ = writeln!(
            text,
            "{:<4} {:<14} {}",
            if finding.fine { "ok" } else { "NOT" },
            finding.what,
            finding.text
        );
    }
    for note in model.notes() {
        let _ = writeln!(text, "note {note}");
    }
    let rows: Vec<Value> = findings
        .iter()
        .map(|finding| json!({ "what": finding.what, "fine": finding.fine, "text": finding.text }))
        .collect();
    let fine = findings.iter().all(|finding| finding.fine);
    let notes: Vec<&str> = model.notes().collect();
    Seen { text, json: json!({ "fine": fine, "findings": rows, "notes": notes }), fine }
}

fn shapes(gradient: &Gradient) -> Finding {
    let inputs: Vec<String> = gradient
        .input_names()
        .enumerate()
        .map(|(slot, name)| format!("{name} {:?}", gradient.input_shape(slot)))
        .collect();
    let outputs: Vec<String> = gradient
        .output_names()
        .enumerate()
        .map(|(slot, name)| format!("{name} {:?}", gradient.output_shape(slot)))
        .collect();
    Finding { what: "shapes", fine: true, text: format!("{} -> {}", inputs.join(", "), outputs.join(", ")) }
}

/// Which axis holds the colours, as far as the shape tells.
fn layout(model: &Model) -> Finding {
    let images: Vec<String> = model.inputs().iter().filter_map(image_layout).collect();
    let text = if images.is_empty() { "no input looks like an image".into() } else { images.join("; ") };
    Finding { what: "layout", fine: true, text }
}

fn image_layout(info: &TensorInfo) -> Option<String> {
    let shape = info.concrete()?;
    let colours = |channels: usize| if channels == 1 { "grey" } else { "three colours" };
    match shape[..] {
        [n, c @ (1 | 3), h, w] => Some(format!("{}: N C H W, {n} of {h} x {w}, {}", info.name, colours(c))),
        [n, h, w, c @ (1 | 3)] => Some(format!("{}: N H W C, {n} of {h} x {w}, {}", info.name, colours(c))),
        [n, c @ (1 | 3), t, h, w] => {
            Some(format!("{}: N C T H W, {n} of {t} frames of {h} x {w}, {}", info.name, colours(c)))
        }
        _ => None,
    }
}

fn reached(gradient: &Gradient) -> Finding {
    let steps: Vec<String> =
        gradient.steps().iter().map(|node| format!("{} ({})", node.node, node.operator)).collect();
    let text = if steps.is_empty() {
        "every path from input to output has a gradient".into()
    } else {
        format!("reaches the input, but not through {}: zero derivative there", steps.join(", "))
    };
    Finding { what: "path", fine: true, text }
}

/// Outputs and gradients of one run.
type Run = (Vec<ArrayD<f32>>, Vec<ArrayD<f32>>);

/// Runs of one gradient on seeded noise.
struct Trial<'a> {
    gradient: &'a mut Gradient,
    random: Random,
    cotangents: Vec<ArrayD<f32>>,
    /// The first range in which outputs and gradient were finite and the gradient not zero.
    usable: Option<(f32, f32)>,
}

impl<'a> Trial<'a> {
    fn new(gradient: &'a mut Gradient) -> Self {
        let mut random = Random::new(1, 0);
        let shapes: Vec<Vec<usize>> =
            (0..gradient.output_names().count()).map(|slot| gradient.output_shape(slot)).collect();
        let cotangents = shapes.iter().map(|shape| uniform(&mut random, shape, -1.0, 1.0)).collect();
        Self { gradient, random, cotangents, usable: None }
    }

    fn inputs(&mut self, low: f32, high: f32) -> Vec<ArrayD<f32>> {
        let shapes: Vec<Vec<usize>> =
            (0..self.gradient.input_names().count()).map(|slot| self.gradient.input_shape(slot)).collect();
        shapes.iter().map(|shape| uniform(&mut self.random, shape, low, high)).collect()
    }

    fn run(&mut self, inputs: &[ArrayD<f32>]) -> Result<Run, adjoint::StepError> {
        let outputs = self.gradient.forward(&views(inputs))?;
        let gradients = self.gradient.backward(&views(&self.cotangents))?;
        Ok((outputs, gradients))
    }

    /// Whether noise in this range gives finite numbers and a gradient. Only the first of the ranges has to.
    fn range(&mut self, name: &str, low: f32, high: f32) -> Result<Finding, adjoint::StepError> {
        let inputs = self.inputs(low, high);
        let (outputs, gradients) = self.run(&inputs)?;
        let finite = [&outputs, &gradients]
            .iter()
            .all(|arrays| arrays.iter().all(|array| array.iter().all(|v| v.is_finite())));
        let (output, gradient) = (largest(&outputs), largest(&gradients));
        if finite && gradient > 0.0 && self.usable.is_none() {
            self.usable = Some((low, high));
        }
        let text = if finite {
            format!("input {name}: output up to {output:.3e}, gradient up to {gradient:.3e}")
        } else {
            format!("input {name}: output or gradient is not finite")
        };
        Ok(Finding { what: "range", fine: finite, text })
    }

    fn deterministic(&mut self) -> Result<Finding, adjoint::StepError> {
        let inputs = self.inputs(0.0, 1.0);
        let (first, second) = (self.run(&inputs)?, self.run(&inputs)?);
        let bits = |runs: &Run| -> Vec<u32> {
            runs.0.iter().chain(&runs.1).flat_map(|array| array.iter().map(|v| v.to_bits())).collect()
        };
        let same = bits(&first) == bits(&second);
        let text = if same {
            "two runs give the same bits"
        } else {
            "two runs on one input differ: the model draws at random"
        };
        Ok(Finding { what: "deterministic", fine: same, text: text.into() })
    }

    /// The gradient along a direction against central differences, at the step that suits f32 best.
    fn agreement(&mut self) -> Result<Finding, adjoint::StepError> {
        let Some((low, high)) = self.usable else {
            let text = "no range of inputs gives a finite gradient that is not zero".into();
            return Ok(Finding { what: "gradient", fine: false, text });
        };
        let inputs = self.inputs(low, high);
        let (_, gradients) = self.run(&inputs)?;
        let directions = self.directions(&gradients);
        let predicted: f64 = dot(&gradients, &directions);
        let mut best = (f64::INFINITY, 0.0);
        for exponent in 2..=12 {
            let step = (high - low) * 0.5f32.powi(exponent) * 0.5;
            let difference = (self.objective(&inputs, &directions, step)?
                - self.objective(&inputs, &directions, -step)?)
                / (2.0 * f64::from(step));
            let off = (difference - predicted).abs() / predicted.abs().max(f64::MIN_POSITIVE);
            if off < best.0 {
                best = (off, f64::from(step));
            }
        }
        let text =
            format!("differs from central differences by {:.1e} of itself (step {:.1e})", best.0, best.1);
        Ok(Finding { what: "gradient", fine: best.0 <= AGREEMENT, text })
    }

    /// Half along the gradient, half at random: along the gradient alone a wrong place would not show, at random alone the
    /// difference drowns in rounding.
    fn directions(&mut self, gradients: &[ArrayD<f32>]) -> Vec<ArrayD<f32>> {
        let scale = largest(gradients).max(f32::MIN_POSITIVE);
        let noise: Vec<ArrayD<f32>> =
            gradients.iter().map(|array| uniform(&mut self.random, array.shape(), -0.5, 0.5)).collect();
        gradients.iter().zip(noise).map(|(array, noise)| array.mapv(|v| v / scale) + noise).collect()
    }

    fn objective(
        &mut self,
        inputs: &[ArrayD<f32>],
        directions: &[ArrayD<f32>],
        step: f32,
    ) -> Result<f64, adjoint::StepError> {
        let mut moved: Vec<ArrayD<f32>> = inputs.to_vec();
        for (array, direction) in moved.iter_mut().zip(directions) {
            array.scaled_add(step, direction);
        }
        let outputs = self.gradient.forward(&views(&moved))?;
        Ok(dot(&outputs, &self.cotangents))
    }
}

fn views(arrays: &[ArrayD<f32>]) -> Vec<ArrayViewD<'_, f32>> {
    arrays.iter().map(|array| array.view()).collect()
}

fn dot(a: &[ArrayD<f32>], b: &[ArrayD<f32>]) -> f64 {
    let pairs = a.iter().zip(b).flat_map(|(a, b)| a.iter().zip(b));
    pairs.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

fn largest(arrays: &[ArrayD<f32>]) -> f32 {
    arrays.iter().flat_map(|array| array.iter()).fold(0.0, |max, value| max.max(value.abs()))
}

fn uniform(random: &mut Random, shape: &[usize], low: f32, high: f32) -> ArrayD<f32> {
    ArrayD::from_shape_simple_fn(shape, || low + (high - low) * random.uniform() as f32)
}
