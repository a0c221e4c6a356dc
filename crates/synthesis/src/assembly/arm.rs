//! One model of a search, planned: what it is fed, what is read from it.

use std::sync::Arc;

use adjoint::{Cancel, Gradient, RunError, StepError};
use encoding::encoder::Encoder;
use encoding::form::Form;
use ndarray::{Array5, ArrayD, IxDyn};

use super::AssemblyError;
use super::fit::Fit;

/// How plans are made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    pub stimuli: usize,
    pub shape: [usize; 4],
    pub threads: usize,
    pub repeatable: bool,
}

/// An encoder ready to run.
#[derive(Debug)]
pub(super) struct Planned {
    number: usize,
    form: Form,
    fit: Fit,
    /// Values of the inputs beside the stimuli: parameters, lesions, stimulation.
    others: Vec<ArrayD<f32>>,
    gradient: Gradient,
    /// Shapes of the taps with the stimuli along the first axis.
    shapes: Vec<Vec<usize>>,
}

impl Planned {
    /// Plans the gradient of `taps` (in this order).
    pub fn new(number: usize, arm: &Encoder, taps: &[&str], manner: Manner) -> Result<Self, AssemblyError> {
        let form = arm.form().clone();
        let fit = Fit::new(manner.shape, form.shape).ok_or(AssemblyError::Fit {
            arm: number,
            wanted: form.shape,
            found: manner.shape,
        })?;
        let refused = |source| AssemblyError::Model { arm: number, source: Arc::new(source) };
        let planned = arm.gradient(taps, manner.stimuli, manner.threads, manner.repeatable);
        let gradient = planned.map_err(refused)?;
        let [t, c, h, w] = form.shape;
        let grey = Array5::from_elem((manner.stimuli, t, c, h, w), 0.5);
        let mut others = arm.inputs(&gradient, grey.view()).map_err(refused)?;
        // The stimuli are the only input with a gradient, and those come first.
        others.remove(0);
        let shapes = (0..taps.len()).map(|slot| by_stimulus(gradient.output_shape(slot), manner.stimuli));
        let shapes = shapes.enumerate().map(|(slot, shape)| {
            let (tap, stimuli) = (taps[slot].to_owned(), manner.stimuli);
            shape.map_err(|shape| AssemblyError::Batch { arm: number, tap, shape, stimuli })
        });
        let shapes = shapes.collect::<Result<_, _>>()?;
        Ok(Self { number, form, fit, others, gradient, shapes })
    }

    /// Shape of a tap, the stimuli along its first axis.
    pub fn output_shape(&self, slot: usize) -> Vec<usize> {
        self.shapes[slot].clone()
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
        let inputs: Vec<_> = std::iter::once(input).chain(&self.others).map(|array| array.view()).collect();
        let outputs = self.gradient.forward_until(&inputs, cancel).map_err(|source| ended(number, source))?;
        Ok(outputs.into_iter().zip(&self.shapes).map(|(array, shape)| shaped(array, shape)).collect())
    }

    fn step(
        &mut self,
        input: &ArrayD<f32>,
        cancel: &Cancel,
        objective: impl FnOnce(Vec<ArrayD<f32>>) -> Vec<ArrayD<f32>>,
    ) -> Result<ArrayD<f32>, AssemblyError> {
        let (number, shapes) = (self.number, &self.shapes);
        let inputs: Vec<_> = std::iter::once(input).chain(&self.others).map(|array| array.view()).collect();
        let answer = self.gradient.step(
            &inputs,
            |found| {
                let taps = found.iter().zip(shapes).map(|(array, shape)| shaped(array.clone(), shape));
                let cotangents = objective(taps.collect());
                cotangents.into_iter().zip(found).map(|(array, like)| shaped(array, like.shape())).collect()
            },
            cancel,
        );
        Ok(answer.map_err(|source| ended(number, source))?.swap_remove(0))
    }
}

/// A tap's shape with the stimuli along the first axis: where frames of a movie stand beside its stimuli there, they get
/// an axis of their own.
fn by_stimulus(mut shape: Vec<usize>, stimuli: usize) -> Result<Vec<usize>, Vec<usize>> {
    match shape.first() {
        Some(&first) if first == stimuli => Ok(shape),
        Some(&first) if first > 0 && first % stimuli == 0 => {
            shape[0] = first / stimuli;
            shape.insert(0, stimuli);
            Ok(shape)
        }
        _ => Err(shape),
    }
}

fn shaped(array: ArrayD<f32>, shape: &[usize]) -> ArrayD<f32> {
    if array.shape() == shape {
        return array;
    }
    array.into_shape_with_order(IxDyn(shape)).expect("the same number of elements")
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
        let zeros: Vec<ArrayD<f32>> = found.iter().map(|array| ArrayD::zeros(array.raw_dim())).collect();
        outputs.push(found);
        inner = nested(arms, inputs, cancel, outputs, judge);
        match &mut inner {
            Ok((cotangents, _)) => std::mem::take(&mut cotangents[depth]),
            // The backward run that follows is for nothing, and its answer is not looked at.
            Err(_) => zeros,
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
