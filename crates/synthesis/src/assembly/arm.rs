//! One model of a search: what it is fed, what is read from it.

use std::collections::BTreeSet;

use adjoint::{Cancel, Gradient, Intervention, Model, RunError, Spec, StepError};
use encoding::form::Form;
use ndarray::{Array5, ArrayD};

use super::AssemblyError;
use super::fit::Fit;

/// A model with the meaning of its input.
#[derive(Debug, Clone)]
pub struct Arm {
    /// The model.
    pub model: Model,
    /// How a stimulus becomes its input. Stimuli of another size are resampled, colour becomes luminance where it takes
    /// grey.
    pub form: Form,
    /// The input that takes the stimuli; `None` where it is the only one without a value in `held`.
    pub input: Option<String>,
    /// Values of all other inputs.
    pub held: Vec<(String, ArrayD<f32>)>,
    /// Virtual lesions and stimulation, by tap.
    pub interventions: Vec<(String, Intervention)>,
}

impl Arm {
    /// A model of one input.
    pub fn new(model: Model, form: Form) -> Self {
        Self { model, form, input: None, held: Vec::new(), interventions: Vec::new() }
    }

    fn input_name(&self, arm: usize) -> Result<String, AssemblyError> {
        let names: Vec<&str> = self.model.inputs().iter().map(|info| info.name.as_str()).collect();
        let wrong = |message: String| AssemblyError::Input { arm, message };
        if let Some((held, _)) = self.held.iter().find(|(held, _)| !names.contains(&held.as_str())) {
            return Err(wrong(format!("no input is called {held}; the inputs are {}", names.join(", "))));
        }
        let is_held = |name: &str| self.held.iter().any(|(held, _)| held == name);
        let free: Vec<&str> = names.iter().copied().filter(|name| !is_held(name)).collect();
        match (&self.input, &free[..]) {
            (None, [only]) => Ok((*only).to_owned()),
            (Some(name), [only]) if name == only => Ok(name.clone()),
            (Some(name), _) if !names.contains(&name.as_str()) => {
                Err(wrong(format!("no input is called {name}; the inputs are {}", names.join(", "))))
            }
            _ => Err(wrong(format!(
                "the inputs {} have no value; all but the one for the stimuli need one",
                free.join(", ")
            ))),
        }
    }
}

/// How plans are made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    pub stimuli: usize,
    pub shape: [usize; 4],
    pub threads: usize,
    pub repeatable: bool,
}

/// An [`Arm`] ready to run.
#[derive(Debug)]
pub(super) struct Planned {
    number: usize,
    form: Form,
    fit: Fit,
    held: Vec<ArrayD<f32>>,
    gradient: Gradient,
}

impl Planned {
    /// Plans the gradient of `taps` (in this order).
    pub fn new(number: usize, arm: Arm, taps: &[String], manner: Manner) -> Result<Self, AssemblyError> {
        known(number, &arm.model, taps)?;
        let fit = Fit::new(manner.shape, arm.form.shape).ok_or(AssemblyError::Fit {
            arm: number,
            wanted: arm.form.shape,
            found: manner.shape,
        })?;
        let name = arm.input_name(number)?;
        let mut spec =
            Spec::new().input(&name, &arm.form.input_shape(manner.stimuli)).threads(manner.threads);
        for (name, value) in &arm.held {
            spec = spec.held(name, value.shape());
        }
        for (tap, intervention) in &arm.interventions {
            spec = spec.intervene(tap, intervention.clone());
        }
        for tap in taps {
            spec = spec.output(tap);
        }
        if manner.repeatable {
            spec = spec.untimed();
        }
        let wrong = |source| AssemblyError::Model { arm: number, source: Box::new(source) };
        let gradient = arm.model.into_gradient(&spec).map_err(wrong)?;
        let value_of =
            |name: &str| arm.held.iter().find(|(held, _)| held == name).map(|(_, value)| value.clone());
        let held = gradient.input_names().skip(1).filter_map(value_of).collect();
        let planned = Self { number, form: arm.form, fit, held, gradient };
        for (slot, tap) in taps.iter().enumerate() {
            let (shape, stimuli) = (planned.gradient.output_shape(slot), manner.stimuli);
            if shape.first() != Some(&stimuli) {
                return Err(AssemblyError::Batch { arm: number, tap: tap.clone(), shape, stimuli });
            }
        }
        Ok(planned)
    }

    pub fn output_shape(&self, slot: usize) -> Vec<usize> {
        self.gradient.output_shape(slot)
    }

    pub fn times(&self) -> adjoint::Times {
        self.gradient.times()
    }

    /// What the model sees of the stimuli, and its input tensor.
    pub fn input(&self, stimuli: &Array5<f32>) -> (Array5<f32>, ArrayD<f32>) {
        let seen = if self.fit.is_identity() { stimuli.clone() } else { self.fit.apply(stimuli) };
        let input = self.form.to_input(seen.view());
        (seen, input)
    }

    /// A gradient of the input tensor as one of the stimuli.
    pub fn pull_back(&self, seen: &Array5<f32>, gradient: &ArrayD<f32>) -> Array5<f32> {
        let back = self.form.pull_back(seen.view(), gradient.view());
        if self.fit.is_identity() { back } else { self.fit.adjoint(&back) }
    }

    pub fn forward(
        &mut self,
        input: &ArrayD<f32>,
        cancel: &Cancel,
    ) -> Result<Vec<ArrayD<f32>>, AssemblyError> {
        let number = self.number;
        let inputs: Vec<_> = std::iter::once(input).chain(&self.held).map(|array| array.view()).collect();
        self.gradient.forward_until(&inputs, cancel).map_err(|source| ended(number, source))
    }

    fn step(
        &mut self,
        input: &ArrayD<f32>,
        cancel: &Cancel,
        objective: impl FnOnce(&[ArrayD<f32>]) -> Vec<ArrayD<f32>>,
    ) -> Result<ArrayD<f32>, AssemblyError> {
        let number = self.number;
        let inputs: Vec<_> = std::iter::once(input).chain(&self.held).map(|array| array.view()).collect();
        let mut gradients =
            self.gradient.step(&inputs, objective, cancel).map_err(|source| ended(number, source))?;
        Ok(gradients.swap_remove(0))
    }
}

/// Per arm, an array per tap.
pub(super) type Taps = Vec<Vec<ArrayD<f32>>>;

/// Runs all arms forward, asks `judge` for the cotangents of all their taps, and runs them backward in reverse order.
/// Gives the gradient of each arm's input.
///
/// The arms are nested steps of [`Gradient::step`], which is what a raised flag can end between two nodes of a backward
/// run too.
pub(super) fn descend(
    arms: &mut [Planned],
    inputs: &[ArrayD<f32>],
    cancel: &Cancel,
    judge: &mut dyn FnMut(&Taps) -> Result<Taps, AssemblyError>,
) -> Result<Vec<ArrayD<f32>>, AssemblyError> {
    let mut gradients = nested(arms, inputs, cancel, &mut Vec::new(), judge)?.1;
    gradients.reverse();
    Ok(gradients)
}

/// The cotangents of all arms, and the gradients of these arms, last first.
fn nested(
    arms: &mut [Planned],
    inputs: &[ArrayD<f32>],
    cancel: &Cancel,
    outputs: &mut Taps,
    judge: &mut dyn FnMut(&Taps) -> Result<Taps, AssemblyError>,
) -> Result<(Taps, Vec<ArrayD<f32>>), AssemblyError> {
    let (Some((arm, arms)), Some((input, inputs))) = (arms.split_first_mut(), inputs.split_first()) else {
        return Ok((judge(outputs)?, Vec::new()));
    };
    let depth = outputs.len();
    let mut inner = Err(AssemblyError::Cancelled);
    let gradient = arm.step(input, cancel, |found| {
        outputs.push(found.to_vec());
        inner = nested(arms, inputs, cancel, outputs, judge);
        match &mut inner {
            Ok((cotangents, _)) => std::mem::take(&mut cotangents[depth]),
            // The backward run that follows is for nothing, and its answer is not looked at.
            Err(_) => found.iter().map(|array| ArrayD::zeros(array.raw_dim())).collect(),
        }
    });
    // A failed forward run is what the outer error says; a failed inner arm is the first cause.
    let (cotangents, mut gradients) = match (inner, &gradient) {
        (Ok(found), _) => found,
        (Err(AssemblyError::Cancelled), Err(error)) => return Err(error.clone()),
        (Err(error), _) => return Err(error),
    };
    gradients.push(gradient?);
    Ok((cotangents, gradients))
}

fn ended(arm: usize, source: StepError) -> AssemblyError {
    match source {
        StepError::Run(RunError::Cancelled { .. }) => AssemblyError::Cancelled,
        source => AssemblyError::Step { arm, source },
    }
}

/// All taps exist.
fn known(arm: usize, model: &Model, taps: &[String]) -> Result<(), AssemblyError> {
    let names: BTreeSet<String> = model.taps().into_iter().map(|tap| tap.name).collect();
    match taps.iter().find(|tap| !names.contains(*tap)) {
        None => Ok(()),
        Some(tap) => Err(AssemblyError::Tap { arm, tap: tap.clone(), near: near(tap, &names) }),
    }
}

/// Names that share most of their letters' pairs with `tap`.
fn near(tap: &str, names: &BTreeSet<String>) -> String {
    let pairs = |name: &str| -> BTreeSet<(char, char)> {
        let lower = name.to_lowercase();
        lower.chars().zip(lower.chars().skip(1)).collect()
    };
    let wanted = pairs(tap);
    let mut ranked: Vec<(usize, &String)> = names
        .iter()
        .map(|name| {
            let found = pairs(name);
            let shared = wanted.intersection(&found).count();
            (2000 * shared / (wanted.len() + found.len()).max(1), name)
        })
        .collect();
    ranked.sort_by_key(|&(score, _)| std::cmp::Reverse(score));
    let closest: Vec<&str> = ranked.iter().take(3).map(|(_, name)| name.as_str()).collect();
    format!("of its {} taps these come nearest: {}", names.len(), closest.join(", "))
}
